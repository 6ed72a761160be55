//! The schema of `spec.match`: which objects a constraint is about.
//!
//! Only shapes and wildcards are checked here, exactly as far as Gatekeeper's schema goes: `scope` is any string,
//! an operator too. The matchers, in `policy`, judge the rest.

use serde_json::{Value, json};

/// A name that may begin and end with `*`.
const WILDCARD: &str = r"^\*?[-:a-z0-9]*\*?$";

/// The schema of `spec.match`.
pub(super) fn match_schema() -> Value {
    json!({
        "type": "object",
        "description": "Which objects the constraint applies to. All given criteria must hold; without any, it applies to every object.",
        "properties": {
            "kinds": kinds(),
            "scope": {
                "type": "string",
                "description": "Cluster for cluster-scoped objects only, Namespaced for namespaced ones only, * for both. Default: *.",
            },
            "namespaces": wildcards("Names of namespaces in which objects are matched. A * at either end stands for any text: kube-* is kube-system too."),
            "excludedNamespaces": wildcards("Names of namespaces in which objects are not matched. A * at either end stands for any text."),
            "name": {
                "type": "string",
                "pattern": WILDCARD,
                "description": "Name of the objects. A * at either end stands for any text: pod-* is pod-a too.",
            },
            "labelSelector": selector("Labels that the object must have."),
            "namespaceSelector": selector("Labels that the object's namespace must have, or the object itself if it is a Namespace."),
            "source": {
                "type": "string",
                "enum": ["All", "Generated", "Original"],
                "description": "Original for objects from requests, Generated for those expanded from a template such as a Deployment, All for both. Default: All.",
            },
        },
    })
}

fn kinds() -> Value {
    json!({
        "type": "array",
        "description": "Kinds of objects. One entry that fits is enough.",
        "items": {
            "type": "object",
            "description": "An object fits when both its group and its kind are listed.",
            "properties": {
                "apiGroups": texts("API groups without version; the core group is \"\". Empty, or *: any group."),
                "kinds": texts("Kinds, in their own spelling: Pod. Empty, or *: any kind."),
            },
        },
    })
}

fn texts(description: &str) -> Value {
    json!({ "type": "array", "description": description, "items": { "type": "string" } })
}

fn wildcards(description: &str) -> Value {
    json!({
        "type": "array",
        "description": description,
        "items": { "type": "string", "pattern": WILDCARD, "description": "A name, or a part of one with * before or after it." },
    })
}

/// A Kubernetes label selector.
fn selector(description: &str) -> Value {
    json!({
        "type": "object",
        "description": description,
        "x-kubernetes-map-type": "atomic",
        "properties": {
            "matchLabels": {
                "type": "object",
                "description": "Labels with these exact values.",
                "additionalProperties": { "type": "string" },
            },
            "matchExpressions": {
                "type": "array",
                "description": "Further requirements, all of which must hold.",
                "x-kubernetes-list-type": "atomic",
                "items": {
                    "type": "object",
                    "description": "A requirement on one label.",
                    "required": ["key", "operator"],
                    "properties": {
                        "key": { "type": "string", "description": "The label's name." },
                        "operator": { "type": "string", "description": "In, NotIn, Exists or DoesNotExist." },
                        "values": {
                            "type": "array",
                            "description": "The values that In and NotIn compare with. Empty for Exists and DoesNotExist.",
                            "x-kubernetes-list-type": "atomic",
                            "items": { "type": "string" },
                        },
                    },
                },
            },
        },
    })
}
