//! AdmissionReview, v1 and v1beta1: bytes of a request to a [`Review`], a response to bytes.
//!
//! Own types rather than a client library's: both versions, unknown fields, and exact texts for what is wrong.

use std::sync::Arc;

use data_encoding::BASE64;
use serde::Serialize;
use thiserror::Error;

use super::reviewed_object::field;
use super::{Operation, RequestFields, Review, ReviewedObject, Source};
use crate::model::object::{FieldError, GroupVersionKind, JsonError, MAX_DEPTH, describe};
use crate::model::value::{NumberMode, TOO_DEEP, Value, parse_json_within};

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
    /// How the object is to be changed: a JSON patch (RFC 6902), as bytes.
    pub patch: Option<Vec<u8>>,
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
        let value = parse_value(body).map_err(|error| unknown(error.into()))?;
        let api_version = read_type(&value).map_err(unknown)?;
        let request = field(&value, "request").unwrap_or(&Value::Null);
        if !matches!(request, Value::Object(_)) {
            let error = ReviewError::NoRequest { found: found(request) };
            return Err(RejectedReview { api_version: Some(api_version), uid: String::new(), error });
        }
        let uid = field(request, "uid").and_then(Value::as_str).unwrap_or_default().to_owned();
        match read_request(request) {
            Ok(review) => Ok(Self { api_version, review }),
            Err(error) => Err(RejectedReview { api_version: Some(api_version), uid, error }),
        }
    }
}

/// The body as policies see its parts: nothing is converted afterwards.
fn parse_value(body: &[u8]) -> Result<Value, JsonError> {
    let text = std::str::from_utf8(body)
        .map_err(|error| JsonError::Malformed(format!("not UTF-8 at {}", place(body, error.valid_up_to()))))?;
    parse_json_within(text, NumberMode::Float, MAX_DEPTH).map_err(|error| {
        let place = place(body, error.offset);
        match error.message {
            TOO_DEEP => JsonError::TooDeep(format!("nested deeper than {MAX_DEPTH} levels at {place}")),
            message => JsonError::Malformed(format!("{message} at {place}")),
        }
    })
}

/// Line and column of an offset, both from 1, the column in bytes.
fn place(body: &[u8], offset: usize) -> String {
    let before = body.get(..offset).unwrap_or(body);
    let line = before.split(|byte| *byte == b'\n');
    let column = line.clone().next_back().map_or(0, <[u8]>::len) + 1;
    format!("line {} column {column}", line.count())
}

/// What a value is, for messages.
fn found(value: &Value) -> String {
    describe(&value.to_json())
}

fn read_type(value: &Value) -> Result<String, ReviewError> {
    if !matches!(value, Value::Object(_)) {
        return Err(ReviewError::OtherType { found: found(value) });
    }
    let text = |key: &str| field(value, key).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    // Like Gatekeeper, take a body without a type as v1: every API server in use names both.
    match (api_version, kind) {
        ("", "") => Ok(format!("{GROUP}/v1")),
        ("admission.k8s.io/v1" | "admission.k8s.io/v1beta1", "AdmissionReview") => Ok(api_version.to_owned()),
        _ => Err(ReviewError::OtherType { found: format!("apiVersion {api_version:?}, kind {kind:?}") }),
    }
}

fn read_request(request: &Value) -> Result<Review, ReviewError> {
    let take = |key: &str| field(request, key).filter(|value| !matches!(value, Value::Null)).cloned();
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
            dry_run: take("dryRun").and_then(|value| match value {
                Value::Bool(dry_run) => Some(dry_run),
                _ => None,
            }),
            options: take("options"),
        },
    })
}

fn read_object(value: Option<Value>, key: &str) -> Result<Option<Arc<ReviewedObject>>, ReviewError> {
    let parsed = value.map(ReviewedObject::from_value).transpose();
    parsed.map(|object| object.map(Arc::new)).map_err(|error| field_error(&format!("request.{key}"), &error))
}

fn read_kind(value: Option<Value>) -> Result<GroupVersionKind, ReviewError> {
    let value = value.unwrap_or(Value::Null);
    let text = |key: &str| field(&value, key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let kind = GroupVersionKind { group: text("group"), version: text("version"), kind: text("kind") };
    if kind.kind.is_empty() {
        let message = format!("request.kind: expected group, version and kind, found {}", found(&value));
        return Err(ReviewError::Field(message));
    }
    Ok(kind)
}

fn read_text(value: Option<Value>, key: &str) -> Result<String, ReviewError> {
    match value {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.to_string()),
        Some(other) => Err(ReviewError::Field(format!("request.{key}: expected a string, found {}", found(&other)))),
    }
}

fn field_error(prefix: &str, error: &FieldError) -> ReviewError {
    ReviewError::Field(format!("{prefix}: {error}"))
}

impl AdmissionResponse {
    /// The request goes on, with a message for the record.
    pub fn allow(message: impl Into<String>) -> Self {
        Self { allowed: true, code: 200, reason: None, message: message.into(), warnings: Vec::new(), patch: None }
    }

    /// The request is refused for another reason than a policy.
    pub fn error(code: u16, message: impl Into<String>) -> Self {
        Self { allowed: false, code, reason: None, message: message.into(), warnings: Vec::new(), patch: None }
    }

    /// The body to send, as an AdmissionReview of the given version.
    pub fn to_bytes(&self, api_version: Option<&str>, uid: &str) -> Vec<u8> {
        let status = StatusBody { code: self.code, reason: self.reason, message: &self.message };
        let patch = self.patch.as_ref().map(|patch| BASE64.encode(patch));
        let patch_type = patch.as_ref().map(|_| "JSONPatch");
        let (allowed, warnings) = (self.allowed, self.warnings.as_slice());
        let response = ResponseBody { uid, allowed, status, warnings, patch, patch_type };
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
#[serde(rename_all = "camelCase")]
struct ResponseBody<'a> {
    uid: &'a str,
    allowed: bool,
    status: StatusBody<'a>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
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
    use serde_json::{Value as Json, json};

    use super::*;

    fn body(request: &Json) -> Vec<u8> {
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
        serde_json::to_vec(&review).unwrap()
    }

    fn pod() -> Json {
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
            (b"{".to_vec(), "request body is not a JSON document: unexpected end of JSON input at line 1 column 2"),
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
    fn a_patch_is_in_base64_and_says_what_it_is() {
        let patch = Some(br#"[{"op":"remove","path":"/a"}]"#.to_vec());
        let response = AdmissionResponse { patch, ..AdmissionResponse::allow("") };
        let body: Json = serde_json::from_slice(&response.to_bytes(Some("admission.k8s.io/v1"), "u1")).unwrap();
        assert_eq!(body["response"]["patchType"], "JSONPatch");
        assert_eq!(body["response"]["patch"], "W3sib3AiOiJyZW1vdmUiLCJwYXRoIjoiL2EifV0=");
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
