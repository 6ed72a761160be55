//! The ExpansionTemplates under `policies/expansion`, on the workloads that they are for.

use std::path::Path;

use serde_json::{Value, json};

use super::*;

/// Its Pods may not be privileged.
const UNPRIVILEGED: &str = r#"
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: unprivileged}
spec:
  crd: {spec: {names: {kind: Unprivileged}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package unprivileged
        violation[{"msg": msg}] {
          container := input.review.object.spec.containers[_]
          container.securityContext.privileged
          msg := sprintf("%v of %v/%v", [container.name, input.review.object.metadata.namespace, input.review.object.metadata.name])
        }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: Unprivileged
metadata: {name: unprivileged}
spec: {match: {kinds: [{apiGroups: [""], kinds: [Pod]}]}}
---
"#;

/// File, type, and the name of its Pod.
const WORKLOADS: [(&str, &str, &str, &str); 8] = [
    ("deployments.yaml", "apps/v1", "Deployment", "expand-deployment"),
    ("statefulsets.yaml", "apps/v1", "StatefulSet", "expand-statefulset"),
    ("daemonsets.yaml", "apps/v1", "DaemonSet", "expand-daemonset"),
    ("replicasets.yaml", "apps/v1", "ReplicaSet", "expand-replicaset"),
    ("replicationcontrollers.yaml", "v1", "ReplicationController", "expand-replicationcontroller"),
    ("jobs.yaml", "batch/v1", "Job", "expand-job"),
    ("cronjobs.yaml", "batch/v1", "CronJob", "expand-job"),
    ("rollouts.yaml", "argoproj.io/v1alpha1", "Rollout", "expand-rollout"),
];

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/expansion").join(name);
    format!("{}\n---\n", std::fs::read_to_string(path).unwrap())
}

fn workload(api_version: &str, kind: &str, is_privileged: bool) -> Value {
    let container = json!({"name": "main", "image": "i", "securityContext": {"privileged": is_privileged}});
    let mut spec = json!({"template": {"metadata": {"creationTimestamp": null}, "spec": {"containers": [container]}}});
    if kind == "CronJob" {
        spec = json!({"schedule": "@daily", "jobTemplate": {"metadata": {"creationTimestamp": null}, "spec": spec}});
    }
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "w", "namespace": "shop"}, "spec": spec})
}

#[test]
fn each_makes_its_workloads_pods_judged() {
    for (name, api_version, kind, implied_by) in WORKLOADS {
        let (needed, pod) = if kind == "CronJob" { (file("jobs.yaml"), "w-job-pod") } else { (String::new(), "w-pod") };
        let texts = [UNPRIVILEGED, &file(name), &needed];
        let expected = format!("[unprivileged] [Implied by {implied_by}] main of shop/{pod}");
        check_denied(&texts, &workload(api_version, kind, true), &[&expected]);
        check_denied(&texts, &workload(api_version, kind, false), &[]);
        check_denied(&[UNPRIVILEGED], &workload(api_version, kind, true), &[]);
    }
}

#[test]
fn all_of_them_go_together() {
    let files = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/expansion")).unwrap();
    let names: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    let names: Vec<&String> = names.iter().filter(|name| name.ends_with(".yaml")).collect();
    assert_eq!(names.len(), WORKLOADS.len());
    let all: String = names.into_iter().map(|name| file(name)).collect();
    let snapshot = snapshot(&[UNPRIVILEGED, &all]);
    assert_eq!(snapshot.expansions().in_force().count(), WORKLOADS.len());
    for (_, api_version, kind, _) in WORKLOADS {
        let response = answer(&snapshot, request("CREATE", &workload(api_version, kind, true)));
        assert_eq!((response.code, response.message.lines().count()), (403, 1), "{kind}: {}", response.message);
    }
}
