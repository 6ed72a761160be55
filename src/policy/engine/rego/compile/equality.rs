//! Other spellings of `=` and `:=`, and comparisons.
//!
//! Invariant: after `unify_calls` the forms `eq(x, y)` and `assign(x, y)` are `Unify` and `Assign`; after
//! `unify_comparisons` so is `x == y` as a whole expression, which may be turned around only once bodies are in order,
//! because a comparison binds nothing.

use std::mem;

use super::tree::{bodies_mut, closure_body_mut, head_terms_mut, parts_mut, take, terms_mut};
use crate::policy::engine::rego::syntax::ast::{Expr, ExprKind, Module, Term, TermKind};

/// Before names are resolved; a module that has a rule of that name means its rule.
pub(super) fn unify_calls(modules: &mut [Module]) {
    for module in modules {
        let is_rule = |name: &str| module.rules.iter().any(|rule| rule.head.path.first().is_some_and(|it| it == name));
        let names: Vec<&'static str> = ["eq", "assign"].into_iter().filter(|name| !is_rule(name)).collect();
        for rule in &mut module.rules {
            head_terms_mut(rule).for_each(|term| in_term(term, &names));
            bodies_mut(rule).for_each(|body| in_body(body, &names));
        }
    }
}

pub(super) fn unify_comparisons(modules: &mut [Module]) {
    for rule in modules.iter_mut().flat_map(|module| &mut module.rules) {
        bodies_mut(rule).for_each(|body| in_body(body, &["equal"]));
    }
}

fn in_body(body: &mut [Expr], names: &[&'static str]) {
    for expr in body {
        if let ExprKind::Every { body, .. } = &mut expr.kind {
            in_body(body, names);
        }
        terms_mut(expr).into_iter().for_each(|term| in_term(term, names));
        let ExprKind::Term(Term { kind: TermKind::Call { function, arguments, .. }, .. }) = &mut expr.kind else {
            continue;
        };
        let ([name], [left, right]) = (function.path.as_slice(), arguments.as_mut_slice()) else {
            continue;
        };
        let is_assignment = name == "assign";
        if names.contains(&name.as_str()) {
            let (left, right) = (take(left), take(right));
            let kind = if is_assignment { ExprKind::Assign(left, right) } else { ExprKind::Unify(left, right) };
            drop(mem::replace(&mut expr.kind, kind));
        }
    }
}

fn in_term(term: &mut Term, names: &[&'static str]) {
    parts_mut(term).into_iter().for_each(|part| in_term(part, names));
    if let Some(body) = closure_body_mut(term) {
        in_body(body, names);
    }
}
