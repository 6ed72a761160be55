//! What lint found, in the formats that people and programs read; one file a format.

mod excerpt;
mod github;
mod gitlab;
mod groups;
mod html;
mod json;
mod junit;
mod markdown;
mod places;
mod sarif;
#[cfg(test)]
mod tests;
mod text;

use super::Report;
use super::finding::Severity;

pub use places::Places;

/// A format of `admit lint`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Excerpts with carets.
    Text,
    /// Everything that is known.
    Json,
    /// For code scanning, in GitHub and elsewhere.
    Sarif,
    /// For what shows test results.
    Junit,
    /// Annotations of GitHub's workflows.
    Github,
    /// GitLab's code quality.
    Gitlab,
    /// A summary for pull requests and jobs.
    Markdown,
    /// A page for browsers.
    Html,
}

const FORMATS: [(&str, Format); 8] = [
    ("text", Format::Text),
    ("json", Format::Json),
    ("sarif", Format::Sarif),
    ("junit", Format::Junit),
    ("github", Format::Github),
    ("gitlab", Format::Gitlab),
    ("markdown", Format::Markdown),
    ("html", Format::Html),
];

impl Format {
    /// By the name that people give.
    pub fn from_name(name: &str) -> Option<Self> {
        FORMATS.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }

    /// All names.
    pub fn names() -> Vec<&'static str> {
        FORMATS.iter().map(|(name, _)| *name).collect()
    }

    /// Whether it is one whole document, which other output would spoil.
    pub fn is_document(self) -> bool {
        match self {
            Self::Text | Self::Github | Self::Markdown => false,
            Self::Json | Self::Sarif | Self::Junit | Self::Gitlab | Self::Html => true,
        }
    }
}

/// How a report is rendered.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// Whether there are colours.
    pub is_coloured: bool,
    /// Characters in a line.
    pub width: usize,
    /// How files are named where a program reads the name.
    pub places: &'a Places,
    /// The least that counts as a failure.
    pub fails_from: Severity,
}

/// Renders a report.
pub fn render(format: Format, report: &Report, look: Look<'_>) -> String {
    match format {
        Format::Text => text::render(report, look),
        Format::Json => json::render(report),
        Format::Sarif => sarif::render(report, look.places),
        Format::Junit => junit::render(report, look.places, look.fails_from),
        Format::Github => github::render(report, look.places),
        Format::Gitlab => gitlab::render(report, look.places),
        Format::Markdown => markdown::render(report),
        Format::Html => html::render(report),
    }
}

/// JSON with a line end.
fn pretty(value: &serde_json::Value) -> String {
    // Values of JSON can always be written.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}
