//! Where the passes put the mistakes they find.
//!
//! Invariant: `sorted` gives them by module and place, each once, so the same modules give the same list.

use crate::policy::engine::rego::syntax::ast::{ErrorClass, RegoError, Span};

/// More than these are of no use to anyone.
const MOST_ERRORS: usize = 500;

/// Mistakes found so far, and the module that is being read.
#[derive(Debug, Default)]
pub(super) struct Sink {
    module: String,
    found: Vec<RegoError>,
}

impl Sink {
    /// What is reported from now on is in this module.
    pub(super) fn enter(&mut self, module: &str) {
        self.module.clear();
        self.module.push_str(module);
    }

    pub(super) fn report(&mut self, class: ErrorClass, span: Span, message: impl Into<String>) {
        self.push(class, span, message.into(), None);
    }

    pub(super) fn report_with_help(
        &mut self,
        class: ErrorClass,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(class, span, message.into(), Some(help.into()));
    }

    /// How many there are: a pass compares two counts to see whether something went wrong between.
    pub(super) fn count(&self) -> usize {
        self.found.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) fn sorted(mut self) -> Vec<RegoError> {
        self.found.sort_by(|a, b| (&a.module, a.span, &a.message).cmp(&(&b.module, b.span, &b.message)));
        self.found.dedup();
        self.found
    }

    fn push(&mut self, class: ErrorClass, span: Span, message: String, help: Option<String>) {
        if self.found.len() < MOST_ERRORS {
            self.found.push(RegoError { class, module: self.module.clone(), span, message, help });
        }
    }
}
