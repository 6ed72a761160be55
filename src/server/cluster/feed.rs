//! Everything that is watched, as one ordered feed of changes.
//!
//! ```text
//! ConstraintTemplates ──┐
//! Namespaces ───────────┤
//! CRDs of constraints ──┼─► Feed ──► FeedEvent::Changes … ──► writer
//!   └► each constraint kind, while its CRD is established
//! Mutators, Expansion- ─┤
//! Templates, Providers  │
//! Config, SyncSets ─────┤
//!   └► each kind that they name, once the templates are known
//! ```
//!
//! Guarantee: `FeedEvent::Complete` is sent once, after the first whole list of everything above that existed at start.
//! A kind to sync that the API server does not know, or does not let us list, is not waited for; policies that read it say so.
//! Nor is a kind of mutators, ExpansionTemplates or Providers that has no CRD: it is watched from when it has one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::{AbortHandle, BoxStream, SelectAll, abortable};
use kube::Client;
use kube::api::ApiResource;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::own_kinds::OwnKind;
use super::synced_kinds::{Looks, SyncState, SyncedKinds};
use super::troubles::Troubles;
use super::watches::{self, Failure, Watched, core_resource, resource};
use crate::model::api::{CONFIG_NAME, CONSTRAINTS_GROUP, Config, TEMPLATES_GROUP, parse_sync_set};
use crate::model::object::{GroupVersionKind, Object, ObjectKey};
use crate::policy::snapshot::{Change, ReplacedKind};
use crate::server::FeedEvent;
use crate::server::telemetry::metrics::Metrics;

/// How often a kind is looked for that Config or a SyncSet names and the API server does not (yet) have.
const DISCOVERY_PAUSE: Duration = Duration::from_secs(3);

/// Names of the constraint CRDs in the cluster, and whether the API server serves the kind of each.
pub(super) type KnownCrds = BTreeMap<String, bool>;

/// A watch of the feed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Topic {
    Templates,
    Namespaces,
    Crds,
    Constraints(String),
    Own(OwnKind),
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
    synced: watch::Sender<SyncedKinds>,
    metrics: Arc<Metrics>,
    troubles: Arc<Troubles>,
    streams: SelectAll<BoxStream<'static, (Topic, Result<Watched, Failure>)>>,
    running: BTreeMap<Topic, Running>,
    /// Topics whose first list has not come yet. Only what existed at start is ever in here.
    awaited: BTreeSet<Topic>,
    is_complete: bool,
    /// Templates say what is kept of synced objects, so these wait for them.
    has_templates: bool,
    /// What Config and each SyncSet ask to have in the inventory.
    sync_wishes: BTreeMap<ObjectKey, Vec<GroupVersionKind>>,
    /// For kinds that are not watched yet.
    looks: Looks,
}

impl Feed {
    pub(super) fn new(
        client: Client,
        namespace: String,
        sender: mpsc::Sender<FeedEvent>,
        known_crds: watch::Sender<KnownCrds>,
        synced: watch::Sender<SyncedKinds>,
        metrics: Arc<Metrics>,
        troubles: Arc<Troubles>,
    ) -> Self {
        Self {
            client,
            namespace,
            sender,
            known_crds,
            synced,
            metrics,
            troubles,
            streams: SelectAll::new(),
            running: BTreeMap::new(),
            awaited: BTreeSet::new(),
            is_complete: false,
            has_templates: false,
            sync_wishes: BTreeMap::new(),
            looks: Looks::default(),
        }
    }

    /// Feeds for ever, or until nobody listens.
    pub(super) async fn run(mut self, mut asked: mpsc::UnboundedReceiver<GroupVersionKind>, own: Vec<OwnKind>) {
        let templates = resource(TEMPLATES_GROUP, "v1", "ConstraintTemplate", "constrainttemplates");
        let crds = resource("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions");
        self.start(Topic::Templates, templates, None);
        self.start(Topic::Namespaces, core_resource("Namespace", "namespaces"), None);
        self.start(Topic::Crds, crds.clone(), Some("gatekeeper.sh/constraint=yes"));
        self.start(Topic::Configs, resource("config.gatekeeper.sh", "v1alpha1", "Config", "configs"), None);
        self.start(Topic::SyncSets, resource("syncset.gatekeeper.sh", "v1alpha1", "SyncSet", "syncsets"), None);
        own.into_iter().for_each(|kind| self.start(Topic::Own(kind), kind.resource(), None));
        let mut discovery = tokio::time::interval(DISCOVERY_PAUSE);
        loop {
            let delivered = tokio::select! {
                Some((topic, watched)) = self.streams.next() => match watched {
                    Ok(watched) => self.take(topic, watched).await,
                    Err(failure) => { self.take_failure(&topic, &failure); Ok(()) }
                },
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
        let watch = match topic {
            Topic::Own(_) => watches::watch_if_there,
            _ => watches::watch,
        };
        let watch = watch(self.client.clone(), resource.clone(), labels, Arc::clone(&self.troubles));
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
            (Topic::Own(kind), watched) => policy_changes(kind.replaced(), watched),
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
        if let Topic::Synced(gvk) = &topic {
            self.set_state(gvk, SyncState::Listed);
        }
        if topic == Topic::Templates && !self.has_templates {
            self.has_templates = true;
            self.start_synced().await;
        }
        Ok(())
    }

    /// What was to be synced and cannot be listed is not waited for; nor is what is configured by kinds that are not there.
    /// Everything else is: without it, policies would be missing.
    fn take_failure(&mut self, topic: &Topic, failure: &Failure) {
        let is_hopeless = match topic {
            Topic::Synced(gvk) => {
                let before = self.state_of(gvk);
                let state = before.after(failure);
                let is_hopeless = state != SyncState::Awaited;
                self.set_state(gvk, state);
                is_hopeless
            }
            Topic::Own(kind) if failure.code == Some(404) => {
                if self.awaited.remove(topic) {
                    info!(?kind, "there is no CRD of this kind; it is watched from when there is one");
                }
                false
            }
            Topic::Configs | Topic::SyncSets => failure.code == Some(404),
            Topic::Templates | Topic::Namespaces | Topic::Crds | Topic::Constraints(_) | Topic::Own(_) => false,
        };
        if is_hopeless && self.awaited.remove(topic) {
            warn!(?topic, error = failure.message, "starting without what cannot be listed");
        }
    }

    fn state_of(&self, gvk: &GroupVersionKind) -> SyncState {
        self.synced.borrow().get(gvk).cloned().unwrap_or(SyncState::Awaited)
    }

    fn set_state(&self, gvk: &GroupVersionKind, state: SyncState) {
        self.synced.send_if_modified(|synced| synced.insert(gvk.clone(), state.clone()).as_ref() != Some(&state));
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
                self.known_crds.send_replace(crds.iter().map(known_crd).collect());
                crds.iter().for_each(|crd| self.start_kind(crd));
            }
            Watched::Applied(crd) => {
                self.start_kind(&crd);
                let (name, is_served) = known_crd(&crd);
                self.known_crds.send_if_modified(|known| known.insert(name, is_served) != Some(is_served));
            }
            Watched::Deleted(key) => {
                let plural = key.name.strip_suffix(&format!(".{CONSTRAINTS_GROUP}")).unwrap_or(&key.name).to_owned();
                let gone = self.watched_kinds().find(|kind| kind.to_lowercase() == plural).cloned();
                changes.extend(gone.map(|kind| self.stop_kind(kind)));
                self.known_crds.send_if_modified(|known| known.remove(&key.name).is_some());
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
        self.note_wishes();
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

    /// Says of every kind that is wished for how it stands, and nothing of others.
    fn note_wishes(&mut self) {
        let wished: BTreeSet<GroupVersionKind> = self.sync_wishes.values().flatten().cloned().collect();
        self.looks.retain(|gvk| wished.contains(gvk));
        self.awaited.retain(|topic| !matches!(topic, Topic::Synced(gvk) if !wished.contains(gvk)));
        self.synced.send_if_modified(|synced| {
            let before = synced.len();
            synced.retain(|gvk, _| wished.contains(gvk));
            let kept = synced.len();
            for gvk in wished {
                synced.entry(gvk).or_insert(SyncState::Awaited);
            }
            kept < before || kept < synced.len()
        });
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
        if !self.is_complete {
            // Until a look for it has failed for good.
            let unknown = wished.iter().filter(|gvk| !self.looks.have_begun(gvk));
            self.awaited.extend(unknown.cloned().map(Topic::Synced).filter(|topic| !self.running.contains_key(topic)));
        }
        for gvk in wished {
            let topic = Topic::Synced(gvk.clone());
            if self.running.contains_key(&topic) || !self.looks.are_due(&gvk, Instant::now()) {
                continue;
            }
            match self.looks.find(&self.client, &self.troubles, &gvk).await {
                Ok(found) => {
                    info!(kind = %gvk, "syncing into the inventory");
                    self.set_state(&gvk, SyncState::Awaited);
                    self.start(topic, found, None);
                }
                Err(failure) => {
                    self.take_failure(&topic, &failure);
                    if failure.code.is_none() {
                        // The others would wait in vain as well, and everything else with them.
                        return;
                    }
                }
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

fn known_crd(crd: &Object) -> (String, bool) {
    (crd.name().to_owned(), established_kind(crd).is_some())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_waited_for_though_it_cannot_be_listed() {
        let nowhere = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
        let client = Client::try_from(nowhere).unwrap();
        let gvk = GroupVersionKind::from_api_version("v1", "Gadget");
        for (topic, code, count, is_waited_for) in [
            (Topic::Templates, Some(404), 100, true),
            (Topic::Constraints("K".to_owned()), Some(403), 100, true),
            (Topic::Configs, Some(403), 100, true),
            (Topic::Configs, Some(404), 1, false),
            (Topic::SyncSets, Some(404), 1, false),
            (Topic::Own(OwnKind::Assign), Some(404), 1, false),
            (Topic::Own(OwnKind::Provider), Some(403), 100, true),
            (Topic::Synced(gvk.clone()), Some(403), 1, false),
            (Topic::Synced(gvk.clone()), Some(404), 1, false),
            (Topic::Synced(gvk.clone()), Some(500), 1, true),
            (Topic::Synced(gvk), None, 6, false),
        ] {
            let (sender, _feed) = mpsc::channel(1);
            let (crds, synced) = (watch::Sender::default(), watch::Sender::default());
            let (metrics, troubles) = (Arc::new(Metrics::new()), Arc::default());
            let mut feed = Feed::new(client.clone(), "own".to_owned(), sender, crds, synced, metrics, troubles);
            feed.awaited.insert(topic.clone());
            feed.take_failure(&topic, &Failure { code, message: "no".to_owned(), count });
            assert_eq!(feed.awaited.contains(&topic), is_waited_for, "{topic:?} {code:?} {count}");
        }
    }
}
