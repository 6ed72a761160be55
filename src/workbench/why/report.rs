//! An explanation for people, violations first, and as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{Explained, Explanation, Explanations, Outcome, Step};
use crate::model::api::{EnforcementAction, EnforcementPoint};
use crate::policy::evaluate::Decision;

/// For people.
pub fn text(explanation: &Explanation) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_text(&mut text, explanation);
    text
}

fn write_text(text: &mut String, explanation: &Explanation) -> std::fmt::Result {
    let word = match explanation.decision {
        Decision::Allow => "allowed",
        Decision::Deny => "denied",
        Decision::Error => "refused",
    };
    writeln!(text, "{} ({}) is {word} at {}", explanation.object, explanation.place, at(explanation))?;
    if let Some(exclusion) = &explanation.exclusion {
        return writeln!(text, "\nNo constraint counts: {exclusion}");
    }
    for heading in HEADINGS {
        for one in explanation.constraints.iter().filter(|one| heading_of(&one.outcome) == heading) {
            writeln!(text, "\n{heading}: {}/{} ({})", one.kind, one.name, one.place)?;
            write_outcome(text, &one.outcome)?;
        }
    }
    if explanation.constraints.is_empty() {
        writeln!(text, "\nThere is no constraint.")?;
    }
    Ok(())
}

/// In the order in which they are shown.
const HEADINGS: [&str; 6] =
    ["violated", "not in force", "not enforced here", "for other operations", "not matched", "satisfied"];

fn heading_of(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Violated { .. } => "violated",
        Outcome::Satisfied => "satisfied",
        Outcome::NotMatched(_) => "not matched",
        Outcome::NotEnforcedHere(_) => "not enforced here",
        Outcome::OtherOperation(_) => "for other operations",
        Outcome::NotInForce(_) => "not in force",
    }
}

fn at(explanation: &Explanation) -> String {
    let point = explanation.circumstances.point;
    match point {
        EnforcementPoint::Webhook => format!("{}, {}", point.as_str(), explanation.circumstances.operation.as_str()),
        EnforcementPoint::Audit | EnforcementPoint::CommandLine => point.as_str().to_owned(),
    }
}

fn write_outcome(text: &mut String, outcome: &Outcome) -> std::fmt::Result {
    match outcome {
        Outcome::Satisfied => Ok(()),
        Outcome::NotMatched(mismatches) => mismatches.iter().try_for_each(|one| writeln!(text, "  {one}")),
        Outcome::NotEnforcedHere(points) if points.is_empty() => writeln!(text, "  it has no scopedEnforcementActions"),
        Outcome::NotEnforcedHere(points) => writeln!(text, "  its actions are for {}", points.join(", ")),
        Outcome::OtherOperation(operations) => writeln!(text, "  its template is for {}", operations.join(", ")),
        Outcome::NotInForce(problems) => {
            problems.iter().try_for_each(|one| writeln!(text, "  {}: {}", one.place, one.message))
        }
        Outcome::Violated { actions, messages } => {
            messages.iter().try_for_each(|one| write_message(text, actions, one))
        }
    }
}

fn write_message(text: &mut String, actions: &[EnforcementAction], one: &Explanations) -> std::fmt::Result {
    writeln!(text, "  {}: {}", action_names(actions).join(", "), one.message)?;
    for fired in &one.fired {
        write_step(text, "   ", &fired.rule)?;
        fired.steps.iter().try_for_each(|step| write_step(text, "     ", step))?;
    }
    Ok(())
}

fn write_step(text: &mut String, indent: &str, step: &Step) -> std::fmt::Result {
    writeln!(text, "{indent} {}: {}", step.place, step.text)
}

fn action_names(actions: &[EnforcementAction]) -> Vec<&str> {
    actions.iter().map(EnforcementAction::as_str).collect()
}

/// For programs. Keys are added, never changed.
pub fn json(explanation: &Explanation) -> String {
    let decision = explanation.decision.as_str();
    let constraints: Vec<Value> = explanation.constraints.iter().map(constraint).collect();
    let mut value = json!({
        "object": explanation.object.to_string(),
        "place": explanation.place,
        "enforcementPoint": explanation.circumstances.point.as_str(),
        "decision": decision,
        "constraints": constraints,
    });
    if explanation.circumstances.point == EnforcementPoint::Webhook {
        value["operation"] = explanation.circumstances.operation.as_str().into();
    }
    if let Some(exclusion) = &explanation.exclusion {
        value["excluded"] = exclusion.as_str().into();
        value["constraints"] = json!([]);
    }
    let text = serde_json::to_string_pretty(&value).unwrap_or_default();
    format!("{text}\n")
}

fn constraint(one: &Explained) -> Value {
    let mut value = json!({
        "kind": one.kind, "name": one.name, "place": one.place, "outcome": heading_of(&one.outcome),
    });
    match &one.outcome {
        Outcome::Satisfied => {}
        Outcome::NotMatched(mismatches) => {
            let reason = |one: &crate::policy::matching::Mismatch| json!({"criterion": one.criterion.as_str(), "reason": one.reason, "oldObject": one.is_of_old_object});
            value["reasons"] = mismatches.iter().map(reason).collect();
        }
        Outcome::NotEnforcedHere(points) => value["enforcementPoints"] = json!(points),
        Outcome::OtherOperation(operations) => value["operations"] = json!(operations),
        Outcome::NotInForce(problems) => {
            value["problems"] =
                problems.iter().map(|one| json!({"place": one.place, "message": one.message})).collect();
        }
        Outcome::Violated { actions, messages } => {
            value["actions"] = json!(action_names(actions));
            value["violations"] = messages.iter().map(violation).collect();
        }
    }
    value
}

fn violation(one: &Explanations) -> Value {
    let step = |step: &Step| json!({"place": step.place, "text": step.text});
    let rules: Vec<Value> = one
        .fired
        .iter()
        .map(|fired| {
            let held: Vec<Value> = fired.steps.iter().map(step).collect();
            json!({"place": fired.rule.place, "rule": fired.rule.text, "held": held})
        })
        .collect();
    json!({"message": one.message, "rules": rules})
}
