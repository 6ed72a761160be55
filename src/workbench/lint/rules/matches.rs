//! AP007: a constraint's criteria rule each other out.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{Findings, PolicyRule};
use crate::model::object::{FieldPath, Wildcard};
use crate::workbench::lint::finding::Severity;
use crate::workbench::lint::policies::{Constraint, Policies};

pub(super) const RULE: PolicyRule = PolicyRule {
    code: "AP007",
    name: "impossible-match",
    severity: Severity::Warning,
    summary: "The criteria of a constraint's match contradict each other",
    page: "\
All criteria of `spec.match` must hold. Some combinations cannot: a namespace that is both in `namespaces` and in \
`excludedNamespaces`; a label that must be there and must not; `scope: Cluster` with kinds that live in namespaces. Others \
do not do what they seem to: `namespaces` and `excludedNamespaces` do not restrict cluster-scoped objects, so with kinds \
that are all cluster-scoped they have no effect; names and patterns with a `*` in the middle are taken literally, as a `*` \
counts at the beginning and at the end only; a second kind beside `*` adds nothing.",
    check,
};

fn check(policies: &Policies<'_>, findings: &mut Findings<'_>) {
    for constraint in &policies.constraints {
        namespaces(constraint, findings);
        scopes(constraint, findings);
        for selector in ["labelSelector", "namespaceSelector"] {
            labels(constraint, selector, findings);
        }
        wildcards(constraint, findings);
    }
}

fn at(key: &str) -> FieldPath {
    FieldPath::from(["spec", "match", key])
}

fn texts<'c>(constraint: &'c Constraint<'_>, key: &str) -> Vec<&'c str> {
    constraint.matches(key).and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect()
}

fn namespaces(constraint: &Constraint<'_>, findings: &mut Findings<'_>) {
    let excluded: Vec<Wildcard> = texts(constraint, "excludedNamespaces").into_iter().map(Wildcard::new).collect();
    for (index, name) in texts(constraint, "namespaces").into_iter().enumerate() {
        // A pattern that another covers: what it matches begins and ends with its own letters.
        let is_excluded = |other: &&Wildcard| other.as_str() == name || !name.contains('*') && other.matches(name);
        if let Some(other) = excluded.iter().find(is_excluded) {
            let message = format!("namespace {name} is excluded again by {other} in excludedNamespaces");
            findings.value(constraint.bundled, &at("namespaces").index(index), message);
        }
    }
    for key in ["namespaces", "excludedNamespaces"] {
        for (index, name) in texts(constraint, key).into_iter().enumerate() {
            let inner = name.strip_prefix('*').unwrap_or(name);
            if inner.strip_suffix('*').unwrap_or(inner).contains('*') {
                let message = format!("{name} matches no namespace: a * counts at the beginning and at the end only");
                findings.value(constraint.bundled, &at(key).index(index), message);
            }
        }
    }
}

fn scopes(constraint: &Constraint<'_>, findings: &mut Findings<'_>) {
    let named = constraint.kinds();
    let scopes: Option<Vec<bool>> = named.iter().try_fold(Vec::new(), |mut scopes, named| {
        let found: Vec<bool> = named.builtin().map(|kind| kind.is_namespaced).collect();
        scopes.extend(&found);
        (named.kind != "*" && !found.is_empty()).then_some(scopes)
    });
    let Some(scopes) = scopes.filter(|scopes| !scopes.is_empty()) else { return };
    // A Namespace is in itself, as far as matching goes.
    let is_namespace = named.iter().any(|one| one.kind == "Namespace");
    if !scopes.contains(&true) && !is_namespace {
        for key in ["namespaces", "excludedNamespaces", "namespaceSelector"] {
            if constraint.matches(key).is_some() {
                let message = format!("{key} has no effect: all kinds that are matched are cluster-scoped");
                findings.key(constraint.bundled, &at(key), message);
            }
        }
    }
    let scope = constraint.matches("scope").and_then(Json::as_str).unwrap_or("*");
    let other = match scope {
        "Cluster" if !scopes.contains(&false) => "in namespaces",
        "Namespaced" if !scopes.contains(&true) => "cluster-scoped",
        _ => return,
    };
    let message = format!("scope {scope} matches nothing: all kinds that are matched are {other}");
    findings.value(constraint.bundled, &at("scope"), message);
}

/// What a label must be: there with one of these values, or with any; or absent.
#[derive(Default)]
struct Wanted {
    is_there: bool,
    is_absent: bool,
    values: Option<Vec<String>>,
    refused: Vec<String>,
}

fn labels(constraint: &Constraint<'_>, selector: &str, findings: &mut Findings<'_>) {
    let Some(value) = constraint.matches(selector) else { return };
    let mut wanted: BTreeMap<&str, Wanted> = BTreeMap::new();
    for (key, value) in value.get("matchLabels").and_then(Json::as_object).into_iter().flatten() {
        let one = wanted.entry(key).or_default();
        one.is_there = true;
        one.only(vec![value.as_str().unwrap_or_default().to_owned()]);
    }
    for expression in value.get("matchExpressions").and_then(Json::as_array).into_iter().flatten() {
        let Some(key) = expression.get("key").and_then(Json::as_str) else { continue };
        let values = expression.get("values").and_then(Json::as_array).into_iter().flatten();
        let values: Vec<String> = values.filter_map(Json::as_str).map(str::to_owned).collect();
        let one = wanted.entry(key).or_default();
        match expression.get("operator").and_then(Json::as_str) {
            Some("In") => {
                one.is_there = true;
                one.only(values);
            }
            Some("NotIn") => one.refused.extend(values),
            Some("Exists") => one.is_there = true,
            Some("DoesNotExist") => one.is_absent = true,
            _ => {}
        }
    }
    for (key, _) in wanted.into_iter().filter(|(_, one)| one.is_impossible()) {
        let message = format!("{selector} selects nothing: its requirements for label {key} contradict each other");
        findings.key(constraint.bundled, &at(selector), message);
    }
}

impl Wanted {
    fn only(&mut self, values: Vec<String>) {
        match &mut self.values {
            Some(before) => before.retain(|value| values.contains(value)),
            None => self.values = Some(values),
        }
    }

    fn is_impossible(&self) -> bool {
        let is_refused = |values: &Vec<String>| values.iter().all(|value| self.refused.contains(value));
        self.is_there && self.is_absent || self.values.as_ref().is_some_and(is_refused)
    }
}

fn wildcards(constraint: &Constraint<'_>, findings: &mut Findings<'_>) {
    let entries = constraint.matches("kinds").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    for (index, entry) in entries.iter().enumerate() {
        for key in ["apiGroups", "kinds"] {
            let Some(list) = entry.get(key).and_then(Json::as_array) else { continue };
            if list.len() > 1 && list.iter().any(|one| one == "*") {
                let message = format!("the others in {key} have no effect beside \"*\"");
                findings.key(constraint.bundled, &at("kinds").index(index).key(key), message);
            }
        }
    }
}
