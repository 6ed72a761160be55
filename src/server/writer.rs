//! The one writer: takes changes, builds snapshots, publishes them.
//!
//! Bursts are drained before a build, and building happens off the async threads, so that a thousand constraints
//! arriving at once cost a few builds and no request waits for one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, watch};
use tracing::{error, info};

use super::FeedEvent;
use super::counts::Counts;
use super::telemetry::metrics::{Metrics, State};
use crate::model::api::Process;
use crate::model::object::{GroupVersionKind, Object};
use crate::policy::snapshot::{BuildOptions, Change, ResourceError, Snapshot, SnapshotHandle, Store, build};

/// What became of the resources in the last build.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    /// Templates, constraints, Configs, mutators, ExpansionTemplates and Providers as they are, each with what is wrong with
    /// it.
    pub(super) resources: Vec<ResourceState>,
    /// Whether everything that existed at start has been seen.
    pub(super) is_complete: bool,
}

/// One resource and its errors.
#[derive(Clone, Debug)]
pub(super) struct ResourceState {
    pub(super) object: Arc<Object>,
    pub(super) errors: Vec<ResourceError>,
    /// Whether some version of it is in force.
    pub(super) is_in_force: bool,
}

/// Owns the store.
pub(super) struct Writer {
    feed: mpsc::Receiver<FeedEvent>,
    snapshots: Arc<SnapshotHandle>,
    options: BuildOptions,
    metrics: Arc<Metrics>,
    store: Store,
    /// Who is asked for the whole list of a kind in the inventory; nobody where objects come from files.
    lists: Option<mpsc::UnboundedSender<GroupVersionKind>>,
    errors: Vec<ResourceError>,
    /// What the last build took.
    seconds: f64,
    counts: Counts,
    is_complete: bool,
}

impl Writer {
    pub(super) fn new(
        feed: mpsc::Receiver<FeedEvent>,
        snapshots: Arc<SnapshotHandle>,
        options: BuildOptions,
        metrics: Arc<Metrics>,
        store: Store,
        lists: Option<mpsc::UnboundedSender<GroupVersionKind>>,
    ) -> Self {
        let (errors, seconds, counts, is_complete) = (Vec::new(), 0.0, Counts::default(), false);
        Self { feed, snapshots, options, metrics, store, lists, errors, seconds, counts, is_complete }
    }

    /// Runs until the feed ends.
    pub(super) async fn run(mut self, ready: watch::Sender<bool>, reports: watch::Sender<Report>) {
        let mut burst = Vec::new();
        while self.feed.recv_many(&mut burst, 1_024).await > 0 {
            let events = std::mem::take(&mut burst);
            let previous = self.snapshots.load();
            let before = Arc::clone(&previous);
            let built = tokio::task::spawn_blocking(move || self.build(events, &before));
            let (writer, snapshot) = match built.await {
                Ok(built) => built,
                Err(error) => {
                    error!(%error, "building a snapshot panicked");
                    return;
                }
            };
            self = writer;
            let snapshot = Arc::new(snapshot);
            self.snapshots.publish(Arc::clone(&snapshot));
            if !snapshot.has_policies_of(&previous) || self.is_complete != reports.borrow().is_complete {
                let report = self.report(&snapshot);
                self.counts.count(&self.metrics, &report, self.seconds);
                // The other ends may be gone: without a cluster nobody reads reports.
                reports.send_replace(report);
            }
            self.ask_for_lists();
            if self.is_complete && !*ready.borrow() {
                info!(constraints = snapshot.constraints().len(), "ready");
                let _ = ready.send(true);
            }
        }
    }

    fn build(mut self, events: Vec<FeedEvent>, previous: &Snapshot) -> (Self, Snapshot) {
        let mut changes = Vec::new();
        for event in events {
            match event {
                FeedEvent::Changes(more) => changes.extend(more),
                FeedEvent::Complete => self.is_complete = true,
            }
        }
        let started = Instant::now();
        // Policies first: they decide what is kept of the objects that came with them.
        let (objects, policies): (Vec<Change>, Vec<Change>) = changes.into_iter().partition(Change::is_of_inventory);
        policies.into_iter().for_each(|change| self.store.apply(change));
        let (mut snapshot, mut errors) = build(&mut self.store, previous, self.options);
        if !objects.is_empty() {
            let started = Instant::now();
            objects.into_iter().for_each(|change| self.store.apply(change));
            (snapshot, errors) = build(&mut self.store, &snapshot, self.options);
            self.metrics.synced(started.elapsed().as_secs_f64());
        }
        self.seconds = started.elapsed().as_secs_f64();
        if !snapshot.has_policies_of(previous) {
            self.log(&snapshot, previous, &errors, self.seconds);
        }
        self.errors = errors;
        (self, snapshot)
    }

    fn ask_for_lists(&mut self) {
        let kinds = self.store.take_kinds_to_list();
        // Whoever reads files sends all of them again by itself.
        let Some(lists) = &self.lists else { return };
        for kind in kinds {
            info!(kind = %kind, "more is wanted of this kind than was kept; listing it again");
            // The feed may have ended: then the process ends, too.
            let _ = lists.send(kind);
        }
    }

    fn log(&self, snapshot: &Snapshot, previous: &Snapshot, errors: &[ResourceError], seconds: f64) {
        for compiled in snapshot.templates() {
            if !previous.templates().any(|before| Arc::ptr_eq(before, compiled)) {
                self.metrics.ingestion(State::active, seconds);
                info!(
                    process = "constraint_template_controller",
                    template_name = compiled.template.object.name(),
                    "template is in force"
                );
            }
        }
        if snapshot.exclusions() != previous.exclusions() {
            let of = |process| {
                snapshot.exclusions().of(process).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            };
            let [webhook, audit, sync, mutation] = Process::ALL.map(of);
            info!(webhook, audit, sync, mutation_webhook = mutation, "namespaces excluded by Config changed");
        }
        for found in errors.iter().filter(|found| !self.errors.contains(found)) {
            if found.code == "ingest_error" && found.key.gvk.kind == "ConstraintTemplate" {
                self.metrics.ingestion(State::error, seconds);
            }
            if found.is_waiting() {
                let previous_version_in_force = found.previous_in_force;
                info!(resource = %found.key, previous_version_in_force, "policy is {}", found.message);
                continue;
            }
            error!(
                resource = %found.key,
                code = found.code,
                previous_version_in_force = found.previous_in_force,
                "policy refused: {}",
                found.message
            );
        }
        for mended in self.errors.iter().filter(|before| errors.iter().all(|now| now.key != before.key)) {
            info!(resource = %mended.key, "policy is valid, or gone");
        }
    }

    fn report(&self, snapshot: &Snapshot) -> Report {
        let state = |object: &Arc<Object>, is_in_force: bool| {
            let key = object.key();
            let errors = self.errors.iter().filter(|error| error.key == key).cloned().collect();
            ResourceState { object: Arc::clone(object), errors, is_in_force }
        };
        let names: BTreeSet<&str> = snapshot.templates().map(|one| one.template.object.name()).collect();
        let enforced: BTreeSet<(&str, &str)> =
            snapshot.constraints().iter().map(|one| (one.constraint.kind(), one.constraint.name())).collect();
        let templates = self.store.templates().map(|object| state(object, names.contains(object.name())));
        let constraints = self
            .store
            .constraints()
            .map(|object| state(object, enforced.contains(&(object.gvk().kind.as_str(), object.name()))));
        let configs = self.store.configs().map(|object| state(object, false));
        // Of these, what nothing is wrong with is in force.
        let others = self.store.mutators().chain(self.store.expansion_templates()).chain(self.store.providers());
        let others = others.map(|object| {
            let state = state(object, true);
            ResourceState { is_in_force: state.errors.is_empty(), ..state }
        });
        let resources = templates.chain(constraints).chain(configs).chain(others).collect();
        Report { resources, is_complete: self.is_complete }
    }
}
