//! The keyword `pattern`: a regular expression, compiled once, beside the text it was compiled from.

use regex::Regex;

use crate::model::go_regex;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    source: String,
    compiled: Regex,
}

impl Pattern {
    /// Compiles a pattern as the API server does; the error says why it cannot be.
    pub(super) fn parse(source: &str) -> Result<Self, String> {
        go_regex::compile(source).map(|compiled| Self { source: source.to_owned(), compiled })
    }

    /// As written in the schema.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// Whether the pattern occurs anywhere in the text.
    pub(super) fn is_match(&self, text: &str) -> bool {
        self.compiled.is_match(text)
    }
}
