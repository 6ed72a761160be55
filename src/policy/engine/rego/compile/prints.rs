//! Calls of `print`: erased, or made to show undefined arguments, too.
//!
//! Invariant: afterwards there is no call of `print`; when prints are kept, `internal.print` is called with an array of
//! sets, each of one argument's values, empty for an undefined one.

use std::mem;

use super::names::Names;
use super::tree::{bodies_mut, closure_body_mut, head_terms_mut, parts_mut, terms_mut, truth, unification, variable};
use crate::policy::engine::rego::syntax::ast::{Body, Expr, ExprKind, Module, Term, TermKind};

pub(super) fn rewrite(modules: &mut [Module], keep: bool, names: &mut Names) {
    for rule in modules.iter_mut().flat_map(|module| &mut module.rules) {
        head_terms_mut(rule).for_each(|term| in_term(term, keep, names));
        bodies_mut(rule).for_each(|body| rewrite_body(body, keep, names));
    }
}

fn rewrite_body(body: &mut Body, keep: bool, names: &mut Names) {
    let span = body.first().map(|expr| expr.span);
    let mut rest = Vec::with_capacity(body.len());
    for mut expr in mem::take(body) {
        terms_mut(&mut expr).into_iter().for_each(|term| in_term(term, keep, names));
        if let ExprKind::Every { body, .. } = &mut expr.kind {
            rewrite_body(body, keep, names);
        }
        if !is_print(&expr) {
            rest.push(expr);
        } else if keep {
            capture_arguments(&mut expr, names);
            rest.push(expr);
        }
    }
    if let (true, Some(span)) = (rest.is_empty(), span) {
        rest.push(truth(span));
    }
    *body = rest;
}

fn in_term(term: &mut Term, keep: bool, names: &mut Names) {
    parts_mut(term).into_iter().for_each(|part| in_term(part, keep, names));
    if let Some(body) = closure_body_mut(term) {
        rewrite_body(body, keep, names);
    }
}

fn is_print(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Term(Term { kind: TermKind::Call { function, .. }, .. }) => {
            matches!(function.path.as_slice(), [name] if name == "print")
        }
        _ => false,
    }
}

fn capture_arguments(expr: &mut Expr, names: &mut Names) {
    let ExprKind::Term(Term { kind: TermKind::Call { function, arguments, .. }, span }) = &mut expr.kind else {
        return;
    };
    function.path = vec!["internal".to_owned(), "print".to_owned()];
    let captured = mem::take(arguments).into_iter().map(|argument| {
        let span = argument.span;
        let name = names.fresh();
        let head = Box::new(variable(&name, span));
        let body = vec![unification(variable(name, span), argument, span)];
        Term { span, kind: TermKind::SetComprehension { head, body } }
    });
    let captured = captured.collect();
    arguments.push(Term { span: *span, kind: TermKind::Array(captured) });
}
