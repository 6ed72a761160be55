//! What was wrong with a file, where, and what to do: [`ManifestError`].

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::source::{Location, Source, Span};

/// One mistake in one file. Displays as `file:line:column: message`, or `file: message` when no line is to blame.
///
/// The help stands apart, because output formats place it differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestError {
    /// The file's path, or `<stdin>`.
    pub file: Arc<str>,
    /// Where in the file; `None` when the file as a whole is meant, such as one that does not exist.
    pub span: Option<Span>,
    /// What was found and what was expected: lowercase, no full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl ManifestError {
    /// The place, unless the file as a whole is meant.
    pub fn location(&self) -> Option<Location> {
        let span = self.span?;
        Some(Location {
            file: Arc::clone(&self.file),
            line: span.start.line,
            column: span.start.column,
            end_line: span.end.line,
            end_column: span.end.column,
        })
    }

    /// A path that cannot be opened or read.
    pub fn unreadable(path: &Path, error: &io::Error) -> Self {
        super::discover::unreadable(path, error)
    }

    pub(super) fn whole_file(file: impl Into<Arc<str>>, message: impl Into<String>) -> Self {
        Self { file: file.into(), span: None, message: message.into(), help: None }
    }

    pub(super) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.span {
            Some(span) => write!(formatter, "{}:{}: {}", self.file, span.start, self.message),
            None => write!(formatter, "{}: {}", self.file, self.message),
        }
    }
}

impl std::error::Error for ManifestError {}

/// A mistake found while reading one document, before anybody asks for the file's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Fault {
    pub(super) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: None }
    }

    pub(super) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn in_source(self, source: &Source) -> ManifestError {
        ManifestError { file: Arc::clone(source.name()), span: Some(self.span), message: self.message, help: self.help }
    }
}
