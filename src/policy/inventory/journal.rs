//! Which objects changed since a version was published: indexes are kept up to date by it, without looking for what differs.

use crate::policy::engine::{Document, ObjectChange};

/// Changes that are noted. To find more, comparing versions takes no longer.
const MOST: usize = 1_024;

/// The changes since one version, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Journal {
    /// That version; none when changes are not noted any more.
    since: Option<Document>,
    changes: Vec<ObjectChange>,
}

impl Journal {
    /// None yet.
    pub(super) fn since(version: &Document) -> Self {
        Self { since: Some(version.clone()), changes: Vec::new() }
    }

    /// The changes since a version, if it is the one that they are noted since.
    pub(super) fn changes_since(&self, version: &Document) -> Option<&[ObjectChange]> {
        self.since.as_ref().filter(|since| since.is_identical(version)).map(|_| self.changes.as_slice())
    }

    /// Whether changes are noted.
    pub(super) fn is_open(&self) -> bool {
        self.since.is_some()
    }

    /// One object is another one now, there or gone. `keys` lead to it.
    pub(super) fn note(&mut self, keys: Vec<Document>, before: Option<Document>, after: Option<Document>) {
        if self.since.is_none() {
            return;
        }
        if self.changes.len() >= MOST {
            *self = Self::default();
            return;
        }
        self.changes.push(ObjectChange::new(keys, before, after));
    }
}
