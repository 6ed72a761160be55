//! How much of each object an inventory keeps: what policies read, and who it is.
//!
//! ```text
//! build: policies read more ──► keep ──► kinds to list again ──► their whole list ──► listed
//! ```
//!
//! Guarantee: every object of a kind has at least the fields that the kind `has`. What is wanted besides comes with the
//! next list of the kind; until then a policy that needs it is not ready. A policy that reads less changes nothing before
//! that: nothing is listed again for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::object::GroupVersionKind;
use crate::model::value::Fields;
use crate::policy::engine::InventoryReads;

/// What is kept, by kind.
#[derive(Debug)]
pub struct Kept {
    /// Whatever policies read.
    is_all: bool,
    /// What all policies together read.
    wanted: InventoryReads,
    /// Kinds of which there may be objects.
    kinds: BTreeMap<GroupVersionKind, KeptKind>,
    /// Kinds to list again, not yet handed out.
    to_list: BTreeSet<GroupVersionKind>,
}

#[derive(Debug)]
struct KeptKind {
    /// What every object has.
    has: Arc<Fields>,
    /// What is kept of an object from now on; never less.
    keeps: Arc<Fields>,
    /// The whole list has been asked for and has not come.
    is_awaited: bool,
}

impl Kept {
    /// Whole objects, whatever policies read.
    pub fn whole_objects() -> Self {
        Self { is_all: true, wanted: InventoryReads::everything(), kinds: BTreeMap::new(), to_list: BTreeSet::new() }
    }

    /// Nothing but the identity of objects, until policies want more.
    pub fn what_is_read() -> Self {
        Self { is_all: false, wanted: InventoryReads::default(), ..Self::whole_objects() }
    }

    /// What to keep of an object of this kind.
    pub fn of_object(&mut self, gvk: &GroupVersionKind) -> Arc<Fields> {
        if let Some(kind) = self.kinds.get(gvk) {
            return Arc::clone(&kind.keeps);
        }
        self.of_list(gvk).0
    }

    /// What to keep of all objects of this kind, which take the place of those that there were; and whether a policy may
    /// have waited for them.
    pub fn of_list(&mut self, gvk: &GroupVersionKind) -> (Arc<Fields>, bool) {
        let fields = Arc::new(self.wanted.of_kind(gvk));
        let kind = KeptKind { has: Arc::clone(&fields), keeps: Arc::clone(&fields), is_awaited: false };
        self.to_list.remove(gvk);
        let before = self.kinds.insert(gvk.clone(), kind);
        (fields, before.is_some_and(|before| before.is_awaited))
    }

    /// Takes note of what all policies together read from now on, those that are not ready included. Of kinds of which
    /// there are objects that lack some of it, the whole list is asked for.
    pub fn keep(&mut self, reads: &InventoryReads, has_objects: impl Fn(&GroupVersionKind) -> bool) {
        if self.is_all {
            return;
        }
        self.wanted = reads.clone();
        for (gvk, kind) in &mut self.kinds {
            let wanted = reads.of_kind(gvk);
            if !kind.keeps.covers(&wanted) {
                Arc::make_mut(&mut kind.keeps).merge(&wanted);
            }
            if kind.has.covers(&wanted) {
                continue;
            }
            if has_objects(gvk) {
                let is_new = !std::mem::replace(&mut kind.is_awaited, true);
                self.to_list.extend(is_new.then(|| gvk.clone()));
            } else {
                kind.has = Arc::clone(&kind.keeps);
            }
        }
    }

    /// Kinds whose objects lack what a policy reads.
    pub fn lacking(&self, reads: &InventoryReads) -> Vec<&GroupVersionKind> {
        let lacks = |(gvk, kind): &(&GroupVersionKind, &KeptKind)| !kind.has.covers(&reads.of_kind(gvk));
        self.kinds.iter().filter(lacks).map(|(gvk, _)| gvk).collect()
    }

    /// Kinds whose whole list is needed, each told once.
    pub fn take_to_list(&mut self) -> Vec<GroupVersionKind> {
        std::mem::take(&mut self.to_list).into_iter().collect()
    }
}
