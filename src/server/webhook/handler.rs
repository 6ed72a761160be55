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
use tokio::sync::Semaphore;
use tracing::{error, info, warn};

use super::namespaces::{Found, Namespaces, UnknownNamespace};
use crate::model::api::{EnforcementAction, EnforcementPoint};
use crate::model::object::JsonError;
use crate::model::review::{AdmissionResponse, AdmissionReview, RejectedReview, Review, ReviewError};
use crate::policy::engine::Deadline;
use crate::policy::evaluate::{Decision, EvalContext, Evaluation, LimitBreach, Verdict, validate};
use crate::policy::snapshot::SnapshotHandle;
use crate::server::ServeOptions;
use crate::server::telemetry::metrics::Metrics;

/// What the API server waits at most, when it does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// The most that an API server may be told to wait.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Kept back from the API server's timeout for the way to it.
const TIMEOUT_MARGIN: Duration = Duration::from_millis(100);

/// Judges admission requests.
pub(super) struct Admission {
    snapshots: Arc<SnapshotHandle>,
    namespaces: Namespaces,
    metrics: Arc<Metrics>,
    slots: Arc<Semaphore>,
    max_request_bytes: usize,
    evaluation_limit: Duration,
    log_denies: bool,
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
        namespaces: Namespaces,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            snapshots,
            namespaces,
            metrics,
            slots: Arc::new(Semaphore::new(options.serving_threads)),
            max_request_bytes: options.max_request_bytes,
            log_denies: options.log_denies,
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

    /// Judges. A Namespace that has to be looked up for that is waited for without a thread.
    async fn answer(self: Arc<Self>, body: Vec<u8>, deadline: Deadline, timeout: Duration) -> Answer {
        let until = Instant::now() + timeout.min(LONGEST_TIMEOUT);
        let body = Arc::new(body);
        let mut found = None;
        loop {
            match Arc::clone(&self).judge_on_thread(Arc::clone(&body), deadline, until, found.take()).await {
                Ok(answer) => return answer,
                Err(UnknownNamespace(name)) => {
                    let until = deadline.instant().unwrap_or(until);
                    found = Some(self.namespaces.look_up(&name, until).await);
                }
            }
        }
    }

    /// Waits for a free thread no longer than the API server waits for us, then judges on it.
    async fn judge_on_thread(
        self: Arc<Self>,
        body: Arc<Vec<u8>>,
        deadline: Deadline,
        until: Instant,
        found: Option<Found>,
    ) -> Result<Answer, UnknownNamespace> {
        let slots = Arc::clone(&self.slots);
        let Ok(Ok(slot)) = tokio::time::timeout_at(until.into(), slots.acquire_owned()).await else {
            let text = "serving context canceled, aborting request";
            return Ok(failed(None, "", text));
        };
        let judged = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            self.judge(&body, deadline, found.as_ref())
        });
        judged.await.unwrap_or_else(|panic| {
            error!(error = %panic, "a request made the server panic; it was refused");
            Ok(failed(None, "", "panic: the request could not be judged [recovered]"))
        })
    }

    fn judge(&self, body: &[u8], deadline: Deadline, found: Option<&Found>) -> Result<Answer, UnknownNamespace> {
        let parsed = AdmissionReview::parse(body);
        let AdmissionReview { api_version, mut review } = match parsed {
            Ok(parsed) => parsed,
            Err(rejection) => return Ok(rejected(&rejection)),
        };
        let version = Some(api_version.as_str());
        if self.own_accounts.iter().any(|account| account == review.username()) {
            let response = AdmissionResponse::allow("Gatekeeper does not self-manage");
            return Ok(Answer { is_counted: false, ..answered(version, &review, Decision::Allow, &response) });
        }
        let snapshot = self.snapshots.load();
        if let Err(message) = self.namespaces.add_to(&mut review, &snapshot, found)? {
            let text = format!("failed to create augmentedReview: {message}");
            return Ok(failed(version, &review.uid, &text));
        }
        let context =
            EvalContext { point: EnforcementPoint::Webhook, deadline, evaluation_limit: Some(self.evaluation_limit) };
        let verdict = match validate(&snapshot, &review, context) {
            Ok(evaluation) => {
                self.report_breaches(&review, &evaluation);
                self.log_violations(&review, &evaluation);
                Verdict::from_evaluation(&evaluation)
            }
            Err(failure) => {
                error!(name = review.display_name(), error = %failure, "request refused because it could not be judged");
                Verdict::from_failure(&failure, review.display_name())
            }
        };
        Ok(answered(version, &review, verdict.decision, &verdict.response))
    }

    fn report_breaches(&self, review: &Review, evaluation: &Evaluation) {
        for LimitBreach { constraint, limit, is_last_straw } in &evaluation.breaches {
            let constraint = &constraint.constraint;
            self.metrics.breach(constraint.kind(), constraint.name(), *limit);
            let (kind, name, resource) = (constraint.kind(), constraint.name(), review.display_name());
            warn!(constraint_kind = kind, constraint_name = name, resource, ?limit, "an evaluation was stopped");
            if *is_last_straw {
                error!(
                    constraint_kind = kind,
                    constraint_name = name,
                    "a constraint is set aside: its evaluation was stopped again and again"
                );
            }
        }
    }

    fn log_violations(&self, review: &Review, evaluation: &Evaluation) {
        if !self.log_denies {
            return;
        }
        for violation in &evaluation.violations {
            let constraint = &violation.constraint.constraint;
            let gvk = constraint.object.gvk();
            let actions: Vec<&str> = violation.actions.iter().map(EnforcementAction::as_str).collect();
            info!(
                process = "admission",
                event_type = "violation",
                details = %violation.details.clone().unwrap_or_default(),
                constraint_name = constraint.name(),
                constraint_group = gvk.group,
                constraint_api_version = gvk.version,
                constraint_kind = constraint.kind(),
                constraint_action = constraint.enforcement.as_str(),
                constraint_enforcement_actions = actions.join(","),
                resource_group = review.kind.group,
                resource_api_version = review.kind.version,
                resource_kind = review.kind.kind,
                resource_namespace = review.namespace,
                resource_name = review.display_name(),
                request_username = review.username(),
                "denied admission: {}",
                violation.message
            );
        }
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
