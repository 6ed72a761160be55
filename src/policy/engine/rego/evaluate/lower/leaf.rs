//! Partial sets that are cheaper to run again than to keep.
//!
//! `input_containers[c] { c := input.review.object.spec.containers[_] }` is a name for a place in the input. Making a set of
//! it sorts whole containers; running the body where it is used visits them in place. That is done only for rules that use
//! no other rule and call nothing: then each use costs what the iteration over the set would, and uses of uses cannot
//! multiply.

use crate::policy::engine::rego::syntax::ast::{Expr, ExprKind, Rule, RuleKind, Term, TermKind};

use super::Lowering;

/// Longer bodies have more to them than a way through the input.
const MAX_EXPRESSIONS: usize = 6;

pub(super) fn is_leaf(lowering: &Lowering<'_>, group: u32) -> bool {
    let Some(rules) = lowering.rules(group) else { return false };
    rules.kind == RuleKind::PartialSet && rules.rules.iter().all(is_leaf_rule)
}

fn is_leaf_rule(rule: &Rule) -> bool {
    let key = rule.head.key.iter().all(is_plain);
    key && rule.body.len() <= MAX_EXPRESSIONS && rule.body.iter().all(is_leaf_expression)
}

fn is_leaf_expression(expression: &Expr) -> bool {
    let is_way = match &expression.kind {
        ExprKind::Term(term) => is_way(term),
        ExprKind::Unify(one, other) => is_way(one) && is_way(other),
        _ => false,
    };
    is_way && expression.with.is_empty()
}

/// A reference that does not start in `data`, or less.
fn is_way(term: &Term) -> bool {
    match &term.kind {
        TermKind::Reference { head, path } => is_plain(head) && path.iter().all(is_plain),
        _ => is_plain(term),
    }
}

fn is_plain(term: &Term) -> bool {
    match &term.kind {
        TermKind::Variable(name) => name != "data",
        TermKind::Null | TermKind::Bool(_) | TermKind::Number(_) | TermKind::String(_) => true,
        _ => false,
    }
}
