//! What lint found, in the formats that people and programs read; one file a format.

mod json;
mod text;

use super::Report;

/// A format of `admit lint`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Excerpts with carets.
    Text,
    /// Everything that is known.
    Json,
}

const FORMATS: [(&str, Format); 2] = [("text", Format::Text), ("json", Format::Json)];

impl Format {
    /// By the name that people give.
    pub fn from_name(name: &str) -> Option<Self> {
        FORMATS.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }

    /// All names.
    pub fn names() -> Vec<&'static str> {
        FORMATS.iter().map(|(name, _)| *name).collect()
    }
}

/// How texts for people look.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Whether there are colours.
    pub is_coloured: bool,
    /// Characters in a line.
    pub width: usize,
}

/// Renders a report.
pub fn render(format: Format, report: &Report, look: Look) -> String {
    match format {
        Format::Text => text::render(report, look),
        Format::Json => json::render(report),
    }
}
