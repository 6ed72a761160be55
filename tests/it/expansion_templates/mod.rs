//! ExpansionTemplates in force: what the API server is told of a generator, and what tools say of one in a file.

mod admission;
mod differences;
mod mutated;
mod packaged;
mod tools;

use std::sync::Arc;

use admit::model::object::Object;
use admit::model::review::{AdmissionResponse, AdmissionReview, Review};
use admit::policy::evaluate::{EvalContext, Verdict, validate};
use admit::policy::snapshot::{BuildOptions, ResourceError, Snapshot, Store, build};
use admit::workbench::bundle::{feed_changes, read_texts};
use serde_json::{Value, json};

/// The kind `K8sSays` denies with the text of its parameter; `%` in it stands for kind and name of what is judged.
const SAYS: &str = r#"
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: k8ssays}
spec:
  crd: {spec: {names: {kind: K8sSays}, validation: {openAPIV3Schema: {type: object, properties: {text: {type: string}}}}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package says
        violation[{"msg": msg}] {
          object := input.review.object
          msg := replace(input.parameters.text, "%", concat(" ", [object.kind, object.metadata.name]))
        }
---
"#;

const DEPLOYMENTS: &str = r#"
apiVersion: expansion.gatekeeper.sh/v1beta1
kind: ExpansionTemplate
metadata: {name: expand-deployments}
spec:
  applyTo: [{groups: [apps], versions: [v1], kinds: [Deployment]}]
  templateSource: spec.template
  generatedGVK: {group: "", version: v1, kind: Pod}
---
"#;

/// A constraint of `K8sSays`, with further lines of its `spec`.
fn says(name: &str, text: &str, spec: &str) -> String {
    format!(
        "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: K8sSays\nmetadata: {{name: {name}}}\nspec:\n  parameters: \
         {{text: \"{text}\"}}\n  {spec}\n---\n"
    )
}

const PODS: &str = "match: {kinds: [{apiGroups: [\"\"], kinds: [Pod]}]}";

fn template(name: &str, from: &str, source: &str, to: &str, more: &str) -> String {
    let split = |text: &str| {
        let (group_version, kind) = text.rsplit_once('/').unwrap();
        let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
        [group.to_owned(), version.to_owned(), kind.to_owned()]
    };
    let ([group, version, kind], [to_group, to_version, to_kind]) = (split(from), split(to));
    format!(
        "apiVersion: expansion.gatekeeper.sh/v1alpha1\nkind: ExpansionTemplate\nmetadata: {{name: {name}}}\nspec:\n  \
         applyTo: [{{groups: [\"{group}\"], versions: [{version}], kinds: [{kind}]}}]\n  templateSource: {source}\n  \
         generatedGVK: {{group: \"{to_group}\", version: {to_version}, kind: {to_kind}}}\n  {more}\n---\n"
    )
}

fn deployment() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"replicas": 2, "template": {"metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "a", "image": "b"}]}}}})
}

fn built(texts: &[&str]) -> (Snapshot, Vec<ResourceError>) {
    let (objects, diagnostics) = read_texts(&[("policies.yaml", &texts.concat())]);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let mut store = Store::default();
    objects.iter().flat_map(|one| feed_changes(&one.object)).for_each(|change| store.apply(change));
    build(&mut store, &Snapshot::default(), BuildOptions::default())
}

fn snapshot(texts: &[&str]) -> Snapshot {
    let (snapshot, errors) = built(texts);
    assert!(errors.is_empty(), "{errors:?}");
    snapshot
}

fn request(operation: &str, object: &Value) -> Review {
    let (api_version, kind) = (object["apiVersion"].as_str().unwrap(), &object["kind"]);
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let (new, old) = if operation == "DELETE" { (&Value::Null, object) } else { (object, &Value::Null) };
    let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "u1",
        "operation": operation, "kind": {"group": group, "version": version, "kind": kind},
        "name": object["metadata"]["name"], "namespace": object["metadata"]["namespace"], "object": new, "oldObject": old,
        "userInfo": {"username": "jane"}}});
    AdmissionReview::parse(body.to_string().as_bytes()).unwrap().review
}

fn at_webhook() -> EvalContext<'static> {
    EvalContext { point: admit::model::api::EnforcementPoint::Webhook, ..EvalContext::offline() }
}

fn answer(snapshot: &Snapshot, mut review: Review) -> AdmissionResponse {
    review.namespace_object = snapshot.namespace(&review.namespace).map(Arc::clone);
    match validate(snapshot, &review, at_webhook()) {
        Ok(evaluation) => Verdict::from_evaluation(&evaluation).response,
        Err(failure) => Verdict::from_failure(&failure, review.display_name()).response,
    }
}

/// What the API server is told of the creation of an object.
fn create(texts: &[&str], object: &Value) -> AdmissionResponse {
    answer(&snapshot(texts), request("CREATE", object))
}

#[track_caller]
fn check_denied(texts: &[&str], object: &Value, expected: &[&str]) {
    let response = create(texts, object);
    assert_eq!(response.message.lines().collect::<Vec<_>>(), expected);
    assert_eq!((response.allowed, response.code), (expected.is_empty(), if expected.is_empty() { 200 } else { 403 }));
}

fn object(value: Value) -> Object {
    Object::from_value(value).unwrap()
}
