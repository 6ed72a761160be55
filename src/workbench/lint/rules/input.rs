//! AP001: what is read of `input` is not there.

use super::{Findings, PolicyRule, did_you_mean};
use crate::model::value::Step;
use crate::workbench::lint::finding::Severity;
use crate::workbench::lint::policies::{Policies, nearest, shown};

pub(super) const RULE: PolicyRule = PolicyRule {
    code: "AP001",
    name: "unknown-input",
    severity: Severity::Warning,
    summary: "The code reads a part of input that policies are never given",
    page: "\
A policy is given `input.review`, which is the admission request, and `input.parameters`, those of the constraint. Anything \
else is undefined, and a rule that reads it never fires.

    violation[{\"msg\": msg}] {
      input.object.spec.hostNetwork      # never
      msg := \"no host network\"
    }

Write `input.review.object`. Other engines name these documents otherwise: `input.request.object` of plain OPA is \
`input.review.object`, and `input.constraint.spec.parameters` is `input.parameters`.",
    check,
};

const REVIEW: [&str; 16] = [
    "uid",
    "kind",
    "resource",
    "subResource",
    "requestKind",
    "requestResource",
    "requestSubResource",
    "name",
    "namespace",
    "operation",
    "userInfo",
    "object",
    "oldObject",
    "dryRun",
    "options",
    "namespaceObject",
];
const KIND: [&str; 3] = ["group", "version", "kind"];
const RESOURCE: [&str; 3] = ["group", "version", "resource"];
const USER: [&str; 4] = ["username", "uid", "groups", "extra"];
/// What exists in Gatekeeper only while it is not documented.
const UNSTABLE: &str = "_unstable";

fn check(policies: &Policies<'_>, findings: &mut Findings<'_>) {
    for (template, code) in policies.codes() {
        for (at, message) in code.flow.mistaken(|place| mistake(place)) {
            findings.code(template, at, message);
        }
    }
}

fn mistake(place: &[Step]) -> Option<String> {
    let keys: Option<Vec<&str>> =
        place.iter().map(|step| if let Step::Key(key) = step { Some(&**key) } else { None }).collect();
    let keys = keys?;
    let (known, written): (&[&str], &str) = match keys.as_slice() {
        ["input", "review", UNSTABLE] => return None,
        ["input", "review", key] => (&REVIEW, key),
        ["input", "review", "kind" | "requestKind", key] => (&KIND, key),
        ["input", "review", "resource" | "requestResource", key] => (&RESOURCE, key),
        ["input", "review", "userInfo", key] => (&USER, key),
        ["input", key] => (&["review", "parameters"], key),
        _ => return None,
    };
    if known.contains(&written) {
        return None;
    }
    let instead = match keys.as_slice() {
        ["input", "object" | "oldObject"] => Some(format!("input.review.{written}")),
        ["input", "request"] => Some("input.review".to_owned()),
        ["input", "constraint"] => Some("input.parameters".to_owned()),
        ["input", key] if REVIEW.contains(key) => Some(format!("input.review.{key}")),
        ["input", "review", "parameters"] => Some("input.parameters".to_owned()),
        ["input", "review", "request"] => Some("input.review".to_owned()),
        _ => nearest(written, known.iter().copied()).map(str::to_owned),
    };
    let above = place.get(..place.len().saturating_sub(1)).unwrap_or_default();
    let help =
        if instead.is_some() { did_you_mean(instead.as_deref()) } else { format!("\nit has {}", known.join(", ")) };
    Some(format!("{} has no {written}, so this is never defined{help}", shown(above)))
}
