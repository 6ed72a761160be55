//! The tree of a module, each node with its place in the source.
//!
//! The parser makes it from text and the compile passes rewrite it in place. Operators, memberships and unions are
//! calls; what a rule defines is told by its head.

use crate::model::api::RegoVersion;

/// A place in a module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Counted from 1; 0 when the node is not in the source.
    pub line: u32,
    /// In characters, counted from 1.
    pub column: u32,
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
}

/// One source text.
#[derive(Clone, Debug)]
pub struct Module {
    /// What errors call it.
    pub name: String,
    pub version: RegoVersion,
    pub package: Package,
    pub imports: Vec<Import>,
    pub rules: Vec<Rule>,
    pub comments: Vec<Comment>,
}

/// `package a.b`
#[derive(Clone, Debug)]
pub struct Package {
    /// Without `data`.
    pub path: Vec<String>,
    pub span: Span,
}

/// `import data.lib.names as alias`
#[derive(Clone, Debug)]
pub struct Import {
    pub path: Vec<String>,
    pub alias: Option<String>,
    pub span: Span,
}

/// `# text`
#[derive(Clone, Debug)]
pub struct Comment {
    /// Behind the `#`.
    pub text: String,
    pub span: Span,
}

/// What a rule adds to the document of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RuleKind {
    /// The whole document: `p := value`.
    Complete,
    /// `f(x) := value`
    Function,
    /// An element of a set: `p contains key`.
    PartialSet,
    /// A key of an object: `p[key] := value`.
    PartialObject,
}

/// One definition, with its `else` branches.
#[derive(Clone, Debug)]
pub struct Rule {
    pub span: Span,
    pub is_default: bool,
    pub head: Head,
    /// Empty for facts.
    pub body: Body,
    pub otherwise: Vec<Else>,
}

/// What stands before the body of a rule.
#[derive(Clone, Debug)]
pub struct Head {
    pub span: Span,
    /// The constant steps of the name, below the package.
    pub path: Vec<String>,
    /// The steps from the first one on that is no constant string.
    pub dynamic: Vec<Term>,
    pub kind: RuleKind,
    pub arguments: Vec<Term>,
    /// The element of a set.
    pub key: Option<Term>,
    /// `true` when there is none.
    pub value: Option<Term>,
    /// Written with `:=`.
    pub is_assigned: bool,
}

/// `else := value if { body }`
#[derive(Clone, Debug)]
pub struct Else {
    pub span: Span,
    /// Those of the head, with wildcards of its own, as OPA's tree has them; the compile passes go by the head's.
    pub arguments: Vec<Term>,
    /// Written with `:=`, or without a value behind such a head.
    pub is_assigned: bool,
    pub value: Option<Term>,
    pub body: Body,
}

/// Expressions that must all hold.
pub type Body = Vec<Expr>;

/// One expression.
#[derive(Clone, Debug)]
pub struct Expr {
    pub span: Span,
    pub is_negated: bool,
    pub kind: ExprKind,
    pub with: Vec<With>,
}

/// What an expression does.
#[derive(Clone, Debug)]
pub enum ExprKind {
    Term(Term),
    /// `left = right`
    Unify(Term, Term),
    /// `left := right`
    Assign(Term, Term),
    /// `some x, y`
    Some(Vec<Variable>),
    /// `some key, value in domain`
    SomeIn {
        key: Option<Term>,
        value: Term,
        domain: Term,
    },
    /// `every key, value in domain { body }`
    Every {
        key: Option<Variable>,
        value: Variable,
        domain: Term,
        body: Body,
    },
}

/// The declaration of a name.
#[derive(Clone, Debug)]
pub struct Variable {
    pub name: String,
    pub span: Span,
}

/// `with target as value`
#[derive(Clone, Debug)]
pub struct With {
    pub span: Span,
    pub target: Term,
    pub value: Term,
}

/// A value, or what stands for one.
#[derive(Clone, Debug)]
pub struct Term {
    pub span: Span,
    pub kind: TermKind,
}

/// What a term is.
#[derive(Clone, Debug)]
pub enum TermKind {
    Null,
    Bool(bool),
    /// As written, so that no digit is lost.
    Number(String),
    String(String),
    /// A name; wildcards have one of their own each, which starts with `$`.
    Variable(String),
    /// `head.a["b"][c]`
    Reference {
        head: Box<Term>,
        path: Vec<Term>,
    },
    Call {
        function: FunctionName,
        arguments: Vec<Term>,
        /// Written as an operator.
        is_infix: bool,
    },
    Array(Vec<Term>),
    Object(Vec<(Term, Term)>),
    Set(Vec<Term>),
    ArrayComprehension {
        head: Box<Term>,
        body: Body,
    },
    SetComprehension {
        head: Box<Term>,
        body: Body,
    },
    ObjectComprehension {
        key: Box<Term>,
        value: Box<Term>,
        body: Body,
    },
}

/// The name of a called function: a builtin's, or a path below `data` once names are resolved.
#[derive(Clone, Debug)]
pub struct FunctionName {
    pub path: Vec<String>,
    pub span: Span,
}

/// OPA's name for a kind of error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    Parse,
    Compile,
    Type,
    UnsafeVariable,
    Recursion,
}

impl ErrorClass {
    /// As OPA prints it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parse => "rego_parse_error",
            Self::Compile => "rego_compile_error",
            Self::Type => "rego_type_error",
            Self::UnsafeVariable => "rego_unsafe_var_error",
            Self::Recursion => "rego_recursion_error",
        }
    }
}

/// What is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegoError {
    pub class: ErrorClass,
    /// [`Module::name`]
    pub module: String,
    pub span: Span,
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}
