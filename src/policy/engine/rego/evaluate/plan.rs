//! A policy as the evaluator runs it: names resolved to numbers, constants made, the binding of every variable decided.
//!
//! Invariants, kept by `lower` and relied on by `machine`:
//! - Whether a step binds a variable or compares it is decided here, so nothing is ever unbound on the way back: a slot is
//!   written before it is read on every path that reads it.
//! - Slots are numbered within a clause; bodies nested in it share its frame.
//! - A body is a conjunction. Steps that can hold more than once (`Iterate`, `Ask`, `Walk`, `With`, `Browse`, `Traced`) run what is behind them
//!   once for each solution.
//!
//! A plan is immutable and shared between threads; all state of an evaluation is in `machine::Evaluator`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::policy::engine::rego::builtins::Builtin;
use crate::policy::engine::rego::syntax::ast::RuleKind;
use crate::policy::engine::rego::value::Value;

/// A policy that is ready to run.
#[derive(Debug, Default)]
pub struct Plan {
    pub(super) constants: Vec<Value>,
    pub(super) groups: Vec<Group>,
    /// Groups by their path below `data`.
    pub(super) names: BTreeMap<Vec<String>, u32>,
    /// Every ground path below `input` that some step reads; the first is `input` itself. Parents come before children.
    pub(super) inputs: Vec<InputPath>,
    /// The tree of packages and rules; the first is `data`.
    pub(super) documents: Vec<Document>,
    pub(super) asks: Vec<Ask>,
    /// How many functions some `with` replaces.
    pub(super) mocks: u32,
    /// How many steps are folded.
    pub(super) folds: u32,
    pub(super) joins: Vec<Join>,
    /// How each loop over the inventory runs.
    pub(super) loops: Vec<InventoryLoop>,
}

#[derive(Debug)]
pub(super) struct InputPath {
    pub parent: u32,
    pub key: Value,
}

/// A package, or a rule's name, or both.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub path: Vec<Value>,
    pub group: Option<u32>,
    pub children: Vec<(Value, u32)>,
    /// Not to be seen by who looks at all of `data`.
    pub is_hidden: bool,
}

/// All clauses of one name.
#[derive(Debug)]
pub(super) struct Group {
    pub path: Box<[Value]>,
    pub kind: RuleKind,
    pub clauses: Box<[Clause]>,
    pub default: Option<Clause>,
    /// Every clause has one and the same constant as value, so the first that holds decides.
    pub is_uniform: bool,
    pub index: Option<Index>,
    /// Calls are remembered: there is more to it than a comparison or two.
    pub is_memoised: bool,
}

/// Which clauses a constant in one argument leaves.
#[derive(Debug)]
pub(super) struct Index {
    pub argument: usize,
    /// Sorted by constant; the clauses of each in source order, those for any value included.
    pub table: Box<[(Value, Box<[u32]>)]>,
    /// Clauses for any other value.
    pub rest: Box<[u32]>,
}

#[derive(Debug)]
pub(super) struct Clause {
    pub place: Place,
    /// As written, in a plan that is traced.
    pub head: Option<Box<str>>,
    /// Its group's, unless rules of several kinds grow one document.
    pub kind: RuleKind,
    /// Size of the frame.
    pub slots: u32,
    /// What the arguments, or the ground parts of the key asked for, must match.
    pub inputs: Box<[Pattern]>,
    /// The body, and what follows with `else`.
    pub branches: Box<[Branch]>,
}

#[derive(Debug)]
pub(super) struct Branch {
    /// Line of what follows with `else`; 0 is the clause's.
    pub line: u32,
    pub body: Box<[Step]>,
    /// Complete rules and functions: the value. Partial rules: keys, then element or value. Asks: the parts asked for.
    pub outputs: Box<[Template]>,
    /// The outputs do not depend on the body's variables, so its first solution is enough.
    pub is_single: bool,
}

/// A partial rule, asked for members of a certain shape: parts of the key are known beforehand, the others are wanted.
#[derive(Debug)]
pub(super) struct Ask {
    pub group: u32,
    pub clauses: Box<[Clause]>,
    /// The value that belongs to a ground key of a partial object is wanted.
    pub is_object: bool,
}

/// Where something stands, as errors show it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub module: Option<Arc<str>>,
    pub line: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    Constant(u32),
    Slot(u32),
}

/// A value to be made.
#[derive(Clone, Debug)]
pub(super) enum Template {
    Operand(Operand),
    Array(Box<[Template]>),
    Object(Box<[(Template, Template)]>),
    Set(Box<[Template]>),
}

/// A value to be taken apart.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    Any,
    Bind(u32),
    Equal(Operand),
    Array(Box<[Pattern]>),
    /// Exactly these keys.
    Object(Box<[(Template, Pattern)]>),
    Built(Template),
}

/// What happens to the result of a step.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// It must be defined.
    Ignore,
    /// It must not be false.
    Truthy,
    Bind(u32),
    Equal(Operand),
    Match(Pattern),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Plus,
    Minus,
    Times,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Collection {
    Array,
    Set,
    Object,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Never holds.
    Fail,
    Match {
        value: Operand,
        target: Target,
    },
    Build {
        template: Template,
        target: Target,
    },
    Input {
        path: u32,
        target: Target,
    },
    /// A path of base data.
    Base {
        path: Box<[Value]>,
        /// The value itself is wanted, not only a way through it.
        is_whole: bool,
        target: Target,
    },
    /// A way on from a base document.
    Stored {
        head: Operand,
        path: Box<[Operand]>,
        target: Target,
    },
    /// A package as an object, rules and base data together.
    Document {
        document: u32,
        target: Target,
    },
    Navigate {
        head: Operand,
        path: Box<[Operand]>,
        target: Target,
    },
    Iterate {
        head: Operand,
        path: Box<[Operand]>,
        key: Pattern,
        value: Target,
    },
    Walk {
        value: Operand,
        path: Pattern,
        node: Target,
    },
    /// A complete rule, or all of a partial one.
    Rule {
        group: u32,
        target: Target,
    },
    Ask(Box<AskStep>),
    /// What the members of a nested partial rule make whose names have these keys at these places, as a part of the whole.
    Part {
        group: u32,
        keys: Box<[Option<Operand>]>,
        target: Target,
    },
    Function {
        group: u32,
        arguments: Box<[Operand]>,
        target: Target,
    },
    Builtin {
        builtin: &'static Builtin,
        arguments: Box<[Operand]>,
        target: Target,
    },
    /// A call of a function that some `with` replaces; `call` is the step for when it does not.
    Mocked {
        mock: u32,
        arguments: Box<[Operand]>,
        target: Target,
        call: Box<Step>,
    },
    Compare {
        comparison: Comparison,
        left: Operand,
        right: Operand,
        target: Target,
    },
    Calculate {
        arithmetic: Arithmetic,
        builtin: &'static Builtin,
        operands: Box<[Operand; 2]>,
        target: Target,
    },
    Count {
        value: Operand,
        builtin: &'static Builtin,
        target: Target,
    },
    Member {
        item: Operand,
        collection: Operand,
        target: Target,
    },
    /// A step that depends on a constraint's parameters only. `step` binds `slot`; the value is kept in the fold.
    Folded {
        fold: u32,
        step: Box<Step>,
        slot: u32,
        target: Target,
    },
    Not(Box<[Step]>),
    Every {
        domain: Operand,
        key: Pattern,
        value: Pattern,
        body: Box<[Step]>,
    },
    Comprehension(Box<Comprehension>),
    With(Box<WithStep>),
    Traced(Box<TracedStep>),
    Browse(Box<BrowseStep>),
    /// A loop over objects of the inventory, of which an index leaves a few.
    Join(Box<JoinStep>),
}

/// A reference through packages and rules that are not known beforehand.
#[derive(Clone, Debug)]
pub(super) struct BrowseStep {
    pub document: u32,
    pub way: Box<[Way]>,
    pub target: Target,
}

#[derive(Clone, Debug)]
pub(super) enum Way {
    Known(Operand),
    Any(Pattern),
}

#[derive(Clone, Debug)]
pub(super) struct Comprehension {
    pub collection: Collection,
    pub key: Option<Template>,
    pub value: Template,
    pub body: Box<[Step]>,
    pub place: Place,
    pub target: Target,
}

#[derive(Clone, Debug)]
pub(super) struct AskStep {
    pub ask: u32,
    pub inputs: Box<[Operand]>,
    pub outputs: Box<[Target]>,
    /// The same by way of the whole rule: for when that is known already, or `with` replaces it.
    pub whole: Box<[Step]>,
    /// A member that two clauses have may come only once.
    pub is_distinct: bool,
}

#[derive(Clone, Debug)]
pub(super) struct WithStep {
    pub changes: Box<[Change]>,
    pub body: Box<[Step]>,
}

/// One expression, in a plan that is traced.
#[derive(Clone, Debug)]
pub(super) struct TracedStep {
    pub place: Place,
    pub column: u32,
    /// As written.
    pub text: Box<str>,
    /// Why it does not hold, when nothing better is known.
    pub reason: &'static str,
    /// What it stands within has expressions of its own, rather than rules.
    pub is_closure: bool,
    pub witness: Witness,
    /// Variables that have a value beforehand, and those that get one, by their text in the source.
    pub reads: Box<[(Box<str>, u32)]>,
    pub writes: Box<[(Box<str>, u32)]>,
    pub body: Box<[Step]>,
}

/// Where the values are that decide whether a traced expression holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Witness {
    None,
    /// It must not be false.
    Truth(u32),
    /// It must match.
    Side(u32),
    /// They must be equal.
    Sides([u32; 2]),
}

/// One `with`.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Input {
        path: Box<[Value]>,
        value: Operand,
    },
    /// `groups` are those whose rules the value hides.
    Data {
        path: Box<[Value]>,
        value: Operand,
        groups: Box<[u32]>,
    },
    Function {
        mock: u32,
        replacement: Replacement,
    },
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Replacement {
    Value(Operand),
    Builtin(&'static Builtin),
    Group(u32),
}

/// The loop itself is `scan`: all objects. The index leaves those of which the keys of [`Join`] equal `wanted`; what is
/// behind the step runs for each of them as it would in the scan, the comparison included.
#[derive(Clone, Debug)]
pub(super) struct JoinStep {
    pub join: u32,
    pub scan: Box<[Step]>,
    /// Makes `wanted`, from what is known before the loop. It holds once or never, and cannot fail.
    pub probe: Box<[Step]>,
    pub wanted: Box<[Operand]>,
}

/// How the keys of an object are found: a body that reads nothing but the object and its place.
#[derive(Debug)]
pub(super) struct Join {
    /// Namespace (of objects that have one), group and version, kind, name.
    pub coordinates: Box<[Coordinate]>,
    pub object: u32,
    /// May hold several times, or never: then the object is not in the index.
    pub extract: Box<[Step]>,
    pub keys: Box<[Operand]>,
    /// Size of the frame.
    pub slots: u32,
}

/// A key on the way to an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Coordinate {
    Constant(Value),
    /// Known before the loop.
    Known(Operand),
    Bind(u32),
    Any,
}

/// A loop over the inventory, for authors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InventoryLoop {
    /// The rule's module.
    pub module: String,
    /// Line of the rule.
    pub line: u32,
    /// What is looped over: `data.inventory.namespace[_][_]["Ingress"][_]`.
    pub over: String,
    /// Nothing when an index is used; else why not.
    pub reason: Option<&'static str>,
}
