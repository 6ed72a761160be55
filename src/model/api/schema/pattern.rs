//! The keyword `pattern`: a regular expression, compiled once, beside the text it was compiled from.

use regex::Regex;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Regex);

impl Pattern {
    /// Compiles a pattern; the error says why it cannot be.
    ///
    /// Go and Rust share RE2's syntax except for corners; what Rust refuses (`\Q…\E`, `\C`) is refused here.
    pub(super) fn parse(source: &str) -> Result<Self, String> {
        Regex::new(source).map(Self).map_err(|error| reason(&error))
    }

    /// As written in the schema.
    pub(super) fn source(&self) -> &str {
        self.0.as_str()
    }

    /// Whether the pattern occurs anywhere in the text.
    pub(super) fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// The last line of the regex crate's report; the lines above it draw the pattern again.
fn reason(error: &regex::Error) -> String {
    let report = error.to_string();
    let line = report.lines().last().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}
