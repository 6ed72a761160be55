//! What one process says of one object, in Gatekeeper's fields.
//!
//! As Gatekeeper writes them, so that its aggregator and ours write the same: fields without content are left out, `enforced`
//! is only there when true.

use serde_json::{Map, Value, json};

use super::Subject;
use crate::policy::snapshot::{ErrorPlace, ResourceError};
use crate::server::cluster::ClusterOptions;
use crate::server::writer::ResourceState;

/// Something that an entry says besides what the snapshot's build found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remark {
    pub(super) code: &'static str,
    pub(super) message: String,
}

/// Codes of what is told without anything being wrong end so, as Gatekeeper's `operation_mismatch_warning`.
const WARNING_SUFFIX: &str = "_warning";
/// A constraint is not evaluated for now.
pub(super) const SET_ASIDE: &str = "set_aside";
/// A policy reads what is not in the inventory.
pub(super) const DATA_NOT_SYNCED: &str = "data_not_synced";
/// The annotation on what a template reads cannot be read.
pub(super) const SYNC_ANNOTATION_WARNING: &str = "sync_annotation_warning";
/// A kind that a Config names cannot be synced.
pub(super) const SYNC_ERROR: &str = "sync_error";

/// The entry of this process.
pub(super) fn entry(options: &ClusterOptions, state: &ResourceState, remarks: &[Remark]) -> Value {
    let object = &state.object;
    let subject = Subject::of(object);
    let mut entry = Map::new();
    entry.insert("id".to_owned(), options.pod_name.as_str().into());
    entry.insert("observedGeneration".to_owned(), object.generation().into());
    entry.insert("operations".to_owned(), options.operations.names().into());
    entry.insert(subject.uid_key().to_owned(), object.uid().into());
    // Of a mutator that was put to use as it was before, Gatekeeper says that it is not.
    let is_in_use = state.is_in_force && (subject == Subject::Constraint || state.errors.is_empty());
    if let Some(key) = subject.use_key().filter(|_| is_in_use) {
        entry.insert(key.to_owned(), true.into());
    }
    let mut errors: Vec<Value> = state.errors.iter().map(|error| of_error(error, subject)).collect();
    errors.extend(remarks.iter().map(|remark| one_error(subject, remark.code, &remark.message, "")));
    if !errors.is_empty() {
        entry.insert("errors".to_owned(), errors.into());
    }
    Value::Object(entry)
}

fn of_error(error: &ResourceError, subject: Subject) -> Value {
    let suffix = if error.previous_in_force { "; the previous version stays in force" } else { "" };
    let message = format!("{}{suffix}", error.message);
    let location = match &error.place {
        ErrorPlace::Field(path) if path.segments().is_empty() => String::new(),
        ErrorPlace::Field(path) => path.to_string(),
        ErrorPlace::Text { field, line, column } => format!("{field}:{line}:{column}"),
    };
    one_error(subject, error.code, &message, &location)
}

fn one_error(subject: Subject, code: &str, message: &str, location: &str) -> Value {
    match (subject, location) {
        // As Gatekeeper says of all of them.
        (Subject::Provider, _) => json!({"type": code, "message": message, "retryable": true}),
        // Gatekeeper gives a type to conflicts alone.
        (Subject::Mutator, _) if code.is_empty() => json!({"message": message}),
        _ if !subject.errors_have_codes() => json!({"type": code, "message": message}),
        (_, "") => json!({"code": code, "message": message}),
        _ => json!({"code": code, "message": message, "location": location}),
    }
}

/// The errors of anybody's entry; what is only told is none.
pub(super) fn errors(entry: &Value) -> impl Iterator<Item = &Value> {
    let all = entry.get("errors").and_then(Value::as_array).into_iter().flatten();
    all.filter(|error| !code(error).ends_with(WARNING_SUFFIX))
}

/// Which kind of error it is.
pub(super) fn code(error: &Value) -> &str {
    error.get("code").or_else(|| error.get("type")).and_then(Value::as_str).unwrap_or_default()
}

/// Whose entry it is.
pub(super) fn id(entry: &Value) -> &str {
    entry.get("id").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::object::{FieldPath, Object};

    const OPERATIONS: [&str; 6] =
        ["generate", "mutation-controller", "mutation-status", "mutation-webhook", "status", "webhook"];

    fn options() -> ClusterOptions {
        ClusterOptions {
            kubeconfig: None,
            pod_name: "pod-b".to_owned(),
            pod_namespace: "admit-system".to_owned(),
            operations: crate::server::Operations::default(),
            rotation: None,
        }
    }

    fn state(api_version: &str, kind: &str, place: Option<ErrorPlace>) -> ResourceState {
        let value = json!({"apiVersion": api_version, "kind": kind,
            "metadata": {"name": "a", "namespace": "shop", "uid": "u1", "generation": 3}});
        let object = Arc::new(Object::from_value(value).unwrap());
        let key = object.key();
        let error = |place| ResourceError {
            key,
            code: "ingest_error",
            message: "bad".to_owned(),
            place,
            previous_in_force: true,
        };
        let errors: Vec<ResourceError> = place.map(error).into_iter().collect();
        let is_in_force = errors.is_empty();
        ResourceState { object, errors, is_in_force }
    }

    #[test]
    fn errors_are_listed_with_their_place() {
        let place = ErrorPlace::Text { field: FieldPath::from(["spec", "rego"]), line: 3, column: 7 };
        let state = state("templates.gatekeeper.sh/v1", "ConstraintTemplate", Some(place));
        let remark = Remark { code: SYNC_ANNOTATION_WARNING, message: "odd".to_owned() };
        let entry = entry(&options(), &state, &[remark]);
        assert_eq!(
            entry,
            json!({"id": "pod-b", "observedGeneration": 3, "operations": OPERATIONS,
                "templateUID": "u1", "errors": [
                    {"code": "ingest_error", "message": "bad; the previous version stays in force",
                        "location": "spec.rego:3:7"},
                    {"code": "sync_annotation_warning", "message": "odd"}]})
        );
        assert_eq!(errors(&entry).map(code).collect::<Vec<_>>(), ["ingest_error"]);
    }

    #[test]
    fn a_constraint_says_whether_it_is_enforced() {
        let (group, root) = ("constraints.gatekeeper.sh/v1beta1", ErrorPlace::Field(FieldPath::root()));
        let good = entry(&options(), &state(group, "K", None), &[]);
        assert_eq!((&good["enforced"], &good["constraintUID"], good.get("errors")), (&json!(true), &json!("u1"), None));
        let bad = entry(&options(), &state(group, "K", Some(root)), &[]);
        assert_eq!((bad.get("enforced"), bad["errors"][0].get("location")), (None, None));
    }

    #[test]
    fn kinds_say_in_their_own_words_what_is_wrong_and_what_is_used() {
        let root = || Some(ErrorPlace::Field(FieldPath::root()));
        let text = "bad; the previous version stays in force";
        for (api_version, kind, uid, is_used) in [
            ("mutations.gatekeeper.sh/v1", "Assign", "mutatorUID", Some("enforced")),
            ("expansion.gatekeeper.sh/v1alpha1", "ExpansionTemplate", "templateUID", None),
            ("externaldata.gatekeeper.sh/v1beta1", "Provider", "providerUID", Some("active")),
        ] {
            let good = entry(&options(), &state(api_version, kind, None), &[]);
            assert_eq!((&good[uid], good.get("errors")), (&json!("u1"), None), "{kind}");
            let used: Vec<&str> = ["enforced", "active"].into_iter().filter(|key| good.get(key).is_some()).collect();
            assert_eq!(used, is_used.into_iter().collect::<Vec<_>>(), "{kind}");
            let mut broken = state(api_version, kind, root());
            broken.is_in_force = true;
            let bad = entry(&options(), &broken, &[]);
            let mut error = json!({"type": "ingest_error", "message": text});
            if kind == "Provider" {
                error["retryable"] = true.into();
            }
            assert_eq!(
                (bad.get("enforced"), bad.get("active"), &bad["errors"]),
                (None, None, &json!([error])),
                "{kind}"
            );
        }
    }

    #[test]
    fn a_config_has_its_own_kind_of_entry() {
        let state = state("config.gatekeeper.sh/v1alpha1", "Config", None);
        let remark = Remark { code: SYNC_ERROR, message: "no".to_owned() };
        assert_eq!(
            entry(&options(), &state, &[remark]),
            json!({"id": "pod-b", "observedGeneration": 3, "operations": OPERATIONS,
                "configUID": "u1", "errors": [{"type": "sync_error", "message": "no"}]})
        );
    }
}
