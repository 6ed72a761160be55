//! Refuses modules that nest too deeply or would grow out of proportion, before any other pass recurses into them.
//!
//! Invariant: after this pass no chain of terms inside terms, bodies inside terms included, is longer than the limit,
//! so that all passes and the evaluator fit on a small stack.

use super::sink::Sink;
use super::tree::{bodies, closure_body, head_terms, parts, terms};
use crate::policy::engine::rego::syntax::ast::{ErrorClass, Expr, ExprKind, Module, Span, Term};

/// Terms inside terms. Policies written by people stay below 30; a chain of `a + b + …` nests once a term.
const MOST_LEVELS: u32 = 500;

/// Steps from `data` to a rule.
const MOST_STEPS: usize = 200;

/// Every operand of an expression takes all its `with` along, so they are counted by the product. Few policies have any.
const MOST_REPLACEMENTS: usize = 200_000;

pub(super) fn check(modules: &[Module], sink: &mut Sink) {
    let mut replacements = 0;
    for module in modules {
        sink.enter(&module.name);
        for rule in &module.rules {
            if module.package.path.len() + rule.head.path.len() + rule.head.dynamic.len() > MOST_STEPS {
                let message = format!("the path of a rule has more than {MOST_STEPS} steps");
                sink.report(ErrorClass::Compile, rule.span, message);
            }
            let heads = head_terms(rule).try_for_each(|term| measure_term(term, MOST_LEVELS));
            let result = heads.and_then(|()| bodies(rule).try_for_each(|body| measure_body(body, MOST_LEVELS)));
            let is_shallow = result.is_ok();
            report(result, sink);
            if is_shallow {
                head_terms(rule).for_each(|term| count_in_term(term, &mut replacements));
                bodies(rule).for_each(|body| count_in_body(body, &mut replacements));
            }
            if replacements > MOST_REPLACEMENTS {
                let message = "too many uses of `with` in large expressions";
                return sink.report(ErrorClass::Compile, rule.span, message);
            }
        }
    }
}

/// Adds, for each expression with `with`, the number of its operands times that of its `with`.
fn count_in_body(body: &[Expr], count: &mut usize) {
    for expr in body {
        if !expr.with.is_empty() {
            let operands: usize = terms(expr).into_iter().map(size).sum();
            *count = count.saturating_add(operands.saturating_mul(expr.with.len()));
        }
        terms(expr).into_iter().for_each(|term| count_in_term(term, count));
        if let ExprKind::Every { body, .. } = &expr.kind {
            count_in_body(body, count);
        }
    }
}

fn count_in_term(term: &Term, count: &mut usize) {
    parts(term).into_iter().for_each(|part| count_in_term(part, count));
    closure_body(term).into_iter().for_each(|body| count_in_body(body, count));
}

fn size(term: &Term) -> usize {
    parts(term).into_iter().map(size).sum::<usize>().saturating_add(1)
}

fn report(result: Result<(), Span>, sink: &mut Sink) {
    if let Err(span) = result {
        let message = format!("terms are nested more than {MOST_LEVELS} levels deep");
        sink.report_with_help(ErrorClass::Compile, span, message, "split the expression with `:=`");
    }
}

fn measure_body(body: &[Expr], left: u32) -> Result<(), Span> {
    for expr in body {
        let left = left.checked_sub(1).ok_or(expr.span)?;
        terms(expr).into_iter().try_for_each(|term| measure_term(term, left))?;
        if let ExprKind::Every { body, .. } = &expr.kind {
            measure_body(body, left)?;
        }
    }
    Ok(())
}

fn measure_term(term: &Term, left: u32) -> Result<(), Span> {
    let left = left.checked_sub(1).ok_or(term.span)?;
    parts(term).into_iter().try_for_each(|part| measure_term(part, left))?;
    closure_body(term).map_or(Ok(()), |body| measure_body(body, left))
}
