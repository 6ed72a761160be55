//! What a Suite says, as plain data. Values keep the place that they were read from, for messages.

use std::path::PathBuf;
use std::sync::Arc;

use regex::Regex;

use super::assertion::Assertion;
use crate::manifest::Document;
use crate::model::object::FieldPath;
use crate::model::review::{Operation, Source};
use crate::workbench::diagnostic::Diagnostic;

/// One Suite.
#[derive(Debug)]
pub(super) struct Suite {
    /// The path as the user would write it.
    pub(super) path: String,
    pub(super) skip: bool,
    pub(super) tests: Vec<Test>,
    pub(super) mutations: Vec<MutationTest>,
}

/// Mutators, and cases for them.
#[derive(Debug)]
pub(super) struct MutationTest {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) mutators: Vec<FileReference>,
    pub(super) skip: bool,
    pub(super) cases: Vec<MutationCase>,
}

/// An object, and what must become of it.
#[derive(Debug)]
pub(super) struct MutationCase {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) object: Option<FileReference>,
    /// The object after mutation.
    pub(super) expected: Option<FileReference>,
    /// Why there must be none.
    pub(super) error: Option<ErrorPattern>,
    /// Namespaces.
    pub(super) inventory: Vec<FileReference>,
    pub(super) operation: Option<Operation>,
    pub(super) source: Source,
    pub(super) skip: bool,
}

/// A regular expression that an error must match.
#[derive(Debug)]
pub(super) struct ErrorPattern {
    pub(super) place: Place,
    pub(super) text: String,
    pub(super) compiled: Result<Regex, String>,
}

/// A template and a constraint, and cases for them.
#[derive(Debug)]
pub(super) struct Test {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) template: Option<FileReference>,
    pub(super) constraint: Option<FileReference>,
    pub(super) expansion: Option<FileReference>,
    /// Whether the constraint must break its template's schema.
    pub(super) invalid: bool,
    pub(super) skip: bool,
    pub(super) cases: Vec<Case>,
}

/// An object, and what must come of judging it.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) object: Option<FileReference>,
    pub(super) inventory: Vec<FileReference>,
    pub(super) assertions: Vec<Assertion>,
    pub(super) skip: bool,
}

/// A path in a suite, relative to the suite's own file.
#[derive(Debug)]
pub(super) struct FileReference {
    /// What to open: the suite's directory and the path.
    pub(super) path: PathBuf,
    pub(super) place: Place,
}

/// A value of the suite's document.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) document: Arc<Document>,
    pub(super) path: FieldPath,
}

impl Place {
    /// A problem with the value at this place.
    pub(super) fn problem(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::at(&self.document, &self.document.locate(&self.path).location, message)
    }

    /// The same, with something to do about it.
    pub(super) fn problem_with_help(&self, message: impl Into<String>, help: impl Into<String>) -> Diagnostic {
        Diagnostic { help: Some(help.into()), ..self.problem(message) }
    }
}

impl FileReference {
    /// The path to show.
    pub(super) fn shown(&self) -> String {
        self.path.display().to_string()
    }
}
