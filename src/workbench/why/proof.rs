//! The rules that made a message, and what held on the way, with places in the template's file.

use std::collections::BTreeMap;

use super::World;
use crate::model::object::FieldPath;
use crate::policy::engine::{Coverage, Deadline, Held, Input, Notes};
use crate::policy::snapshot::CompiledConstraint;

/// A rule that made a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fired {
    /// Its head.
    pub rule: Step,
    /// The expressions that held, in the order in which they were evaluated.
    pub steps: Vec<Step>,
}

/// A line of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// `file:line`
    pub place: String,
    /// As written, and with which values it held.
    pub text: String,
}

/// By message. Nothing when the evaluation fails: then no rule made the message.
pub(super) fn fired(world: &World, constraint: &CompiledConstraint, input: Input<'_>) -> BTreeMap<String, Vec<Fired>> {
    let mut notes = Notes::covering(Coverage::with_proofs());
    let result = constraint.program.evaluate_noting(input, Deadline::none(), Some(&mut notes));
    let (Ok(_), Some(coverage)) = (result, notes.into_coverage()) else { return BTreeMap::new() };
    let fields: BTreeMap<&str, &FieldPath> =
        constraint.program.coverables().iter().map(|one| (one.statement.module.as_str(), &one.field)).collect();
    let template = world.template_document(constraint.constraint.kind());
    let step = |held: &Held| {
        let field = fields.get(held.module.as_str());
        let location = template.zip(field).map(|(document, field)| document.locate_in_scalar(field, held.line, 1));
        let place = match location {
            Some(location) => format!("{}:{}", location.file, location.line),
            None => format!("{}:{}", held.module, held.line),
        };
        Step { place, text: held.text.clone() }
    };
    let mut by_message: BTreeMap<String, Vec<Fired>> = BTreeMap::new();
    for proof in coverage.proofs() {
        let Some(message) = proof.member.get("msg").and_then(serde_json::Value::as_str) else { continue };
        let fired = Fired { rule: step(&proof.head), steps: proof.steps.iter().map(step).collect() };
        let known = by_message.entry(message.to_owned()).or_default();
        if !known.contains(&fired) {
            known.push(fired);
        }
    }
    by_message
}
