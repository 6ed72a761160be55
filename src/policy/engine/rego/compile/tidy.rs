//! Last simplifications of compiled bodies.
//!
//! Invariant: nothing changes in meaning. A call of a rule without arguments is a reference to it; `input` and `data`
//! alone are variables; a result of a call that is unified with something else right behind the call is unified with it
//! directly.

use super::names::Names;
use super::tree::{bodies_mut, closure_body_mut, is_root, parts_mut, string, take, terms_mut, variable};
use crate::policy::engine::rego::syntax::ast::{Body, Expr, ExprKind, Module, RuleKind, Term, TermKind};

pub(super) fn tidy(modules: &mut [Module], names: &Names) {
    for rule in modules.iter_mut().flat_map(|module| &mut module.rules) {
        if rule.head.kind == RuleKind::Function && rule.head.arguments.is_empty() {
            rule.head.kind = RuleKind::Complete;
        }
        bodies_mut(rule).for_each(|body| tidy_body(body, names));
    }
}

fn tidy_body(body: &mut Body, names: &Names) {
    for expr in body.iter_mut() {
        terms_mut(expr).into_iter().for_each(|term| tidy_term(term, names));
        if let ExprKind::Every { body, .. } = &mut expr.kind {
            tidy_body(body, names);
        }
    }
    let mut done: Body = Vec::with_capacity(body.len());
    for mut expr in body.drain(..) {
        if let Some(call) = done.last_mut()
            && joins(call, &expr, names)
        {
            give_result(call, &mut expr);
        } else {
            done.push(expr);
        }
    }
    *body = done;
}

fn tidy_term(term: &mut Term, names: &Names) {
    parts_mut(term).into_iter().for_each(|part| tidy_term(part, names));
    if let Some(body) = closure_body_mut(term) {
        tidy_body(body, names);
    }
    let span = term.span;
    match &mut term.kind {
        TermKind::Reference { head, path } if path.is_empty() => {
            if matches!(&head.kind, TermKind::Variable(name) if is_root(name)) {
                *term = take(head);
            }
        }
        TermKind::Call { function, arguments, .. } if arguments.is_empty() => {
            if let Some((_, path)) = function.path.split_first().filter(|(root, _)| *root == "data") {
                let path = path.iter().map(|step| string(step, span)).collect();
                term.kind = TermKind::Reference { head: Box::new(variable("data", span)), path };
            }
        }
        _ => {}
    }
}

/// Whether `y = f(x)` is followed by `z = y` where `y` is the compiler's own, and so used nowhere else.
fn joins(call: &Expr, next: &Expr, names: &Names) -> bool {
    let ExprKind::Unify(Term { kind: TermKind::Variable(result), .. }, right) = &call.kind else {
        return false;
    };
    let ExprKind::Unify(a, b) = &next.kind else {
        return false;
    };
    let is_result = |term: &Term| matches!(&term.kind, TermKind::Variable(name) if name == result);
    let is_pattern = |term: &Term| {
        use TermKind::{Array, Bool, Null, Number, Object, String, Variable};
        matches!(term.kind, Null | Bool(_) | Number(_) | String(_) | Variable(_) | Array(_) | Object(_))
    };
    let with_places = |expr: &Expr| expr.with.iter().map(|with| with.span).collect::<Vec<_>>();
    matches!(right.kind, TermKind::Call { .. })
        && names.is_nameless(result)
        && !call.is_negated
        && !next.is_negated
        && with_places(call) == with_places(next)
        && (is_result(b) && is_pattern(a) || is_result(a) && is_pattern(b))
}

/// Replaces the compiler's variable by what it is unified with.
fn give_result(call: &mut Expr, next: &mut Expr) {
    let ExprKind::Unify(result, _) = &mut call.kind else {
        return;
    };
    let ExprKind::Unify(a, b) = &mut next.kind else {
        return;
    };
    let is_left = matches!((&b.kind, &result.kind), (TermKind::Variable(b), TermKind::Variable(it)) if b == it);
    *result = take(if is_left { a } else { b });
    call.span = next.span;
}
