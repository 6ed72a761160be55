//! A case: mutators, an object, what becomes of it. Cases are the rows of `cases/*.yaml`:
//!
//! - `mutators`: each with `at` (its location), and one of `value`, `from` (a field of metadata), `ask` (external data),
//!   `merge`, `prune` (values of a ModifySet), `image` (`domain`, `path`, `tag`) or `with` (its parameters as they are);
//!   `tests` are its path tests. `kind` is known from these, or Assign; `name` is `a` and `applyTo` Pods unless given;
//!   `operations` are those of `applyTo`.
//! - `object`: fields of a Pod `p` in namespace `shop`; those that are given are as given. `oldObject` likewise, for
//!   UPDATE. `without` names a field of the Pod that is not given.
//! - `operation` (CREATE unless given), `namespace` (of the request), `namespaceLabels` (without them, the Namespace is
//!   not known), `source`.
//! - `becomes`: what the object is then, or `same`; `again`: what a second application makes of that; `conflicts`: which
//!   mutators do not act, each with whom; `asked`: keys by provider. Or `fails`: the text with which the request is
//!   refused. Or `refused`: the text with which the last mutator is, and `column` in its location. `part`: the text is
//!   part of that.
//! - `differs`: what it is in Gatekeeper, where that is something else on purpose; `divergence.rs` says why.

use std::collections::BTreeMap;
use std::sync::Arc;

use admit::manifest::{Source, parse};
use admit::model::object::Object;
use serde_json::{Map, Value, json};

const FILES: [(&str, &str); 8] = [
    ("external_data", include_str!("cases/external_data.yaml")),
    ("images", include_str!("cases/images.yaml")),
    ("lists", include_str!("cases/lists.yaml")),
    ("matching", include_str!("cases/matching.yaml")),
    ("path_tests", include_str!("cases/path_tests.yaml")),
    ("refused", include_str!("cases/refused.yaml")),
    ("setters", include_str!("cases/setters.yaml")),
    ("system", include_str!("cases/system.yaml")),
];

#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) mutators: Vec<Object>,
    pub(super) object: Value,
    /// An AdmissionReview.
    pub(super) review: Value,
    pub(super) namespace_object: Option<Object>,
    pub(super) is_generated: bool,
    pub(super) expected: Expected,
    /// By `Kind/name`.
    pub(super) conflicts: BTreeMap<String, Vec<String>>,
    pub(super) asked: Option<Value>,
    /// Whether Gatekeeper does something else.
    pub(super) differs: bool,
}

#[derive(Debug)]
pub(super) enum Expected {
    /// And after a second application.
    Becomes(Value, Value),
    Fails(String),
    Refused {
        text: String,
        column: Option<u64>,
        is_part: bool,
    },
}

pub(super) fn load() -> Vec<Case> {
    let mut cases = Vec::new();
    for (file, text) in FILES {
        let (documents, errors) = parse(&Arc::new(Source::new(file, text.to_owned())));
        assert!(errors.is_empty(), "{errors:?}");
        cases.extend(documents[0].value().as_array().unwrap().iter().map(|row| Case::read(file, row)));
    }
    cases
}

impl Case {
    fn read(file: &str, row: &Value) -> Self {
        let mutators: Vec<Object> = row["mutators"].as_array().unwrap().iter().map(mutator).collect();
        let object = pod(row, &row["object"]);
        let namespace = row["namespace"].as_str().or(object["metadata"]["namespace"].as_str()).unwrap_or_default();
        let namespace = if object["kind"] == "Namespace" { "" } else { namespace };
        let namespace_object = row.get("namespaceLabels").map(|labels| {
            let metadata = json!({"name": namespace, "labels": labels});
            Object::from_value(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})).unwrap()
        });
        Self {
            name: format!("{file}: {}", row["name"].as_str().unwrap()),
            review: review(row, &object, namespace),
            expected: expected(row, &object),
            conflicts: conflicts(row, &mutators),
            asked: row.get("asked").cloned(),
            differs: row.get("differs").is_some(),
            is_generated: row["source"] == "Generated",
            mutators,
            object,
            namespace_object,
        }
    }
}

fn mutator(row: &Value) -> Object {
    let mut parameters = row.get("with").cloned().unwrap_or_else(|| json!({}));
    let assigned = [("value", "value"), ("from", "fromMetadata"), ("ask", "externalData")];
    for (key, field) in assigned {
        if let Some(value) = row.get(key) {
            let value = if key == "from" { json!({"field": value}) } else { value.clone() };
            parameters["assign"][field] = value;
        }
    }
    let mut kind = row["kind"].as_str().unwrap_or("Assign");
    for operation in ["merge", "prune"] {
        if let Some(values) = row.get(operation) {
            kind = "ModifySet";
            parameters["operation"] = json!(operation);
            parameters["values"] = json!({"fromList": values});
        }
    }
    if let Some(parts) = row.get("image") {
        kind = "AssignImage";
        for (part, field) in [("domain", "assignDomain"), ("path", "assignPath"), ("tag", "assignTag")] {
            if let Some(text) = parts.get(part) {
                parameters[field] = text.clone();
            }
        }
    }
    if let Some(tests) = row.get("tests").and_then(Value::as_array) {
        let tests: Vec<Value> = tests.iter().map(|one| json!({"subPath": one[0], "condition": one[1]})).collect();
        parameters["pathTests"] = tests.into();
    }
    let mut spec = json!({"location": row["at"], "parameters": parameters});
    if kind != "AssignMetadata" {
        let pods = json!([{"groups": [""], "versions": ["v1"], "kinds": ["Pod"]}]);
        spec["applyTo"] = row.get("applyTo").cloned().unwrap_or(pods);
    }
    if let Some(operations) = row.get("operations") {
        spec["applyTo"][0]["operations"] = operations.clone();
    }
    if let Some(criteria) = row.get("match") {
        spec["match"] = criteria.clone();
    }
    let version = if kind == "AssignImage" { "v1alpha1" } else { "v1" };
    Object::from_value(json!({"apiVersion": format!("mutations.gatekeeper.sh/{version}"), "kind": kind,
        "metadata": {"name": row["name"].as_str().unwrap_or("a"), "generation": 1}, "spec": spec}))
    .unwrap()
}

fn pod(row: &Value, fields: &Value) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop"}});
    let fields = fields.as_object().cloned().unwrap_or_default();
    let without = row["without"].as_str().unwrap_or_default();
    let all: &mut Map<String, Value> = pod.as_object_mut().unwrap();
    all.remove(without);
    all.extend(fields);
    pod
}

fn review(row: &Value, object: &Value, namespace: &str) -> Value {
    let (group, version) = object["apiVersion"].as_str().unwrap().rsplit_once('/').unwrap_or(("", "v1"));
    let kind = json!({"group": group, "version": version, "kind": object["kind"]});
    let mut request = json!({"uid": "u", "kind": kind, "namespace": namespace, "userInfo": {"username": "jane"}});
    let operation = row["operation"].as_str().unwrap_or("CREATE");
    let place = if operation == "DELETE" { "oldObject" } else { "object" };
    request[place] = object.clone();
    if operation != "none" {
        request["operation"] = json!(operation);
    }
    if let Some(old) = row.get("oldObject") {
        request["oldObject"] = pod(row, old);
    }
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
}

fn expected(row: &Value, object: &Value) -> Expected {
    let text = |key: &str| row.get(key).map(|text| text.as_str().unwrap().to_owned());
    if let Some(text) = text("refused") {
        let is_part = row["part"] == true;
        return Expected::Refused { text, column: row["column"].as_u64(), is_part };
    }
    if let Some(text) = text("fails") {
        return Expected::Fails(text);
    }
    let after = match &row["becomes"] {
        Value::String(same) if same == "same" => object.clone(),
        fields => pod(row, fields),
    };
    let again = row.get("again").map_or_else(|| after.clone(), |fields| pod(row, fields));
    Expected::Becomes(after, again)
}

fn conflicts(row: &Value, mutators: &[Object]) -> BTreeMap<String, Vec<String>> {
    let whole = |name: &str| match name.contains('/') {
        true => name.to_owned(),
        false => {
            let kind = &mutators.iter().find(|one| one.name() == name).unwrap().gvk().kind;
            format!("{kind}/{name}")
        }
    };
    let entries = row["conflicts"].as_object().cloned().unwrap_or_default();
    let list = |names: &Value| {
        let mut list: Vec<String> =
            names.as_array().unwrap().iter().map(|name| whole(name.as_str().unwrap())).collect();
        list.sort();
        list
    };
    entries.iter().map(|(name, names)| (whole(name), list(names))).collect()
}
