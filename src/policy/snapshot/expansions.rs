//! The ExpansionTemplates of a snapshot.

use super::build::{ErrorPlace, ResourceError};
use super::{Policies, Snapshot, Store};
use crate::policy::expansion::{ExpansionError, Expansions};

/// Reads those in the store. Gatekeeper's errors of this kind have no code.
pub(super) fn build(store: &Store, previous: &Policies, errors: &mut Vec<ResourceError>) -> Expansions {
    let there = store.expansion_templates().filter(|object| !object.is_terminating());
    let (expansions, found) = Expansions::build(there, &previous.expansions);
    errors.extend(found.into_iter().map(|ExpansionError { object, error, previous_in_force }| ResourceError {
        key: object.key(),
        code: "",
        message: error.message,
        place: ErrorPlace::Field(error.path),
        previous_in_force,
    }));
    expansions
}

impl Snapshot {
    /// What objects generate others, as ExpansionTemplates say.
    pub fn expansions(&self) -> &Expansions {
        &self.policies.expansions
    }
}
