//! `/healthz`, `/readyz` and `/metrics`, plain HTTP, as probes and Prometheus expect them.

use std::sync::Arc;

use axum::Router;
use axum::extract::Query;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::error;

use super::telemetry::metrics::Metrics;

/// What has to be true before requests may come.
#[derive(Clone, Debug)]
pub(super) struct Readiness {
    /// Policies that existed at start are in force.
    pub(super) tracker: watch::Receiver<bool>,
    /// There is a certificate that API servers trust.
    pub(super) certificate: watch::Receiver<bool>,
}

impl Readiness {
    fn checks(&self) -> [Check; 2] {
        [
            ("tracker", *self.tracker.borrow(), "policies are still being loaded; if that lasts, the log says why"),
            ("certificate", *self.certificate.borrow(), "no certificate yet that API servers trust; see the log"),
        ]
    }
}

/// Name, whether it passed, and what to say when it did not.
type Check = (&'static str, bool, &'static str);

/// Serves both ports until one of them fails.
pub(super) async fn serve(health: TcpListener, metrics_listener: TcpListener, ready: Readiness, metrics: Arc<Metrics>) {
    let checks = Router::new()
        .route("/healthz", get(|query: Query<Verbosity>| async move { report(&[("ping", true, "")], &query) }))
        .route("/readyz", get(move |query: Query<Verbosity>| async move { report(&ready.checks(), &query) }));
    let exposition = Router::new().route("/metrics", get(move || async move { expose(&metrics) }));
    let ended = tokio::select! {
        ended = axum::serve(health, checks) => ended,
        ended = axum::serve(metrics_listener, exposition) => ended,
    };
    if let Err(error) = ended {
        error!(%error, "health or metrics server failed");
    }
}

#[derive(Deserialize)]
struct Verbosity {
    verbose: Option<String>,
}

/// The form of Kubernetes components: `ok`, or one line a check when one fails or when asked.
fn report(checks: &[Check], query: &Verbosity) -> Response {
    let passed = checks.iter().all(|(_, passed, _)| *passed);
    if passed && query.verbose.is_none() {
        return (StatusCode::OK, "ok").into_response();
    }
    let line = |(name, passed, why): &Check| {
        if *passed { format!("[+]{name} ok\n") } else { format!("[-]{name} failed: {why}\n") }
    };
    let lines: String = checks.iter().map(line).collect();
    let (status, last) =
        if passed { (StatusCode::OK, "passed") } else { (StatusCode::INTERNAL_SERVER_ERROR, "failed") };
    (status, format!("{lines}check {last}\n")).into_response()
}

fn expose(metrics: &Metrics) -> Response {
    const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("failed to encode metrics: {error}")).into_response(),
    }
}
