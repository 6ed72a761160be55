//! One request from its first byte to its answer.
//!
//! Whatever an API server can send is answered with a verdict, so that no failure policy is ever asked: a request that
//! is too large or nests too deep is refused, not failed. What no API server sends gets an HTTP error, with the same body.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use kube::Client;
use tokio::sync::Semaphore;
use tracing::{error, info};

use super::Reporter;
use crate::model::api::EnforcementPoint;
use crate::model::object::JsonError;
use crate::model::review::{AdmissionResponse, AdmissionReview, RejectedReview, Review, ReviewError, ReviewedObject};
use crate::policy::engine::Deadline;
use crate::policy::evaluate::{Decision, EvalContext, validate};
use crate::policy::snapshot::{Snapshot, SnapshotHandle};
use crate::server::ServeOptions;
use crate::server::cluster::fetch_namespace;
use crate::server::telemetry::metrics::Metrics;

/// What the API server waits at most, when it does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// Kept back from the API server's timeout for the way to it.
const TIMEOUT_MARGIN: Duration = Duration::from_millis(100);

/// Where a Namespace is looked up that the snapshot does not have (yet).
#[derive(Clone)]
pub(in crate::server) enum NamespaceSource {
    /// Nowhere: policies come from files.
    None,
    /// The API server.
    Cluster(Client),
}

/// Judges admission requests.
pub(super) struct Admission {
    snapshots: Arc<SnapshotHandle>,
    namespaces: NamespaceSource,
    metrics: Arc<Metrics>,
    slots: Arc<Semaphore>,
    max_request_bytes: usize,
    evaluation_limit: Duration,
    reporter: Reporter,
    own_accounts: [String; 2],
}

struct Answer {
    decision: Decision,
    is_dry_run: bool,
    /// Whether Gatekeeper's metrics count it.
    is_counted: bool,
    status: StatusCode,
    body: Vec<u8>,
}

impl Admission {
    pub(super) fn new(
        options: &ServeOptions,
        snapshots: Arc<SnapshotHandle>,
        namespaces: NamespaceSource,
        metrics: Arc<Metrics>,
        reporter: Reporter,
    ) -> Self {
        Self {
            snapshots,
            namespaces,
            metrics,
            slots: Arc::new(Semaphore::new(options.serving_threads)),
            max_request_bytes: options.max_request_bytes,
            reporter,
            evaluation_limit: options.evaluation_limit,
            // Gatekeeper's name for the account counts too: clusters that move over keep theirs.
            own_accounts: ["admit", "gatekeeper-admin"]
                .map(|name| format!("system:serviceaccount:{}:{name}", options.pod_namespace)),
        }
    }

    pub(super) async fn handle(self: Arc<Self>, request: Request) -> Response {
        let started = Instant::now();
        let timeout = request_timeout(request.uri());
        let deadline = Deadline::after(timeout.saturating_sub(TIMEOUT_MARGIN));
        let answer = match self.read_body(request).await {
            Ok(body) => Arc::clone(&self).answer(body, deadline, timeout).await,
            Err(error) => rejected(&RejectedReview { api_version: None, uid: String::new(), error }),
        };
        if answer.is_counted {
            self.metrics.request(answer.decision, answer.is_dry_run, started.elapsed().as_secs_f64());
        }
        (answer.status, [(header::CONTENT_TYPE, "application/json")], Body::from(answer.body)).into_response()
    }

    async fn read_body(&self, request: Request) -> Result<Vec<u8>, ReviewError> {
        let found =
            request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = found.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/json") {
            return Err(ReviewError::ContentType { found: found.to_owned() });
        }
        let limit = self.max_request_bytes;
        match Limited::new(request.into_body(), limit).collect().await {
            Ok(collected) => Ok(collected.to_bytes().into()),
            Err(error) if error.is::<LengthLimitError>() => Err(ReviewError::TooLarge { limit }),
            Err(error) => Err(ReviewError::Unreadable(error.to_string())),
        }
    }

    /// Waits for a free thread no longer than the API server waits for us, then judges on it.
    async fn answer(self: Arc<Self>, body: Vec<u8>, deadline: Deadline, timeout: Duration) -> Answer {
        let slots = Arc::clone(&self.slots);
        let Ok(Ok(slot)) = tokio::time::timeout(timeout, slots.acquire_owned()).await else {
            let text = "serving context canceled, aborting request";
            return failed(None, "", text);
        };
        let judged = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            self.judge(&body, deadline)
        });
        judged.await.unwrap_or_else(|panic| {
            error!(error = %panic, "a request made the server panic; it was refused");
            failed(None, "", "panic: the request could not be judged [recovered]")
        })
    }

    fn judge(&self, body: &[u8], deadline: Deadline) -> Answer {
        let parsed = AdmissionReview::parse(body);
        let AdmissionReview { api_version, mut review } = match parsed {
            Ok(parsed) => parsed,
            Err(rejection) => return rejected(&rejection),
        };
        let version = Some(api_version.as_str());
        if self.own_accounts.iter().any(|account| account == review.username()) {
            let response = AdmissionResponse::allow("Gatekeeper does not self-manage");
            return Answer { is_counted: false, ..answered(version, &review, Decision::Allow, &response) };
        }
        let snapshot = self.snapshots.load();
        if let Err(message) = self.add_namespace(&snapshot, &mut review) {
            let text = format!("failed to create augmentedReview: {message}");
            return failed(version, &review.uid, &text);
        }
        let context =
            EvalContext { point: EnforcementPoint::Webhook, deadline, evaluation_limit: Some(self.evaluation_limit) };
        let verdict = self.reporter.judged(&review, validate(&snapshot, &review, context));
        answered(version, &review, verdict.decision, &verdict.response)
    }

    /// The cache lags behind the API server: a Namespace that was just made is asked for.
    fn add_namespace(&self, snapshot: &Snapshot, review: &mut Review) -> Result<(), String> {
        if review.namespace.is_empty() {
            return Ok(());
        }
        review.namespace_object = match (snapshot.namespace(&review.namespace), &self.namespaces) {
            (Some(namespace), _) => Some(Arc::clone(namespace)),
            (None, NamespaceSource::None) => None,
            (None, NamespaceSource::Cluster(client)) => Some(Arc::new(self.fetch(client, &review.namespace)?)),
        };
        Ok(())
    }

    fn fetch(&self, client: &Client, name: &str) -> Result<ReviewedObject, String> {
        let found = tokio::runtime::Handle::current().block_on(fetch_namespace(client.clone(), name))?;
        Ok(ReviewedObject::from(&found))
    }
}

/// Any other path.
pub(super) async fn not_found(uri: Uri) -> Response {
    let text = format!("no such endpoint: {}; the webhook answers POST /v1/admit\n", uri.path());
    (StatusCode::NOT_FOUND, text).into_response()
}

fn answered(version: Option<&str>, review: &Review, decision: Decision, response: &AdmissionResponse) -> Answer {
    Answer {
        decision,
        is_dry_run: review.is_dry_run(),
        is_counted: true,
        status: StatusCode::OK,
        body: response.to_bytes(version, &review.uid),
    }
}

fn failed(version: Option<&str>, uid: &str, text: &str) -> Answer {
    let body = AdmissionResponse::error(500, text).to_bytes(version, uid);
    Answer { decision: Decision::Error, is_dry_run: false, is_counted: true, status: StatusCode::OK, body }
}

/// See the head of this file for which errors are verdicts and which are HTTP errors.
fn rejected(rejection: &RejectedReview) -> Answer {
    let (code, is_verdict) = match &rejection.error {
        ReviewError::TooLarge { .. } => (413, true),
        ReviewError::Json(JsonError::TooDeep(_)) | ReviewError::Field(_) | ReviewError::NoObject => (400, true),
        ReviewError::NoOldObject => (500, true),
        ReviewError::EmptyBody
        | ReviewError::ContentType { .. }
        | ReviewError::Json(JsonError::Malformed(_))
        | ReviewError::OtherType { .. }
        | ReviewError::NoRequest { .. }
        | ReviewError::Unreadable(_) => (400, false),
    };
    info!(code, error = %rejection.error, "request refused: not a review that can be judged");
    let response = AdmissionResponse::error(code, rejection.error.to_string());
    Answer {
        decision: Decision::Error,
        is_dry_run: false,
        is_counted: true,
        status: if is_verdict { StatusCode::OK } else { StatusCode::BAD_REQUEST },
        body: response.to_bytes(rejection.api_version.as_deref(), &rejection.uid),
    }
}

/// The API server states its patience as `?timeout=3s`.
fn request_timeout(uri: &Uri) -> Duration {
    let query = uri.query().unwrap_or_default();
    let value = query.split('&').find_map(|pair| pair.strip_prefix("timeout="));
    value.and_then(parse_duration).unwrap_or(DEFAULT_TIMEOUT)
}

/// Go's durations, as far as webhook timeouts go: whole seconds or milliseconds.
fn parse_duration(text: &str) -> Option<Duration> {
    if let Some(milliseconds) = text.strip_suffix("ms") {
        return milliseconds.parse().ok().map(Duration::from_millis);
    }
    text.strip_suffix('s')?.parse().ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_api_servers_timeout() {
        for (uri, expected) in [
            ("/v1/admit?timeout=3s", Duration::from_secs(3)),
            ("/v1/admit?a=b&timeout=250ms", Duration::from_millis(250)),
            ("/v1/admit", DEFAULT_TIMEOUT),
            ("/v1/admit?timeout=soon", DEFAULT_TIMEOUT),
            ("/v1/admit?timeout=0s", DEFAULT_TIMEOUT),
        ] {
            assert_eq!(request_timeout(&uri.parse().unwrap()), expected, "{uri}");
        }
    }
}
