//! AP009: a path into the inventory that can have no objects.

use super::{Findings, PolicyRule, did_you_mean};
use crate::model::value::Step;
use crate::workbench::lint::finding::Severity;
use crate::workbench::lint::kinds;
use crate::workbench::lint::policies::{Policies, below, nearest};

pub(super) const RULE: PolicyRule = PolicyRule {
    code: "AP009",
    name: "inventory-path",
    severity: Severity::Warning,
    summary: "A path into the inventory leads to nothing",
    page: "\
Objects are at `data.inventory.namespace[namespace][apiVersion][kind][name]` and, when they are in no namespace, at \
`data.inventory.cluster[apiVersion][kind][name]`. The apiVersion is the whole text, such as `apps/v1`, and the kind is \
written as in manifests.

    data.inventory.namespace[ns][\"apps\"][\"Deployment\"][name]       # apps/v1
    data.inventory.cluster[\"v1\"][\"Service\"][name]                  # Services are in namespaces",
    check,
};

fn check(policies: &Policies<'_>, findings: &mut Findings<'_>) {
    for (template, code) in policies.codes() {
        for (at, message) in code.flow.mistaken(|place| mistake(place, policies)) {
            findings.code(template, at, message);
        }
    }
}

fn mistake(place: &[Step], policies: &Policies<'_>) -> Option<String> {
    let rest = below(place, &["inventory"])?;
    if let [Step::Key(scope)] = rest {
        let scopes = ["cluster", "namespace"];
        let is_known = scopes.contains(&&**scope);
        let near = nearest(scope, scopes);
        return (!is_known)
            .then(|| format!("the inventory has cluster and namespace, and no {scope}{}", did_you_mean(near)));
    }
    let (is_namespaced, version, kind) = match rest {
        [Step::Key(scope), Step::Key(version), Step::Key(kind)] if &**scope == "cluster" => (false, version, kind),
        [Step::Key(scope), _, Step::Key(version), Step::Key(kind)] if &**scope == "namespace" => (true, version, kind),
        _ => return None,
    };
    let (group, number) = version.split_once('/').unwrap_or(("", version));
    let is_custom = policies.custom.iter().any(|(_, custom, _)| **custom == **kind);
    if is_custom || !kinds::is_known_group(group) && !group.is_empty() {
        return None;
    }
    let found: Vec<_> = kinds::find(group, kind).collect();
    let Some(first) = found.first() else {
        if kinds::is_known(group, kind) {
            return None;
        }
        let resource = |one: &&kinds::Kind| one.kind.eq_ignore_ascii_case(kind) || one.plural == &**kind;
        let meant = kinds::all().iter().find(resource);
        let instead = meant.map(|one| match one.group {
            "" => format!("{} {}", one.version, one.kind),
            group => format!("{group}/{} {}", one.version, one.kind),
        });
        return Some(format!("there is no kind {kind} of {version}{}", did_you_mean(instead.as_deref())));
    };
    if first.is_namespaced != is_namespaced {
        let (here, there) = if is_namespaced { ("cluster-scoped", "cluster") } else { ("in namespaces", "namespace") };
        return Some(format!("{kind} is {here}: its objects are below data.inventory.{there}"));
    }
    let looks_like_version = number.starts_with('v') && number.get(1..2).is_some_and(|it| it.parse::<u8>().is_ok());
    (!looks_like_version).then(|| format!("{version} is no apiVersion\ndid you mean v1?"))
}
