//! The rights in deploy/manifests/rbac.yaml are those that admit uses: each of them by some request, and none is lacking.
//!
//! One process does everything that there is to do, and the API server's audit log says what it has asked for.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::environment::{ADMIT_NAMESPACE, AdmitServer, Environment, wait_until};
use super::{apply_constraint, environment::scope::webhook_configuration};

/// For requests that are made now and then only, and on a busy machine.
const EVENTUALLY: Duration = Duration::from_secs(60);

/// Rights that no request of this test shows, and why they are needed. Group, resource, verb.
const UNSEEN: &[(&str, &str, &str, &str)] = &[
    ("templates.gatekeeper.sh", "constrainttemplates/finalizers", "update", "asked for by an admission plugin: to own CRDs"),
];

/// One verb on one resource, in one namespace or everywhere.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    /// Empty for everywhere.
    namespace: String,
    group: String,
    resource: String,
    verb: String,
}

/// The rights that the manifest grants.
fn granted() -> Vec<Right> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/manifests/rbac.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let documents = admit::manifest::yaml::documents(&text);
    let mut rights = Vec::new();
    for role in documents.iter().filter(|one| ["Role", "ClusterRole"].contains(&one["kind"].as_str().unwrap())) {
        let namespace = role["metadata"]["namespace"].as_str().unwrap_or_default();
        for rule in role["rules"].as_array().unwrap() {
            let words = |key: &str| -> Vec<String> { serde_json::from_value(rule[key].clone()).unwrap() };
            for group in words("apiGroups") {
                for resource in words("resources") {
                    for verb in words("verbs") {
                        let (namespace, group, resource) = (namespace.to_owned(), group.clone(), resource.clone());
                        rights.push(Right { namespace, group, resource, verb });
                    }
                }
            }
        }
    }
    assert!(rights.len() > 20, "{rights:?}");
    rights
}

/// The rights that a request of the audit log has used.
fn used(event: &Value) -> Vec<Right> {
    let (reference, text) = (&event["objectRef"], |value: &Value| value.as_str().unwrap_or_default().to_owned());
    let resource = match reference["subresource"].as_str() {
        Some(subresource) => format!("{}/{subresource}", text(&reference["resource"])),
        None => text(&reference["resource"]),
    };
    let right = |verb: &str| Right {
        namespace: text(&reference["namespace"]),
        group: text(&reference["apiGroup"]),
        resource: resource.clone(),
        verb: verb.to_owned(),
    };
    // Applying what is not there yet needs the right to create as well.
    let is_new = event["responseStatus"]["code"] == 201 && event["verb"] == "patch";
    [Some(right(&text(&event["verb"]))), is_new.then(|| right("create"))].into_iter().flatten().collect()
}

impl Right {
    fn allows(&self, used: &Self) -> bool {
        let of_any = |subresource: &str| used.resource.ends_with(subresource);
        let is_resource = match self.resource.as_str() {
            "*" => !used.resource.contains('/'),
            "*/status" => of_any("/status"),
            name => name == used.resource,
        };
        is_resource
            && self.verb == used.verb
            && self.group == used.group
            && (self.namespace.is_empty() || self.namespace == used.namespace)
    }
}

fn unused(environment: &Environment) -> Vec<Right> {
    let used: BTreeSet<Right> = environment.audit_events().iter().flat_map(used).collect();
    let is_unseen = |right: &Right| {
        UNSEEN.iter().any(|(group, resource, verb, _)| (right.group.as_str(), right.resource.as_str(), right.verb.as_str()) == (group, resource, verb))
    };
    granted().into_iter().filter(|right| !is_unseen(right) && !used.iter().any(|one| right.allows(one))).collect()
}
