//! AP011: the containers of a Pod are looked at, and some kinds of them are forgotten.

use std::collections::BTreeSet;

use super::{Findings, PolicyRule};
use crate::model::value::Step;
use crate::workbench::lint::finding::Severity;
use crate::workbench::lint::policies::flow::Flow;
use crate::workbench::lint::policies::{Policies, Template, below};

pub(super) const RULE: PolicyRule = PolicyRule {
    code: "AP011",
    name: "forgotten-containers",
    severity: Severity::Warning,
    summary: "The code looks at spec.containers and forgets initContainers or ephemeralContainers",
    page: "\
A Pod has three lists of containers. A policy on images or security contexts that looks at `spec.containers` only is walked \
around with an init container, or with `kubectl debug`, which adds an ephemeral one.

    input_containers[c] { c := input.review.object.spec.containers[_] }
    input_containers[c] { c := input.review.object.spec.initContainers[_] }
    input_containers[c] { c := input.review.object.spec.ephemeralContainers[_] }

Fields that the other containers cannot have are taken into account: ephemeral containers have no probes, ports and \
resources, init containers no probes that matter. Nothing is said when a comment or an annotation of the template mentions \
the containers that are left out.",
    check,
};

const IN_NO_INIT: [&str; 5] = ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "ports"];
const IN_NO_EPHEMERAL: [&str; 6] =
    ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "ports", "resources"];

fn check(policies: &Policies<'_>, findings: &mut Findings<'_>) {
    for (template, code) in policies.codes().filter(|(_, code)| !code.flow.is_lost) {
        for (place, at) in &code.flow.reads {
            let Some(spec) = pod_spec(place) else { continue };
            let forgotten = forgotten(template, &code.flow, spec);
            if let (false, Some(at)) = (forgotten.is_empty(), at.first()) {
                let message = format!("the code looks at containers and not at {}", forgotten.join(" and "));
                findings.code(template, at, message);
            }
        }
    }
}

/// The path of a Pod's spec, when this is the path of its containers.
fn pod_spec(place: &[Step]) -> Option<&[Step]> {
    let (last, spec) = place.split_last()?;
    let is = |step: &Step, key: &str| matches!(step, Step::Key(it) if &**it == key);
    let is_spec = spec.last().is_some_and(|step| is(step, "spec"));
    (is(last, "containers") && is_spec && below(spec, &["input", "review", "object"]).is_some()).then_some(spec)
}

fn forgotten(template: &Template<'_>, flow: &Flow, spec: &[Step]) -> Vec<&'static str> {
    let list = |name: &str| -> Vec<Step> { spec.iter().cloned().chain([Step::Key(name.into())]).collect() };
    let containers = list("containers");
    let mut fields: BTreeSet<&str> = BTreeSet::new();
    for place in flow.reads.keys().filter(|place| place.starts_with(&containers)) {
        if let Some(Step::Key(field)) = place.get(containers.len() + 1) {
            fields.insert(field);
        }
    }
    fields.remove("name");
    // Beside others, images are for exemptions.
    if fields.len() > 1 {
        fields.remove("image");
    }
    let is_whole = flow.is_whole(&containers);
    let matters = |never: &[&str]| is_whole && fields.is_empty() || fields.iter().any(|field| !never.contains(field));
    let kinds: [(&'static str, &[&str], &[&str]); 2] = [
        ("initContainers", &IN_NO_INIT, &["initcontainer", "init container", "init-container"]),
        ("ephemeralContainers", &IN_NO_EPHEMERAL, &["ephemeral"]),
    ];
    let is_forgotten = |(name, never, words): &(&'static str, &[&str], &[&str])| {
        !flow.touches(&list(name)) && matters(never) && !template.says(words)
    };
    kinds.iter().filter(|kind| is_forgotten(kind)).map(|(name, ..)| *name).collect()
}
