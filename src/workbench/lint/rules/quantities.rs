//! AP021: quantities compared as texts.

use super::{Findings, PolicyRule};
use crate::model::value::Step;
use crate::workbench::lint::finding::Severity;
use crate::workbench::lint::policies::flow::Operand;
use crate::workbench::lint::policies::{Policies, shown};

pub(super) const RULE: PolicyRule = PolicyRule {
    code: "AP021",
    name: "compared-quantity",
    severity: Severity::Warning,
    summary: "Amounts of resources are compared as they are written",
    page: "\
`\"900m\"`, `\"1\"` and `1` are amounts of CPU, `\"1Gi\"` and `\"1024Mi\"` the same amount of memory. Compared as they are \
written, `\"900m\" > \"1\"` holds and `\"1Gi\" == \"1024Mi\"` does not. Read them first:

    units.parse(container.resources.limits.cpu) > units.parse(input.parameters.cpu)
    units.parse_bytes(container.resources.limits.memory) > units.parse_bytes(input.parameters.memory)",
    check,
};

fn check(policies: &Policies<'_>, findings: &mut Findings<'_>) {
    for (template, code) in policies.codes() {
        for call in &code.flow.calls {
            let is_order = matches!(call.name.as_str(), "lt" | "lte" | "gt" | "gte");
            let [left, right] = call.operands.as_slice() else { continue };
            for (one, other) in [(left, right), (right, left)] {
                let Some(place) = quantity(one) else { continue };
                let is_text = other.constant == Some("string") || !other.value.places.is_empty();
                let is_equality = matches!(call.name.as_str(), "=" | "equal" | "neq") && is_text && !is_empty(other);
                if is_order && other.constant != Some("number") || is_equality {
                    let path = shown(place.get(place.len().saturating_sub(3)..).unwrap_or_default());
                    let message = format!("{path} is compared as it is written\nread amounts with units.parse first");
                    findings.code(template, &call.at, message);
                    break;
                }
            }
        }
    }
}

fn quantity(operand: &Operand) -> Option<&[Step]> {
    let is = |step: &Step, keys: &[&str]| matches!(step, Step::Key(key) if keys.contains(&&**key));
    operand.value.places.iter().map(Vec::as_slice).find(|place| {
        let [.., resources, amounts, _] = place else { return false };
        is(resources, &["resources"]) && is(amounts, &["limits", "requests"])
    })
}

/// Compared with nothing: whether it is there.
fn is_empty(operand: &Operand) -> bool {
    operand.value.texts.iter().all(|text| text.is_empty()) && operand.value.places.is_empty()
}
