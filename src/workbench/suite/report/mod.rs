//! Outcomes of suites in the formats people and programs read; one file a format.

mod coverage;
mod json;
mod junit;
mod lcov;
mod mutants;
mod quality;
mod text;

use super::coverage::TemplateCoverage;
use super::mutants::TemplateMutants;
use super::outcome::SuiteOutcome;

use coverage::render_coverage;
pub use lcov::render_lcov;
use mutants::render_mutants;

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

/// What was found out about the tests themselves, where it was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quality<'q> {
    /// What they evaluate.
    pub coverage: Option<&'q [TemplateCoverage]>,
    /// What they do not notice.
    pub mutants: Option<&'q [TemplateMutants]>,
}

/// What is known about the tests, for people.
pub fn render_quality(quality: Quality<'_>) -> String {
    let coverage = quality.coverage.map(render_coverage).unwrap_or_default();
    let mutants = quality.mutants.map(render_mutants).unwrap_or_default();
    [coverage, mutants].concat()
}

/// Renders all outcomes.
pub fn render(format: Format, outcomes: &[SuiteOutcome]) -> String {
    render_with(format, outcomes, Quality::default())
}

/// The same with what is known about the tests; JUnit has no place for that.
pub fn render_with(format: Format, outcomes: &[SuiteOutcome], quality: Quality<'_>) -> String {
    match format {
        Format::Text { verbose } => [text::render(outcomes, verbose), render_quality(quality)].concat(),
        Format::Json => json::render(outcomes, quality),
        Format::JUnit => junit::render(outcomes),
    }
}
