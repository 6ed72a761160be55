//! What an evaluation shows on its way to an answer: what policies print, and a trace. For people, bounded in size.

use std::sync::Arc;

use super::rego::Document;
use super::rego::evaluate::{Coverage, Observer, Trace};

/// The most bytes of printed text that are kept, as in Gatekeeper.
const MAX_PRINTED_BYTES: usize = 1 << 20;

/// Collected from any number of evaluations, one after another.
#[derive(Debug, Default)]
pub struct Notes {
    /// What each text is about, when that is something else than the object that is reviewed.
    printed: Vec<(Option<Arc<str>>, String)>,
    subject: Option<Arc<str>>,
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
        let shown = |(subject, text): &(Option<Arc<str>>, String)| match subject {
            Some(subject) => format!("{subject}: {text}"),
            None => text.clone(),
        };
        self.printed.iter().map(shown).chain(cut).collect()
    }

    /// The same with what each text is about: `object` is what is reviewed.
    pub fn printed_of(&self, object: &str) -> Vec<String> {
        let cut = self.is_cut.then(|| format!("{object}: ... additional print output truncated ..."));
        let shown =
            |(subject, text): &(Option<Arc<str>>, String)| format!("{}: {text}", subject.as_deref().unwrap_or(object));
        self.printed.iter().map(shown).chain(cut).collect()
    }

    /// What follows is about something that the object would create.
    pub fn turn_to(&mut self, subject: &str) {
        self.subject = Some(Arc::from(subject));
        self.trace.begin(subject);
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
            self.printed.push((self.subject.clone(), text));
        }
    }
}
