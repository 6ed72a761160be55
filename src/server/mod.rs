//! The long-running process: the webhook that API servers call, and the loops that feed it.
//!
//! Every long-running task is started in [`run`] and nowhere else. A task that ends, other than by shutdown, ends the
//! process: a webhook that lives on with stale policies would be worse than one that restarts.
//!
//! While the API server is away, slow or unwilling, requests are judged by the last policies that are known, for as long as
//! that takes, and the process stays ready. They are kept in memory only: a process that starts meanwhile knows none, so it
//! is not ready, answers no review (503), and waits. Policies of who knows when, from a disk, could allow what has been
//! forbidden since; replicas that were there before go on answering for it.

mod address;
mod admission_events;
mod certificates;
mod cluster;
mod counts;
mod doctor;
mod health;
pub mod loopback;
mod memory;
mod operations;
mod outbound;
pub mod telemetry;
mod tls_check;
mod trust;
mod turn;
mod webhook;
mod webhook_rules;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tracing::{error, info};

use crate::policy::snapshot::{BuildOptions, Change, SnapshotHandle, Store};
use certificates::CertificateFiles;
use telemetry::metrics::Metrics;
use telemetry::traces::Traces;

pub use address::ListenAddress;
pub use certificates::{ClientCertificates, RotationOptions, SelfSigned, self_signed};
pub use cluster::{AccessError, ClusterOptions, ClusterPolicies, DoctorOptions, WebhookRules, examine, read_policies};
pub use cluster::{InstallError, InstallObjects, InstallOptions, InstallOutcome, Installed, install};
pub use doctor::{Diagnosis, DoctorNames, Finding, Severity};
pub use operations::{InvalidOperation, Operation, Operations};
pub use outbound::{ImageName, ImageNameError, OciError, PulledFile, pull};
pub use telemetry::traces::{TraceError, TraceOptions};
pub use webhook::{ExemptNamespaces, MutationOptions, ReportOptions, TlsVersion};

/// How the process serves; one field a flag.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// `--host` and `--port`.
    pub address: ListenAddress,
    /// `--health-addr`.
    pub health_address: ListenAddress,
    /// `--prometheus-port`, on the same host as the webhook.
    pub metrics_address: ListenAddress,
    /// `--cert-dir`: holds `tls.crt` and `tls.key`, unless the cluster keeps them, and the authorities of clients.
    pub certificate_directory: PathBuf,
    /// `--tls-min-version`.
    pub tls_min_version: TlsVersion,
    /// Who may call the webhook; anybody when absent.
    pub client_certificates: Option<ClientCertificates>,
    /// `--max-serving-threads`, resolved to a number.
    pub serving_threads: usize,
    /// `--external-data-provider-response-cache-ttl`.
    pub provider_cache_lifetime: Duration,
    /// `--evaluation-timeout`.
    pub evaluation_limit: Duration,
    /// `--enable-generator-resource-expansion`.
    pub expands_generators: bool,
    /// `--max-request-bytes`.
    pub max_request_bytes: usize,
    /// `--shutdown-delay`.
    pub shutdown_delay: Duration,
    /// `--narrow-webhook-rules`.
    pub webhook_rules: WebhookRules,
    /// What is told of requests.
    pub reports: ReportOptions,
    /// What is told of mutations.
    pub mutation: MutationOptions,
    /// `--operation`.
    pub operations: Operations,
    /// What policies may use.
    pub build: BuildOptions,
    /// `--inventory-keep-whole-objects`. What comes from files is kept whole anyway.
    pub keeps_whole_objects: bool,
    /// Namespace that the process runs in (`POD_NAMESPACE`).
    pub pod_namespace: String,
    /// `--admit-uncompilable-templates`.
    pub admits_uncompilable_templates: bool,
    /// `--disable-enforcementaction-validation`.
    pub admits_unknown_actions: bool,
    /// `--enable-tls-healthcheck`.
    pub checks_tls_for_health: bool,
    /// `--exempt-namespace` and its kin.
    pub exempt_namespaces: ExemptNamespaces,
    /// Where traces of requests go.
    pub traces: TraceOptions,
}

/// Where policies come from.
#[derive(Debug)]
pub enum PolicySource {
    /// A cluster's API server.
    Cluster(ClusterOptions),
    /// Somebody else, who sends every change: files.
    Feed(mpsc::Receiver<FeedEvent>),
}

/// What a feed of policies says. Events are applied in order.
#[derive(Debug)]
pub enum FeedEvent {
    /// Resources changed.
    Changes(Vec<Change>),
    /// Everything that existed at start has been sent.
    Complete,
}

/// Addresses that were bound; ports are known even when 0 was asked for.
#[derive(Clone, Copy, Debug)]
pub struct BoundAddresses {
    /// The webhook, where there is one.
    pub webhook: Option<std::net::SocketAddr>,
    /// Health and readiness.
    pub health: std::net::SocketAddr,
    /// Metrics.
    pub metrics: std::net::SocketAddr,
}

/// Why the server stopped, or never started.
#[derive(Debug, Error)]
pub enum ServeError {
    /// An address cannot be listened on.
    #[error("failed to listen on {address} for {purpose}: {cause}")]
    Listen {
        /// What was asked for.
        address: String,
        /// Who would listen.
        purpose: &'static str,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The certificate or key cannot be used.
    #[error(transparent)]
    Certificate(#[from] certificates::CertificateError),
    /// The cluster cannot be reached with what is configured.
    #[error("failed to configure the Kubernetes client: {0}")]
    Client(String),
    /// TLS cannot be set up.
    #[error("failed to set up TLS: {0}")]
    Tls(String),
    /// Traces cannot be made.
    #[error(transparent)]
    Traces(#[from] TraceError),
    /// A task ended that should not.
    #[error("{0} ended unexpectedly")]
    TaskEnded(&'static str),
}

/// Serves until `shutdown` says so, then drains: keeps serving for the shutdown delay, so that endpoints can be taken
/// out of rotation, and then finishes what is in flight. Bound addresses are sent as soon as all of them are known.
///
/// # Errors
/// When something cannot be started, or a task ends that should not.
pub async fn run(
    options: ServeOptions,
    source: PolicySource,
    bound: tokio::sync::oneshot::Sender<BoundAddresses>,
    mut shutdown: watch::Receiver<bool>,
) -> Result<(), ServeError> {
    let traces = Traces::start(&options.traces)?;
    let snapshots = Arc::new(SnapshotHandle::default());
    let (ready_sender, ready) = watch::channel(false);
    let are_known = ready.clone();
    let (report_sender, reports) = watch::channel(writer::Report::default());

    let serves = options.operations.serve();
    let certificates = certificates::Certificates::default();
    let metrics = Metrics::new().watching(snapshots.clone());
    let metrics = if serves { metrics.of_webhook(snapshots.clone(), certificates.clone()) } else { metrics };
    let metrics = Arc::new(metrics);
    let rotation = match &source {
        PolicySource::Cluster(cluster) if serves => cluster.rotation.clone(),
        PolicySource::Cluster(_) | PolicySource::Feed(_) => None,
    };
    let (certified_sender, certificate) = watch::channel(rotation.is_none());
    let files = match rotation {
        None if serves => Some(CertificateFiles::load(&options.certificate_directory, certificates.clone())?),
        _ => None,
    };
    let listener = if serves { Some(webhook::bind(&options.address, "the webhook").await?) } else { None };
    let health_listener = webhook::bind(&options.health_address, "health checks").await?;
    let metrics_listener = webhook::bind(&options.metrics_address, "metrics").await?;
    let addresses = BoundAddresses {
        webhook: listener.as_ref().map(local_address).transpose()?,
        health: local_address(&health_listener)?,
        metrics: local_address(&metrics_listener)?,
    };
    let webhook_readiness = match addresses.webhook {
        Some(address) => {
            let tls = tls_check::TlsCheck::new(address, certificates.clone())?;
            Some(health::WebhookReadiness { certificate, tls, is_for_health: options.checks_tls_for_health })
        }
        None => None,
    };
    info!(webhook = addresses.webhook.map(tracing::field::display), health = %addresses.health, metrics = %addresses.metrics, "listening");

    let mut tasks = tokio::task::JoinSet::new();
    let lifetime = options.provider_cache_lifetime;
    let external_data = outbound::ProviderClient::new(certificates.clone(), lifetime, metrics.providers().clone());
    let (cleaned, watched) = (external_data.clone(), snapshots.clone());
    tasks.spawn(async move {
        cleaned.clean(watched).await;
        "cleaning of external data"
    });
    let (event_sender, admission_events) = admission_events::queue();
    let (mut released, mut events) = (None, None);
    let (feed, namespaces, lists) = match source {
        PolicySource::Feed(feed) => (feed, webhook::Namespaces::of_files(), None),
        PolicySource::Cluster(cluster_options) => {
            let clients = cluster::connect(&cluster_options).await?;
            let hasty = clients.hasty.clone();
            if let Some(rotation) = rotation {
                let (clients, certificates) = (clients.clone(), certificates.clone());
                tasks.spawn(async move {
                    cluster::keep_certificates(clients, rotation, certificates, certified_sender).await;
                    "certificate rotation"
                });
            }
            let (sender, feed) = mpsc::channel(1_024);
            let loops = cluster::Loops {
                clients,
                options: cluster_options,
                webhook_rules: options.webhook_rules.clone(),
                snapshots: snapshots.clone(),
                metrics: metrics.clone(),
                reports,
                admission_events,
                shutdown: shutdown.clone(),
            };
            let (ask, asked) = mpsc::unbounded_channel();
            let (loops, all_released) = loops.into_tasks(sender, asked);
            (released, events) = (Some(all_released), Some(event_sender));
            for (name, task) in loops {
                tasks.spawn(async move {
                    task.await;
                    name
                });
            }
            let fetch = move |name| cluster::fetch_namespace(hasty.clone(), name).boxed();
            let namespaces = webhook::Namespaces::of_cluster(Box::new(fetch));
            (feed, namespaces, Some(ask))
        }
    };
    let is_whole = options.keeps_whole_objects || lists.is_none();
    let store = if is_whole { Store::default() } else { Store::of_fields_that_are_read() };
    let store = store.in_namespace(&options.pod_namespace);
    let writer = writer::Writer::new(feed, snapshots.clone(), options.build, metrics.clone(), store, lists);
    tasks.spawn(async move {
        writer.run(ready_sender, report_sender).await;
        "policy writer"
    });
    tasks.spawn(async {
        memory::run().await;
        "memory keeper"
    });
    if let Some(files) = files {
        tasks.spawn(async move {
            files.watch().await;
            "certificate watch"
        });
    }
    let exposed = metrics.clone();
    tasks.spawn(async move {
        health::serve(
            health_listener,
            metrics_listener,
            health::Readiness { tracker: ready, webhook: webhook_readiness },
            exposed,
        )
        .await;
        "health server"
    });
    // Bound addresses are for whoever started the server in this process; nobody may care.
    let _ = bound.send(addresses);

    let (stop_sender, stop) = watch::channel(false);
    let mut serving = match listener {
        Some(listener) => {
            let reporter = webhook::Reporter::new(options.reports, metrics.clone(), events);
            let (policies, traces) = (webhook::Policies { snapshots, are_known, external_data }, traces.clone());
            let webhook =
                webhook::Webhook::new(&options, certificates, policies, namespaces, metrics, reporter, traces)?;
            tokio::spawn(webhook.serve(listener, shutdown.clone(), stop))
        }
        None => tokio::spawn(serve_nothing(stop, events)),
    };
    tokio::select! {
        _ = shutdown.wait_for(|stop| *stop) => {}
        ended = tasks.join_next() => return Err(task_ended(ended)),
        _ = &mut serving => return Err(ServeError::TaskEnded("webhook")),
    }
    if serves {
        info!(delay_seconds = options.shutdown_delay.as_secs(), "shutting down; serving until the delay is over");
        tokio::time::sleep(options.shutdown_delay).await;
    }
    let _ = stop_sender.send(true);
    if tokio::time::timeout(Duration::from_secs(60), serving).await.is_err() {
        error!("requests were still in flight a minute after the shutdown delay; giving up on them");
    }
    if let Some(released) = released {
        released.wait().await;
    }
    traces.flush().await;
    info!("stopped");
    Ok(())
}

/// In place of a webhook. The loop of Events lives as long as somebody may tell it of one.
async fn serve_nothing(mut stop: watch::Receiver<bool>, events: Option<admission_events::Events>) {
    let _ = stop.wait_for(|stop| *stop).await;
    drop(events);
}

fn task_ended(ended: Option<Result<&'static str, tokio::task::JoinError>>) -> ServeError {
    match ended {
        Some(Ok(name)) => ServeError::TaskEnded(name),
        Some(Err(error)) => {
            error!(%error, "a task failed");
            ServeError::TaskEnded("a task")
        }
        None => ServeError::TaskEnded("every task"),
    }
}

fn local_address(listener: &tokio::net::TcpListener) -> Result<std::net::SocketAddr, ServeError> {
    let failed = |cause| ServeError::Listen { address: String::new(), purpose: "a socket", cause };
    listener.local_addr().map_err(failed)
}
