//! AP015: the same policy twice.

use super::{Findings, PolicyRule};
use crate::model::object::FieldPath;
use crate::workbench::lint::finding::Severity;
use crate::workbench::lint::policies::{Constraint, Policies};

pub(super) const RULE: PolicyRule = PolicyRule {
    code: "AP015",
    name: "duplicate-policy",
    severity: Severity::Warning,
    summary: "Two constraints differ in nothing but their names, or two templates make the same kind",
    page: "\
Two constraints of one kind with equal match, parameters and action report every violation twice. Of two templates that \
make the same kind, and differ, only one counts; which one depends on the order in which they are read.",
    check,
};

fn check(policies: &Policies<'_>, findings: &mut Findings<'_>) {
    let constraints: Vec<&Constraint<'_>> = policies.in_use().collect();
    for (position, one) in constraints.iter().enumerate() {
        let mut before = constraints.iter().take(position);
        if let Some(other) = before.find(|other| is_same(one, other)) {
            let place = other.bundled.document.location();
            let name = other.bundled.object.name();
            let at = FieldPath::from(["metadata", "name"]);
            findings.value(one.bundled, &at, format!("this is the same as constraint {name} ({place})"));
        }
    }
    for (position, one) in policies.templates.iter().enumerate() {
        let mut before = policies.templates.iter().take(position);
        let is_other = |other: &&super::Template<'_>| {
            other.parsed.kind == one.parsed.kind
                && other.parsed.object.field(&["spec"]) != one.parsed.object.field(&["spec"])
        };
        if let Some(other) = before.find(is_other) {
            let place = other.bundled.document.location();
            let message = format!("kind {} is made by another template, too ({place})", one.parsed.kind);
            findings.value(one.bundled, &FieldPath::from(["spec", "crd", "spec", "names", "kind"]), message);
        }
    }
}

fn is_same(one: &Constraint<'_>, other: &Constraint<'_>) -> bool {
    let is_other_object = one.bundled.object.name() != other.bundled.object.name();
    is_other_object && one.kind() == other.kind() && one.field(&["spec"]) == other.field(&["spec"])
}
