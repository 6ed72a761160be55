//! The fixes of a report as new texts of the files: [`texts`].

use std::sync::Arc;

use serde_json::Value;

use super::{Fix, Proposer, Whole};
use crate::manifest::edit::{Edited, edit};
use crate::manifest::{Document, Source};
use crate::workbench::lint::Report;
use crate::workbench::text_diff;

/// A file with fixes in it.
#[derive(Clone, Debug)]
pub struct FixedText {
    /// As it was.
    pub source: Arc<Source>,
    /// As it is now.
    pub edited: Edited,
    /// How many findings this mends.
    pub findings: usize,
    /// The objects that changed.
    objects: Vec<Arc<Whole>>,
}

/// A file whose fixes are left alone, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfixable {
    /// Its name.
    pub file: Arc<str>,
    /// Why.
    pub reason: String,
}

impl FixedText {
    /// The change, as a patch.
    pub fn diff(&self) -> String {
        text_diff::unified(self.source.name(), self.source.text(), &self.edited.text)
    }

    /// Whether a fix of a finding is in it.
    pub fn has(&self, fix: &Fix) -> bool {
        self.objects.iter().any(|object| Arc::ptr_eq(object, &fix.whole))
    }
}

/// The files that have something to fix, in the order of findings. A file in which something cannot be read is left alone. With
/// `takes_values`, what policies say themselves is done beside what mutators say.
pub fn texts(report: &Report, takes_values: bool) -> (Vec<FixedText>, Vec<Unfixable>) {
    let is_wanted = |fix: &Fix| takes_values || matches!(fix.by, Proposer::Mutators(_));
    let fixes: Vec<&Arc<Fix>> =
        report.findings.iter().filter_map(|finding| finding.fix.as_ref()).filter(|fix| is_wanted(fix)).collect();
    let mut sources: Vec<&Arc<Source>> = Vec::new();
    for source in fixes.iter().map(|fix| fix.whole.document.source()) {
        if !sources.iter().any(|known| Arc::ptr_eq(known, source)) {
            sources.push(source);
        }
    }
    let (mut texts, mut unfixable) = (Vec::new(), Vec::new());
    for source in sources {
        let file = Arc::clone(source.name());
        let is_here =
            |place: &str| place.strip_prefix(&*file).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
        if report.problems.iter().any(|problem| is_here(&problem.place)) {
            let reason = "something in it cannot be read; mend that first".to_owned();
            unfixable.push(Unfixable { file, reason });
            continue;
        }
        let here: Vec<&&Arc<Fix>> =
            fixes.iter().filter(|fix| Arc::ptr_eq(fix.whole.document.source(), source)).collect();
        let mut objects: Vec<Arc<Whole>> = Vec::new();
        for fix in &here {
            if !objects.iter().any(|known| Arc::ptr_eq(known, &fix.whole)) {
                objects.push(Arc::clone(&fix.whole));
            }
        }
        let changes: Vec<(&Document, Value)> =
            objects.iter().map(|object| (&*object.document, object.after.clone())).collect();
        match edit(source, &changes) {
            Ok(edited) => {
                texts.push(FixedText { source: Arc::clone(source), edited, findings: here.len(), objects });
            }
            Err(error) => unfixable.push(Unfixable { file, reason: error.to_string() }),
        }
    }
    (texts, unfixable)
}
