//! Everything that is watched, as one ordered feed of changes.
//!
//! ```text
//! ConstraintTemplates ──┐
//! Namespaces ───────────┤
//! CRDs of constraints ──┼─► Feed ──► FeedEvent::Changes … ──► writer
//!   └► each constraint kind, while its CRD is established
//! Config, SyncSets ─────┤
//!   └► each kind that they name, once the templates are known
//! ```
//!
//! Guarantee: `FeedEvent::Complete` is sent once, after the first whole list of everything above that existed at start.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{AbortHandle, BoxStream, SelectAll, abortable};
use kube::Client;
use kube::api::ApiResource;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::troubles::{Trouble, Troubles};
use super::watches::{self, Watched, core_resource, resource};
use crate::model::api::{CONFIG_NAME, CONSTRAINTS_GROUP, Config, TEMPLATES_GROUP, parse_sync_set};
use crate::model::object::{GroupVersionKind, Object, ObjectKey};
use crate::policy::snapshot::{Change, ReplacedKind};
use crate::server::FeedEvent;
use crate::server::telemetry::metrics::Metrics;

/// How often a kind is looked for that Config or a SyncSet names and the API server does not (yet) have.
const DISCOVERY_PAUSE: Duration = Duration::from_secs(3);
/// How long the API server may take to say what it has.
const DISCOVERY_PATIENCE: Duration = Duration::from_secs(2);

/// Names of the constraint CRDs in the cluster.
pub(super) type KnownCrds = BTreeSet<String>;

/// A watch of the feed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Topic {
    Templates,
    Namespaces,
    Crds,
    Constraints(String),
    Configs,
    SyncSets,
    Synced(GroupVersionKind),
}

/// A watch that runs.
struct Running {
    handle: AbortHandle,
    resource: ApiResource,
}

/// Watches, and what they have said so far.
pub(super) struct Feed {
    client: Client,
    /// Whose Config counts.
    namespace: String,
    sender: mpsc::Sender<FeedEvent>,
    known_crds: watch::Sender<KnownCrds>,
    metrics: Arc<Metrics>,
    troubles: Arc<Troubles>,
    streams: SelectAll<BoxStream<'static, (Topic, Watched)>>,
    running: BTreeMap<Topic, Running>,
    /// Topics whose first list has not come yet. Only what existed at start is ever in here.
    awaited: BTreeSet<Topic>,
    is_complete: bool,
    /// Templates say what is kept of synced objects, so these wait for them.
    has_templates: bool,
    /// What Config and each SyncSet ask to have in the inventory.
    sync_wishes: BTreeMap<ObjectKey, Vec<GroupVersionKind>>,
}

impl Feed {
    pub(super) fn new(
        client: Client,
        namespace: String,
        sender: mpsc::Sender<FeedEvent>,
        known_crds: watch::Sender<KnownCrds>,
        metrics: Arc<Metrics>,
        troubles: Arc<Troubles>,
    ) -> Self {
        Self {
            client,
            namespace,
            sender,
            known_crds,
            metrics,
            troubles,
            streams: SelectAll::new(),
            running: BTreeMap::new(),
            awaited: BTreeSet::new(),
            is_complete: false,
            has_templates: false,
            sync_wishes: BTreeMap::new(),
        }
    }

    /// Feeds for ever, or until nobody listens.
    pub(super) async fn run(mut self, mut asked: mpsc::UnboundedReceiver<GroupVersionKind>) {
        let templates = resource(TEMPLATES_GROUP, "v1", "ConstraintTemplate", "constrainttemplates");
        let crds = resource("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions");
        self.start(Topic::Templates, templates, None);
        self.start(Topic::Namespaces, core_resource("Namespace", "namespaces"), None);
        self.start(Topic::Crds, crds.clone(), Some("gatekeeper.sh/constraint=yes"));
        self.start(Topic::Configs, resource("config.gatekeeper.sh", "v1alpha1", "Config", "configs"), None);
        self.start(Topic::SyncSets, resource("syncset.gatekeeper.sh", "v1alpha1", "SyncSet", "syncsets"), None);
        let mut discovery = tokio::time::interval(DISCOVERY_PAUSE);
        loop {
            let delivered = tokio::select! {
                Some((topic, watched)) = self.streams.next() => self.take(topic, watched).await,
                Some(kind) = asked.recv() => { self.list_again(kind); Ok(()) }
                _ = discovery.tick() => { self.troubles.look(); self.start_synced().await; Ok(()) }
            };
            if delivered.is_err() || self.complete_if_due().await.is_err() {
                return;
            }
        }
    }

    fn count_watches(&self) {
        let wished: BTreeSet<&GroupVersionKind> = self.sync_wishes.values().flatten().collect();
        let is_missing = |gvk: &&&GroupVersionKind| !self.running.contains_key(&Topic::Synced((**gvk).clone()));
        let watched = self.running.len();
        self.metrics.watches(watched, watched + wished.iter().filter(is_missing).count());
    }

    fn start(&mut self, topic: Topic, resource: ApiResource, labels: Option<&str>) {
        if !self.is_complete {
            self.awaited.insert(topic.clone());
        }
        let name = topic.clone();
        let watch = watches::watch(self.client.clone(), resource.clone(), labels, Arc::clone(&self.troubles));
        let (stream, handle) = abortable(watch.map(move |watched| (name.clone(), watched)));
        self.running.insert(topic, Running { handle, resource });
        self.streams.push(stream.boxed());
        self.count_watches();
    }

    fn stop(&mut self, topic: &Topic) {
        self.awaited.remove(topic);
        if let Some(running) = self.running.remove(topic) {
            running.handle.abort();
        }
    }

    /// Starts the watch of a synced kind anew, which begins with its whole list. What is known of it stays until then.
    fn list_again(&mut self, kind: GroupVersionKind) {
        let topic = Topic::Synced(kind);
        if let Some(running) = self.running.remove(&topic) {
            running.handle.abort();
            self.start(topic, running.resource, None);
        }
    }

    async fn take(&mut self, topic: Topic, watched: Watched) -> Result<(), mpsc::error::SendError<FeedEvent>> {
        let changes = match (&topic, watched) {
            (Topic::Templates, watched) => policy_changes(ReplacedKind::Templates, watched),
            (Topic::Namespaces, watched) => policy_changes(ReplacedKind::Namespaces, watched),
            (Topic::Constraints(kind), watched) => policy_changes(ReplacedKind::Constraints(kind.clone()), watched),
            (Topic::Synced(gvk), watched) => synced_changes(gvk, watched),
            (Topic::Crds, watched) => self.take_crds(watched),
            (Topic::Configs, watched) => {
                // First what is excluded, then what is synced besides.
                let mut changes = policy_changes(ReplacedKind::Configs, watched.clone());
                changes.extend(self.take_sync_wishes(&topic, watched).await);
                changes
            }
            (Topic::SyncSets, watched) => self.take_sync_wishes(&topic, watched).await,
        };
        self.awaited.remove(&topic);
        self.send(changes).await?;
        if topic == Topic::Templates && !self.has_templates {
            self.has_templates = true;
            self.start_synced().await;
        }
        Ok(())
    }

    async fn send(&mut self, changes: Vec<Change>) -> Result<(), mpsc::error::SendError<FeedEvent>> {
        if changes.is_empty() {
            return Ok(());
        }
        self.sender.send(FeedEvent::Changes(changes)).await
    }

    async fn complete_if_due(&mut self) -> Result<(), mpsc::error::SendError<FeedEvent>> {
        if self.is_complete || !self.awaited.is_empty() {
            return Ok(());
        }
        self.is_complete = true;
        self.sender.send(FeedEvent::Complete).await
    }

    /// Constraints of a kind can be watched from the moment the API server serves them.
    fn take_crds(&mut self, watched: Watched) -> Vec<Change> {
        let mut changes = Vec::new();
        match watched {
            Watched::All(crds) => {
                let served: BTreeSet<String> = crds.iter().filter_map(established_kind).collect();
                let gone: Vec<String> = self.watched_kinds().filter(|kind| !served.contains(*kind)).cloned().collect();
                changes.extend(gone.into_iter().map(|kind| self.stop_kind(kind)));
                self.known_crds.send_replace(crds.iter().map(|crd| crd.name().to_owned()).collect());
                crds.iter().for_each(|crd| self.start_kind(crd));
            }
            Watched::Applied(crd) => {
                self.start_kind(&crd);
                self.known_crds.send_if_modified(|known| known.insert(crd.name().to_owned()));
            }
            Watched::Deleted(key) => {
                let plural = key.name.strip_suffix(&format!(".{CONSTRAINTS_GROUP}")).unwrap_or(&key.name).to_owned();
                let gone = self.watched_kinds().find(|kind| kind.to_lowercase() == plural).cloned();
                changes.extend(gone.map(|kind| self.stop_kind(kind)));
                self.known_crds.send_if_modified(|known| known.remove(&key.name));
            }
        }
        changes
    }

    fn watched_kinds(&self) -> impl Iterator<Item = &String> {
        self.running.keys().filter_map(|topic| match topic {
            Topic::Constraints(kind) => Some(kind),
            _ => None,
        })
    }

    fn start_kind(&mut self, crd: &Object) {
        let Some(kind) = established_kind(crd) else { return };
        let topic = Topic::Constraints(kind.clone());
        if !self.running.contains_key(&topic) {
            let plural = crd.field(&["spec", "names", "plural"]).and_then(Value::as_str).unwrap_or_default();
            self.start(topic, resource(CONSTRAINTS_GROUP, "v1beta1", &kind, plural), None);
        }
    }

    fn stop_kind(&mut self, kind: String) -> Change {
        info!(constraint_kind = kind, "constraint kind is gone");
        self.stop(&Topic::Constraints(kind.clone()));
        Change::Replace(ReplacedKind::Constraints(kind), Vec::new())
    }

    async fn take_sync_wishes(&mut self, topic: &Topic, watched: Watched) -> Vec<Change> {
        match watched {
            Watched::All(objects) => {
                let kind = if *topic == Topic::Configs { "Config" } else { "SyncSet" };
                let wishes = objects.iter().map(|object| (object.key(), self.wished_kinds(object)));
                let wishes: Vec<_> = wishes.collect();
                self.sync_wishes.retain(|key, _| key.gvk.kind != kind);
                self.sync_wishes.extend(wishes);
            }
            Watched::Applied(object) => {
                self.sync_wishes.insert(object.key(), self.wished_kinds(&object));
            }
            Watched::Deleted(key) => {
                self.sync_wishes.remove(&key);
            }
        }
        self.start_synced().await;
        let wished: BTreeSet<&GroupVersionKind> = self.sync_wishes.values().flatten().collect();
        let is_gone = |topic: &&Topic| matches!(topic, Topic::Synced(gvk) if !wished.contains(gvk));
        let gone: Vec<Topic> = self.running.keys().filter(is_gone).cloned().collect();
        let mut changes = Vec::new();
        for topic in gone {
            self.stop(&topic);
            if let Topic::Synced(gvk) = topic {
                changes.push(Change::Replace(ReplacedKind::Synced(gvk), Vec::new()));
            }
        }
        self.count_watches();
        changes
    }

    /// `spec.sync.syncOnly` of the Config that counts, of one that cannot be read as it was before; or `spec.gvks` of a
    /// SyncSet, as far as it can be read.
    fn wished_kinds(&self, object: &Object) -> Vec<GroupVersionKind> {
        if object.gvk().kind == "Config" {
            if object.name() != CONFIG_NAME || object.namespace() != self.namespace {
                return Vec::new();
            }
            // What is wrong with it, its status says.
            let before = || self.sync_wishes.get(&object.key()).cloned().unwrap_or_default();
            return Config::parse(object).map_or_else(|_| before(), |config| config.sync_only);
        }
        let (kinds, errors) = parse_sync_set(object);
        for error in errors {
            warn!(resource = %object.key(), %error, "an entry of a SyncSet is no kind; it is passed over");
        }
        kinds
    }

    /// Starts watching every kind that is wished for, not watched yet, and known to the API server.
    async fn start_synced(&mut self) {
        if !self.has_templates {
            return;
        }
        let wished: BTreeSet<GroupVersionKind> = self.sync_wishes.values().flatten().cloned().collect();
        for gvk in wished {
            let topic = Topic::Synced(gvk.clone());
            if self.running.contains_key(&topic) {
                continue;
            }
            let pinned = kube::core::GroupVersionKind::gvk(&gvk.group, &gvk.version, &gvk.kind);
            // Everything else waits meanwhile.
            let found = tokio::time::timeout(DISCOVERY_PATIENCE, kube::discovery::pinned_kind(&self.client, &pinned));
            let failed = |trouble, error: &(dyn std::error::Error + 'static)| {
                self.troubles.failed("looking for a kind to sync", &gvk.to_string(), trouble, error);
            };
            match found.await {
                Ok(Ok((found, _))) => {
                    info!(kind = %gvk, "syncing into the inventory");
                    self.start(topic, found, None);
                }
                Ok(Err(error)) => failed(Trouble::of_request(&error), &error),
                Err(elapsed) => failed(Trouble::Unreachable, &elapsed),
            }
        }
    }
}

fn policy_changes(kind: ReplacedKind, watched: Watched) -> Vec<Change> {
    vec![match watched {
        Watched::All(objects) => Change::Replace(kind, objects),
        Watched::Applied(object) => Change::Apply(object),
        Watched::Deleted(key) => Change::Delete(key),
    }]
}

fn synced_changes(gvk: &GroupVersionKind, watched: Watched) -> Vec<Change> {
    vec![match watched {
        Watched::All(objects) => Change::Replace(ReplacedKind::Synced(gvk.clone()), objects),
        Watched::Applied(object) => Change::Sync(object),
        Watched::Deleted(key) => Change::Unsync(key),
    }]
}

/// The kind of constraint that a CRD makes, once the API server serves it.
fn established_kind(crd: &Object) -> Option<String> {
    let conditions = crd.field(&["status", "conditions"])?.as_array()?;
    let is_established = conditions.iter().any(|condition| {
        condition.get("type").and_then(Value::as_str) == Some("Established")
            && condition.get("status").and_then(Value::as_str) == Some("True")
    });
    let kind = crd.field(&["spec", "names", "kind"])?.as_str()?;
    (is_established && !crd.is_terminating()).then(|| kind.to_owned())
}
