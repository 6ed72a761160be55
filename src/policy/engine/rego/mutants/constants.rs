//! Changes to constants.

use super::Finder;
use crate::policy::engine::rego::syntax::ast::{Term, TermKind};

/// Stands in no text that a policy compares with.
const OTHER: &str = "~";

impl Finder<'_> {
    pub(super) fn constant(&mut self, term: &Term) {
        let written = self.range(term.span).and_then(|range| self.text.get(range)).unwrap_or_default();
        let replacement = match &term.kind {
            TermKind::Bool(value) => (!value).to_string(),
            TermKind::Number(number) => match number.parse::<i64>() {
                Ok(number) => number.saturating_add(1).to_string(),
                Err(_) => return,
            },
            // `a` of `x.a` is a text, too, and no constant to a reader.
            TermKind::String(_) => match written.chars().next() {
                Some(quote @ ('"' | '`')) => match written.strip_suffix(quote) {
                    Some(open) if open.len() + 1 == written.len() => format!("{open}{OTHER}{quote}"),
                    _ => return,
                },
                _ => return,
            },
            _ => return,
        };
        let change = format!("{} is `{replacement}`", self.written(term.span));
        self.replace(term.span, replacement, change);
    }
}
