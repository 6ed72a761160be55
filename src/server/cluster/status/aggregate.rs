//! What all processes say, gathered in the statuses of what they say it of by one of them.
//!
//! `status.byPod` is made of the PodStatus objects alone: an entry that none of them holds goes. Those about an object that
//! has been created anew since name another UID, and do not count.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::sync::watch;
use tracing::info;

use super::attempts::{Attempts, Outcome, make};
use super::conditions::judge;
use super::departed::{Pods, Renewals, has_others};
use super::entry::{errors, id};
use super::{KnownPodStatuses, Subject, remove, watch_pod_statuses};
use crate::model::api::CONSTRAINTS_GROUP;
use crate::model::object::{Object, ObjectKey};
use crate::server::cluster::feed::KnownCrds;
use crate::server::cluster::troubles::Trouble;
use crate::server::cluster::watches::resource;
use crate::server::cluster::{Clients, ClusterOptions};
use crate::server::writer::Report;

/// A burst of changes is let pass: a status is written once for all processes.
const BURST: Duration = Duration::from_millis(200);
/// How often it is looked whether Pods are gone.
const LOOK: Duration = Duration::from_secs(10);
/// The longest rest before writing once more what does not stay written.
const LONGEST_REST: Duration = Duration::from_secs(3_600);
/// Requests at a time.
const AT_ONCE: usize = 8;

/// The loop, and what it works with.
#[derive(Clone)]
pub(in crate::server::cluster) struct Aggregator {
    pub(in crate::server::cluster) clients: Clients,
    pub(in crate::server::cluster) options: ClusterOptions,
    pub(in crate::server::cluster) reports: watch::Receiver<Report>,
    pub(in crate::server::cluster) crds: watch::Receiver<KnownCrds>,
    /// The kinds that it gathers the statuses of.
    pub(in crate::server::cluster) subjects: &'static [Subject],
}

impl Aggregator {
    /// Writes for ever.
    pub(in crate::server::cluster) async fn run(mut self) {
        let mut events = watch_pod_statuses(&self.clients, None, self.subjects);
        let mut known = KnownPodStatuses::default();
        let mut attempts = Attempts::new(LONGEST_REST);
        let mut renewals = Renewals::default();
        let mut look = tokio::time::interval(LOOK);
        let mut burst_ends: Option<Instant> = None;
        loop {
            let far = || Instant::now() + Duration::from_secs(3_600);
            let due = burst_ends.into_iter().chain(attempts.next_due()).min().unwrap_or_else(far);
            tokio::select! {
                Some((subject, event)) = events.next() => known.take(subject, event),
                changed = self.reports.changed() => if changed.is_err() { return std::future::pending().await },
                changed = self.crds.changed() => if changed.is_err() { return std::future::pending().await },
                _ = look.tick() => { self.remove_departed(&known, &mut renewals).await; continue }
                () = tokio::time::sleep_until(due.into()) => {
                    burst_ends = None;
                    self.gather(&known, &mut attempts).await;
                    continue;
                }
            }
            burst_ends.get_or_insert_with(|| Instant::now() + BURST);
        }
    }

    async fn gather(&mut self, known: &KnownPodStatuses, attempts: &mut Attempts<ObjectKey>) {
        let report = self.reports.borrow_and_update().clone();
        let crds = self.crds.borrow_and_update().clone();
        if !known.is_settled(self.subjects) || !report.is_complete {
            return attempts.retain(|_| false);
        }
        let entries = by_uid(known);
        let (now, clock) = (Instant::now(), Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        let mut patches = Vec::new();
        let mut keys = Vec::new();
        let is_ours = |object: &Object| self.subjects.contains(&Subject::of(object)) && !object.is_terminating();
        for state in report.resources.iter().filter(|state| is_ours(&state.object)) {
            let (object, key) = (&state.object, state.object.key());
            let of_object = entries.get(object.uid()).map(Vec::as_slice).unwrap_or_default();
            let crd = format!("{}.{CONSTRAINTS_GROUP}", object.name());
            match new_status(object, of_object, crds.get(&crd) == Some(&true), &clock) {
                None => attempts.settle(&key, now),
                Some(status) if attempts.begin(&key, &without_times(&status), now) => {
                    patches.push(patch(&self.clients, object, status));
                }
                Some(_) => {}
            }
            keys.push(key);
        }
        keys.sort();
        attempts.retain(|key| keys.binary_search(key).is_ok());
        for (key, outcome) in make(patches, AT_ONCE).await {
            attempts.end(&key, outcome.err(), Instant::now());
        }
    }

    async fn remove_departed(&self, known: &KnownPodStatuses, renewals: &mut Renewals) {
        let namespace = &self.options.pod_namespace;
        if !known.is_settled(self.subjects) || !has_others(known, namespace, &self.options.pod_name) {
            return;
        }
        let pods: Api<Pod> = Api::namespaced(self.clients.hasty.clone(), namespace);
        // What was known before the Pods were listed: who has come since is not taken for gone.
        let pods = match Pods::list(&pods).await {
            Ok(pods) => pods,
            Err(error) => {
                let (work, trouble) = ("looking for processes that are gone", Trouble::of_request(&error));
                return self.clients.troubles.failed(work, "pods", trouble, &error);
            }
        };
        let departed = renewals.departed(known, namespace, &pods, (Instant::now(), Timestamp::now()));
        if departed.is_empty() {
            return;
        }
        info!(statuses = departed.len(), "removing statuses of processes that are gone");
        make(departed.iter().map(|key| remove(&self.clients, key)).collect(), AT_ONCE).await;
    }
}

/// Entries by the object that they are about, sorted by who says them.
fn by_uid(known: &KnownPodStatuses) -> BTreeMap<&str, Vec<&Value>> {
    let mut entries: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for ((subject, _, _), object) in &known.objects {
        let status = object.field(&["status"]);
        let uid = status.and_then(|status| status.get(subject.uid_key())).and_then(Value::as_str);
        if let (Some(status), Some(uid), false) = (status, uid, object.is_terminating()) {
            entries.entry(uid).or_default().push(status);
        }
    }
    entries.values_mut().for_each(|entries| entries.sort_by_key(|entry| id(entry)));
    entries
}

/// The fields of `status` to change; `None` when they say so already.
fn new_status(object: &Object, entries: &[&Value], is_served: bool, clock: &str) -> Option<Value> {
    let subject = Subject::of(object);
    let current = |field: &str| object.field(&["status", field]);
    let verdict = judge(object, entries, is_served);
    let before = current("conditions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut status = json!({"byPod": entries, "conditions": verdict.conditions(before, clock)});
    if let Some(generation) = verdict.observed_generation {
        status["observedGeneration"] = generation.into();
    }
    if subject == Subject::Template {
        // Sticky, as in Gatekeeper: a template that once worked stays created.
        let was_created = current("created").and_then(Value::as_bool) == Some(true);
        status["created"] = (was_created || entries.iter().any(|entry| errors(entry).next().is_none())).into();
    }
    let is_new = status.as_object().into_iter().flatten().any(|(field, value)| current(field) != Some(value));
    is_new.then_some(status)
}

/// What it says but for when: the same is not written again because time has passed.
fn without_times(status: &Value) -> Value {
    let mut status = status.clone();
    for condition in status.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        condition.as_object_mut().map(|condition| condition.remove("lastTransitionTime"));
    }
    status
}

/// Changes these fields of an object's status, unless it has changed meanwhile: then the watch brings the newer one.
async fn patch(clients: &Clients, object: &Object, status: Value) -> Outcome<ObjectKey, ()> {
    let gvk = object.gvk();
    let plural = match Subject::of(object) {
        Subject::Template => "constrainttemplates".to_owned(),
        Subject::Constraint | Subject::Mutator | Subject::ExpansionTemplate => gvk.kind.to_lowercase(),
        Subject::Config => "configs".to_owned(),
        Subject::Provider => "providers".to_owned(),
    };
    let resource = resource(&gvk.group, &gvk.version, &gvk.kind, &plural);
    let api: Api<DynamicObject> = match object.namespace() {
        "" => Api::all_with(clients.hasty.clone(), &resource),
        namespace => Api::namespaced_with(clients.hasty.clone(), namespace, &resource),
    };
    // With the version that was read, a status that somebody else wrote meanwhile is not overwritten.
    let patch = json!({"metadata": {"resourceVersion": object.resource_version()}, "status": status});
    match api.patch_status(object.name(), &PatchParams::default(), &Patch::Merge(&patch)).await {
        Ok(_) => (object.key(), Ok(())),
        Err(kube::Error::Api(error)) if error.code == 404 || error.code == 409 => (object.key(), Ok(())),
        Err(error) => {
            let trouble = Trouble::of_request(&error);
            clients.troubles.failed("writing the status", &plural, trouble, &error);
            (object.key(), Err(trouble))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::cluster::watches::Watched;

    fn template(status: Value) -> Object {
        let value = json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
            "metadata": {"name": "a", "uid": "u1", "generation": 3}, "status": status});
        Object::from_value(value).unwrap()
    }

    fn entry(id: &str, uid: &str, errors: &Value) -> Value {
        let mut entry = json!({"id": id, "templateUID": uid, "observedGeneration": 3});
        if errors != &json!([]) {
            entry["errors"] = errors.clone();
        }
        entry
    }

    fn known(entries: &[(&str, Value)]) -> KnownPodStatuses {
        let object = |(number, (namespace, entry)): (usize, &(&str, Value))| {
            Object::from_value(json!({"apiVersion": "status.gatekeeper.sh/v1beta1",
                "kind": "ConstraintTemplatePodStatus", "status": entry,
                "metadata": {"name": format!("n{number}"), "namespace": namespace}}))
            .unwrap()
        };
        let mut known = KnownPodStatuses::default();
        let objects = entries.iter().enumerate().map(object).collect();
        known.take(Subject::Template, Ok(Watched::All(objects)));
        known
    }

    fn gathered(object: &Object, entries: &[(&str, Value)], clock: &str) -> Option<Value> {
        let known = known(entries);
        let entries = by_uid(&known);
        new_status(object, entries.get("u1").map(Vec::as_slice).unwrap_or_default(), true, clock)
    }

    #[test]
    fn entries_on_the_object_are_sorted_and_written_once() {
        let none = json!([]);
        let entries = [
            ("x", entry("pod-c", "u1", &none)),
            ("x", entry("pod-a", "u1", &none)),
            ("x", entry("pod-0", "another", &none)),
            ("y", entry("pod-b", "u1", &none)),
        ];
        let status = gathered(&template(json!({"byPod": [{"id": "nobody"}]})), &entries, "t1").unwrap();
        let ids: Vec<&str> = status["byPod"].as_array().unwrap().iter().map(id).collect();
        assert_eq!((ids, &status["created"]), (vec!["pod-a", "pod-b", "pod-c"], &json!(true)));
        assert_eq!((&status["observedGeneration"], &status["conditions"][0]["status"]), (&json!(3), &json!("True")));
        assert_eq!(gathered(&template(status), &entries, "t2"), None);
    }

    #[test]
    fn created_is_sticky() {
        let errors = json!([{"code": "ingest_error", "message": "bad"}]);
        let broken = [("x", entry("pod-a", "u1", &errors))];
        assert_eq!(gathered(&template(json!({})), &broken, "t").unwrap()["created"], json!(false));
        assert_eq!(gathered(&template(json!({"created": true})), &broken, "t").unwrap()["created"], json!(true));
        let one_works = [broken[0].clone(), ("x", entry("pod-b", "u1", &json!([])))];
        assert_eq!(gathered(&template(json!({})), &one_works, "t").unwrap()["created"], json!(true));
        let odd = json!([{"code": "sync_annotation_warning", "message": "odd"}]);
        assert_eq!(gathered(&template(json!({})), &[("x", entry("a", "u1", &odd))], "t").unwrap()["created"], true);
    }

    #[test]
    fn what_an_api_server_prunes_is_the_same_wish_each_time() {
        let entries = [("x", entry("pod-a", "u1", &json!([])))];
        let status = gathered(&template(json!({})), &entries, "t1").unwrap();
        let pruned = json!({"byPod": status["byPod"], "created": status["created"]});
        let again = gathered(&template(pruned), &entries, "t2").unwrap();
        assert_ne!(status, again);
        assert_eq!(without_times(&status), without_times(&again));
    }
}
