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
use super::tls_check::TlsCheck;

/// What has to be true before requests may come.
#[derive(Clone)]
pub(super) struct Readiness {
    /// Policies that existed at start are in force.
    pub(super) tracker: watch::Receiver<bool>,
    /// Of a process that serves a webhook.
    pub(super) webhook: Option<WebhookReadiness>,
}

/// What has to be true of a webhook.
#[derive(Clone)]
pub(super) struct WebhookReadiness {
    /// There is a certificate that API servers trust.
    pub(super) certificate: watch::Receiver<bool>,
    /// It answers with that certificate.
    pub(super) tls: TlsCheck,
    /// `/healthz` asks for that, too.
    pub(super) is_for_health: bool,
}

impl Readiness {
    async fn checks(&self) -> Vec<Check> {
        let check = |name, passed: bool, why: &str| Check { name, failure: (!passed).then(|| why.to_owned()) };
        let why = "policies are still being loaded; if that lasts, the log says why";
        let mut checks = vec![check("tracker", *self.tracker.borrow(), why)];
        if let Some(webhook) = &self.webhook {
            let why = "no certificate yet that API servers trust; see the log";
            checks.push(check("certificate", *webhook.certificate.borrow(), why));
            checks.push(Check { name: "tls-check", failure: webhook.tls.failure().await });
        }
        checks
    }

    async fn health_checks(&self) -> Vec<Check> {
        let mut checks = vec![Check { name: "ping", failure: None }];
        if let Some(webhook) = self.webhook.as_ref().filter(|webhook| webhook.is_for_health) {
            checks.push(Check { name: "tls-check", failure: webhook.tls.failure().await });
        }
        checks
    }
}

/// What was asked, and what is wrong.
struct Check {
    name: &'static str,
    failure: Option<String>,
}

/// Serves both ports until one of them fails.
pub(super) async fn serve(health: TcpListener, metrics_listener: TcpListener, ready: Readiness, metrics: Arc<Metrics>) {
    let (ready, alive) = (Arc::new(ready.clone()), Arc::new(ready));
    let checks = Router::new()
        .route(
            "/healthz",
            get(move |query: Query<Verbosity>| async move { report(&alive.health_checks().await, &query) }),
        )
        .route("/readyz", get(move |query: Query<Verbosity>| async move { report(&ready.checks().await, &query) }));
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
    let passed = checks.iter().all(|check| check.failure.is_none());
    if passed && query.verbose.is_none() {
        return (StatusCode::OK, "ok").into_response();
    }
    let line = |Check { name, failure }: &Check| match failure {
        None => format!("[+]{name} ok\n"),
        Some(why) => format!("[-]{name} failed: {why}\n"),
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
