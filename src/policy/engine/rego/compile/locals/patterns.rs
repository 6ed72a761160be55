//! What patterns declare.

use std::collections::BTreeSet;

use crate::policy::engine::rego::compile::tree::{Skip, is_root, walk_term};
use crate::policy::engine::rego::syntax::ast::{Term, TermKind};

/// Variables that `some key, value in domain` declares, sorted: those of the key, those that a match of the value
/// binds, without those of the domain, which must be known already.
pub(super) fn outputs_of_some(key: &Term, value: &Term, domain: &Term) -> BTreeSet<String> {
    let mut outputs = BTreeSet::new();
    walk_term(key, Skip { heads: true, ..Skip::default() }, &mut |name| {
        outputs.insert(name.to_owned());
    });
    if matches!(value.kind, TermKind::Variable(_) | TermKind::Array(_) | TermKind::Object(_)) {
        walk_term(value, Skip::PATTERN, &mut |name| {
            outputs.insert(name.to_owned());
        });
    }
    walk_term(domain, Skip::default(), &mut |name| {
        outputs.remove(name);
    });
    outputs
}

/// OPA's word for a kind of term.
pub(super) fn kind_name(kind: &TermKind) -> &'static str {
    match kind {
        TermKind::Null => "null",
        TermKind::Bool(_) => "boolean",
        TermKind::Number(_) => "number",
        TermKind::String(_) => "string",
        TermKind::Variable(name) if is_root(name) => "ref",
        TermKind::Variable(_) => "var",
        TermKind::Reference { .. } => "ref",
        TermKind::Call { .. } => "call",
        TermKind::Array(_) => "array",
        TermKind::Object(_) => "object",
        TermKind::Set(_) => "set",
        TermKind::ArrayComprehension { .. } => "arraycomprehension",
        TermKind::SetComprehension { .. } => "setcomprehension",
        TermKind::ObjectComprehension { .. } => "objectcomprehension",
    }
}
