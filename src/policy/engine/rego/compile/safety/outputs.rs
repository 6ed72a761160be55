//! Which variables an expression binds when it is evaluated, given those that are bound.
//!
//! Invariant: follows OPA's rules exactly, since they decide the order in which a body is evaluated: negated expressions
//! bind nothing; steps of a reference are bound once its head is; a call binds its result once its arguments are known; a
//! pattern is bound by whatever it is unified with.

use std::collections::HashSet;

use super::unifier::Unifier;
use crate::policy::engine::rego::compile::tree::{
    Skip, closure_body, is_comprehension, is_root, parts, walk_expr, walk_term, walk_with,
};
use crate::policy::engine::rego::syntax::ast::{Expr, ExprKind, Term, TermKind};

/// Tells whether a variable is bound.
pub(super) type IsSafe<'s> = &'s dyn Fn(&str) -> bool;

/// The variables that an expression binds; some may be bound already.
pub(super) fn outputs<'e>(expr: &'e Expr, is_safe: IsSafe<'_>) -> HashSet<&'e str> {
    if expr.is_negated || !withs_are_safe(expr, is_safe) {
        return HashSet::new();
    }
    match &expr.kind {
        ExprKind::Term(term) => outputs_of_references(&[term], is_safe),
        ExprKind::Every { domain, .. } => outputs_of_references(&[domain], is_safe),
        ExprKind::Unify(result, call) if matches!(call.kind, TermKind::Call { .. }) => {
            outputs_of_call(result, call, is_safe)
        }
        ExprKind::Unify(left, right) => {
            let mut found = outputs_of_references(&[left, right], is_safe);
            let unified = Unifier::unified(left, right, &|name| is_safe(name) || found.contains(name));
            found.extend(unified);
            found.retain(|name| !is_safe(name));
            found
        }
        ExprKind::Assign(..) | ExprKind::Some(_) | ExprKind::SomeIn { .. } => HashSet::new(),
    }
}

/// Whether the head of a reference is bound.
pub(super) fn is_reference_safe(head: &Term, is_safe: IsSafe<'_>) -> bool {
    match &head.kind {
        TermKind::Variable(name) => is_root(name) || is_safe(name),
        _ => all_safe(head, Skip::CLOSURES, is_safe),
    }
}

pub(super) fn all_safe(term: &Term, skip: Skip, is_safe: IsSafe<'_>) -> bool {
    let mut safe = true;
    walk_term(term, skip, &mut |name| safe &= is_safe(name));
    safe
}

/// Variables inside comprehensions and bodies of `every`: what these may close over.
pub(super) fn variables_of_closures(expr: &Expr) -> HashSet<&str> {
    let mut found = HashSet::new();
    if let ExprKind::Every { body, .. } = &expr.kind {
        body.iter().for_each(|expr| {
            walk_expr(expr, Skip::default(), &mut |name| {
                found.insert(name);
            });
        });
    }
    for term in crate::policy::engine::rego::compile::tree::terms(expr) {
        collect_closures(term, &mut found);
    }
    found
}

fn collect_closures<'e>(term: &'e Term, found: &mut HashSet<&'e str>) {
    if closure_body(term).is_some() {
        walk_term(term, Skip::default(), &mut |name| {
            found.insert(name);
        });
    } else {
        parts(term).into_iter().for_each(|part| collect_closures(part, found));
    }
}

fn withs_are_safe(expr: &Expr, is_safe: IsSafe<'_>) -> bool {
    let mut safe = true;
    for with in &expr.with {
        walk_with(with, Skip::CLOSURES, &mut |name| safe &= is_safe(name));
    }
    safe
}

fn outputs_of_call<'e>(result: &'e Term, call: &'e Term, is_safe: IsSafe<'_>) -> HashSet<&'e str> {
    let mut found = outputs_of_references(&[result, call], is_safe);
    let known = |name: &str| found.contains(name) || is_safe(name);
    if !parts(call).into_iter().all(|argument| all_safe(argument, Skip::OUTPUT, &known)) {
        return HashSet::new();
    }
    walk_term(result, Skip::OUTPUT, &mut |name| {
        found.insert(name);
    });
    found
}

/// Steps of references whose head is bound.
fn outputs_of_references<'e>(terms: &[&'e Term], is_safe: IsSafe<'_>) -> HashSet<&'e str> {
    let mut found = HashSet::new();
    terms.iter().for_each(|term| collect_steps(term, is_safe, &mut found));
    found
}

fn collect_steps<'e>(term: &'e Term, is_safe: IsSafe<'_>, found: &mut HashSet<&'e str>) {
    if is_comprehension(term) {
        return;
    }
    if let TermKind::Reference { head, path } = &term.kind {
        if !is_reference_safe(head, is_safe) {
            return;
        }
        for step in path {
            walk_term(step, Skip { heads: true, ..Skip::default() }, &mut |name| {
                found.insert(name);
            });
        }
    }
    parts(term).into_iter().for_each(|part| collect_steps(part, is_safe, found));
}
