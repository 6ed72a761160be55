//! Kubernetes Events on constraints: when one is set aside, and when it is evaluated again.
//!
//! Said once at each change, which a breaker's rests keep rare. Nobody waits for it: an Event that the API server does not
//! take is one line in the log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tracing::warn;

use super::{ClusterOptions, FIELD_MANAGER};
use crate::model::object::{Object, ObjectKey};
use crate::policy::snapshot::{Snapshot, SnapshotHandle};

/// How often it is looked whether a constraint was set aside.
const LOOK: Duration = Duration::from_secs(1);
/// The longest that the API server is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Writes Events for ever.
pub(super) async fn run(client: Client, options: ClusterOptions, snapshots: Arc<SnapshotHandle>) {
    let reporter = Reporter { controller: FIELD_MANAGER.to_owned(), instance: Some(options.pod_name) };
    let recorder = Recorder::new(client, reporter);
    let mut before = BTreeMap::new();
    loop {
        tokio::time::sleep(LOOK).await;
        let snapshot = snapshots.load();
        let now = set_aside(&snapshot);
        for (constraint, event) in changes(&snapshot, &before, &now) {
            publish(&recorder, &constraint, &event).await;
        }
        before = now;
    }
}

fn set_aside(snapshot: &Snapshot) -> BTreeMap<ObjectKey, String> {
    snapshot.set_aside().map(|(one, why)| (one.constraint.object.key(), why)).collect()
}

/// What to say of which constraint. Of one that is gone there is nothing to say.
fn changes(
    snapshot: &Snapshot,
    before: &BTreeMap<ObjectKey, String>,
    now: &BTreeMap<ObjectKey, String>,
) -> Vec<(Object, Event)> {
    if before.is_empty() && now.is_empty() {
        return Vec::new();
    }
    let mut changes = Vec::new();
    for object in snapshot.constraints().iter().map(|one| &one.constraint.object) {
        let key = object.key();
        let event = match (before.contains_key(&key), now.get(&key)) {
            (false, Some(why)) => event(EventType::Warning, "SetAside", why.clone()),
            (true, None) => event(EventType::Normal, "EvaluatedAgain", "policy is evaluated again".to_owned()),
            _ => continue,
        };
        changes.push((object.clone(), event));
    }
    changes
}

fn event(type_: EventType, reason: &str, note: String) -> Event {
    Event { type_, reason: reason.to_owned(), note: Some(note), action: "Evaluate".to_owned(), secondary: None }
}

async fn publish(recorder: &Recorder, constraint: &Object, event: &Event) {
    let gvk = constraint.gvk();
    let reference = ObjectReference {
        api_version: Some(format!("{}/{}", gvk.group, gvk.version)),
        kind: Some(gvk.kind.clone()),
        name: Some(constraint.name().to_owned()),
        uid: Some(constraint.uid().to_owned()),
        ..ObjectReference::default()
    };
    let error = match tokio::time::timeout(PATIENCE, recorder.publish(event, &reference)).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the API server did not answer in time".to_owned(),
    };
    warn!(resource = %constraint.key(), reason = event.reason, error, "failed to write an Event");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::policy::snapshot::{BuildOptions, Change, Store, build};

    fn snapshot() -> Snapshot {
        let mut store = Store::default();
        for value in [
            json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
                "metadata": {"name": "k8sloops"}, "spec": {"crd": {"spec": {"names": {"kind": "K8sLoops"}}},
                "targets": [{"target": "admission.k8s.gatekeeper.sh",
                    "rego": "package a\nviolation[{\"msg\": \"x\"}] { true }"}]}}),
            json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "K8sLoops", "metadata": {"name": "a"}}),
        ] {
            store.apply(Change::Apply(Object::from_value(value).unwrap()));
        }
        build(&mut store, &Snapshot::default(), BuildOptions::default()).0
    }

    #[test]
    fn each_change_is_said_once() {
        let snapshot = snapshot();
        let none = set_aside(&snapshot);
        assert!((0..3).any(|_| snapshot.constraints()[0].breaker.strike("it took too long")));
        let aside = set_aside(&snapshot);
        let reasons = |before, now| -> Vec<String> {
            changes(&snapshot, before, now).into_iter().map(|(_, event)| event.reason).collect()
        };
        assert_eq!(reasons(&none, &aside), ["SetAside"]);
        assert!(reasons(&aside, &aside).is_empty());
        assert_eq!(reasons(&aside, &none), ["EvaluatedAgain"]);
        assert!(changes(&Snapshot::default(), &aside, &none).is_empty(), "it is gone");
    }
}
