//! AdmissionReview, v1 and v1beta1: bytes of a request to a [`Review`], a response to bytes.
//!
//! Own types rather than a client library's: both versions, unknown fields, and exact texts for what is wrong.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::{Operation, RequestFields, Review, Source};
use crate::model::object::{FieldError, GroupVersionKind, JsonError, Object, describe, parse_json};

const GROUP: &str = "admission.k8s.io";

/// A request to judge a resource, and what its response has to repeat.
#[derive(Debug)]
pub struct AdmissionReview {
    /// `admission.k8s.io/v1` or `admission.k8s.io/v1beta1`; the response is in the same version.
    pub api_version: String,
    /// The resource.
    pub review: Review,
}

/// The answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmissionResponse {
    /// Whether the request goes on.
    pub allowed: bool,
    /// HTTP-like code for the client: 200, 299 with warnings only, 403, 422, 500.
    pub code: u16,
    /// `Forbidden` for a denial by policy.
    pub reason: Option<&'static str>,
    /// What the client is told.
    pub message: String,
    /// Shown by clients without failing the request.
    pub warnings: Vec<String>,
}

/// Why bytes are not an AdmissionReview that can be judged.
#[derive(Debug, Error)]
pub enum ReviewError {
    /// Nothing was sent.
    #[error("request body is empty")]
    EmptyBody,
    /// More was sent than is accepted.
    #[error("request entity is too large; limit is {limit} bytes")]
    TooLarge {
        /// The most that is accepted.
        limit: usize,
    },
    /// The media type is something else.
    #[error("contentType={found}, expected application/json")]
    ContentType {
        /// What was sent.
        found: String,
    },
    /// The bytes are no JSON, or nest too deep.
    #[error("request body is not a JSON document: {0}")]
    Json(#[from] JsonError),
    /// The connection broke off.
    #[error("request body could not be read: {0}")]
    Unreadable(String),
    /// JSON, but of another type.
    #[error("expected an AdmissionReview of {GROUP}/v1 or {GROUP}/v1beta1, found {found}")]
    OtherType {
        /// `apiVersion` and `kind`, or what is there instead.
        found: String,
    },
    /// An AdmissionReview without `request`: probably a response.
    #[error("AdmissionReview has no request: expected a mapping at `request`, found {found}")]
    NoRequest {
        /// What is there instead.
        found: String,
    },
    /// A field of the request is wrong.
    #[error("AdmissionReview is invalid: {0}")]
    Field(String),
    /// There is nothing to judge.
    #[error("invalid request object: neither object nor old object are defined")]
    NoObject,
    /// A deletion must say what is deleted.
    #[error("oldObject cannot be nil for DELETE operations")]
    NoOldObject,
}

/// A [`ReviewError`] and what is known of the request that it is about.
#[derive(Debug)]
pub struct RejectedReview {
    /// Version to answer in; `None` when the bytes never got that far.
    pub api_version: Option<String>,
    /// The request's id; empty when unknown.
    pub uid: String,
    /// What is wrong.
    pub error: ReviewError,
}

impl AdmissionReview {
    /// Parses a request body.
    ///
    /// # Errors
    /// On anything that cannot be judged, with as much of the request as is needed to answer it.
    pub fn parse(body: &[u8]) -> Result<Self, RejectedReview> {
        let unknown = |error| RejectedReview { api_version: None, uid: String::new(), error };
        if body.is_empty() {
            return Err(unknown(ReviewError::EmptyBody));
        }
        let mut value = parse_json(body).map_err(|error| unknown(error.into()))?;
        let api_version = read_type(&value).map_err(unknown)?;
        let request = value.get_mut("request").map(Value::take).unwrap_or_default();
        let Value::Object(request) = request else {
            let error = ReviewError::NoRequest { found: describe(&request) };
            return Err(RejectedReview { api_version: Some(api_version), uid: String::new(), error });
        };
        let uid = request.get("uid").and_then(Value::as_str).unwrap_or_default().to_owned();
        match read_request(request) {
            Ok(review) => Ok(Self { api_version, review }),
            Err(error) => Err(RejectedReview { api_version: Some(api_version), uid, error }),
        }
    }
}

fn read_type(value: &Value) -> Result<String, ReviewError> {
    if !value.is_object() {
        return Err(ReviewError::OtherType { found: describe(value) });
    }
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    // Like Gatekeeper, take a body without a type as v1: every API server in use names both.
    match (api_version, kind) {
        ("", "") => Ok(format!("{GROUP}/v1")),
        ("admission.k8s.io/v1" | "admission.k8s.io/v1beta1", "AdmissionReview") => Ok(api_version.to_owned()),
        _ => Err(ReviewError::OtherType { found: format!("apiVersion {api_version:?}, kind {kind:?}") }),
    }
}

fn read_request(mut request: Map<String, Value>) -> Result<Review, ReviewError> {
    let mut take = |key: &str| request.remove(key).filter(|value| !value.is_null());
    let object = read_object(take("object"), "object")?;
    let old_object = read_object(take("oldObject"), "oldObject")?;
    let kind = read_kind(take("kind"))?;
    let operation = read_text(take("operation"), "operation")?;
    let operation = match (Operation::from_text(&operation), operation.as_str()) {
        (Some(operation), _) => Some(operation),
        (None, "") => None,
        (None, other) => {
            let message = format!("request.operation: expected CREATE, UPDATE, DELETE or CONNECT, found {other:?}");
            return Err(ReviewError::Field(message));
        }
    };
    if object.is_none() && old_object.is_none() {
        let error = if operation == Some(Operation::Delete) { ReviewError::NoOldObject } else { ReviewError::NoObject };
        return Err(error);
    }
    if operation == Some(Operation::Delete) && old_object.is_none() {
        return Err(ReviewError::NoOldObject);
    }
    let is_namespace = kind.group.is_empty() && kind.kind == "Namespace";
    let namespace = read_text(take("namespace"), "namespace")?;
    let original = ["requestKind", "requestResource", "requestSubResource"]
        .into_iter()
        .filter_map(|key| Some((key, take(key).filter(|value| value.as_str() != Some(""))?)))
        .collect();
    Ok(Review {
        uid: read_text(take("uid"), "uid")?,
        name: read_text(take("name"), "name")?,
        // A Namespace is not in itself, though the API server says so at UPDATE and DELETE.
        namespace: if is_namespace { String::new() } else { namespace },
        // Policies written for CREATE and UPDATE judge what is deleted, too.
        object: if operation == Some(Operation::Delete) { old_object.clone() } else { object },
        old_object,
        operation,
        kind,
        source: Source::Original,
        namespace_object: None,
        request: RequestFields {
            resource: take("resource"),
            sub_resource: take("subResource").filter(|value| value.as_str() != Some("")),
            original,
            user_info: take("userInfo"),
            dry_run: take("dryRun").and_then(|value| value.as_bool()),
            options: take("options"),
        },
    })
}

fn read_object(value: Option<Value>, key: &str) -> Result<Option<Arc<Object>>, ReviewError> {
    let parsed = value.map(Object::from_value).transpose();
    parsed.map(|object| object.map(Arc::new)).map_err(|error| field_error(&format!("request.{key}"), &error))
}

fn read_kind(value: Option<Value>) -> Result<GroupVersionKind, ReviewError> {
    let value = value.unwrap_or_default();
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let kind = GroupVersionKind { group: text("group"), version: text("version"), kind: text("kind") };
    if kind.kind.is_empty() {
        let message = format!("request.kind: expected group, version and kind, found {}", describe(&value));
        return Err(ReviewError::Field(message));
    }
    Ok(kind)
}

fn read_text(value: Option<Value>, key: &str) -> Result<String, ReviewError> {
    match value {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(ReviewError::Field(format!("request.{key}: expected a string, found {}", describe(&other)))),
    }
}

fn field_error(prefix: &str, error: &FieldError) -> ReviewError {
    ReviewError::Field(format!("{prefix}: {error}"))
}

impl AdmissionResponse {
    /// The request goes on, with a message for the record.
    pub fn allow(message: impl Into<String>) -> Self {
        Self { allowed: true, code: 200, reason: None, message: message.into(), warnings: Vec::new() }
    }

    /// The request is refused for another reason than a policy.
    pub fn error(code: u16, message: impl Into<String>) -> Self {
        Self { allowed: false, code, reason: None, message: message.into(), warnings: Vec::new() }
    }

    /// The body to send, as an AdmissionReview of the given version.
    pub fn to_bytes(&self, api_version: Option<&str>, uid: &str) -> Vec<u8> {
        let status = StatusBody { code: self.code, reason: self.reason, message: &self.message };
        let response = ResponseBody { uid, allowed: self.allowed, status, warnings: &self.warnings };
        let kind = api_version.map(|_| "AdmissionReview");
        let body = ReviewBody { api_version, kind, response };
        // Strings and numbers only: serialising them cannot fail.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReviewBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    response: ResponseBody<'a>,
}

#[derive(Serialize)]
struct ResponseBody<'a> {
    uid: &'a str,
    allowed: bool,
    status: StatusBody<'a>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
}

#[derive(Serialize)]
struct StatusBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    code: u16,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(request: &Value) -> Vec<u8> {
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
        serde_json::to_vec(&review).unwrap()
    }

    fn pod() -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "shop"}})
    }

    #[test]
    fn reads_a_request() {
        let review = AdmissionReview::parse(&body(&json!({"uid": "u1", "operation": "UPDATE", "name": "a",
            "namespace": "shop", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "object": pod(),
            "oldObject": pod(), "dryRun": true, "userInfo": {"username": "jane"}})))
        .unwrap()
        .review;
        assert_eq!((review.uid.as_str(), review.username(), review.is_dry_run()), ("u1", "jane", true));
        assert_eq!(review.operation, Some(Operation::Update));
        assert_eq!(review.objects().count(), 2);
    }

    #[test]
    fn deletion_judges_the_object_that_goes() {
        let kind = json!({"version": "v1", "kind": "Pod"});
        let review = AdmissionReview::parse(&body(&json!({"operation": "DELETE", "kind": kind, "oldObject": pod()})));
        assert_eq!(review.unwrap().review.object.unwrap().name(), "a");
        let error = AdmissionReview::parse(&body(&json!({"operation": "DELETE", "kind": kind, "object": pod()})));
        assert_eq!(error.unwrap_err().error.to_string(), "oldObject cannot be nil for DELETE operations");
    }

    #[test]
    fn namespaces_are_not_in_themselves() {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
        let review = AdmissionReview::parse(&body(&json!({"operation": "UPDATE", "namespace": "shop",
            "kind": {"group": "", "version": "v1", "kind": "Namespace"}, "object": namespace})));
        assert_eq!(review.unwrap().review.namespace, "");
    }

    #[test]
    fn says_what_is_wrong() {
        let kind = json!({"version": "v1", "kind": "Pod"});
        let cases: Vec<(Vec<u8>, &str)> = vec![
            (b"".to_vec(), "request body is empty"),
            (b"{".to_vec(), "request body is not a JSON document: EOF while parsing an object at line 1 column 1"),
            (b"[]".to_vec(), "found a list"),
            (br#"{"apiVersion":"admission.k8s.io/v2","kind":"AdmissionReview"}"#.to_vec(), "\"admission.k8s.io/v2\""),
            (br#"{"apiVersion":"v1","kind":"Pod"}"#.to_vec(), "found apiVersion \"v1\", kind \"Pod\""),
            (br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#.to_vec(), "found null"),
            (body(&json!({"kind": kind})), "neither object nor old object are defined"),
            (body(&json!({"object": pod()})), "request.kind: expected group, version and kind, found null"),
            (body(&json!({"kind": kind, "object": 5})), "request.object: <root>: expected a Kubernetes object"),
            (body(&json!({"kind": kind, "object": pod(), "operation": "PATCH"})), "found \"PATCH\""),
            (body(&json!({"kind": kind, "object": pod(), "uid": 7})), "request.uid: expected a string"),
        ];
        for (bytes, expected) in cases {
            let error = AdmissionReview::parse(&bytes).unwrap_err().error.to_string();
            assert!(error.contains(expected), "{error:?} lacks {expected:?}");
        }
    }

    #[test]
    fn answers_in_the_version_asked() {
        let response = AdmissionResponse { warnings: vec!["[a] b".to_owned()], ..AdmissionResponse::allow("") };
        assert_eq!(
            String::from_utf8(response.to_bytes(Some("admission.k8s.io/v1beta1"), "u1")).unwrap(),
            r#"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","response":{"uid":"u1","allowed":true,"status":{"code":200},"warnings":["[a] b"]}}"#
        );
    }
}
