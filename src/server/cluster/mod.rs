//! The cluster: what is read from it and written to it. The only code that names the Kubernetes client.

mod certificates;
mod constraint_crds;
mod events;
mod feed;
mod namespaces;
mod status;
mod watches;

use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use kube::api::{ApiResource, DynamicObject};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::sync::{mpsc, watch};

use super::certificates::{Certificates, RotationOptions};
pub(super) use namespaces::fetch_namespace;

use super::writer::Report;
use super::{FeedEvent, ServeError};
use crate::model::object::{GroupVersionKind, Object};
use crate::policy::snapshot::SnapshotHandle;

/// Names this process in the API server's record of who set which field, and in Events.
const FIELD_MANAGER: &str = "admit";

/// How to reach the cluster, and who this process is in it.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// `--kubeconfig`; in-cluster configuration when absent.
    pub kubeconfig: Option<PathBuf>,
    /// Name of this process in `status.byPod` (`POD_NAME`).
    pub pod_name: String,
    /// `--operation`: what it is listed as doing.
    pub operations: Vec<String>,
    /// How certificates are kept in the cluster; absent with `--disable-cert-rotation`.
    pub rotation: Option<RotationOptions>,
}

/// The loops that keep the process and the cluster in step.
pub(super) struct Loops {
    client: Client,
    options: ClusterOptions,
    /// Whose Config counts.
    namespace: String,
    snapshots: Arc<SnapshotHandle>,
    reports: watch::Receiver<Report>,
}

/// Clients of the API server.
pub(super) struct Clients {
    /// Asks again when the API server is too busy.
    pub(super) patient: Client,
    /// Says at once what the API server said.
    pub(super) hasty: Client,
}

/// Makes clients. Nothing is asked of the API server yet: it may come up later than we do.
pub(super) async fn connect(options: &ClusterOptions) -> Result<Clients, ServeError> {
    let mut config = match &options.kubeconfig {
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
    let client = |config: Config| Client::try_from(config).map_err(|error| ServeError::Client(error.to_string()));
    let patient = client(config.clone())?;
    config.default_retry = false;
    Ok(Clients { patient, hasty: client(config)? })
}

/// Keeps certificates for ever, and says when there is one that the API server trusts.
pub(super) async fn keep_certificates(
    client: Client,
    options: RotationOptions,
    certificates: Certificates,
    ready: watch::Sender<bool>,
) {
    certificates::run(client, options, certificates, ready).await;
}

impl Loops {
    pub(super) fn new(
        client: Client,
        options: ClusterOptions,
        namespace: &str,
        snapshots: Arc<SnapshotHandle>,
        reports: watch::Receiver<Report>,
    ) -> Self {
        Self { client, options, namespace: namespace.to_owned(), snapshots, reports }
    }

    /// Each loop with its name. None of them ever ends by itself. Kinds of the inventory that are `asked` for are listed
    /// again.
    pub(super) fn into_tasks(
        self,
        sender: mpsc::Sender<FeedEvent>,
        asked: mpsc::UnboundedReceiver<GroupVersionKind>,
    ) -> Vec<(&'static str, BoxFuture<'static, ()>)> {
        let (crd_sender, crds) = watch::channel(feed::KnownCrds::default());
        let feed = feed::Feed::new(self.client.clone(), self.namespace, sender, crd_sender);
        let generate = constraint_crds::run(self.client.clone(), self.snapshots.clone(), self.reports.clone(), crds);
        let events = events::run(self.client.clone(), self.options.clone(), self.snapshots.clone());
        let statuses = status::run(self.client, self.options, self.snapshots, self.reports);
        vec![
            ("cluster feed", Box::pin(feed.run(asked))),
            ("constraint CRD loop", Box::pin(generate)),
            ("event loop", Box::pin(events)),
            ("status loop", Box::pin(statuses)),
        ]
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
