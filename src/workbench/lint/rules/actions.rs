//! AP023: an action that does nothing.

use serde_json::Value as Json;

use super::{Findings, PolicyRule, did_you_mean};
use crate::model::object::FieldPath;
use crate::workbench::lint::finding::Severity;
use crate::workbench::lint::policies::{Constraint, Policies, nearest};

pub(super) const RULE: PolicyRule = PolicyRule {
    code: "AP023",
    name: "idle-action",
    severity: Severity::Warning,
    summary: "A constraint's enforcement action is unknown, or has no effect",
    page: "\
`spec.enforcementAction` is `deny`, `warn`, `dryrun` or `scoped`, in lower case and without spaces. `scoped` takes the \
actions from `spec.scopedEnforcementActions`: an empty list there enforces nothing at all, an action without enforcement \
points is enforced nowhere, and with any other `enforcementAction` the list is ignored.",
    check,
};

const ACTIONS: [&str; 4] = ["deny", "warn", "dryrun", "scoped"];

fn check(policies: &Policies<'_>, findings: &mut Findings<'_>) {
    for constraint in &policies.constraints {
        judge(constraint, findings);
    }
}

fn judge(constraint: &Constraint<'_>, findings: &mut Findings<'_>) {
    let action = constraint.field(&["spec", "enforcementAction"]).and_then(Json::as_str).filter(|it| !it.is_empty());
    let at = FieldPath::from(["spec", "enforcementAction"]);
    if let Some(unknown) = action.filter(|action| !ACTIONS.contains(action)) {
        let near = nearest(unknown.trim(), ACTIONS);
        findings.value(
            constraint.bundled,
            &at,
            format!("there is no enforcementAction {unknown:?}{}", did_you_mean(near)),
        );
        return;
    }
    let at = FieldPath::from(["spec", "scopedEnforcementActions"]);
    let scoped = constraint.field(&["spec", "scopedEnforcementActions"]).and_then(Json::as_array);
    match (action, scoped) {
        (Some("scoped"), Some(list)) if list.is_empty() => {
            findings.key(
                constraint.bundled,
                &at,
                "scopedEnforcementActions is empty, so the constraint is enforced nowhere",
            );
        }
        (Some("scoped"), Some(list)) => {
            for (index, entry) in list.iter().enumerate() {
                let points = entry.get("enforcementPoints").and_then(Json::as_array);
                if points.is_none_or(Vec::is_empty) {
                    let message = "this action has no enforcementPoints, so it is enforced nowhere";
                    findings.value(constraint.bundled, &at.index(index), message);
                }
            }
        }
        (action, Some(list)) if !list.is_empty() => {
            let action = action.unwrap_or("deny");
            let message =
                format!("scopedEnforcementActions has no effect with enforcementAction {action}\nit takes scoped");
            findings.key(constraint.bundled, &at, message);
        }
        _ => {}
    }
}
