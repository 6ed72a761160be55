//! Requests about ExpansionTemplates.

use super::{Passed, Refusal, join, user};
use crate::model::api::{EnforcementAction, ExpansionTemplate, ImpliedAction};
use crate::model::object::{FieldError, FieldErrorKind, Object};
use crate::policy::snapshot::Snapshot;

/// Refuses what Gatekeeper refuses. That no object could be generated is told where a spec is new, and warned of is what is
/// stored and would have no effect.
pub(super) fn check(snapshot: &Snapshot, object: &Object, is_new: bool) -> Result<Passed, Refusal> {
    match ExpansionTemplate::parse(object) {
        Ok(template) if is_new => Ok(Passed { warnings: warnings(snapshot, &template), ..Passed::default() }),
        Ok(_) => Ok(Passed::default()),
        Err(mut errors) => {
            errors.retain(|error| is_new || error.kind != FieldErrorKind::Required);
            if errors.is_empty() { Ok(Passed::default()) } else { Err(refusal(&errors)) }
        }
    }
}

/// Gatekeeper's sentences name the template and the field; others need the path.
fn refusal(errors: &[FieldError]) -> Refusal {
    let text = |error: &FieldError| match error.message.starts_with("ExpansionTemplate ") {
        true => error.message.clone(),
        false => format!("invalid ExpansionTemplate: {error}"),
    };
    let lines: Vec<String> = errors.iter().map(text).collect();
    user(join(lines.iter().map(String::as_str)))
}

fn warnings(snapshot: &Snapshot, template: &ExpansionTemplate) -> Vec<String> {
    let mut warnings = Vec::new();
    let cycle = snapshot.expansions().cycle_with(template);
    if !cycle.is_empty() {
        warnings.push(format!(
            "template forms expansion cycle: {} generate what they apply to, directly or through each other; none of them \
             is in force until that is changed",
            cycle.join(", ")
        ));
    }
    if let Some(ImpliedAction::Always(EnforcementAction::Unrecognized(text))) = &template.action {
        warnings.push(format!(
            "spec.enforcementAction: {text:?} is no action: violations in what this generates have no effect; the actions \
             are deny, warn, dryrun and scoped"
        ));
    }
    warnings
}
