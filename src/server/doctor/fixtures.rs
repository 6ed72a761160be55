//! Facts for the tests of checks: a healthy cluster, to be broken by each test in its own way.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Canary, DoctorNames, Facts};
use crate::model::object::Object;

pub(super) fn object(value: Value) -> Object {
    Object::from_value(value).unwrap()
}

/// A webhook for Pods that fails closed, after a change.
pub(super) fn validating(change: impl FnOnce(&mut Value)) -> Value {
    let mut webhook = json!({"name": "validation.gatekeeper.sh",
        "clientConfig": {"url": "https://webhook.example.com/v1/admit"},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"],
            "operations": ["CREATE"], "scope": "*"}],
        "namespaceSelector": {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In",
            "values": ["default", "shop"]}]},
        "failurePolicy": "Fail", "sideEffects": "None", "timeoutSeconds": 3, "matchPolicy": "Equivalent"});
    let has_rules = webhook["rules"].clone();
    change(&mut webhook);
    // Who widens the rules means every namespace, unless the test says otherwise.
    if webhook["rules"] != has_rules && webhook["namespaceSelector"]["matchExpressions"][0]["operator"] == "In" {
        webhook["namespaceSelector"] = json!({});
    }
    webhook
}

/// A webhook that mutates Pods, after a change.
pub(super) fn mutating(change: impl FnOnce(&mut Value)) -> Value {
    let mut webhook = validating(change);
    if webhook["name"] == "validation.gatekeeper.sh" {
        webhook["name"] = "mutation.gatekeeper.sh".into();
    }
    if webhook.get("reinvocationPolicy").is_none() {
        webhook["reinvocationPolicy"] = "Never".into();
    }
    webhook
}

/// A cluster with these webhooks: the first of each kind in admit's own configuration, the others in one each.
pub(super) fn facts_with(validating: &[Value], mutating: &[Value]) -> Facts {
    let names = DoctorNames {
        namespace: "admit-system".to_owned(),
        validating: "own-0".to_owned(),
        mutating: "own-0".to_owned(),
        canary_namespace: "default".to_owned(),
    };
    let configurations = |kind: &str, webhooks: &[Value]| {
        let one = |(position, webhook): (usize, &Value)| {
            object(json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
                "metadata": {"name": format!("own-{position}")}, "webhooks": [webhook]}))
        };
        Ok(webhooks.iter().enumerate().map(one).collect())
    };
    let namespaces = ["admit-system", "default", "kube-node-lease", "kube-system", "shop"].map(|name| {
        object(json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}}}))
    });
    Facts {
        now: 1_800_000_000,
        names,
        validating: configurations("ValidatingWebhookConfiguration", validating),
        mutating: configurations("MutatingWebhookConfiguration", mutating),
        namespaces: Ok(namespaces.to_vec()),
        nodes: Ok(Vec::new()),
        version: "v1.36.0".to_owned(),
        services: BTreeMap::new(),
        secret: None,
        served: BTreeMap::new(),
        policies: Vec::new(),
        canary: Canary { took: Duration::from_millis(5), outcome: Ok(()) },
    }
}
