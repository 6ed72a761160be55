//! What all endpoints have in common: a body in, an answer out.
//!
//! Whatever an API server can send is answered with a verdict, so that no failure policy is ever asked: a request that
//! is too large or nests too deep is refused, not failed. What no API server sends gets an HTTP error, with the same body.
//! The exception is a process that does not know the policies yet, which is not ready and is not to be asked.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tracing::info;

use crate::model::object::JsonError;
use crate::model::review::{AdmissionResponse, AdmissionReview, RejectedReview, ReviewError};

/// What the API server waits at most, when it does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// Kept back from the API server's timeout for the way to it.
pub(super) const TIMEOUT_MARGIN: Duration = Duration::from_millis(100);

/// What is sent back: a verdict, or an HTTP error that looks like one.
pub(super) struct Reply {
    status: StatusCode,
    body: Vec<u8>,
}

impl Reply {
    /// A verdict in the version of the request.
    pub(super) fn verdict(response: &AdmissionResponse, version: Option<&str>, uid: &str) -> Self {
        Self { status: StatusCode::OK, body: response.to_bytes(version, uid) }
    }

    /// See the head of this file for which errors are verdicts and which are HTTP errors.
    pub(super) fn rejection(rejection: &RejectedReview) -> Self {
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
        let status = if is_verdict { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        Self { status, body: response.to_bytes(rejection.api_version.as_deref(), &rejection.uid) }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        (self.status, [(header::CONTENT_TYPE, "application/json")], Body::from(self.body)).into_response()
    }
}

/// The body of a request, if it says that it is JSON and is not larger than it may be.
pub(super) async fn read_body(request: Request, limit: usize) -> Result<Vec<u8>, ReviewError> {
    let found = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = found.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(ReviewError::ContentType { found: found.to_owned() });
    }
    match Limited::new(request.into_body(), limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes().into()),
        Err(error) if error.is::<LengthLimitError>() => Err(ReviewError::TooLarge { limit }),
        Err(error) => Err(ReviewError::Unreadable(error.to_string())),
    }
}

/// The API server states its patience as `?timeout=3s`.
pub(super) fn request_timeout(uri: &Uri) -> Duration {
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

/// The version and the id that an answer needs.
pub(super) fn identity(body: &[u8]) -> (Option<String>, String) {
    match AdmissionReview::parse(body) {
        Ok(AdmissionReview { api_version, review }) => (Some(api_version), review.uid),
        Err(RejectedReview { api_version, uid, .. }) => (api_version, uid),
    }
}

/// What every request gets until the policies are known: as if nobody were there, so that the failure policy decides.
pub(super) fn not_ready() -> Response {
    let text = "policies are still being loaded, so nothing can be judged yet; see /readyz and the log\n";
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

/// Any path that is no endpoint.
pub(super) async fn not_found(uri: Uri) -> Response {
    let endpoints = "POST /v1/admit, POST /v1/mutate and POST /v1/admitlabel";
    let text = format!("no such endpoint: {}; the webhook answers {endpoints}\n", uri.path());
    (StatusCode::NOT_FOUND, text).into_response()
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
