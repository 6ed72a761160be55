//! The result of judging one value by one schema.

use std::collections::HashSet;

use crate::model::object::FieldError;

/// Errors, and how many checks were made on the way.
///
/// The count picks which of several failing alternatives is reported: the one that was followed furthest.
/// It is counted as the API server counts, since the choice shows in the messages.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    errors: Vec<FieldError>,
    checks: usize,
}

impl Outcome {
    /// Whether no error was found.
    pub(super) fn is_valid(&self) -> bool {
        self.errors.is_empty()
    }

    /// How far the judgement went.
    pub(super) fn checks(&self) -> usize {
        self.checks
    }

    /// Counts one check made.
    pub(super) fn count(&mut self) {
        self.checks += 1;
    }

    /// Records an error.
    pub(super) fn report(&mut self, error: FieldError) {
        self.errors.push(error);
    }

    /// Takes over another judgement of the same value, or of a part of it.
    pub(super) fn merge(&mut self, other: Self) {
        self.checks += other.checks;
        self.errors.extend(other.errors);
    }

    /// The errors alone, in the order of their discovery, each once: alternatives often find the same one.
    pub(super) fn into_errors(self) -> Vec<FieldError> {
        let mut seen = HashSet::new();
        self.errors.into_iter().filter(|error| seen.insert(error.clone())).collect()
    }
}
