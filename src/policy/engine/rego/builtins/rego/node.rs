//! Terms as OPA's parser has them, in OPA's order: sets and objects are sorted when they are made.
//!
//! The order of variants and fields is the order that values have; deriving relies on it.

use std::cmp::Ordering;

use super::describe::{names, object};
use crate::policy::engine::rego::syntax::ast::{Body, Expr, ExprKind, FunctionName, Term, TermKind, Variable};
use crate::policy::engine::rego::value::{Number, Value, is_json_number};

/// A term.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Number(Literal),
    String(String),
    Variable(String),
    Reference(Vec<Node>),
    Array(Vec<Node>),
    Object(Vec<(Node, Node)>),
    Set(Vec<Node>),
    ArrayComprehension(Box<Node>, Vec<Statement>),
    ObjectComprehension(Box<(Node, Node)>, Vec<Statement>),
    SetComprehension(Box<Node>, Vec<Statement>),
    Call(Vec<Node>),
}

/// A number as written, ordered by what it stands for.
#[derive(Clone, Debug)]
pub(super) struct Literal(String);

/// An expression. What it does comes before whether it is negated.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Statement {
    kind: Kind,
    is_negated: bool,
    content: Content,
    with: Vec<(Node, Node)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Some,
    Term,
    Call,
    Every,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Content {
    Some(Vec<Node>),
    Term(Node),
    Call(Vec<Node>),
    Every { key: Option<Node>, value: Node, domain: Node, body: Vec<Statement> },
}

impl Node {
    pub(super) fn of(term: &Term) -> Self {
        let all = |terms: &[Term]| terms.iter().map(Self::of).collect::<Vec<_>>();
        match &term.kind {
            TermKind::Null => Self::Null,
            TermKind::Bool(boolean) => Self::Bool(*boolean),
            TermKind::Number(text) => Self::Number(Literal(text.clone())),
            TermKind::String(text) => Self::String(text.clone()),
            // A root alone is a reference without steps.
            TermKind::Variable(name) if matches!(name.as_str(), "data" | "input") => {
                Self::Reference(vec![variable(name)])
            }
            TermKind::Variable(name) => variable(name),
            TermKind::Reference { head, path } => {
                let head = match &head.kind {
                    TermKind::Variable(name) => variable(name),
                    _ => Self::of(head),
                };
                Self::Reference(std::iter::once(head).chain(path.iter().map(Self::of)).collect())
            }
            TermKind::Call { function, arguments, .. } => Self::Call(call(function, arguments)),
            TermKind::Array(items) => Self::Array(all(items)),
            TermKind::Set(items) => Self::Set(set(all(items))),
            TermKind::Object(entries) => {
                Self::Object(entries_of(entries.iter().map(|(key, value)| (Self::of(key), Self::of(value))).collect()))
            }
            TermKind::ArrayComprehension { head, body } => {
                Self::ArrayComprehension(Box::new(Self::of(head)), statements(body))
            }
            TermKind::SetComprehension { head, body } => {
                Self::SetComprehension(Box::new(Self::of(head)), statements(body))
            }
            TermKind::ObjectComprehension { key, value, body } => {
                Self::ObjectComprehension(Box::new((Self::of(key), Self::of(value))), statements(body))
            }
        }
    }

    /// `{"type": …, "value": …}`; nothing for what has no JSON form, or none that Rego can read.
    pub(super) fn to_value(&self) -> Option<Value> {
        let (kind, value) = match self {
            Self::Null => ("null", object([])),
            Self::Bool(boolean) => ("boolean", Value::Bool(*boolean)),
            Self::Number(Literal(text)) if is_json_number(text) => ("number", Value::Number(Number::parse(text)?)),
            Self::Number(_) => return None,
            Self::String(text) if text.contains('\u{feff}') => return None,
            Self::String(text) => ("string", Value::string(text)),
            Self::Variable(name) => ("var", Value::string(name)),
            Self::Reference(steps) => ("ref", values(steps)?),
            Self::Array(items) => ("array", values(items)?),
            Self::Set(items) => ("set", values(items)?),
            Self::Call(parts) => ("call", values(parts)?),
            Self::Object(entries) => {
                let pair = |(key, value): &(Self, Self)| Some(Value::array(vec![key.to_value()?, value.to_value()?]));
                ("object", Value::array(entries.iter().map(pair).collect::<Option<_>>()?))
            }
            Self::ArrayComprehension(term, body) => ("arraycomprehension", comprehension(term, body)?),
            Self::SetComprehension(term, body) => ("setcomprehension", comprehension(term, body)?),
            Self::ObjectComprehension(entry, body) => {
                let (key, value) = &**entry;
                let body = body_value(body)?;
                let fields = [("body", body), ("key", key.to_value()?), ("value", value.to_value()?)];
                ("objectcomprehension", object(fields))
            }
        };
        Some(object([("type", Value::string(kind)), ("value", value)]))
    }
}

impl PartialEq for Literal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Literal {}

impl PartialOrd for Literal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Literal {
    fn cmp(&self, other: &Self) -> Ordering {
        let number = |literal: &Self| Number::parse(&literal.0).map(Value::Number);
        number(self).cmp(&number(other))
    }
}

impl Statement {
    fn of(expr: &Expr) -> Self {
        let (kind, content) = match &expr.kind {
            ExprKind::Term(Term { kind: TermKind::Call { function, arguments, .. }, .. }) => {
                (Kind::Call, Content::Call(call(function, arguments)))
            }
            ExprKind::Term(term) => (Kind::Term, Content::Term(Node::of(term))),
            ExprKind::Unify(left, right) => (Kind::Call, Content::Call(operator("eq", [left, right]))),
            ExprKind::Assign(left, right) => (Kind::Call, Content::Call(operator("assign", [left, right]))),
            ExprKind::Some(variables) => (Kind::Some, Content::Some(variables.iter().map(declared).collect())),
            ExprKind::SomeIn { key, value, domain } => {
                let path = ["internal", if key.is_some() { "member_3" } else { "member_2" }];
                let operands = key.iter().chain([value, domain]).map(Node::of);
                let call = std::iter::once(named(path.into_iter())).chain(operands).collect();
                (Kind::Some, Content::Some(vec![Node::Call(call)]))
            }
            ExprKind::Every { key, value, domain, body } => {
                let (key, value) = (key.as_ref().map(declared), declared(value));
                (Kind::Every, Content::Every { key, value, domain: Node::of(domain), body: statements(body) })
            }
        };
        let with = expr.with.iter().map(|with| (Node::of(&with.target), Node::of(&with.value))).collect();
        Self { kind, is_negated: expr.is_negated, content, with }
    }

    fn to_value(&self, index: usize) -> Option<Value> {
        let terms = match &self.content {
            Content::Some(symbols) => object([("symbols", values(symbols)?)]),
            Content::Term(term) => term.to_value()?,
            Content::Call(parts) => values(parts)?,
            Content::Every { key, value, domain, body } => object([
                ("body", body_value(body)?),
                ("domain", domain.to_value()?),
                ("key", key.as_ref().map_or(Some(Value::Null), Node::to_value)?),
                ("value", value.to_value()?),
            ]),
        };
        let mut fields = vec![("index", Value::from(index)), ("terms", terms)];
        if self.is_negated {
            fields.push(("negated", Value::Bool(true)));
        }
        if !self.with.is_empty() {
            let with = |(target, value): &(Node, Node)| {
                Some(object([("target", target.to_value()?), ("value", value.to_value()?)]))
            };
            fields.push(("with", Value::array(self.with.iter().map(with).collect::<Option<_>>()?)));
        }
        Some(names(fields))
    }
}

pub(super) fn variable(name: &str) -> Node {
    Node::Variable(name.to_owned())
}

/// A variable and fields of it.
pub(super) fn named<'n>(mut path: impl Iterator<Item = &'n str>) -> Node {
    let head = path.next().map(variable);
    Node::Reference(head.into_iter().chain(path.map(|step| Node::String(step.to_owned()))).collect())
}

/// The items of a list.
pub(super) fn values(nodes: &[Node]) -> Option<Value> {
    Some(Value::array(nodes.iter().map(Node::to_value).collect::<Option<_>>()?))
}

pub(super) fn body_of(body: &Body) -> Option<Value> {
    body_value(&statements(body))
}

fn body_value(body: &[Statement]) -> Option<Value> {
    let statements = body.iter().enumerate().map(|(index, statement)| statement.to_value(index));
    Some(Value::array(statements.collect::<Option<_>>()?))
}

fn comprehension(term: &Node, body: &[Statement]) -> Option<Value> {
    Some(object([("body", body_value(body)?), ("term", term.to_value()?)]))
}

fn statements(body: &Body) -> Vec<Statement> {
    body.iter().map(Statement::of).collect()
}

fn declared(variable: &Variable) -> Node {
    Node::Variable(variable.name.clone())
}

fn call(function: &FunctionName, arguments: &[Term]) -> Vec<Node> {
    let name = named(function.path.iter().map(String::as_str));
    std::iter::once(name).chain(arguments.iter().map(Node::of)).collect()
}

fn operator(name: &str, operands: [&Term; 2]) -> Vec<Node> {
    std::iter::once(named(std::iter::once(name))).chain(operands.into_iter().map(Node::of)).collect()
}

/// Of equal elements the first one stays.
fn set(mut items: Vec<Node>) -> Vec<Node> {
    items.sort();
    items.dedup();
    items
}

/// Of equal keys the first one stays, with the last one's value.
fn entries_of(mut entries: Vec<(Node, Node)>) -> Vec<(Node, Node)> {
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    entries.dedup_by(|(key, value), (kept, last)| {
        let is_same = key == kept;
        if is_same {
            std::mem::swap(last, value);
        }
        is_same
    });
    entries
}
