//! `admit serve --blame`: the field behind each message, and the same verdict.

use admit::server::ReportOptions;
use serde_json::{Value, json};

use crate::it::webhook::Running;

const POLICIES: &str = r#"
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: k8simages}
spec:
  crd: {spec: {names: {kind: K8sImages}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package k8simages
        violation[{"msg": msg}] {
          container := input.review.object.spec.containers[_]
          endswith(container.image, ":latest")
          msg := sprintf("%v is not pinned", [container.name])
        }
        violation[{"msg": msg}] {
          container := input.review.object.spec.containers[_]
          not container.resources.limits.cpu
          msg := sprintf("%v has no limit of cpu", [container.name])
        }
        violation[{"msg": "on a Friday"}]
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sImages
metadata: {name: images}
spec:
  match: {kinds: [{apiGroups: [""], kinds: [Pod]}]}
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sImages
metadata: {name: warned}
spec:
  enforcementAction: warn
  match: {kinds: [{apiGroups: [""], kinds: [Pod]}]}
"#;

fn answer(blames: bool) -> Value {
    let reports = ReportOptions { blames, ..ReportOptions::default() };
    let running = Running::start_with(POLICIES, move |options| options.reports = reports);
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "u1",
        "kind": {"group": "", "version": "v1", "kind": "Pod"}, "name": "web", "namespace": "default", "operation": "CREATE",
        "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default"},
            "spec": {"containers": [{"name": "app", "image": "web:latest"}]}}}});
    running.ask(&review)["response"].take()
}

#[test]
fn messages_end_with_fields() {
    let response = answer(true);
    let lines = [
        "app has no limit of cpu (missing spec.containers[0].resources.limits.cpu)",
        "app is not pinned (spec.containers[0].image)",
        "on a Friday",
    ];
    let message = lines.map(|line| format!("[images] {line}")).join("\n");
    assert_eq!(response["status"], json!({"code": 403, "reason": "Forbidden", "message": message}));
    assert_eq!(response["warnings"], json!(lines.map(|line| format!("[warned] {line}"))));
}

#[test]
fn without_the_flag_messages_are_as_policies_have_them() {
    let response = answer(false);
    let lines = ["app has no limit of cpu", "app is not pinned", "on a Friday"];
    let message = lines.map(|line| format!("[images] {line}")).join("\n");
    assert_eq!(response["status"], json!({"code": 403, "reason": "Forbidden", "message": message}));
}
