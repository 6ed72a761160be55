//! Providers in force: those of the store that can be used, and of those that cannot what they last were.

use std::sync::Arc;

use super::{BuildOptions, ErrorPlace, ResourceError, Store};
use crate::model::api::Provider;
use crate::model::object::{FieldError, FieldPath, Object};
use crate::policy::engine::external_data::Providers;
use crate::policy::engine::rego::builtins::{AuthorityFault, check_authority};

/// Gatekeeper's type of error for a Provider that cannot be used.
const UNUSABLE: &str = "UpsertCache";

/// Reads all Providers; one that did not change stays the same in memory.
pub(super) fn build_providers(
    store: &Store,
    previous: &Providers,
    options: BuildOptions,
    errors: &mut Vec<ResourceError>,
) -> Providers {
    let mut in_force = Vec::new();
    for object in store.providers.values().filter(|object| !object.is_terminating()) {
        let before = previous.find(object.name());
        match check_provider(object) {
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
    let in_force: Providers = in_force.into_iter().collect();
    match options.recorded {
        Some(records) => in_force.with_records(records),
        None => in_force,
    }
}

/// Reads a Provider, and the first certificate of its authorities.
///
/// # Errors
/// With everything that is wrong with it, in Gatekeeper's words and order.
pub fn check_provider(object: &Object) -> Result<Provider, Vec<FieldError>> {
    let provider = Provider::parse(object)?;
    let text = match check_authority(&provider.authorities) {
        Ok(()) => return Ok(provider),
        Err(AuthorityFault::NotPem) => "bad caBundle",
        Err(AuthorityFault::NotCertificate) => "failed to parse caBundle: x509: malformed certificate",
    };
    Err(vec![FieldError::new(FieldPath::from(["spec", "caBundle"]), text)])
}
