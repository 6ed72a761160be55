//! The admission webhook: TLS connections in, AdmissionReviews judged, answers out.

mod handler;
mod label;
mod listener;
mod namespaces;
mod report;
mod trace;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::certificates::Certificates;
use super::telemetry::metrics::Metrics;
use super::{Operation, ServeError, ServeOptions};
use crate::policy::snapshot::SnapshotHandle;

pub use label::ExemptNamespaces;
pub use listener::TlsVersion;
pub(super) use listener::bind;
pub(super) use namespaces::Namespaces;
pub use report::ReportOptions;
pub(super) use report::Reporter;

/// The webhook, ready to serve.
pub(super) struct Webhook {
    router: Router,
    tls: listener::TlsListener,
}

impl Webhook {
    pub(super) fn new(
        options: &ServeOptions,
        certificates: Certificates,
        snapshots: Arc<SnapshotHandle>,
        namespaces: Namespaces,
        metrics: Arc<Metrics>,
        reporter: Reporter,
        ready: watch::Receiver<bool>,
    ) -> Result<Self, ServeError> {
        let does = |operation| options.operations.has(operation);
        let mut router = Router::new();
        if does(Operation::Webhook) {
            let admission = Arc::new(handler::Admission::new(options, snapshots, namespaces, metrics, reporter));
            let judge = move |request| {
                let (admission, ready) = (Arc::clone(&admission), ready.clone());
                async move {
                    // Whoever does not know the policies yet would allow everything.
                    let is_ready = *ready.borrow();
                    if is_ready { admission.handle(request).await } else { wire::not_ready() }
                }
            };
            router = router.route("/v1/admit", post(judge));
        }
        // As in Gatekeeper, whatever serves one of the webhooks serves this one.
        if does(Operation::Webhook) || does(Operation::MutationWebhook) {
            let labels = label::LabelGuard::new(options.exempt_namespaces.clone(), options.max_request_bytes);
            router = router.route("/v1/admitlabel", post(move |request| labels.clone().handle(request)));
        }
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
