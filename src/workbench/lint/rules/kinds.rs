//! AP006: a constraint is about a kind that does not exist.

use super::{Findings, PolicyRule, did_you_mean};
use crate::workbench::lint::finding::Severity;
use crate::workbench::lint::kinds;
use crate::workbench::lint::policies::{NamedKind, Policies, nearest};

pub(super) const RULE: PolicyRule = PolicyRule {
    code: "AP006",
    name: "unknown-kind",
    severity: Severity::Warning,
    summary: "A constraint's match names a kind that does not exist in the groups that it names",
    page: "\
An entry of `spec.match.kinds` matches objects whose group is among its `apiGroups` and whose kind is among its `kinds`. \
`apiGroups: [apps]` with `kinds: [Pod]` matches nothing, as Pods are in the core group, which is written `\"\"`; and so do \
plurals (`pods`) and kinds in lower case (`pod`).

Groups of Kubernetes are judged. Kinds of other groups, and kinds that a CustomResourceDefinition among the inputs defines, \
are taken as they are.",
    check,
};

fn check(policies: &Policies<'_>, findings: &mut Findings<'_>) {
    for constraint in &policies.constraints {
        for named in constraint.kinds() {
            let is_custom =
                policies.custom.iter().any(|(group, kind, _)| *kind == named.kind && named.groups.contains(group));
            let Some(message) = mistake(&named).filter(|_| !is_custom) else { continue };
            findings.value(constraint.bundled, &named.at, message);
        }
    }
}

fn mistake(named: &NamedKind) -> Option<String> {
    let NamedKind { groups, kind, .. } = named;
    if kind == "*" {
        return None;
    }
    let resource = |one: &&kinds::Kind| one.plural == kind || one.kind.eq_ignore_ascii_case(kind);
    let is_any = groups.iter().any(|group| group == "*");
    if is_any || groups.iter().any(|group| !kinds::is_known_group(group)) {
        // Some custom resource may have any name; but kinds begin with capitals.
        let meant = kinds::all().iter().find(resource).filter(|one| one.kind != kind)?;
        return Some(format!("{kind} is no kind; kinds are matched as they are written\ndid you mean {}?", meant.kind));
    }
    if groups.iter().any(|group| kinds::is_known(group, kind)) {
        return None;
    }
    let in_groups: Vec<String> = groups.iter().map(|group| shown(group)).collect();
    let found = format!("there is no kind {kind} in {}", in_groups.join(" or "));
    let elsewhere = kinds::all().iter().find(|one| one.kind == kind);
    if let Some(elsewhere) = elsewhere {
        return Some(format!("{found}, so this matches nothing\n{kind} is in {}", shown(elsewhere.group)));
    }
    if let Some(meant) = kinds::all().iter().find(resource) {
        return Some(format!(
            "{found}, so this matches nothing; did you mean {} in {}?",
            meant.kind,
            shown(meant.group)
        ));
    }
    let near =
        nearest(kind, kinds::all().iter().filter(|one| groups.iter().any(|it| it == one.group)).map(|one| one.kind));
    Some(format!("{found}, so this matches nothing{}", did_you_mean(near)))
}

fn shown(group: &str) -> String {
    if group.is_empty() { "the core group (\"\")".to_owned() } else { format!("group {group}") }
}
