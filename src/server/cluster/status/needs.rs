//! What policies read that is not in the inventory.
//!
//! A policy without its data allows what it should refuse, or the other way round; nobody would notice but for this.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::entry::{DATA_NOT_SYNCED, Remark, SYNC_ANNOTATION_WARNING, SYNC_ERROR};
use crate::model::api::{Config, SyncRequirement, sync_requirements};
use crate::model::object::{GroupVersionKind, Object};
use crate::policy::engine::{InventoryReads, KindPattern};
use crate::policy::snapshot::CompiledTemplate;
use crate::server::cluster::synced_kinds::SyncedKinds;

/// What one policy reads: kinds of which one is enough.
type Need = Vec<KindPattern>;

/// What is told of the constraints of a template.
pub(super) fn of_constraints(template: &CompiledTemplate, synced: &SyncedKinds) -> Vec<Remark> {
    // What is wrong with the annotation, the template says.
    let declared = sync_requirements(&template.template.object).unwrap_or_default();
    let lacking = needs(template.program.inventory_reads(), &declared);
    let messages = lacking.iter().filter_map(|need| what_lacks(need, synced));
    messages.map(|message| Remark { code: DATA_NOT_SYNCED, message }).collect()
}

/// What is told of a template.
pub(super) fn of_template(template: &Object) -> Vec<Remark> {
    let error = sync_requirements(template).err();
    error.into_iter().map(|message| Remark { code: SYNC_ANNOTATION_WARNING, message }).collect()
}

/// What is told of the Config that counts. That a list is on its way is not worth telling.
pub(super) fn of_config(config: &Object, synced: &SyncedKinds) -> Vec<Remark> {
    let kinds = Config::parse(config).map(|config| config.sync_only).unwrap_or_default();
    let problem = |gvk: &GroupVersionKind| synced.get(gvk).filter(|state| !state.is_passing())?.problem(gvk);
    let problems = kinds.iter().filter_map(problem);
    problems.map(|message| Remark { code: SYNC_ERROR, message }).collect()
}

/// What the code reads, and what the annotation declares. Versions of one kind count as one: they are the same objects;
/// so do kinds that the annotation declares to be.
fn needs(reads: &InventoryReads, declared: &[SyncRequirement]) -> Vec<Need> {
    let exact = |gvk: &GroupVersionKind| KindPattern {
        api_version: Some(Arc::from(gvk.api_version())),
        kind: Some(Arc::from(gvk.kind.as_str())),
    };
    let declared: Vec<Need> = declared.iter().map(|one_of| one_of.iter().map(exact).collect()).collect();
    let is_declared = |pattern: &&KindPattern| declared.iter().flatten().any(|other| other == *pattern);
    let mut by_kind: BTreeMap<Option<Arc<str>>, Need> = BTreeMap::new();
    for pattern in reads.kinds().filter(|pattern| !is_declared(pattern)) {
        by_kind.entry(pattern.kind.clone()).or_default().push(pattern.clone());
    }
    let is_something = |need: &&Need| !need.is_empty();
    declared.iter().filter(is_something).cloned().chain(by_kind.into_values()).collect()
}

/// `None` when one of the kinds is in the inventory.
fn what_lacks(need: &[KindPattern], synced: &SyncedKinds) -> Option<String> {
    let mut problem = None;
    for (gvk, state) in synced.iter().filter(|(gvk, _)| need.iter().any(|pattern| pattern.can_mean(gvk))) {
        let found = state.problem(gvk)?;
        problem.get_or_insert(found);
    }
    let names: Vec<String> = need.iter().map(name).collect();
    let names = names.join(" or ");
    let reason = problem.unwrap_or_else(|| {
        "no SyncSet and no Config names it: add its group, version and kind to spec.gvks of a SyncSet".to_owned()
    });
    Some(format!("the policy reads {names} in data.inventory, which is not synced: {reason}"))
}

fn name(pattern: &KindPattern) -> String {
    match (pattern.api_version.as_deref(), pattern.kind.as_deref()) {
        (Some(api_version), Some(kind)) => format!("{api_version} {kind}"),
        (None, Some(kind)) => format!("kind {kind}"),
        (Some(api_version), None) => format!("kinds of {api_version}"),
        (None, None) => "objects of any kind".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::policy::snapshot::{BuildOptions, Change, Snapshot, Store, build};
    use crate::server::cluster::synced_kinds::SyncState;

    const SERVICES: &str = "data.inventory.namespace[_][\"v1\"][\"Service\"][_].spec.x";
    const INGRESSES: &str = "data.inventory.namespace[_][_][\"Ingress\"][_].spec.x";

    fn remarks(read: &str, annotation: &str, synced: &SyncedKinds) -> Vec<String> {
        let rego = format!("package a\nviolation[{{\"msg\": \"x\"}}] {{ {read} == input.review.object.spec.x }}");
        let template = json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
            "metadata": {"name": "k8sreads",
                "annotations": {"metadata.gatekeeper.sh/requires-sync-data": annotation}},
            "spec": {"crd": {"spec": {"names": {"kind": "K8sReads"}}},
                "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": rego}]}});
        let mut store = Store::default();
        store.apply(Change::Apply(Object::from_value(template).unwrap()));
        let (snapshot, errors) = build(&mut store, &Snapshot::default(), BuildOptions::default());
        assert_eq!(errors, []);
        let template = snapshot.templates().next().unwrap();
        of_constraints(template, synced).into_iter().map(|remark| remark.message).collect()
    }

    fn synced(kinds: &[(&str, &str, SyncState)]) -> SyncedKinds {
        let by_kind = |(api_version, kind, state): &(&str, &str, SyncState)| {
            (GroupVersionKind::from_api_version(api_version, kind), state.clone())
        };
        kinds.iter().map(by_kind).collect()
    }

    fn check(read: &str, annotation: &str, kinds: &[(&str, &str, SyncState)], expected: &[&str]) {
        let found = remarks(read, annotation, &synced(kinds));
        let are_expected = found.iter().zip(expected).all(|(found, expected)| found.contains(expected));
        assert!(found.len() == expected.len() && are_expected, "{read} {annotation} {kinds:?}: {found:?}");
    }

    #[test]
    fn what_is_read_must_be_synced() {
        use SyncState::{Awaited, Listed, Refused, Unknown};
        check("input.parameters.x", "", &[], &[]);
        check(SERVICES, "", &[("v1", "Service", Listed)], &[]);
        check(SERVICES, "", &[("v1", "Pod", Listed)], &["reads v1 Service in data.inventory, which is not synced: no"]);
        check(SERVICES, "", &[("v1", "Service", Awaited)], &["has not come yet"]);
        check(SERVICES, "", &[("v1", "Service", Unknown)], &["does not know kind"]);
        check(
            SERVICES,
            "",
            &[("v1", "Service", Refused("nobody may".to_owned()))],
            &["may not be read: nobody may; let"],
        );
        check(INGRESSES, "", &[("v1", "Service", Listed)], &["reads kind Ingress in"]);
        let one_of_two = [("a/v1", "Ingress", Unknown), ("networking.k8s.io/v1", "Ingress", Listed)];
        check(INGRESSES, "", &one_of_two, &[]);
        check(
            "data.inventory.cluster[_][input.review.kind.kind][_].spec.x",
            "",
            &[],
            &["reads objects of any kind in"],
        );
    }

    #[test]
    fn the_annotation_declares_more_and_what_is_one() {
        let services = r#"[[{"groups": [""], "versions": ["v1"], "kinds": ["Service"]},
            {"groups": ["own"], "versions": ["v1"], "kinds": ["Thing"]}]]"#;
        check(SERVICES, services, &[("own/v1", "Thing", SyncState::Listed)], &[]);
        check(SERVICES, services, &[], &["reads v1 Service or own/v1 Thing in"]);
        check("input.parameters.x", services, &[], &["reads v1 Service or own/v1 Thing in"]);
        check(SERVICES, "odd", &[("v1", "Service", SyncState::Listed)], &[]);
    }

    #[test]
    fn a_template_and_a_config_say_what_is_wrong_with_them() {
        let template = json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
            "metadata": {"name": "a", "annotations": {"metadata.gatekeeper.sh/requires-sync-data": "odd"}}});
        assert_eq!(of_template(&Object::from_value(template).unwrap())[0].code, SYNC_ANNOTATION_WARNING);
        let config = json!({"apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
            "metadata": {"name": "config"}, "spec": {"sync": {"syncOnly": [
                {"group": "", "version": "v1", "kind": "A"}, {"group": "", "version": "v1", "kind": "B"}]}}});
        let states = synced(&[("v1", "A", SyncState::Awaited), ("v1", "B", SyncState::Unknown)]);
        let remarks = of_config(&Object::from_value(config).unwrap(), &states);
        assert!(remarks.len() == 1 && remarks[0].message.contains("does not know"), "{remarks:?}");
    }
}
