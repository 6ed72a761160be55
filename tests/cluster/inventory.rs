//! Policies that read other objects: what is kept of these follows what policies read.

use serde_json::{Value, json};

use super::environment::{User, wait_until};
use super::{LATER, apply_constraint, prepared, start};

/// Refuses a Service with the same value of a field as another one in its namespace.
fn unique(kind: &str, field: &str) -> String {
    let rego = format!(
        r#"package unique
violation[{{"msg": msg}}] {{
  other := data.inventory.namespace[input.review.namespace]["v1"]["Service"][name]
  other.{field} == input.review.object.{field}
  name != input.review.object.metadata.name
  msg := concat(" ", ["{field} is that of", name])
}}
"#
    );
    json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
        "metadata": {"name": kind.to_lowercase()}, "spec": {"crd": {"spec": {"names": {"kind": kind}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": rego}]}})
    .to_string()
}

fn constraint(kind: &str, namespace: &str) -> Value {
    json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": kind, "metadata": {"name": kind.to_lowercase()},
        "spec": {"match": {"kinds": [{"apiGroups": [""], "kinds": ["Service"]}], "namespaces": [namespace]}}})
}

#[test]
fn a_policy_that_reads_more_finds_it() {
    let environment = prepared();
    let scope = environment.scope("inventory");
    let namespace = scope.namespace();
    let paint = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace,
            "labels": {"color": "red", "size": "small"}, "annotations": {"shade": "dark"}},
            "spec": {"ports": [{"port": 80}]}})
        .to_string()
    };
    environment.apply(&paint("first")).checked();
    environment.apply(&unique("K8sUniquePaint", "metadata.labels.color")).checked();
    let sync = json!({"apiVersion": "syncset.gatekeeper.sh/v1alpha1", "kind": "SyncSet",
        "metadata": {"name": "colored-services"}, "spec": {"gvks": [{"group": "", "version": "v1", "kind": "Service"}]}});
    environment.apply(&sync.to_string()).checked();
    let admit = start(environment);
    apply_constraint(environment, &constraint("K8sUniquePaint", &namespace));
    let _webhook = scope.register(&admit, "Fail");
    let second = paint("second");
    let probe =
        || environment.kubectl_as(User::Admin, &["create", "--dry-run=server", "-f", "-"], Some(&second)).stderr;
    assert!(
        wait_until(LATER, || probe().contains("metadata.labels.color is that of first")),
        "{}\n{}",
        probe(),
        admit.log()
    );
    assert!(!admit.log().contains("listing it again"), "a start lists each kind once: {}", admit.log());

    // Another field of the same objects: they are refused all the time, for one reason or the other.
    environment.apply(&unique("K8sUniquePaint", "metadata.labels.size")).checked();
    let is_of_size = || {
        let refusal = probe();
        assert!(refusal.contains("is that of first"), "{refusal}\n{}", admit.log());
        refusal.contains("metadata.labels.size is that of first")
    };
    assert!(wait_until(LATER, is_of_size), "{}\n{}", probe(), admit.log());
    assert!(admit.log().contains("listing it again"), "{}", admit.log());

    // A template that was not there before.
    environment.apply(&unique("K8sUniqueShade", "metadata.annotations.shade")).checked();
    apply_constraint(environment, &constraint("K8sUniqueShade", &namespace));
    let is_of_both = || {
        let refusal = probe();
        ["metadata.labels.size", "metadata.annotations.shade"]
            .iter()
            .all(|field| refusal.contains(&format!("{field} is that of first")))
    };
    assert!(wait_until(LATER, is_of_both), "{}\n{}", probe(), admit.log());
}
