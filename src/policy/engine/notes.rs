//! What an evaluation shows on its way to an answer: what policies print, and a trace. For people, bounded in size.

use super::rego::Document;
use super::rego::evaluate::{Coverage, Observer, Trace};

/// The most bytes of printed text that are kept, as in Gatekeeper.
const MAX_PRINTED_BYTES: usize = 1 << 20;

/// Collected from any number of evaluations, one after another.
#[derive(Debug, Default)]
pub struct Notes {
    printed: Vec<String>,
    printed_bytes: usize,
    is_cut: bool,
    pub(super) trace: Trace,
    pub(super) observer: Option<Observer>,
    pub(super) coverage: Option<Coverage>,
}

impl Notes {
    /// Notes which parts of this document are touched, when it is what is reviewed.
    pub fn observing(review: &Document) -> Self {
        Self { observer: Some(Observer::of(review.value())), ..Self::default() }
    }

    /// Counts what is evaluated and what holds, in programs that were compiled for it.
    #[must_use]
    pub fn covering(coverage: Coverage) -> Self {
        Self { coverage: Some(coverage), ..Self::default() }
    }

    /// What was counted; nothing unless that was asked for.
    pub fn into_coverage(self) -> Option<Coverage> {
        self.coverage
    }

    /// What was touched of the document that is observed.
    pub fn observer(&self) -> Option<&Observer> {
        self.observer.as_ref()
    }

    /// What `print` wrote, one entry a call: `template:7: text`.
    pub fn printed(&self) -> Vec<String> {
        let cut = self.is_cut.then(|| "... additional print output truncated ...".to_owned());
        self.printed.iter().cloned().chain(cut).collect()
    }

    /// The trace; empty when no program was compiled for one.
    pub fn trace(&self) -> String {
        self.trace.text()
    }

    /// Says in the trace what the lines that follow are about.
    pub fn begin(&mut self, title: &str) {
        self.trace.begin(title);
    }

    pub(super) fn print(&mut self, texts: Vec<String>) {
        for text in texts {
            self.printed_bytes = self.printed_bytes.saturating_add(text.len());
            if self.printed_bytes > MAX_PRINTED_BYTES {
                self.is_cut = true;
                return;
            }
            self.printed.push(text);
        }
    }
}
