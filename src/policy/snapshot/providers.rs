//! Providers in force: those of the store that can be used, and of those that cannot what they last were.

use std::sync::Arc;

use super::{ErrorPlace, ResourceError, Store};
use crate::model::api::Provider;
use crate::policy::external_data::Providers;

/// Gatekeeper's type of error for a Provider that cannot be used.
const UNUSABLE: &str = "UpsertCache";

/// Reads all Providers; one that did not change stays the same in memory.
pub(super) fn build_providers(store: &Store, previous: &Providers, errors: &mut Vec<ResourceError>) -> Providers {
    let mut in_force = Vec::new();
    for object in store.providers.values().filter(|object| !object.is_terminating()) {
        let before = previous.find(object.name());
        match Provider::parse(object) {
            Ok(now) => {
                in_force.push(before.filter(|before| ***before == now).cloned().unwrap_or_else(|| Arc::new(now)))
            }
            Err(found) => {
                in_force.extend(before.cloned());
                errors.extend(found.into_iter().map(|error| ResourceError {
                    key: object.key(),
                    code: UNUSABLE,
                    message: error.message,
                    place: ErrorPlace::Field(error.path),
                    previous_in_force: before.is_some(),
                }));
            }
        }
    }
    in_force.into_iter().collect()
}
