//! Which base documents compiled rules read.

use super::tree::{bodies, closure_body, head_terms, parts, terms};
use crate::policy::engine::rego::compiled::Compiled;
use crate::policy::engine::rego::syntax::ast::{Body, Term, TermKind};

/// Whether some rule reads below `data.ROOT`, or may: it reads all of `data`, or a part of it that is only known when it
/// runs.
pub fn reads_data(compiled: &Compiled, root: &str) -> bool {
    let rules = compiled.groups.values().flat_map(|group| group.rules.iter().chain(&group.default));
    rules.into_iter().any(|rule| {
        head_terms(rule).any(|term| term_reads(term, root)) || bodies(rule).any(|body| body_reads(body, root))
    })
}

fn body_reads(body: &Body, root: &str) -> bool {
    body.iter().any(|expr| {
        let closure = match &expr.kind {
            crate::policy::engine::rego::syntax::ast::ExprKind::Every { body, .. } => body_reads(body, root),
            _ => false,
        };
        closure || terms(expr).into_iter().any(|term| term_reads(term, root))
    })
}

fn term_reads(term: &Term, root: &str) -> bool {
    let here = match &term.kind {
        TermKind::Variable(name) => name == "data",
        TermKind::Reference { head, path } if matches!(&head.kind, TermKind::Variable(name) if name == "data") => {
            let is_other = matches!(path.first().map(|step| &step.kind), Some(TermKind::String(step)) if step != root);
            return !is_other || path.iter().any(|step| term_reads(step, root));
        }
        _ => false,
    };
    here || parts(term).into_iter().any(|part| term_reads(part, root))
        || closure_body(term).is_some_and(|body| body_reads(body, root))
}
