//! AP014: a template without constraints.

use super::{Findings, PolicyRule};
use crate::model::object::FieldPath;
use crate::workbench::lint::finding::Severity;
use crate::workbench::lint::policies::Policies;

pub(super) const RULE: PolicyRule = PolicyRule {
    code: "AP014",
    name: "unused-template",
    severity: Severity::Note,
    summary: "A template has no constraint among the inputs, so nothing is judged by it",
    page: "\
A template is the code of a policy; only a constraint of its kind puts it to use. This is a note, as constraints may well be \
kept elsewhere, and it is silent when there are no constraints among the inputs at all. A constraint without its template is \
an error, and told as one.",
    check,
};

fn check(policies: &Policies<'_>, findings: &mut Findings<'_>) {
    if policies.constraints.is_empty() {
        return;
    }
    for template in policies.templates.iter().filter(|template| template.is_subject) {
        if policies.constraints_of(template).next().is_none() {
            let at = FieldPath::from(["spec", "crd", "spec", "names", "kind"]);
            let message = format!("there is no constraint of kind {} among the inputs", template.parsed.kind);
            findings.value(template.bundled, &at, message);
        }
    }
}
