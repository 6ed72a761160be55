//! A mistake in a user's file, ready to be shown: place, words, excerpt, help.

use std::fmt;

use crate::manifest::{Document, Location, ManifestError};
use crate::policy::snapshot::{ErrorPlace, ResourceError};

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// `file:line:column`, or the file alone.
    pub place: String,
    /// What was found and what was expected.
    pub message: String,
    /// The lines that it is about, with a caret.
    pub excerpt: Option<String>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A mistake at a place of a document.
    pub fn at(document: &Document, location: &Location, message: impl Into<String>) -> Self {
        Self {
            place: location.to_string(),
            message: message.into(),
            excerpt: Some(document.source().excerpt(location.line, location.column)),
            help: None,
        }
    }

    /// A resource that is not in force, in the document that it was read from.
    pub fn of_resource(error: &ResourceError, document: &Document) -> Self {
        let location = match &error.place {
            ErrorPlace::Field(path) => document.locate_key(path).location,
            ErrorPlace::Text { field, line, column } => {
                let bounded = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
                document.locate_in_scalar(field, bounded(*line), bounded(*column))
            }
        };
        Self::at(document, &location, error.to_string())
    }
}

impl From<ManifestError> for Diagnostic {
    fn from(error: ManifestError) -> Self {
        let place = error.location().map_or_else(|| error.file.to_string(), |location| location.to_string());
        Self { place, message: error.message, excerpt: None, help: error.help }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.message)?;
        if let Some(excerpt) = &self.excerpt {
            write!(formatter, "\n{}", excerpt.trim_end())?;
        }
        if let Some(help) = &self.help {
            write!(formatter, "\n  help: {help}")?;
        }
        Ok(())
    }
}
