//! The table: rows, what they judge, and what is expected of each way. Its own form is explained in `rows.yaml`.

use std::collections::BTreeMap;
use std::sync::Arc;

use admit::manifest::{Source, parse};
use serde_json::{Value, json};

/// A way to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    Webhook,
    Audit,
    Cli,
}

/// What a violation does, sorted; empty when there is none. And a part of its message, when that matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) actions: Vec<String>,
    pub(super) error: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) enum Expected {
    Outcome(Outcome),
    /// The constraint is not in force, for this reason.
    Refused(String),
    /// The whole request is refused, with this text.
    Fails(String),
    Skipped,
}

pub(super) struct Row {
    pub(super) name: String,
    /// Name of its constraint.
    pub(super) constraint: String,
    pub(super) object: Value,
    /// Which of [`Table::subjects`] it judges.
    pub(super) subject: usize,
    pub(super) expected: BTreeMap<Way, Expected>,
    /// Whether its constraint denies, wherever that is.
    pub(super) is_plain: bool,
}

/// What is judged.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Subject {
    pub(super) object: Value,
    pub(super) old_object: Value,
    pub(super) operation: Option<String>,
    request: Value,
}

pub(super) struct Table {
    pub(super) namespaces: Vec<Value>,
    pub(super) rows: Vec<Row>,
    pub(super) subjects: Vec<Subject>,
}

impl Table {
    pub(super) fn load() -> Self {
        let text = include_str!("rows.yaml").to_owned();
        let (documents, errors) = parse(&Arc::new(Source::new("rows.yaml", text)));
        assert!(errors.is_empty(), "{errors:?}");
        let table = documents[0].value();
        let mut rows = Vec::new();
        let mut subjects = Vec::new();
        for (number, row) in table["rows"].as_array().unwrap().iter().enumerate() {
            let subject = Subject::read(row, &table["objects"]);
            let place = subjects.iter().position(|one| *one == subject).unwrap_or_else(|| {
                subjects.push(subject);
                subjects.len() - 1
            });
            rows.push(Row::read(row, number, place));
        }
        Self { namespaces: table["namespaces"].as_array().unwrap().clone(), rows, subjects }
    }

    /// The template of all constraints: everything that matches is a violation.
    pub(super) fn template() -> Value {
        json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
            "metadata": {"name": "k8srow"}, "spec": {"crd": {"spec": {"names": {"kind": "K8sRow"}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh",
                "rego": "package row\nviolation[{\"msg\": \"matched\"}] { true }"}]}})
    }
}

impl Row {
    fn read(row: &Value, number: usize, subject: usize) -> Self {
        const KEYS: [&str; 11] = [
            "name",
            "match",
            "object",
            "oldObject",
            "operation",
            "request",
            "spec",
            "expect",
            "webhook",
            "audit",
            "cli",
        ];
        let name = row["name"].as_str().unwrap().to_owned();
        for key in row.as_object().unwrap().keys() {
            assert!(KEYS.contains(&key.as_str()), "{name}: unknown key {key}");
        }
        let constraint = format!("row-{number}");
        let mut spec = row.get("spec").cloned().unwrap_or(json!({}));
        let is_plain = spec == json!({});
        if let Some(criteria) = row.get("match") {
            spec["match"] = criteria.clone();
        }
        let object = json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "K8sRow",
            "metadata": {"name": constraint}, "spec": spec});
        let ways = [(Way::Webhook, "webhook"), (Way::Audit, "audit"), (Way::Cli, "cli")];
        let expected = ways.map(|(way, key)| {
            let value = row.get(key).or_else(|| row.get("expect"));
            (way, Expected::read(value.unwrap_or_else(|| panic!("{name}: nothing is expected of {key}"))))
        });
        Self { name, constraint, object, subject, expected: expected.into(), is_plain }
    }

    pub(super) fn refusal(&self) -> Option<&str> {
        self.expected.values().find_map(|expected| match expected {
            Expected::Refused(text) => Some(text.as_str()),
            Expected::Outcome(_) | Expected::Fails(_) | Expected::Skipped => None,
        })
    }
}

impl Expected {
    fn read(value: &Value) -> Self {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let deny = || vec!["deny".to_owned()];
        let actions = value.get("actions").and_then(Value::as_array);
        let actions = actions.map(|list| list.iter().map(|one| one.as_str().unwrap().to_owned()).collect());
        match value.as_str() {
            Some("match") => Self::Outcome(Outcome { actions: deny(), error: None }),
            Some("no") => Self::Outcome(Outcome::default()),
            Some("skipped") => Self::Skipped,
            Some(other) => panic!("not an expectation: {other}"),
            None if text("refused").is_some() => Self::Refused(text("refused").unwrap()),
            None if text("fails").is_some() => Self::Fails(text("fails").unwrap()),
            None => Self::Outcome(Outcome { actions: actions.unwrap_or_else(deny), error: text("error") }),
        }
    }
}

impl Subject {
    fn read(row: &Value, objects: &Value) -> Self {
        let object = |key: &str| match row.get(key) {
            Some(Value::String(name)) => objects.get(name).unwrap_or_else(|| panic!("no object {name}")).clone(),
            other => other.cloned().unwrap_or_default(),
        };
        let operation = row.get("operation").and_then(Value::as_str).map(str::to_owned);
        let request = row.get("request").cloned().unwrap_or(json!({}));
        Self { object: object("object"), old_object: object("oldObject"), operation, request }
    }

    /// The object that is there once nothing is being done.
    pub(super) fn at_rest(&self) -> &Value {
        if self.object.is_null() { &self.old_object } else { &self.object }
    }

    /// What an API server sends.
    pub(super) fn review(&self) -> Value {
        let object = self.at_rest();
        let api_version = object["apiVersion"].as_str().unwrap();
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let mut request = json!({"uid": "u1", "kind": {"group": group, "version": version, "kind": object["kind"]},
            "resource": {"group": group, "version": version, "resource": "things"},
            "operation": self.operation.as_deref().unwrap_or("CREATE"), "userInfo": {"username": "jane"},
            "object": self.object, "oldObject": self.old_object});
        for key in ["name", "namespace"] {
            if let Some(text) = object.get("metadata").and_then(|metadata| metadata.get(key)) {
                request[key] = text.clone();
            }
        }
        for (key, value) in self.request.as_object().unwrap() {
            request[key] = value.clone();
        }
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
    }
}
