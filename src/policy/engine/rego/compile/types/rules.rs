//! Checks rules in the order of their dependencies and notes what they give.
//!
//! Invariant: when a rule is checked, the types of all it refers to are known.

use super::body::BodyChecker;
use super::documents::Documents;
use super::{Kind, Type, TypeRef};
use crate::policy::engine::rego::compile::Context;
use crate::policy::engine::rego::compile::names::Names;
use crate::policy::engine::rego::compile::signatures::Signature;
use crate::policy::engine::rego::compile::sink::Sink;
use crate::policy::engine::rego::compile::tree::{Skip, walk_term};
use crate::policy::engine::rego::syntax::ast::{Expr, Module, Rule, RuleKind, Term};

/// Checks all rules; `order` are their paths.
pub(in crate::policy::engine::rego::compile) fn check(
    modules: &[Module],
    order: &[Vec<String>],
    context: &Context<'_>,
    names: &Names,
    sink: &mut Sink,
) {
    let mut documents = Documents::default();
    for path in order {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let Some(node) = context.tree.find(path.iter().copied()) else {
            continue;
        };
        for facts in &node.rules {
            let Some(module) = modules.get(facts.module) else {
                continue;
            };
            sink.enter(&module.name);
            if let Some(rule) = module.rules.get(facts.rule) {
                let body = (&rule.head.value, rule.body.as_slice());
                let branches = rule.otherwise.iter().map(|branch| (&branch.value, branch.body.as_slice()));
                for (value, body) in std::iter::once(body).chain(branches) {
                    check_branch(rule, value.as_ref(), body, &path, &mut documents, context, names, sink);
                }
            }
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "one branch needs all that the loop over branches knows")]
fn check_branch(
    rule: &Rule,
    value: Option<&Term>,
    body: &[Expr],
    path: &[&str],
    documents: &mut Documents,
    context: &Context<'_>,
    names: &Names,
    sink: &mut Sink,
) {
    let before = sink.count();
    let mut checker = BodyChecker::new(context, documents, names, sink);
    checker.body(body);
    let result = result_of(rule, value, &mut checker);
    if sink.count() > before {
        return documents.give_up(path);
    }
    match result {
        Outcome::Function(signature) => documents.add_function(path, signature),
        Outcome::Value(value) => documents.add_value(path, &value),
    }
}

enum Outcome {
    Function(Signature),
    Value(TypeRef),
}

fn result_of(rule: &Rule, value: Option<&Term>, checker: &mut BodyChecker<'_>) -> Outcome {
    let head = &rule.head;
    let value = value.map_or_else(|| Type::of(Kind::Boolean), |value| checker.type_of(value));
    if !head.arguments.is_empty() {
        for argument in &head.arguments {
            walk_term(argument, Skip::default(), &mut |name| {
                if checker.variable(name).is_none() {
                    checker.set_variable(name, Type::any());
                }
            });
        }
        return Outcome::Function(Signature {
            arguments: head.arguments.iter().map(|argument| checker.type_of(argument)).collect(),
            is_variadic: false,
            result: Some(value),
            is_relation: false,
            is_deprecated: false,
            reaches_out: false,
        });
    }
    if head.kind == RuleKind::PartialSet {
        return match &head.key {
            Some(key) if head.dynamic.is_empty() => Outcome::Value(Type::of(Kind::Set(checker.type_of(key)))),
            // Sets within objects may stand at any name below.
            _ => Outcome::Value(Type::any()),
        };
    }
    let nested = head.dynamic.iter().rev().fold(value, |value, step| Type::object_of(checker.type_of(step), value));
    Outcome::Value(nested)
}
