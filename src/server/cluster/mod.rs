//! The cluster: what is read from it and written to it. The only code that names the Kubernetes client.

mod access;
mod admission_events;
mod certificates;
mod clock;
mod constraint_crds;
mod doctor;
mod events;
mod feed;
mod install;
mod lease;
mod namespaces;
mod own_kinds;
mod policies;
mod status;
mod synced_kinds;
mod troubles;
mod watches;
mod webhook_rules;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use kube::api::{ApiResource, DynamicObject};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::sync::{mpsc, watch};

use super::admission_events::AdmissionEvent;
use super::certificates::{Certificates, RotationOptions};
use super::operations::{Operation, Operations};
use super::telemetry::metrics::Metrics;
use super::writer::Report;
use super::{FeedEvent, ServeError};
use crate::model::object::{GroupVersionKind, Object};
use crate::policy::snapshot::SnapshotHandle;

use clock::ApiClock;
use troubles::Troubles;

pub use access::AccessError;
pub use doctor::{DoctorOptions, examine};
pub use install::{InstallError, InstallObjects, InstallOptions, InstallOutcome, Installed, install};
pub(super) use namespaces::fetch_namespace;
pub use policies::{ClusterPolicies, read_policies};
pub use webhook_rules::WebhookRules;

/// A shutdown waits no longer than this for the API server.
const RELEASE_LIMIT: Duration = Duration::from_secs(4);
/// Who does not take a connection, with TLS, by then is not there.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// A connection on which nothing comes for so long, though an answer is due, is taken for dead. A watch, whose end may be
/// that far away, hears a bookmark every minute.
const SILENCE_LIMIT: Duration = Duration::from_secs(150);
/// Names this process in the API server's record of who set which field, and in Events.
const FIELD_MANAGER: &str = "admit";

/// How to reach the cluster, and who this process is in it.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// `--kubeconfig`; in-cluster configuration when absent.
    pub kubeconfig: Option<PathBuf>,
    /// Name of this process in `status.byPod` (`POD_NAME`).
    pub pod_name: String,
    /// Namespace that the process runs in (`POD_NAMESPACE`): whose Config counts, and where its Leases are.
    pub pod_namespace: String,
    /// `--operation`: what it does, and is listed as doing.
    pub operations: Operations,
    /// How certificates are kept in the cluster; absent with `--disable-cert-rotation`.
    pub rotation: Option<RotationOptions>,
}

/// The loops that keep the process and the cluster in step, and what they work with.
pub(super) struct Loops {
    pub(super) clients: Clients,
    pub(super) options: ClusterOptions,
    pub(super) webhook_rules: WebhookRules,
    pub(super) snapshots: Arc<SnapshotHandle>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) reports: watch::Receiver<Report>,
    /// Events to write, for who asked for them.
    pub(super) admission_events: mpsc::Receiver<AdmissionEvent>,
    pub(super) shutdown: watch::Receiver<bool>,
}

/// Says when all that was held is given back, after `shutdown`.
pub(super) struct Released(mpsc::Receiver<()>);

/// The loops of one process, each with its name. None of them ever ends by itself.
type Tasks = Vec<(&'static str, BoxFuture<'static, ()>)>;

impl Released {
    /// Waits for it, but not for long.
    pub(super) async fn wait(mut self) {
        // Nothing is ever sent; it ends when the last sender is dropped.
        let _ = tokio::time::timeout(RELEASE_LIMIT, self.0.recv()).await;
    }
}

/// Clients of the API server.
#[derive(Clone)]
pub(super) struct Clients {
    /// Asks again when the API server is too busy.
    pub(super) patient: Client,
    /// Says at once what the API server said: for those who have rests of their own, or no time.
    pub(super) hasty: Client,
    /// What is wrong with it, as all who ask have found.
    troubles: Arc<Troubles>,
    clock: ApiClock,
}

/// Makes clients. Nothing is asked of the API server yet: it may come up later than we do.
pub(super) async fn connect(options: &ClusterOptions) -> Result<Clients, ServeError> {
    let mut config: Config = match &options.kubeconfig {
        Some(path) => {
            let failed = |error| ServeError::Client(format!("--kubeconfig {}: {error}", path.display()));
            let kubeconfig = Kubeconfig::read_from(path).map_err(failed)?;
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(failed)?
        }
        None => Config::incluster().map_err(|error| {
            let help = "outside a cluster, give --kubeconfig FILE, or --policies DIR to take policies from files";
            ServeError::Client(format!("no in-cluster configuration: {error}; {help}"))
        })?,
    };
    config.connect_timeout = Some(CONNECT_LIMIT);
    config.read_timeout = Some(SILENCE_LIMIT);
    config.reset_reader_on_write = true;
    let clock = ApiClock::default();
    let client = |config: Config| clock.client(config).map_err(|error| ServeError::Client(error.to_string()));
    let patient = client(config.clone())?;
    config.default_retry = false;
    Ok(Clients { patient, hasty: client(config)?, troubles: Arc::default(), clock })
}

/// Keeps certificates for ever, and says when there is one that the API server trusts.
pub(super) async fn keep_certificates(
    clients: Clients,
    options: RotationOptions,
    certificates: Certificates,
    ready: watch::Sender<bool>,
) {
    certificates::run(clients, options, certificates, ready).await;
}

impl Loops {
    /// What this process is there for. Kinds of the inventory that are `asked` for are listed again.
    pub(super) fn into_tasks(
        mut self,
        sender: mpsc::Sender<FeedEvent>,
        asked: mpsc::UnboundedReceiver<GroupVersionKind>,
    ) -> (Tasks, Released) {
        let (released, all_released) = mpsc::channel(1);
        let (crd_sender, crds) = watch::channel(feed::KnownCrds::default());
        let namespace = self.options.pod_namespace.clone();
        let Clients { patient, hasty, troubles, .. } = self.clients.clone();
        let (synced_sender, synced) = watch::channel(synced_kinds::SyncedKinds::default());
        let metrics = self.metrics.clone();
        let own = own_kinds::OwnKind::of(&self.options.operations).collect();
        let feed = feed::Feed::new(hasty, namespace, sender, crd_sender, synced_sender, metrics, troubles);
        let events = events::run(patient.clone(), self.options.clone(), self.snapshots.clone());
        let mut tasks: Tasks = vec![("cluster feed", Box::pin(feed.run(asked, own))), ("event loop", Box::pin(events))];
        if self.options.operations.has(Operation::Generate) {
            tasks.extend(self.generate(crds.clone(), released.clone()));
        }
        if self.options.operations.has(Operation::Webhook) && !self.webhook_rules.configuration.is_empty() {
            tasks.extend(self.keep_rules(released.clone()));
        }
        if self.options.operations.has(Operation::Status) {
            tasks.extend(self.aggregate("admit-status", status::OTHERS, crds.clone(), released.clone()));
        }
        if self.options.operations.has(Operation::MutationStatus) {
            tasks.extend(self.aggregate("admit-mutation-status", status::OF_MUTATION, crds, released.clone()));
        }
        // Every process, whatever else it does: the one that aggregates says so of all.
        let statuses = status::PodStatuses {
            clients: self.clients,
            options: self.options.clone(),
            snapshots: self.snapshots,
            reports: self.reports,
            synced,
            shutdown: self.shutdown,
            released,
        };
        tasks.push(("status loop", Box::pin(statuses.run())));
        let events = admission_events::run(patient, self.options, self.metrics, self.admission_events);
        tasks.push(("loop of Events on violations", Box::pin(events)));
        (tasks, Released(all_released))
    }

    /// One replica writes the CRDs of constraints.
    fn generate(&self, crds: watch::Receiver<feed::KnownCrds>, released: mpsc::Sender<()>) -> Tasks {
        let (held, hold) = self.hold("admit-generate", released);
        let (clients, snapshots, reports) = (self.clients.clone(), self.snapshots.clone(), self.reports.clone());
        let work = move || constraint_crds::run(clients.clone(), snapshots.clone(), reports.clone(), crds.clone());
        vec![("generate lease", hold), ("constraint CRD loop", Box::pin(lease::while_held(held, work)))]
    }

    /// The rules of the webhook. From here on, reports are handed on once the rules let through what they are about.
    fn keep_rules(&mut self, released: mpsc::Sender<()>) -> Tasks {
        let (clients, options) = (self.clients.clone(), self.webhook_rules.clone());
        if !options.are_narrowed {
            return vec![("restoration of webhook rules", Box::pin(webhook_rules::restore(clients, options)))];
        }
        let (told, reports) = watch::channel(Report::default());
        let reports = std::mem::replace(&mut self.reports, reports);
        let (held, hold) = self.hold("admit-webhook-rules", released);
        let work = webhook_rules::run(clients, options, self.snapshots.clone(), reports, told, held);
        vec![("webhook rules lease", hold), ("loop of webhook rules", Box::pin(work))]
    }

    /// One replica gathers in statuses what all of them say.
    fn aggregate(
        &self,
        lease: &'static str,
        subjects: &'static [status::Subject],
        crds: watch::Receiver<feed::KnownCrds>,
        released: mpsc::Sender<()>,
    ) -> Tasks {
        let (held, hold) = self.hold(lease, released);
        let (clients, options, reports) = (self.clients.clone(), self.options.clone(), self.reports.clone());
        let aggregator = status::Aggregator { clients, options, reports, crds, subjects };
        let work = move || aggregator.clone().run();
        vec![("lease of statuses", hold), ("loop of statuses of all", Box::pin(lease::while_held(held, work)))]
    }

    fn hold(&self, name: &'static str, released: mpsc::Sender<()>) -> (watch::Receiver<bool>, BoxFuture<'static, ()>) {
        let (sender, held) = watch::channel(false);
        let (clients, options) = (self.clients.clone(), self.options.clone());
        let task = lease::hold(clients, options, name, sender, self.shutdown.clone(), released);
        (held, Box::pin(task))
    }
}

/// Items of a list do not say their own type; the resource they were listed by does.
fn to_object(object: DynamicObject, resource: &ApiResource) -> Result<Object, String> {
    let mut value = serde_json::to_value(object).map_err(|error| error.to_string())?;
    for (key, text) in [("apiVersion", &resource.api_version), ("kind", &resource.kind)] {
        if value.get(key).is_none_or(serde_json::Value::is_null) {
            value[key] = text.as_str().into();
        }
    }
    Object::from_value(value).map_err(|error| error.to_string())
}
