//! Small templates and objects, one for each way in which policies find fault.

use std::path::Path;

use admit::model::object::Object;
use admit::model::review::{AdmissionReview, Review};
use admit::policy::blame::{Blame, blame};
use admit::policy::engine::Deadline;
use admit::policy::evaluate::{EvalContext, Violation, validate};
use admit::policy::snapshot::{BuildOptions, Change, Snapshot, Store, build};
use serde_json::{Value, json};

use super::{Expected, documents, shown, texts};

/// A template with its constraint, and what it judges.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) snapshot: Snapshot,
    pub(super) object: Value,
    old: Value,
    row: Value,
    is_reversed: bool,
}

#[test]
fn blame_cases() {
    let failures: Vec<String> = cases().iter().filter_map(|case| case.check().err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// All of `cases.yaml`.
pub(super) fn cases() -> Vec<Case> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/blame/cases.yaml");
    let rows = documents(&file).remove(0);
    rows.as_array().unwrap().iter().map(|row| Case::new(row, BuildOptions::default())).collect()
}

impl Case {
    pub(super) fn new(row: &Value, options: BuildOptions) -> Self {
        let name = row["name"].as_str().unwrap();
        let mut store = Store::default();
        for policy in [template(row["policy"].as_str().unwrap()), constraint(&row["parameters"])] {
            store.apply(Change::Apply(Object::from_value(policy).unwrap()));
        }
        for other in row["inventory"].as_array().into_iter().flatten() {
            store.apply(Change::Sync(Object::from_value(other.clone()).unwrap()));
        }
        let (snapshot, errors) = build(&mut store, &Snapshot::default(), options);
        assert!(errors.is_empty(), "{name}: {errors:?}");
        let old = if row["old"].is_null() { Value::Null } else { completed(&row["old"]) };
        Self {
            name: name.to_owned(),
            snapshot,
            object: completed(&row["object"]),
            old,
            row: row.clone(),
            is_reversed: false,
        }
    }

    /// The review of this object, by the case's user and its operation.
    pub(super) fn review(&self, object: &Value) -> Review {
        let metadata = &object["metadata"];
        let gvk = Object::from_value(object.clone()).unwrap().gvk().clone();
        let operation = if self.old.is_null() { "CREATE" } else { "UPDATE" };
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "1", "operation": operation, "userInfo": {"username": "ada"},
            "kind": {"group": gvk.group, "version": gvk.version, "kind": gvk.kind},
            "name": metadata["name"], "namespace": metadata["namespace"], "object": object, "oldObject": self.old}});
        self.written(&review)
    }

    /// A review as it is written.
    fn written(&self, review: &Value) -> Review {
        let text = if self.is_reversed { reversed(review) } else { review.to_string() };
        AdmissionReview::parse(text.as_bytes()).unwrap().review
    }

    /// The same, with the keys of every mapping written in the other order.
    pub(super) fn with_keys_reversed(mut self) -> Self {
        self.is_reversed = true;
        self
    }

    /// What is wrong with a review.
    pub(super) fn violations(&self, review: &Review) -> Vec<Violation> {
        validate(&self.snapshot, review, EvalContext::offline()).map(|found| found.violations).unwrap_or_default()
    }

    fn check(&self) -> Result<(), String> {
        let review = self.review(&self.object);
        let violations = self.violations(&review);
        let says = self.row["says"].as_str().unwrap_or_default();
        let said: Vec<&Violation> = violations.iter().filter(|violation| violation.message.contains(says)).collect();
        let [violation] = said.as_slice() else { return Err(format!("{}: {} violations", self.name, said.len())) };
        let blame = blame(&self.snapshot, &review, violation, Deadline::none());
        let expected = Expected::read(&self.row);
        let is_right = expected.is(&blame, &self.object) && self.is_as_told(&blame);
        if is_right {
            Ok(())
        } else {
            Err(format!("{}: expected {expected:?}, found {}: {blame:?}", self.name, shown(&blame)))
        }
    }

    fn is_as_told(&self, blame: &Blame) -> bool {
        let related: Vec<String> = blame.related.iter().map(ToString::to_string).collect();
        self.row["basis"].as_str().is_none_or(|basis| basis == blame.basis.as_str())
            && self.row.get("related").is_none_or(|wanted| texts(wanted) == related)
            && self.row.get("passing").is_none_or(|wanted| is_same(wanted, &blame.passing.clone().unwrap_or_default()))
    }
}

fn reversed(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let entries = fields.iter().rev().map(|(key, value)| format!("{}:{}", json!(key), reversed(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(reversed).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

/// Policies have all numbers as floats.
fn is_same(wanted: &Value, found: &Value) -> bool {
    match (wanted.as_f64(), found.as_f64()) {
        (Some(wanted), Some(found)) => wanted == found,
        _ => wanted == found,
    }
}

fn template(policy: &str) -> Value {
    let source = json!({"version": "v1", "rego": format!("package k8scase\n\n{policy}")});
    json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": {"name": "k8scase"},
        "spec": {"crd": {"spec": {"names": {"kind": "K8sCase"},
            "validation": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "code": [{"engine": "Rego", "source": source}]}]}})
}

fn constraint(parameters: &Value) -> Value {
    let parameters = if parameters.is_null() { json!({}) } else { parameters.clone() };
    json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "K8sCase", "metadata": {"name": "case"},
        "spec": {"parameters": parameters}})
}

/// A Pod of this name and namespace, unless it says otherwise.
fn completed(object: &Value) -> Value {
    let mut completed =
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "sample", "namespace": "default"}});
    if object["kind"] == "Namespace" {
        completed["metadata"] = json!({"name": "sample"});
    }
    for (key, value) in object.as_object().unwrap() {
        match (key.as_str(), value) {
            ("metadata", Value::Object(fields)) => {
                completed["metadata"].as_object_mut().unwrap().extend(fields.clone());
            }
            _ => completed[key] = value.clone(),
        }
    }
    completed
}
