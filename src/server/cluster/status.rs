//! `status.byPod` of templates, constraints and Configs: what this process makes of them, written only when it changed.
//!
//! Each process owns the entry with its own id and leaves the others alone; a conflicting write is tried again on the
//! newer object, which the watch brings.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tracing::warn;

use super::ClusterOptions;
use super::watches::resource;
use crate::model::api::{CONFIG_GROUP, TEMPLATES_GROUP};
use crate::model::object::{FieldPath, Object, ObjectKey};
use crate::policy::snapshot::{ErrorPlace, ResourceError, Snapshot, SnapshotHandle};
use crate::server::writer::{Report, ResourceState};

/// Rest before trying again what the API server refused.
const RETRY: Duration = Duration::from_secs(2);
/// How often it is looked whether a constraint was set aside.
const LOOK: Duration = Duration::from_secs(1);

/// Writes statuses for ever.
pub(super) async fn run(
    client: Client,
    options: ClusterOptions,
    snapshots: Arc<SnapshotHandle>,
    mut reports: watch::Receiver<Report>,
) {
    loop {
        let report = reports.borrow_and_update().clone();
        let aside = set_aside(&snapshots.load());
        let mut all_written = true;
        for state in &report.resources {
            let state = with_set_aside(state, &aside);
            all_written &= write(&client, &options, &state).await;
        }
        let is_aside_changed = async {
            loop {
                tokio::time::sleep(LOOK).await;
                if set_aside(&snapshots.load()) != aside {
                    return;
                }
            }
        };
        let pause = if all_written { Duration::from_secs(3_600) } else { RETRY };
        tokio::select! {
            changed = reports.changed() => if changed.is_err() { std::future::pending().await },
            () = is_aside_changed => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Constraints that are not evaluated for now, by their keys, and why.
fn set_aside(snapshot: &Snapshot) -> BTreeMap<ObjectKey, String> {
    snapshot.set_aside().map(|(one, why)| (one.constraint.object.key(), why)).collect()
}

fn with_set_aside<'s>(state: &'s ResourceState, aside: &BTreeMap<ObjectKey, String>) -> Cow<'s, ResourceState> {
    let key = state.object.key();
    let Some(message) = aside.get(&key).cloned() else { return Cow::Borrowed(state) };
    let mut state = state.clone();
    let place = ErrorPlace::Field(FieldPath::root());
    state.errors.push(ResourceError { key, code: "set_aside", message, place, previous_in_force: false });
    Cow::Owned(state)
}

async fn write(client: &Client, options: &ClusterOptions, state: &ResourceState) -> bool {
    let object = &state.object;
    match new_status(options, state) {
        Some(status) => patch(client, object, &status).await,
        None => true,
    }
}

/// Changes these fields of an object's status, unless it has changed meanwhile: then the watch brings the newer one.
/// Whether nothing is left to do.
pub(super) async fn patch(client: &Client, object: &Object, status: &Value) -> bool {
    let gvk = object.gvk();
    let plural = match Subject::of(object) {
        Subject::Template => "constrainttemplates".to_owned(),
        Subject::Constraint => gvk.kind.to_lowercase(),
        Subject::Config => "configs".to_owned(),
    };
    let resource = resource(&gvk.group, &gvk.version, &gvk.kind, &plural);
    let api: Api<DynamicObject> = match object.namespace() {
        "" => Api::all_with(client.clone(), &resource),
        namespace => Api::namespaced_with(client.clone(), namespace, &resource),
    };
    // With the version that was read, a status that somebody else wrote meanwhile is not overwritten.
    let patch = json!({"metadata": {"resourceVersion": object.resource_version()}, "status": status});
    match api.patch_status(object.name(), &PatchParams::default(), &Patch::Merge(&patch)).await {
        Ok(_) => true,
        Err(kube::Error::Api(error)) if error.code == 404 || error.code == 409 => true,
        Err(error) => {
            warn!(resource = %object.key(), %error, "failed to write the status");
            false
        }
    }
}

/// What a status is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    Template,
    Constraint,
    Config,
}

impl Subject {
    fn of(object: &Object) -> Self {
        match object.gvk().group.as_str() {
            TEMPLATES_GROUP => Self::Template,
            CONFIG_GROUP => Self::Config,
            _ => Self::Constraint,
        }
    }
}

/// The fields of `status` to change; `None` when they say so already.
fn new_status(options: &ClusterOptions, state: &ResourceState) -> Option<Value> {
    let object = &state.object;
    let is_template = Subject::of(object) == Subject::Template;
    let entry = pod_entry(options, state);
    let current = entries(object);
    let mut entries: Vec<Value> = current.iter().filter(|one| id(one) != options.pod_name).cloned().collect();
    entries.push(entry);
    entries.sort_by(|one, other| id(one).cmp(id(other)));
    let was_created = object.field(&["status", "created"]).and_then(Value::as_bool);
    // Sticky, as in Gatekeeper: a template that once worked stays created.
    let created = was_created == Some(true) || (state.errors.is_empty() && state.is_in_force);
    let is_unchanged = entries == current && (!is_template || was_created == Some(created));
    let status = if is_template { json!({"byPod": entries, "created": created}) } else { json!({"byPod": entries}) };
    (!is_unchanged).then_some(status)
}

/// `status.byPod` as it is.
pub(super) fn entries(object: &Object) -> Vec<Value> {
    object.field(&["status", "byPod"]).and_then(Value::as_array).cloned().unwrap_or_default()
}

/// Whose entry it is.
pub(super) fn id(entry: &Value) -> &str {
    entry.get("id").and_then(Value::as_str).unwrap_or_default()
}

fn pod_entry(options: &ClusterOptions, state: &ResourceState) -> Value {
    let object: &Object = &state.object;
    let subject = Subject::of(object);
    let mut entry = Map::new();
    entry.insert("id".to_owned(), options.pod_name.as_str().into());
    entry.insert("observedGeneration".to_owned(), object.generation().into());
    entry.insert("operations".to_owned(), options.operations.names().into());
    let uid_key = match subject {
        Subject::Template => "templateUID",
        Subject::Constraint => "constraintUID",
        Subject::Config => "configUID",
    };
    entry.insert(uid_key.to_owned(), object.uid().into());
    if subject == Subject::Constraint {
        entry.insert("enforced".to_owned(), state.is_in_force.into());
    }
    if !state.errors.is_empty() {
        entry.insert("errors".to_owned(), state.errors.iter().map(|error| error_entry(error, subject)).collect());
    }
    Value::Object(entry)
}

fn error_entry(error: &ResourceError, subject: Subject) -> Value {
    let suffix = if error.previous_in_force { "; the previous version stays in force" } else { "" };
    let message = format!("{}{suffix}", error.message);
    if subject == Subject::Config {
        return json!({"type": error.code, "message": message});
    }
    let location = match &error.place {
        ErrorPlace::Field(path) => path.to_string(),
        ErrorPlace::Text { field, line, column } => format!("{field}:{line}:{column}"),
    };
    json!({"code": error.code, "message": message, "location": location})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> ClusterOptions {
        ClusterOptions {
            kubeconfig: None,
            pod_name: "pod-b".to_owned(),
            pod_namespace: "admit-system".to_owned(),
            operations: crate::server::Operations::default(),
            rotation: None,
        }
    }

    fn state(status: Value, errors: Vec<ResourceError>) -> ResourceState {
        let object = json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
            "metadata": {"name": "a", "uid": "u1", "generation": 3}, "status": status});
        let is_in_force = errors.is_empty();
        ResourceState { object: Arc::new(Object::from_value(object).unwrap()), errors, is_in_force }
    }

    #[test]
    fn keeps_the_entries_of_others_and_writes_once() {
        let status =
            new_status(&options(), &state(json!({"byPod": [{"id": "pod-c"}, {"id": "pod-a"}]}), vec![])).unwrap();
        let ids: Vec<_> = status["byPod"].as_array().unwrap().iter().map(|entry| entry["id"].clone()).collect();
        assert_eq!((ids, &status["created"]), (vec![json!("pod-a"), json!("pod-b"), json!("pod-c")], &json!(true)));
        assert_eq!(new_status(&options(), &state(status, vec![])), None);
    }

    #[test]
    fn a_config_has_its_own_kind_of_entry() {
        let config = json!({"apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
            "metadata": {"name": "a", "namespace": "shop", "uid": "u2", "generation": 1}});
        let object = Arc::new(Object::from_value(config).unwrap());
        let (key, place) = (object.key(), ErrorPlace::Field(FieldPath::root()));
        let error = ResourceError { key, code: "ignored", message: "no".to_owned(), place, previous_in_force: false };
        let status = new_status(&options(), &ResourceState { object, errors: vec![error], is_in_force: false });
        assert_eq!(
            status,
            Some(json!({"byPod": [{"id": "pod-b", "observedGeneration": 1,
                "operations": ["generate", "status", "webhook"],
                "configUID": "u2", "errors": [{"type": "ignored", "message": "no"}]}]}))
        );
    }

    #[test]
    fn errors_are_listed_with_their_place_and_created_is_sticky() {
        let error = ResourceError {
            key: state(json!({}), vec![]).object.key(),
            code: "ingest_error",
            message: "bad".to_owned(),
            place: ErrorPlace::Text { field: FieldPath::from(["spec", "rego"]), line: 3, column: 7 },
            previous_in_force: true,
        };
        let status = new_status(&options(), &state(json!({"created": true}), vec![error])).unwrap();
        assert_eq!(status["created"], json!(true));
        assert_eq!(
            status["byPod"][0]["errors"],
            json!([{"code": "ingest_error", "message": "bad; the previous version stays in force", "location": "spec.rego:3:7"}])
        );
    }
}
