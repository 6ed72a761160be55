//! AP013: a constraint that may refuse anything, in the system's own namespaces too.

use serde_json::Value as Json;

use super::{Findings, PolicyRule};
use crate::model::object::{FieldPath, Wildcard};
use crate::workbench::lint::finding::Severity;
use crate::workbench::lint::policies::{Constraint, Policies};

pub(super) const RULE: PolicyRule = PolicyRule {
    code: "AP013",
    name: "unscoped-deny",
    severity: Severity::Warning,
    summary: "A constraint denies objects of every kind in every namespace, kube-system included",
    page: "\
A constraint without `spec.match`, or with kinds `*`, is about every object there is: Leases by which controllers elect a \
leader, Events, the Pods of the control plane. With action `deny`, a mistake in its code or parameters stops the cluster.

Name the kinds that it is for, and exclude the system's namespaces, here or for all policies in a Config:

    spec:
      match:
        kinds: [{apiGroups: [\"\"], kinds: [Pod]}]
        excludedNamespaces: [kube-system]

Constraints that a suite among the inputs tests a template with are left alone.",
    check,
};

const SYSTEM: &str = "kube-system";
/// Each of them narrows a match down.
const NARROWING: [&str; 4] = ["namespaces", "labelSelector", "namespaceSelector", "name"];

fn check(policies: &Policies<'_>, findings: &mut Findings<'_>) {
    if policies.excluded.iter().any(|pattern| pattern.matches(SYSTEM)) {
        return;
    }
    for constraint in policies.in_use().filter(|one| denies(one) && is_about_everything(one)) {
        let at = FieldPath::from(["spec", "match"]);
        let message = "this denies objects of every kind in every namespace, those of kube-system included\nname kinds, and \
                       put kube-system into excludedNamespaces";
        findings.key(constraint.bundled, &at, message);
    }
}

fn denies(constraint: &Constraint<'_>) -> bool {
    let action = constraint.field(&["spec", "enforcementAction"]).and_then(Json::as_str).unwrap_or_default();
    matches!(action, "" | "deny")
}

fn is_about_everything(constraint: &Constraint<'_>) -> bool {
    let kinds = constraint.kinds();
    let is_every_kind =
        kinds.is_empty() || kinds.iter().any(|one| one.kind == "*" && one.groups.iter().any(|it| it == "*"));
    let has = |key: &&str| match constraint.matches(key) {
        Some(Json::Array(list)) => !list.is_empty(),
        Some(Json::Object(map)) => !map.is_empty(),
        Some(Json::String(text)) => !text.is_empty(),
        _ => false,
    };
    let excluded = constraint.matches("excludedNamespaces").and_then(Json::as_array).into_iter().flatten();
    let is_excluded = excluded.filter_map(Json::as_str).any(|pattern| Wildcard::new(pattern).matches(SYSTEM));
    let is_of_cluster = constraint.matches("scope").and_then(Json::as_str) == Some("Cluster");
    is_every_kind && !NARROWING.iter().any(has) && !is_excluded && !is_of_cluster
}
