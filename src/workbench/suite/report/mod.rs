//! Outcomes of suites in the formats people and programs read; one file a format.

mod json;
mod junit;
mod text;

use super::outcome::SuiteOutcome;

/// A format of `admit verify`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As `go test` looks, and with it `gator verify`.
    Text {
        /// Whether to name what passed and what was skipped, too.
        verbose: bool,
    },
    /// A list of suites.
    Json,
    /// JUnit's XML, as CI servers read it.
    JUnit,
}

/// Renders all outcomes.
pub fn render(format: Format, outcomes: &[SuiteOutcome]) -> String {
    match format {
        Format::Text { verbose } => text::render(outcomes, verbose),
        Format::Json => json::render(outcomes),
        Format::JUnit => junit::render(outcomes),
    }
}
