//! The admission webhook: TLS connections in, AdmissionReviews judged, answers out.

mod handler;
mod label;
mod listener;
mod mutate;
mod mutate_report;
mod namespaces;
mod places;
mod report;
mod trace;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::post;
use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::certificates::Certificates;
use super::telemetry::metrics::Metrics;
use super::telemetry::traces::Traces;
use super::{Operation, ServeError, ServeOptions};
use crate::policy::external_data::ExternalDataSource;
use crate::policy::snapshot::SnapshotHandle;

pub use label::ExemptNamespaces;
pub use listener::TlsVersion;
pub(super) use listener::bind;
pub use mutate_report::MutationOptions;
pub(super) use namespaces::Namespaces;
pub use report::ReportOptions;
pub(super) use report::Reporter;

/// The policies in force, and whether they are known yet.
pub(super) struct Policies {
    pub(super) snapshots: Arc<SnapshotHandle>,
    pub(super) are_known: watch::Receiver<bool>,
    /// Who answers their questions to providers.
    pub(super) external_data: Arc<dyn ExternalDataSource>,
}

/// The webhook of a process that has one, ready to serve.
pub(super) struct Webhook {
    router: Router,
    tls: listener::TlsListener,
}

impl Webhook {
    pub(super) fn new(
        options: &ServeOptions,
        certificates: Certificates,
        policies: Policies,
        namespaces: Namespaces,
        metrics: Arc<Metrics>,
        reporter: Reporter,
        traces: Traces,
    ) -> Result<Self, ServeError> {
        let mut router = Router::new();
        if options.operations.has(Operation::MutationWebhook) {
            let (namespaces, metrics, traces) = (namespaces.clone(), Arc::clone(&metrics), traces.clone());
            let mutation = Arc::new(mutate::Mutation::new(options, &policies, namespaces, metrics, traces));
            let handle = move |request| Arc::clone(&mutation).handle(request);
            router = router.route("/v1/mutate", post(once_known(policies.are_known.clone(), handle)));
        }
        if options.operations.has(Operation::Webhook) {
            let admission = handler::Admission::new(options, &policies, namespaces, metrics, reporter, traces);
            let admission = Arc::new(admission);
            let handle = move |request| Arc::clone(&admission).handle(request);
            router = router.route("/v1/admit", post(once_known(policies.are_known.clone(), handle)));
        }
        let labels = label::LabelGuard::new(options.exempt_namespaces.clone(), options.max_request_bytes);
        router = router.route("/v1/admitlabel", post(move |request| labels.clone().handle(request)));
        let router = router.fallback(wire::not_found);
        let clients = options.client_certificates.as_ref();
        let clients = clients.map(|clients| clients.verifier(&options.certificate_directory)).transpose()?;
        Ok(Self { router, tls: listener::TlsListener::new(certificates, options.tls_min_version, clients)? })
    }

    /// Serves until told to stop, then lets requests in flight finish. Clients are sent elsewhere from `leaving` on.
    pub(super) async fn serve(
        self,
        listener: TcpListener,
        leaving: watch::Receiver<bool>,
        stop: watch::Receiver<bool>,
    ) {
        self.tls.serve(listener, self.router, leaving, stop).await;
    }
}

/// Names of the accounts whose requests are let through: those of admit itself. Gatekeeper's name counts too, for clusters
/// that move over keep theirs.
fn own_accounts(namespace: &str) -> [String; 2] {
    ["admit", "gatekeeper-admin"].map(|name| format!("system:serviceaccount:{namespace}:{name}"))
}

/// Hands requests on from when the policies are known: whoever does not know them would let everything through as it is.
fn once_known<F: Future<Output = Response> + Send + 'static>(
    are_known: watch::Receiver<bool>,
    handle: impl Fn(Request) -> F + Clone,
) -> impl Fn(Request) -> BoxFuture<'static, Response> + Clone {
    move |request| match *are_known.borrow() {
        true => Box::pin(handle(request)),
        false => Box::pin(std::future::ready(wire::not_ready())),
    }
}
