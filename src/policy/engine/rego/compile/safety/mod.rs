//! Orders bodies so that every variable is bound before it is needed, or says which cannot be.
//!
//! Invariant: the order is OPA's: as in the source, but an expression that needs an unbound variable waits until one
//! behind it has bound it. Closures are ordered after the body around them, whose earlier expressions they see.

mod order;
mod outputs;
mod unifier;

use std::collections::HashSet;

use super::names::Names;
use super::sink::Sink;
use super::tree::{
    Skip, bodies_mut, closure_body_mut, is_comprehension, is_constant, parts, parts_mut, terms_mut, walk_body,
    walk_expr, walk_term,
};
use crate::policy::engine::rego::syntax::ast::{Body, ErrorClass, Expr, ExprKind, Module, Rule, Span, Term};
use order::Verdict;

pub(super) fn check(modules: &mut [Module], names: &Names, sink: &mut Sink) {
    for module in modules {
        sink.enter(&module.name);
        for rule in &mut module.rules {
            check_heads(rule, names, sink);
            let mut known = HashSet::new();
            for argument in &rule.head.arguments {
                walk_term(argument, Skip::default(), &mut |name| {
                    known.insert(name.to_owned());
                });
            }
            for body in bodies_mut(rule) {
                check_body(body, &mut known, names, sink);
            }
        }
    }
}

fn check_body(body: &mut Body, known: &mut HashSet<String>, names: &Names, sink: &mut Sink) {
    let mut problems = Problems::default();
    reorder(body, known, &mut problems);
    problems.report(names, sink);
}

/// Variables in a head must occur in the body or among the arguments.
fn check_heads(rule: &Rule, names: &Names, sink: &mut Sink) {
    let head = &rule.head;
    let mut arguments = HashSet::new();
    head.arguments.iter().for_each(|term| collect(term, &mut arguments));
    let named = head.dynamic.iter().chain(&head.key).chain(&head.value).collect::<Vec<_>>();
    let branches = rule.otherwise.iter();
    let heads = std::iter::once((named, &rule.body))
        .chain(branches.map(|branch| (branch.value.iter().collect::<Vec<_>>(), &branch.body)));
    for (terms, body) in heads {
        if terms.iter().all(|term| is_constant(term)) {
            continue;
        }
        let mut bound = arguments.clone();
        walk_body(body, Skip::CLOSURES, &mut |name| {
            bound.insert(name);
        });
        let mut wanted = HashSet::new();
        terms.into_iter().for_each(|term| collect(term, &mut wanted));
        let mut unbound: Vec<&str> = wanted.difference(&bound).map(|name| names.shown(name)).collect();
        unbound.sort_unstable();
        for name in unbound {
            report_variable(name, rule.span, sink);
        }
    }
}

fn collect<'t>(term: &'t Term, into: &mut HashSet<&'t str>) {
    walk_term(term, Skip::default(), &mut |name| {
        into.insert(name);
    });
}

fn report_variable(name: &str, span: Span, sink: &mut Sink) {
    let message = format!("var {name} is unsafe");
    let help = match name {
        "in" | "if" | "every" | "contains" => format!("`import future.keywords.{name}` makes it a keyword"),
        _ => format!("nothing gives {name} a value before it is needed: bind it in an expression that is not negated"),
    };
    sink.report_with_help(ErrorClass::UnsafeVariable, span, message, help);
}

/// Orders a body and the closures in it. `known` are the variables bound outside; it is the same afterwards.
fn reorder(body: &mut Body, known: &mut HashSet<String>, problems: &mut Problems) {
    let Verdict { order, unsafe_variables } = order::order(body, known);
    let is_whole = unsafe_variables.is_empty();
    problems.unsafe_variables.extend(unsafe_variables);
    let mut added = Vec::new();
    for index in &order {
        let Some(expr) = body.get_mut(*index) else {
            continue;
        };
        reorder_closures(expr, known, problems);
        walk_expr(expr, Skip::CLOSURES, &mut |name| {
            if !known.contains(name) {
                known.insert(name.to_owned());
                added.push(name.to_owned());
            }
        });
    }
    for name in added {
        known.remove(&name);
    }
    if is_whole {
        let mut slots: Vec<Option<Expr>> = std::mem::take(body).into_iter().map(Some).collect();
        body.extend(order.into_iter().filter_map(|index| slots.get_mut(index)?.take()));
    }
}

fn reorder_closures(expr: &mut Expr, known: &mut HashSet<String>, problems: &mut Problems) {
    let span = expr.span;
    for term in terms_mut(expr) {
        reorder_in_term(term, span, known, problems);
    }
    if let ExprKind::Every { key, value, body, .. } = &mut expr.kind {
        let variables = key.iter().chain([&*value]).map(|variable| variable.name.clone());
        let added: Vec<String> = variables.filter(|name| known.insert(name.clone())).collect();
        reorder(body, known, problems);
        for name in added {
            known.remove(&name);
        }
    }
}

fn reorder_in_term(term: &mut Term, span: Span, known: &mut HashSet<String>, problems: &mut Problems) {
    if !is_comprehension(term) {
        parts_mut(term).into_iter().for_each(|part| reorder_in_term(part, span, known, problems));
        return;
    }
    let mut wanted = HashSet::new();
    for part in parts(term) {
        walk_term(part, Skip::default(), &mut |name| {
            wanted.insert(name.to_owned());
        });
    }
    if let Some(body) = closure_body_mut(term) {
        walk_body(body, Skip::CLOSURES, &mut |name| {
            wanted.remove(name);
        });
        let unbound = wanted.into_iter().filter(|name| !known.contains(name));
        problems.unsafe_variables.extend(unbound.map(|name| (span, name)));
        reorder(body, known, problems);
    }
}

/// Variables that cannot be bound, with the expressions that need them.
#[derive(Default)]
struct Problems {
    unsafe_variables: Vec<(Span, String)>,
}

impl Problems {
    /// Each variable once, at its first place. Where only nameless ones are left, the expressions.
    fn report(mut self, names: &Names, sink: &mut Sink) {
        self.unsafe_variables.sort();
        let mut seen = HashSet::new();
        let has_named = self.unsafe_variables.iter().any(|(_, name)| !names.is_nameless(name));
        for (span, name) in &self.unsafe_variables {
            if !seen.insert(name) {
                continue;
            }
            if !names.is_nameless(name) {
                report_variable(names.shown(name), *span, sink);
            } else if !has_named {
                sink.report(ErrorClass::UnsafeVariable, *span, "expression is unsafe");
            }
        }
    }
}
