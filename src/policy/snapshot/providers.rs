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
                in_force.push(before.filter(|before| ***before == now).cloned().unwrap_or_else(|| Arc::new(now)));
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::policy::snapshot::{Change, Snapshot, build};

    fn provider(name: &str, change: impl FnOnce(&mut Value)) -> Change {
        let authority = crate::server::self_signed().unwrap().authority;
        let bundle = data_encoding::BASE64.encode(authority.as_bytes());
        let mut object = json!({"apiVersion": "externaldata.gatekeeper.sh/v1beta1", "kind": "Provider",
            "metadata": {"name": name}, "spec": {"url": "https://a.b:8090", "timeout": 3, "caBundle": bundle}});
        change(&mut object["spec"]);
        Change::Apply(Object::from_value(object).unwrap())
    }

    #[test]
    fn a_broken_update_keeps_the_last_good_one() {
        let mut store = Store::default();
        let mut previous = Snapshot::default();
        let mut step = |change: Change| {
            store.apply(change);
            let (snapshot, errors) = build(&mut store, &previous, BuildOptions::default());
            previous = snapshot;
            let found = previous.providers().find("images").cloned();
            (found, errors.into_iter().map(|error| (error.code, error.to_string(), error.previous_in_force)).collect())
        };
        let (first, errors): (_, Vec<_>) = step(provider("images", |_| {}));
        assert_eq!((first.as_ref().unwrap().timeout_seconds, errors), (3, vec![]));
        let (same, _) = step(provider("others", |_| {}));
        assert!(Arc::ptr_eq(same.as_ref().unwrap(), first.as_ref().unwrap()), "it did not change");
        let (kept, errors) = step(provider("images", |spec| spec["timeout"] = json!(-1)));
        assert!(Arc::ptr_eq(kept.as_ref().unwrap(), first.as_ref().unwrap()));
        let text = "Provider images: provider timeout should be a positive integer. value: -1";
        assert_eq!(errors.len(), 1);
        assert!(errors[0].1.ends_with(text) && errors[0].0 == "UpsertCache" && errors[0].2, "{errors:?}");
        let (now, errors) = step(provider("images", |spec| spec["timeout"] = json!(9)));
        assert_eq!((now.unwrap().timeout_seconds, errors), (9, vec![]));
        let (none, errors) = step(provider("new", |spec| spec["caBundle"] = json!("YQ==")));
        assert!(none.is_some() && errors[0].1.ends_with("bad caBundle") && !errors[0].2, "{errors:?}");
    }
}
