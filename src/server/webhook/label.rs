//! `/v1/admitlabel`: which namespaces may carry the label that takes them out of the webhook's sight.
//!
//! Without this, whoever may edit a namespace could free it of every policy. The flags that exempt namespaces grant the
//! label and nothing else: it is the webhook configuration's `namespaceSelector` that looks at it.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use tracing::{error, info};

use super::wire::{Reply, read_body};
use crate::model::review::{AdmissionResponse, AdmissionReview, Operation, RejectedReview, Review, ReviewError};

/// The label, as Gatekeeper has it: with any value, even an empty one.
const IGNORE_LABEL: &str = "admission.gatekeeper.sh/ignore";

/// The namespaces that may carry the label.
#[derive(Clone, Debug, Default)]
pub struct ExemptNamespaces {
    /// `--exempt-namespace`.
    pub names: Vec<String>,
    /// `--exempt-namespace-prefix`.
    pub prefixes: Vec<String>,
    /// `--exempt-namespace-suffix`.
    pub suffixes: Vec<String>,
}

impl ExemptNamespaces {
    fn contain(&self, name: &str) -> bool {
        self.names.iter().any(|one| one == name)
            || self.prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
            || self.suffixes.iter().any(|suffix| name.ends_with(suffix.as_str()))
    }
}

/// Judges who may carry the label.
#[derive(Clone, Debug)]
pub(super) struct LabelGuard {
    exempt: ExemptNamespaces,
    max_request_bytes: usize,
}

impl LabelGuard {
    pub(super) fn new(exempt: ExemptNamespaces, max_request_bytes: usize) -> Self {
        Self { exempt, max_request_bytes }
    }

    pub(super) async fn handle(self, request: Request) -> Response {
        let body = match read_body(request, self.max_request_bytes).await {
            Ok(body) => body,
            Err(error) => {
                let rejection = RejectedReview { api_version: None, uid: String::new(), error };
                return Reply::rejection(&rejection).into_response();
            }
        };
        // Parsing recurses with the depth of the body, and its time grows with the length: not on the async threads.
        let judged = tokio::task::spawn_blocking(move || self.judge(&body)).await;
        let reply = judged.unwrap_or_else(|panic| {
            error!(error = %panic, "a request made the server panic; it was refused");
            let text = "panic: the request could not be judged [recovered]";
            Reply::verdict(&AdmissionResponse::error(500, text), None, "")
        });
        reply.into_response()
    }

    fn judge(&self, body: &[u8]) -> Reply {
        match AdmissionReview::parse(body) {
            Ok(AdmissionReview { api_version, review }) => {
                Reply::verdict(&self.verdict(&review), Some(&api_version), &review.uid)
            }
            Err(rejection) => match without_object(&rejection.error) {
                Some(response) => Reply::verdict(&response, rejection.api_version.as_deref(), &rejection.uid),
                None => Reply::rejection(&rejection),
            },
        }
    }

    fn verdict(&self, review: &Review) -> AdmissionResponse {
        if review.operation == Some(Operation::Delete) {
            return delete();
        }
        if !review.kind.group.is_empty() || review.kind.kind != "Namespace" {
            return AdmissionResponse::allow("Not a namespace");
        }
        let Some(namespace) = &review.object else { return undecodable("there is no object") };
        let name = namespace.name();
        if self.exempt.contain(name) {
            return AdmissionResponse::allow(format!("Namespace {name} is allowed to set {IGNORE_LABEL}"));
        }
        if namespace.labels().has(IGNORE_LABEL) {
            info!(namespace = name, username = review.username(), "namespace refused: it is not exempt");
            let text = format!("Only exempt namespace can have the {IGNORE_LABEL} label");
            return forbidden(403, text);
        }
        AdmissionResponse::allow(format!("Namespace is not setting the {IGNORE_LABEL} label"))
    }
}

/// The verdict on requests whose object is missing or is none; `None` for what is no request at all.
fn without_object(error: &ReviewError) -> Option<AdmissionResponse> {
    match error {
        ReviewError::NoOldObject => Some(delete()),
        ReviewError::NoObject | ReviewError::Field(_) => Some(undecodable(&error.to_string())),
        ReviewError::EmptyBody
        | ReviewError::TooLarge { .. }
        | ReviewError::ContentType { .. }
        | ReviewError::Json(_)
        | ReviewError::OtherType { .. }
        | ReviewError::NoRequest { .. }
        | ReviewError::Unreadable(_) => None,
    }
}

fn delete() -> AdmissionResponse {
    AdmissionResponse::allow("Delete is always allowed")
}

fn undecodable(cause: &str) -> AdmissionResponse {
    forbidden(500, format!("while deserializing resource: {cause}"))
}

fn forbidden(code: u16, message: String) -> AdmissionResponse {
    AdmissionResponse { reason: Some("Forbidden"), ..AdmissionResponse::error(code, message) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn ask(request: &Value) -> AdmissionResponse {
        let text = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
        let exempt = ExemptNamespaces {
            names: text(&["kube-system"]),
            prefixes: text(&["infra-"]),
            suffixes: text(&["-trusted"]),
        };
        let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
        match AdmissionReview::parse(body.to_string().as_bytes()) {
            Ok(parsed) => LabelGuard::new(exempt, 1_000).verdict(&parsed.review),
            Err(rejection) => without_object(&rejection.error).unwrap(),
        }
    }

    fn namespace(name: &str, labels: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    }

    fn request(operation: &str, name: &str, labels: &Value) -> Value {
        json!({"operation": operation, "kind": {"group": "", "version": "v1", "kind": "Namespace"},
            "object": namespace(name, labels)})
    }

    #[test]
    fn only_exempt_namespaces_carry_the_label() {
        let label = json!({"admission.gatekeeper.sh/ignore": "yes"});
        let exempt = |name: &str| format!("Namespace {name} is allowed to set admission.gatekeeper.sh/ignore");
        let refused = "Only exempt namespace can have the admission.gatekeeper.sh/ignore label".to_owned();
        let unset = "Namespace is not setting the admission.gatekeeper.sh/ignore label".to_owned();
        for (operation, name, labels, code, message) in [
            ("CREATE", "shop", &label, 403, &refused),
            ("UPDATE", "shop", &label, 403, &refused),
            ("CREATE", "shop", &json!({"admission.gatekeeper.sh/ignore": ""}), 403, &refused),
            ("CREATE", "shop", &json!({"admission.gatekeeper.sh/ignore": null}), 403, &refused),
            ("CREATE", "shop", &json!({"admission.gatekeeper.sh": "ignore"}), 200, &unset),
            ("UPDATE", "shop", &Value::Null, 200, &unset),
            ("CREATE", "kube-system", &label, 200, &exempt("kube-system")),
            ("CREATE", "kube-system", &Value::Null, 200, &exempt("kube-system")),
            ("CREATE", "kube-system-2", &label, 403, &refused),
            ("CREATE", "infra-dns", &label, 200, &exempt("infra-dns")),
            ("CREATE", "my-infra-dns", &label, 403, &refused),
            ("UPDATE", "dns-trusted", &label, 200, &exempt("dns-trusted")),
            ("UPDATE", "dns-trusted-not", &label, 403, &refused),
        ] {
            let response = ask(&request(operation, name, labels));
            assert_eq!((response.code, &response.message), (code, message), "{operation} {name} {labels}");
            assert_eq!((response.allowed, response.reason), (code == 200, (code != 200).then_some("Forbidden")));
        }
    }

    #[test]
    fn what_is_no_namespace_or_goes_is_let_through_and_what_cannot_be_read_is_not() {
        let kind = json!({"group": "", "version": "v1", "kind": "Namespace"});
        let label = json!({"admission.gatekeeper.sh/ignore": "yes"});
        let labelled = namespace("shop", &label);
        let other_group = json!({"group": "example.com", "version": "v1", "kind": "Namespace"});
        for (request, code, message) in [
            (json!({"operation": "DELETE", "kind": kind, "oldObject": labelled}), 200, "Delete is always allowed"),
            (json!({"operation": "DELETE", "kind": kind}), 200, "Delete is always allowed"),
            (json!({"operation": "CREATE", "kind": other_group, "object": labelled}), 200, "Not a namespace"),
            (json!({"operation": "CREATE", "kind": kind, "object": 5}), 500, "while deserializing resource: "),
            (json!({"operation": "CREATE", "kind": kind}), 500, "while deserializing resource: "),
            (
                json!({"operation": "UPDATE", "kind": kind, "oldObject": labelled}),
                500,
                "while deserializing resource: ",
            ),
        ] {
            let response = ask(&request);
            assert_eq!((response.code, response.allowed), (code, code == 200), "{request}");
            assert!(response.message.starts_with(message), "{}", response.message);
        }
    }
}
