//! What this process says: one PodStatus for each template, constraint, Config, mutator, ExpansionTemplate and Provider, in
//! its own namespace.
//!
//! With a Pod of its name, the objects belong to the Pod and go with it. Outside of a cluster there is none: then they are
//! removed at the end, and say by an annotation that the process is still there, for `departed` to see when it is not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::attempts::{Attempts, Outcome, make};
use super::entry::{Remark, SET_ASIDE, entry};
use super::times::with_times;
use super::{KnownPodStatuses, PodStatusKey, Subject, names, needs, remove, watch_pod_statuses};
use crate::model::api::CONFIG_NAME;
use crate::model::object::{Object, ObjectKey};
use crate::policy::snapshot::{Snapshot, SnapshotHandle};
use crate::server::cluster::synced_kinds::SyncedKinds;
use crate::server::cluster::troubles::{Rests, Trouble, chain};
use crate::server::cluster::{Clients, ClusterOptions, FIELD_MANAGER, to_object};
use crate::server::writer::{Report, ResourceState};

/// When the process was last seen alive, by itself.
pub(super) const RENEWED: &str = "status.gatekeeper.sh/renewed";
/// How often a process without a Pod says so.
const RENEWAL: Duration = Duration::from_secs(60);
/// How often it is looked whether a constraint was set aside.
const LOOK: Duration = Duration::from_secs(1);
/// A burst of changes is let pass.
const BURST: Duration = Duration::from_millis(50);
/// A start that takes longer is told of as far as it has come.
const PATIENCE: Duration = Duration::from_secs(15);
/// The longest rest before writing once more what was refused.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// An API server that has just started refuses everything for a moment.
const PASSING_REFUSALS: u32 = 4;
/// Requests at a time; at the end there is little time.
const AT_ONCE: usize = 8;
const AT_ONCE_AT_THE_END: usize = 64;

/// The loop, and what it works with.
pub(in crate::server::cluster) struct PodStatuses {
    pub(in crate::server::cluster) clients: Clients,
    pub(in crate::server::cluster) options: ClusterOptions,
    pub(in crate::server::cluster) snapshots: Arc<SnapshotHandle>,
    pub(in crate::server::cluster) reports: watch::Receiver<Report>,
    pub(in crate::server::cluster) synced: watch::Receiver<SyncedKinds>,
    pub(in crate::server::cluster) shutdown: watch::Receiver<bool>,
    /// Dropped when nothing is left to remove, after `shutdown`.
    pub(in crate::server::cluster) released: mpsc::Sender<()>,
}

impl PodStatuses {
    /// Writes for ever; until `shutdown`, when it removes what would be left behind.
    pub(in crate::server::cluster) async fn run(self) {
        let owner = tokio::select! {
            owner = find_pod(&self.clients, &self.options) => Some(owner),
            () = is_over(self.shutdown.clone()) => None,
        };
        let Some(owner) = owner else {
            drop(self);
            return std::future::pending().await;
        };
        let Self { clients, options, snapshots, mut reports, mut synced, shutdown, released } = self;
        let mut writer = Writer::new(clients, options, owner);
        let labels = format!("{}={}", names::POD_LABEL, writer.options.pod_name);
        let mut events = watch_pod_statuses(&writer.clients, Some(&labels), &Subject::ALL);
        let mut look = tokio::time::interval(LOOK);
        let mut aside = BTreeMap::new();
        loop {
            let due = writer.next_due();
            let is_wanted = tokio::select! {
                Some((subject, event)) = events.next() => { writer.known.take(subject, event); true }
                changed = reports.changed() => if changed.is_err() { std::future::pending().await } else { true },
                changed = synced.changed() => if changed.is_err() { std::future::pending().await } else { true },
                () = tokio::time::sleep_until(due.into()) => true,
                _ = look.tick() => {
                    let now = set_aside(&snapshots.load());
                    std::mem::replace(&mut aside, now.clone()) != now
                }
                () = is_over(shutdown.clone()) => break,
            };
            if is_wanted {
                tokio::time::sleep(BURST).await;
                let report = reports.borrow_and_update().clone();
                let synced = synced.borrow_and_update().clone();
                let about = About::new(&snapshots.load(), aside.clone(), synced);
                writer.keep_in_step(&report, &about).await;
            }
        }
        writer.withdraw().await;
        drop(released);
        std::future::pending::<()>().await;
    }
}

async fn is_over(mut shutdown: watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// Constraints that are not evaluated for now, by their keys, and why.
fn set_aside(snapshot: &Snapshot) -> BTreeMap<ObjectKey, String> {
    snapshot.set_aside().map(|(one, why)| (one.constraint.object.key(), why)).collect()
}

/// The UID of the Pod that this process runs in. Asked until it is answered; `None` when there is none.
async fn find_pod(clients: &Clients, options: &ClusterOptions) -> Option<String> {
    let pods: Api<Pod> = Api::namespaced(clients.hasty.clone(), &options.pod_namespace);
    let parameters = ListParams::default().fields(&format!("metadata.name={}", options.pod_name));
    let (mut rests, mut refusals) = (Rests::default(), 0);
    loop {
        match pods.list_metadata(&parameters).await {
            Ok(list) => {
                let uid = list.items.into_iter().find_map(|pod| pod.metadata.uid);
                if uid.is_none() {
                    info!(pod = options.pod_name, "no Pod has the name of this process; its statuses belong to none");
                }
                return uid;
            }
            Err(error) => {
                let trouble = Trouble::of_request(&error);
                refusals += u32::from(!trouble.is_of_all());
                if refusals > PASSING_REFUSALS {
                    warn!(pod = options.pod_name, error = chain(&error), "may not look for the Pod of this process");
                    return None;
                }
                clients.troubles.failed("looking for the Pod of this process", "pods", trouble, &error);
                tokio::time::sleep(rests.next(trouble, Instant::now())).await;
            }
        }
    }
}

/// What besides the report is told of.
struct About {
    aside: BTreeMap<ObjectKey, String>,
    synced: SyncedKinds,
    /// What constraints of a kind read that is not there.
    lacking: BTreeMap<String, Vec<Remark>>,
}

impl About {
    fn new(snapshot: &Snapshot, aside: BTreeMap<ObjectKey, String>, synced: SyncedKinds) -> Self {
        let lacking = snapshot.templates().map(|one| (one.template.kind.clone(), needs::of_constraints(one, &synced)));
        Self { lacking: lacking.collect(), aside, synced }
    }

    fn remarks(&self, state: &ResourceState, own_namespace: &str) -> Vec<Remark> {
        let object = &state.object;
        match Subject::of(object) {
            Subject::Template => needs::of_template(object),
            Subject::Config if object.name() == CONFIG_NAME && object.namespace() == own_namespace => {
                needs::of_config(object, &self.synced)
            }
            Subject::Config | Subject::Mutator | Subject::ExpansionTemplate | Subject::Provider => Vec::new(),
            Subject::Constraint => {
                let aside = self.aside.get(&object.key()).cloned();
                let aside = aside.map(|message| Remark { code: SET_ASIDE, message });
                aside.into_iter().chain(self.lacking.get(&object.gvk().kind).into_iter().flatten().cloned()).collect()
            }
        }
    }
}

struct Writer {
    clients: Clients,
    options: ClusterOptions,
    owner: Option<String>,
    known: KnownPodStatuses,
    attempts: Attempts<PodStatusKey>,
    started: Instant,
    renewed: Instant,
    /// Objects of which nothing can be said, told once.
    unnamed: BTreeSet<ObjectKey>,
    /// What was last to be said of Providers.
    timed: BTreeMap<PodStatusKey, Value>,
}

impl Writer {
    fn new(clients: Clients, options: ClusterOptions, owner: Option<String>) -> Self {
        let (known, attempts) = (KnownPodStatuses::default(), Attempts::new(LONGEST_REST));
        let (now, unnamed, timed) = (Instant::now(), BTreeSet::new(), BTreeMap::new());
        Self { clients, options, owner, known, attempts, started: now, renewed: now, unnamed, timed }
    }

    /// When there may be something to do though nothing has changed.
    fn next_due(&self) -> Instant {
        // Until the first lists are in, nothing can be done.
        if !self.known.is_settled(&Subject::ALL) {
            return Instant::now() + PATIENCE;
        }
        let patience = (self.started.elapsed() < PATIENCE).then(|| self.started + PATIENCE);
        let renewal = self.owner.is_none().then(|| self.renewed + RENEWAL);
        let due = self.attempts.next_due().into_iter().chain(patience).chain(renewal).min();
        due.unwrap_or_else(|| Instant::now() + Duration::from_secs(3_600))
    }

    /// Writes what has changed, and removes what is about objects that are gone.
    async fn keep_in_step(&mut self, report: &Report, about: &About) {
        if !self.known.is_settled(&Subject::ALL) || (!report.is_complete && self.started.elapsed() < PATIENCE) {
            return;
        }
        let wanted = self.wanted(report, about);
        let now = Instant::now();
        let mut to_write = Vec::new();
        for (key, object) in &wanted {
            if self.known.objects.get(key).is_some_and(|known| says(known, object)) {
                self.attempts.settle(key, now);
            } else if self.attempts.begin(key, object, now) {
                to_write.push((key, object.clone()));
            }
        }
        let gone = self.known.objects.keys().filter(|key| report.is_complete && !wanted.contains_key(*key));
        let to_remove: Vec<PodStatusKey> = gone.filter(|key| key.1 == self.options.pod_namespace).cloned().collect();
        self.attempts.retain(|key| wanted.contains_key(key));
        if self.owner.is_none() && now >= self.renewed + RENEWAL {
            self.renewed = now;
            // One is enough: it is of all that they tell.
            if to_write.is_empty() {
                to_write.extend(wanted.first_key_value().map(|(key, object)| (key, object.clone())));
            }
        }
        let writes = to_write.into_iter().map(|(key, object)| self.apply(key, object));
        let written = make(writes.collect(), AT_ONCE).await;
        for (key, outcome) in written {
            self.attempts.end(&key, outcome.as_ref().err().copied(), Instant::now());
            // The watch says so later; until then it would look as if it had to be written again.
            outcome.into_iter().flatten().for_each(|object| self.known.put(key.0, object));
        }
        self.remove(&to_remove, AT_ONCE).await;
    }

    /// What there should be.
    fn wanted(&mut self, report: &Report, about: &About) -> BTreeMap<PodStatusKey, Value> {
        let mut wanted = BTreeMap::new();
        for state in report.resources.iter().filter(|state| !state.object.is_terminating()) {
            let object = &state.object;
            let subject = Subject::of(object);
            let Some(name) = names::name(&self.options.pod_name, object) else {
                if self.unnamed.insert(object.key()) {
                    let (pod, resource) = (&self.options.pod_name, object.key());
                    warn!(pod, %resource, "no status can be told: a name begins or ends with a dash");
                }
                continue;
            };
            let remarks = about.remarks(state, &self.options.pod_namespace);
            let key = (subject, self.options.pod_namespace.clone(), name);
            let entry = self.timed(&key, entry(&self.options, state, &remarks));
            let value = self.pod_status(&key, object, entry);
            wanted.insert(key, value);
        }
        self.timed.retain(|key, _| wanted.contains_key(key));
        wanted
    }

    fn timed(&mut self, key: &PodStatusKey, entry: Value) -> Value {
        if key.0 != Subject::Provider {
            return entry;
        }
        let known = || self.known.objects.get(key).and_then(|object| object.field(&["status"]));
        let clock = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let entry = with_times(entry, self.timed.get(key).or_else(known), &clock);
        self.timed.insert(key.clone(), entry.clone());
        entry
    }

    fn pod_status(&self, (subject, namespace, name): &PodStatusKey, object: &Object, entry: Value) -> Value {
        let labels = names::labels(&self.options.pod_name, object);
        let mut metadata = json!({"name": name, "namespace": namespace, "labels": labels});
        if let Some(uid) = &self.owner {
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "name": self.options.pod_name, "uid": uid});
            metadata["ownerReferences"] = json!([pod]);
        }
        json!({"apiVersion": "status.gatekeeper.sh/v1beta1", "kind": subject.pod_status().0, "metadata": metadata,
            "status": entry})
    }

    /// What there is then, as far as it can be read.
    async fn apply(&self, key: &PodStatusKey, mut object: Value) -> Outcome<PodStatusKey, Option<Object>> {
        let (subject, _, name) = key;
        if self.owner.is_none() {
            object["metadata"]["annotations"] = json!({RENEWED: Timestamp::now().to_string()});
        }
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let resource = subject.pod_status_resource();
        let client = self.clients.hasty.clone();
        let api: Api<DynamicObject> = Api::namespaced_with(client, &self.options.pod_namespace, &resource);
        match api.patch(name, &parameters, &Patch::Apply(&object)).await {
            Ok(written) => (key.clone(), Ok(to_object(written, &resource).ok())),
            Err(error) => {
                let trouble = Trouble::of_request(&error);
                self.clients.troubles.failed("saying what this process found", &resource.plural, trouble, &error);
                (key.clone(), Err(trouble))
            }
        }
    }

    /// How many are gone.
    async fn remove(&self, keys: &[PodStatusKey], at_once: usize) -> usize {
        let removed = make(keys.iter().map(|key| remove(&self.clients, key)).collect(), at_once).await;
        removed.iter().filter(|(_, outcome)| outcome.is_ok()).count()
    }

    /// Nobody removes later what belongs to no Pod.
    async fn withdraw(&self) {
        if self.owner.is_none() {
            let own = self.known.objects.keys().filter(|key| key.1 == self.options.pod_namespace);
            let own: Vec<PodStatusKey> = own.cloned().collect();
            let removed = self.remove(&own, AT_ONCE_AT_THE_END).await;
            info!(statuses = own.len(), removed, "removed what this process said");
        }
    }
}

/// Whether the object is as wanted, in what is ours to say.
fn says(known: &Object, wanted: &Value) -> bool {
    let owners = ["metadata", "ownerReferences"];
    let label = |name: &str| known.labels().value(name);
    let wanted_labels = wanted.pointer("/metadata/labels").and_then(Value::as_object);
    known.field(&["status"]) == wanted.get("status")
        && owner_uids(known.field(&owners)) == owner_uids(wanted.pointer("/metadata/ownerReferences"))
        && wanted_labels.into_iter().flatten().all(|(name, value)| label(name) == value.as_str())
}

fn owner_uids(references: Option<&Value>) -> BTreeSet<&str> {
    let all = references.and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|reference| reference.get("uid").and_then(Value::as_str)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_means_something_else_is_written() {
        let wanted = json!({"apiVersion": "status.gatekeeper.sh/v1beta1", "kind": "ConstraintPodStatus", "metadata":
            {"name": "a", "labels": {"x": "1"}, "ownerReferences": [{"uid": "u"}]}, "status": {"id": "a"}});
        let check = |change: &dyn Fn(&mut Value), expected: bool| {
            let mut value = wanted.clone();
            change(&mut value);
            assert_eq!(says(&Object::from_value(value.clone()).unwrap(), &wanted), expected, "{value}");
        };
        check(&|_| {}, true);
        check(&|value| value["metadata"]["labels"]["y"] = json!("2"), true);
        check(&|value| value["metadata"]["annotations"] = json!({RENEWED: "now"}), true);
        check(&|value| value["metadata"]["resourceVersion"] = json!("7"), true);
        check(&|value| value["metadata"]["labels"]["x"] = json!("2"), false);
        check(&|value| value["metadata"]["ownerReferences"] = json!([]), false);
        check(&|value| value["status"]["errors"] = json!([]), false);
    }
}
