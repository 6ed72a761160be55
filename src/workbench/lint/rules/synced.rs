//! AP008: the inventory is read for kinds that nothing puts there.

use std::collections::BTreeMap;

use super::{Findings, PolicyRule, list};
use crate::model::api::{REQUIRES_SYNC_DATA, sync_requirements};
use crate::model::object::{FieldPath, GroupVersionKind};
use crate::model::value::Step;
use crate::workbench::lint::finding::Severity;
use crate::workbench::lint::policies::flow::{At, Flow};
use crate::workbench::lint::policies::{Policies, Template, below};

pub(super) const RULE: PolicyRule = PolicyRule {
    code: "AP008",
    name: "unsynced-inventory",
    severity: Severity::Warning,
    summary: "The code reads objects from the inventory that nothing asks to be there",
    page: "\
`data.inventory` has the kinds that a Config (`spec.sync.syncOnly`) or a SyncSet (`spec.gvks`) names, and no others. A policy \
that looks for Services there finds none unless Services are synced, and lets everything pass.

Two things are compared with what the code reads: the Config and SyncSets among the inputs, when there are any; and the \
annotation `metadata.gatekeeper.sh/requires-sync-data` by which a template says what it needs. A template without that \
annotation is a note only.",
    check,
};

/// What is read: `None` where that is not written out.
type Read = (Option<String>, Option<String>);

fn check(policies: &Policies<'_>, findings: &mut Findings<'_>) {
    for (template, code) in policies.codes() {
        let reads = reads(&code.flow);
        if reads.is_empty() {
            continue;
        }
        if let Some(synced) = &policies.synced {
            for (read, at) in reads.iter().filter(|(read, _)| !is_among(read, synced)) {
                let message =
                    format!("no Config or SyncSet among the inputs syncs {}, so none is found here", shown(read));
                findings.code(template, at, message);
            }
        }
        annotation(template, &reads, findings);
    }
}

fn annotation(template: &Template<'_>, reads: &BTreeMap<Read, &At>, findings: &mut Findings<'_>) {
    let names = |read: &Read| shown(read);
    if template.parsed.object.annotations().value(REQUIRES_SYNC_DATA).is_none() {
        let Some(at) = reads.values().next() else { return };
        let kinds: Vec<String> = reads.keys().map(names).collect();
        let severity = std::mem::replace(&mut findings.severity, Severity::Note);
        let message =
            format!("the template needs {} in the inventory and has no annotation {REQUIRES_SYNC_DATA}", list(&kinds));
        findings.code(template, at, message);
        findings.severity = severity;
        return;
    }
    let Ok(required) = sync_requirements(&template.parsed.object) else { return };
    let required: Vec<GroupVersionKind> = required.into_iter().flatten().collect();
    for (read, at) in reads.iter().filter(|(read, _)| !is_among(read, &required)) {
        findings.code(template, at, format!("annotation {REQUIRES_SYNC_DATA} does not name {}", shown(read)));
    }
    for gvk in required.iter().filter(|gvk| !reads.keys().any(|read| is(read, gvk))) {
        let at = FieldPath::from(["metadata", "annotations", REQUIRES_SYNC_DATA]);
        let message = format!("the annotation asks for {gvk}, which the code never reads from the inventory");
        findings.key(template.bundled, &at, message);
    }
}

fn reads(flow: &Flow) -> BTreeMap<Read, &At> {
    let mut reads = BTreeMap::new();
    for (place, at) in &flow.reads {
        let cluster = below(place, &["inventory", "cluster"]);
        let namespace = below(place, &["inventory", "namespace"]).and_then(|rest| rest.get(1..));
        let Some([version, kind]) = cluster.or(namespace) else { continue };
        let text = |step: &Step| if let Step::Key(key) = step { Some(key.to_string()) } else { None };
        if let Some(at) = at.first() {
            reads.entry((text(version), text(kind))).or_insert(at);
        }
    }
    reads
}

fn is((version, kind): &Read, gvk: &GroupVersionKind) -> bool {
    version.as_ref().is_none_or(|version| *version == gvk.api_version())
        && kind.as_ref().is_none_or(|kind| *kind == gvk.kind)
}

fn is_among(read: &Read, gvks: &[GroupVersionKind]) -> bool {
    gvks.iter().any(|gvk| is(read, gvk))
}

fn shown((version, kind): &Read) -> String {
    match (version, kind) {
        (Some(version), Some(kind)) => format!("{version} {kind}"),
        (None, Some(kind)) => kind.clone(),
        (Some(version), None) => format!("kinds of {version}"),
        (None, None) => "objects".to_owned(),
    }
}
