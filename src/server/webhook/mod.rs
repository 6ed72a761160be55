//! The admission webhook: TLS connections in, AdmissionReviews judged, answers out.

mod handler;
mod listener;
mod report;

use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::certificates::Certificates;
use super::telemetry::metrics::Metrics;
use super::{Operation, ServeError, ServeOptions};
use crate::policy::snapshot::SnapshotHandle;

pub(super) use handler::NamespaceSource;
pub use listener::TlsVersion;
pub(super) use listener::bind;
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
        namespaces: NamespaceSource,
        metrics: Arc<Metrics>,
        reporter: Reporter,
    ) -> Result<Self, ServeError> {
        let mut router = Router::new();
        if options.operations.has(Operation::Webhook) {
            let admission = Arc::new(handler::Admission::new(options, snapshots, namespaces, metrics, reporter));
            router = router.route("/v1/admit", post(move |request| async move { admission.handle(request).await }));
        }
        let router = router.fallback(handler::not_found);
        Ok(Self { router, tls: listener::TlsListener::new(certificates, options.tls_min_version)? })
    }

    /// Serves until told to stop, then lets requests in flight finish.
    pub(super) async fn serve(self, listener: TcpListener, stop: watch::Receiver<bool>) {
        self.tls.serve(listener, self.router, stop).await;
    }
}
