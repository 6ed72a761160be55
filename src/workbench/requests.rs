//! The AdmissionReview that an API server sends for an object.

use serde_json::{Value, json};

use crate::model::object::Object;

/// The request to create an object, as `kubectl create` by a developer makes an API server send it.
pub fn creation(object: &Object, uid: &str) -> Value {
    let gvk = object.gvk();
    let kind = json!({"group": gvk.group, "version": gvk.version, "kind": gvk.kind});
    let resource = json!({"group": gvk.group, "version": gvk.version, "resource": plural(&gvk.kind)});
    let mut request = json!({
        "uid": uid, "kind": kind, "resource": resource, "requestKind": kind, "requestResource": resource,
        "name": object.name(), "operation": "CREATE", "object": object.value(), "oldObject": null, "dryRun": false,
        "userInfo": {"username": "developer", "groups": ["system:authenticated"]},
        "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"}});
    if !object.namespace().is_empty() {
        request["namespace"] = object.namespace().into();
    }
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
}

/// The usual English of Kubernetes resources.
fn plural(kind: &str) -> String {
    let lower = kind.to_lowercase();
    match lower.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if lower.ends_with(['s', 'x']) || lower.ends_with("ch") => format!("{lower}es"),
        _ => format!("{lower}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_are_the_api_servers() {
        for (kind, expected) in
            [("Pod", "pods"), ("Ingress", "ingresses"), ("NetworkPolicy", "networkpolicies"), ("Gateway", "gateways")]
        {
            assert_eq!(plural(kind), expected);
        }
    }
}
