//! Changing objects: mutators in force, what one of them does to an object, and the patch that says what changed.
//!
//! Guarantees: the same mutators give the same result in whatever order they were loaded; mutators whose locations
//! contradict each other are left out, all of them, and nothing else is. Who asks providers of external data, and in what
//! order mutators act until nothing changes any more, is in `evaluate::mutate`.

mod annotations;
mod conflicts;
mod draft;
mod external_data;
mod image;
mod patch;
mod setters;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::api::mutator::{ApplyTo, Mutator, MutatorId};
use crate::model::api::{KindSelector, Match};
use crate::model::object::Object;
use crate::model::review::Review;
use crate::policy::matching::{MatchError, MatchIndex, matches};

pub use annotations::annotate;
pub(crate) use draft::Draft;
pub(crate) use external_data::resolve;
pub use json_patch::Patch;
pub use patch::patch;
pub use walk::MutateError;
pub(crate) use walk::apply;

/// A mutator that is known to act as written.
#[derive(Debug)]
pub struct CompiledMutator {
    /// The mutator as it was when it was read: not the newest version, when that could not be.
    pub mutator: Mutator,
    /// The object that it was read from.
    pub source: Arc<Object>,
}

/// All mutators of a snapshot.
#[derive(Debug, Default)]
pub struct Mutators {
    /// In the order in which they act.
    all: Vec<Arc<CompiledMutator>>,
    /// Those of them that act.
    active: Vec<Arc<CompiledMutator>>,
    /// Of those that act, by position.
    index: MatchIndex,
    /// Whether labels decide what any of those that act is for.
    selects_by_labels: bool,
    /// Of those that do not, with whom they are in conflict, themselves included.
    conflicts: BTreeMap<MutatorId, BTreeSet<MutatorId>>,
}

impl Mutators {
    /// Takes mutators together, in any order.
    pub fn new(mutators: impl IntoIterator<Item = Arc<CompiledMutator>>) -> Self {
        let mut all: Vec<Arc<CompiledMutator>> = mutators.into_iter().collect();
        all.sort_by(|one, other| one.mutator.id.cmp(&other.mutator.id));
        let conflicts = conflicts::find(all.iter().map(|one| &one.mutator));
        let active: Vec<_> = all.iter().filter(|one| !conflicts.contains_key(&one.mutator.id)).cloned().collect();
        let criteria: Vec<Match> = active.iter().map(|one| one.mutator.indexed_criteria()).collect();
        let selects_by_labels =
            criteria.iter().any(|one| one.label_selector.is_some() || one.namespace_selector.is_some());
        Self { all, active, index: MatchIndex::new(&criteria), selects_by_labels, conflicts }
    }

    /// All of them, in the order in which they act.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<CompiledMutator>> {
        self.all.iter()
    }

    /// Those that act, in order.
    pub fn active(&self) -> &[Arc<CompiledMutator>] {
        &self.active
    }

    /// One of them.
    pub fn find(&self, id: &MutatorId) -> Option<&Arc<CompiledMutator>> {
        let position = self.all.binary_search_by(|one| one.mutator.id.cmp(id)).ok()?;
        self.all.get(position)
    }

    /// How many there are, whether they act or not.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Those that do not act because their locations contradict each other, each with all that it is in conflict with,
    /// itself included.
    pub fn conflicts(&self) -> &BTreeMap<MutatorId, BTreeSet<MutatorId>> {
        &self.conflicts
    }

    /// Whether what a mutator writes may decide what the others are for.
    pub(crate) fn is_matched(&self, mutator: &Mutator) -> bool {
        let location = &mutator.location;
        (self.selects_by_labels && location.starts_with(&["metadata", "labels"]))
            || location.starts_with(&["apiVersion"])
            || location.starts_with(&["kind"])
    }

    /// Whether any that acts can be for the review's object.
    pub fn may_be_for(&self, review: &Review) -> bool {
        !self.candidates(review).is_empty()
    }

    /// Positions among the active of those that can be for the review's object, in order.
    pub(crate) fn candidates(&self, review: &Review) -> Vec<usize> {
        self.index.candidates(review)
    }
}

/// The text of Gatekeeper's error for mutators whose locations contradict each other.
pub fn conflict_text(ids: &BTreeSet<MutatorId>) -> String {
    let mut ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    ids.sort();
    format!("the following mutators have conflicting schemas: [{}]", ids.join(","))
}

impl Mutator {
    /// Whether it is for the object of the review.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn matches(&self, review: &Review) -> Result<bool, MatchError> {
        let Some(object) = &review.object else { return Ok(false) };
        let is_for = |entry: &ApplyTo| entry.matches(object.gvk(), review.operation);
        if self.apply_to.as_ref().is_some_and(|entries| !entries.iter().any(is_for)) {
            return Ok(false);
        }
        matches(&self.criteria, review).map_err(|failure| failure.cause)
    }

    /// What an index may go by: what it is applied to is asked before anything else.
    fn indexed_criteria(&self) -> Match {
        let Some(entries) = &self.apply_to else { return self.criteria.clone() };
        let to_selector =
            |entry: &ApplyTo| KindSelector { api_groups: entry.groups.clone(), kinds: entry.kinds.clone() };
        Match { kinds: entries.iter().map(to_selector).collect(), ..self.criteria.clone() }
    }
}
