//! Mutated objects in the texts that they were read from: [`texts`].

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use super::Mutated;
use crate::manifest::edit::{EditError, Edited, edit};
use crate::manifest::{Document, Source, parse};
use crate::workbench::diagnostic::Diagnostic;
use crate::workbench::text_diff;

/// A text with objects in it, as it was and as it is now.
#[derive(Clone, Debug)]
pub struct MutatedText {
    /// As it was.
    pub source: Arc<Source>,
    /// As it is now, and what could not be changed in place.
    pub edited: Edited,
    /// Numbers of the documents, from 0, that have objects to show: not those of policies alone.
    shown: BTreeSet<usize>,
}

impl MutatedText {
    /// Whether it is another one now.
    pub fn is_changed(&self) -> bool {
        self.source.text() != self.edited.text
    }

    /// The change, as a patch.
    pub fn diff(&self) -> String {
        text_diff::unified(self.source.name(), self.source.text(), &self.edited.text)
    }

    /// The documents with objects, each with a line `---` in front.
    pub fn documents(&self) -> String {
        let edited = Arc::new(Source::new(Arc::clone(self.source.name()), self.edited.text.clone()));
        let (documents, _) = parse(&edited);
        let mut text = String::new();
        let mut last: Option<Range<usize>> = None;
        for document in self.shown.iter().filter_map(|number| documents.get(*number)) {
            let range = document.text_range();
            // Several values of JSON may share one piece of text.
            if last.as_ref() == Some(&range) {
                continue;
            }
            let piece = edited.text().get(range.clone()).unwrap_or_default();
            if !starts_document(piece) {
                text.push_str("---\n");
            }
            text.push_str(piece);
            if !piece.ends_with('\n') {
                text.push('\n');
            }
            last = Some(range);
        }
        text
    }
}

/// The texts of mutated objects in the order in which they were read, and why some could not be edited.
pub fn texts(mutated: &[Mutated]) -> (Vec<MutatedText>, Vec<Diagnostic>) {
    let source_of = |one: &Mutated| Arc::clone(one.object.document.source());
    let (mut texts, mut problems) = (Vec::new(), Vec::new());
    // What is of one text was read at one go.
    for here in mutated.chunk_by(|one, next| Arc::ptr_eq(&source_of(one), &source_of(next))) {
        let Some(source) = here.first().map(source_of) else { continue };
        let changes: Vec<(&Document, Value)> =
            here.iter().filter(|one| one.is_changed()).map(|one| (&*one.object.document, one.after.clone())).collect();
        match edit(&source, &changes) {
            Ok(edited) => texts.push(MutatedText { shown: shown(&source, here), source, edited }),
            Err(error) => problems.push(problem(here, &error)),
        }
    }
    (texts, problems)
}

fn problem(mutated: &[Mutated], error: &EditError) -> Diagnostic {
    let (EditError::OtherText(at) | EditError::Unwritable(at) | EditError::TooDeep(at)) = error;
    let document = mutated.iter().map(|one| &one.object.document).find(|document| document.location() == *at);
    match document {
        Some(document) => Diagnostic::at(document, at, error.to_string()),
        None => Diagnostic { place: at.to_string(), message: error.to_string(), excerpt: None, help: None },
    }
}

/// The numbers of the documents, `List`s whole, that the objects are in.
fn shown(source: &Arc<Source>, mutated: &[Mutated]) -> BTreeSet<usize> {
    let (documents, _) = parse(source);
    let is_in = |document: &Document| mutated.iter().any(|one| one.object.document.is_in(document));
    documents.iter().enumerate().filter(|(_, document)| is_in(document)).map(|(number, _)| number).collect()
}

fn starts_document(text: &str) -> bool {
    text.lines().find(|line| !line.trim().is_empty() && !line.starts_with(['#', '%'])).is_some_and(|line| {
        line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r']))
    })
}
