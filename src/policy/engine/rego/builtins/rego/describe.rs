//! A module as OPA's JSON: package, imports, rules, comments. Places are shown for comments only.

use super::node::{Node, body_of, named, values, variable};
use crate::policy::engine::rego::builtins::base64::{self, Alphabet};
use crate::policy::engine::rego::syntax::ast::{Body, Comment, Head, Import, Module, Rule, RuleKind, Term, TermKind};
use crate::policy::engine::rego::value::Value;

/// Nothing for what OPA cannot write, or not read back.
pub(super) fn module(module: &Module) -> Option<Value> {
    let path = std::iter::once("data").chain(module.package.path.iter().map(String::as_str));
    let mut fields = vec![("package", object([("path", steps_of(&named(path))?)]))];
    let comments: Option<_> = module.comments.iter().map(|one| comment(&module.name, one)).collect();
    list(&mut fields, "imports", module.imports.iter().map(import).collect::<Option<_>>()?);
    list(&mut fields, "rules", module.rules.iter().map(rule).collect::<Option<_>>()?);
    list(&mut fields, "comments", comments?);
    Some(names(fields))
}

/// An object.
pub(super) fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    names(fields.into())
}

/// As [`object`].
pub(super) fn names(fields: Vec<(&str, Value)>) -> Value {
    Value::object(fields.into_iter().map(|(name, value)| (Value::string(name), value)).collect())
}

fn list(fields: &mut Vec<(&str, Value)>, name: &'static str, items: Vec<Value>) {
    if !items.is_empty() {
        fields.push((name, Value::array(items)));
    }
}

/// The steps of a reference without its type.
fn steps_of(reference: &Node) -> Option<Value> {
    match reference {
        Node::Reference(steps) => values(steps),
        other => values(std::slice::from_ref(other)),
    }
}

fn comment(file: &str, comment: &Comment) -> Option<Value> {
    if file.contains('\u{feff}') {
        return None;
    }
    let place = object([
        ("col", Value::from(i64::from(comment.span.column))),
        ("file", Value::string(file)),
        ("row", Value::from(i64::from(comment.span.line))),
    ]);
    // In Go an empty text is none.
    let text = match comment.text.as_str() {
        "" => Value::Null,
        text => Value::string(base64::encode(text.as_bytes(), Alphabet::Standard)),
    };
    Some(object([("Location", place), ("Text", text)]))
}

fn import(import: &Import) -> Option<Value> {
    let mut fields = vec![("path", named(import.path.iter().map(String::as_str)).to_value()?)];
    if let Some(alias) = &import.alias {
        fields.push(("alias", Value::string(alias)));
    }
    Some(names(fields))
}

fn rule(rule: &Rule) -> Option<Value> {
    let mut fields = vec![("head", head(rule, &shape(rule))?), ("body", body(&rule.body)?)];
    if rule.is_default {
        fields.push(("default", Value::Bool(true)));
    }
    // A branch holds the next one.
    let mut last = None;
    for index in (0..rule.otherwise.len()).rev() {
        last = Some(branch(rule, index, last)?);
    }
    fields.extend(last.map(|branch| ("else", branch)));
    Some(names(fields))
}

fn branch(rule: &Rule, index: usize, next: Option<Value>) -> Option<Value> {
    let found = rule.otherwise.get(index)?;
    let own = Head {
        arguments: found.arguments.clone(),
        value: found.value.clone(),
        is_assigned: found.is_assigned,
        ..rule.head.clone()
    };
    let shape = shape(rule);
    let own = Rule { span: found.span, is_default: false, head: own, body: found.body.clone(), otherwise: Vec::new() };
    let mut fields = vec![("head", head(&own, &shape)?), ("body", body(&found.body)?)];
    fields.extend(next.map(|next| ("else", next)));
    Some(names(fields))
}

/// No body is one that always holds.
fn body(body: &Body) -> Option<Value> {
    if !body.is_empty() {
        return body_of(body);
    }
    let truth = object([("index", Value::from(0_i64)), ("terms", Node::Bool(true).to_value()?)]);
    Some(Value::array(vec![truth]))
}

/// What a head shows besides its reference: OPA keeps what older forms of rules had, by how the rule was written.
struct Shape {
    has_name: bool,
    /// The last step is a key, too.
    has_key: bool,
}

fn shape(rule: &Rule) -> Shape {
    let head = &rule.head;
    let steps = head.path.len() + head.dynamic.len();
    let has_arguments = !head.arguments.is_empty();
    let is_pair = steps == 2 && !rule.is_default && head.kind != RuleKind::PartialSet;
    let has_body = !rule.body.is_empty();
    let (has_name, has_key) = match (is_pair, has_body) {
        (false, _) => (steps == 1, false),
        (true, true) => {
            let may_vary = head.dynamic.first().is_some_and(|step| !is_fixed(step));
            (has_arguments || head.value.is_some(), may_vary && !has_arguments)
        }
        (true, false) => (!has_arguments, !has_arguments),
    };
    Shape { has_name, has_key }
}

/// Whether a step has no variables and is no reference.
fn is_fixed(step: &Term) -> bool {
    match &step.kind {
        TermKind::Reference { .. } => false,
        TermKind::Variable(_) => false,
        TermKind::Call { arguments, .. } => arguments.iter().all(is_ground),
        _ => is_ground(step),
    }
}

fn is_ground(term: &Term) -> bool {
    match &term.kind {
        TermKind::Null | TermKind::Bool(_) | TermKind::Number(_) | TermKind::String(_) => true,
        TermKind::Variable(name) => matches!(name.as_str(), "data" | "input"),
        TermKind::Reference { path, .. } => path.iter().all(is_ground),
        TermKind::Array(items) | TermKind::Set(items) => items.iter().all(is_ground),
        TermKind::Call { arguments, .. } => arguments.iter().all(is_ground),
        TermKind::Object(entries) => entries.iter().all(|(key, value)| is_ground(key) && is_ground(value)),
        TermKind::ArrayComprehension { .. }
        | TermKind::SetComprehension { .. }
        | TermKind::ObjectComprehension { .. } => false,
    }
}

fn head(rule: &Rule, shape: &Shape) -> Option<Value> {
    let head = &rule.head;
    let mut steps = head.path.iter();
    let first = steps.next()?;
    let path = steps.map(|step| Node::String(step.clone())).chain(head.dynamic.iter().map(Node::of));
    let path: Vec<Node> = std::iter::once(variable(first)).chain(path).collect();
    let key = match path.last() {
        Some(last) if shape.has_key => Some(last.clone()),
        _ => head.key.as_ref().map(Node::of),
    };
    let mut fields = vec![("ref", values(&path)?)];
    if shape.has_name {
        fields.push(("name", Value::string(first)));
    }
    list(&mut fields, "args", values_of(&head.arguments)?);
    if let Some(key) = key {
        fields.push(("key", key.to_value()?));
    }
    if head.kind != RuleKind::PartialSet {
        let value = head.value.as_ref().map_or(Node::Bool(true), Node::of);
        fields.push(("value", value.to_value()?));
    }
    if head.is_assigned {
        fields.push(("assign", Value::Bool(true)));
    }
    Some(names(fields))
}

fn values_of(terms: &[Term]) -> Option<Vec<Value>> {
    terms.iter().map(|term| Node::of(term).to_value()).collect()
}
