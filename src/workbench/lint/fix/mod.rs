//! Changes of a manifest with which it breaks no policy any more: [`Fix`].
//!
//! ```text
//! object ─┬─ its mutators, and those of what it would create ─► judged again: breaks nothing ─► one fix for all findings
//!         └─ a value that blame has proved to pass ───────────► judged again: one finding less, none new ─► fix of that one
//! ```
//!
//! A fix is never a guess. Mutators say what the cluster would do; what they leave has to pass every policy. A value is only
//! offered where there is no choice: a switch that must be the other way. Both are judged like any manifest before anybody
//! sees them. Deliberately absent: fixes for what a tool has rendered, whose text nobody edits; writing files.

mod candidate;
mod change;
mod texts;

use std::sync::Arc;

use serde_json::Value;

use self::change::{apply, changes, describe};
use super::finding::{Finding, Precision};
use super::judge::Judge;
use crate::manifest::Document;
use crate::manifest::edit::{TextEdit, suggest};
use crate::model::api::{MUTATIONS_GROUP, PROVIDERS_GROUP};
use crate::model::object::{FieldPath, Object};
use crate::policy::snapshot::{BuildOptions, Snapshot};
use crate::workbench::bundle::{self, BundledObject};
use crate::workbench::diagnostic::Diagnostic;

pub use texts::{FixedText, Unfixable, texts};

/// Who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proposer {
    /// These mutators, which change the object in the cluster.
    Mutators(Vec<String>),
    /// The policy itself, by the only other value that there is.
    Policy,
}

/// A change that mends a finding.
#[derive(Clone, Debug)]
pub struct Fix {
    /// Who says so.
    pub by: Proposer,
    /// What changes, in words.
    pub description: String,
    /// The same as edits of the text.
    pub edits: Vec<TextEdit>,
    /// The object with all its fixes.
    pub(super) whole: Arc<Whole>,
}

/// An object with every fix of one proposer.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) document: Arc<Document>,
    pub(super) after: Value,
}

impl Proposer {
    /// One word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Mutators(_) => "mutators",
            Self::Policy => "policy",
        }
    }

    /// The mutators' names, or none.
    pub fn mutators(&self) -> &[String] {
        match self {
            Self::Mutators(names) => names,
            Self::Policy => &[],
        }
    }
}

impl Fix {
    /// `set spec.hostNetwork to false`, with the mutators that say so.
    pub fn line(&self) -> String {
        match self.by.mutators() {
            [] => self.description.clone(),
            names => format!("{} ({})", self.description, names.join(", ")),
        }
    }
}

/// Mutators to propose fixes: those that are in force, and more.
pub(super) fn mutations(
    in_use: &[&BundledObject],
    more: &[&BundledObject],
    build: BuildOptions,
    problems: &mut Vec<Diagnostic>,
) -> Snapshot {
    let is_mutator = |one: &BundledObject| one.object.gvk().group == MUTATIONS_GROUP;
    if !in_use.iter().chain(more).any(|one| is_mutator(one)) {
        return Snapshot::default();
    }
    let counts = |one: &&&BundledObject| {
        is_mutator(one) || one.object.is_namespace() || one.object.gvk().group == PROVIDERS_GROUP
    };
    let objects: Vec<&BundledObject> = in_use.iter().filter(counts).chain(more).copied().collect();
    let (snapshot, wrong) = bundle::compile(&objects, |_| (), "", build);
    // What is in force has been complained of.
    let new: Vec<Diagnostic> = wrong.into_iter().filter(|one| !problems.contains(one)).collect();
    problems.extend(new);
    snapshot
}

/// Gives findings of one object their fixes.
pub(super) fn offer(judge: &Judge<'_>, object: &BundledObject, findings: &mut [Finding]) {
    if object.document.origin().is_some() || findings.is_empty() {
        return;
    }
    let by_mutators = by_mutators(judge, object);
    if let Some(fix) = by_mutators {
        let fix = Arc::new(fix);
        findings.iter_mut().for_each(|finding| finding.fix = Some(Arc::clone(&fix)));
        return;
    }
    by_values(judge, object, findings);
}

/// What mutators make of it, when that passes every policy.
fn by_mutators(judge: &Judge<'_>, object: &BundledObject) -> Option<Fix> {
    let (after, names) = candidate::mutated(judge, object)?;
    let changed = Object::from_value(after.clone()).ok()?;
    judge.breaks(&changed)?.is_empty().then_some(())?;
    let (edits, _) = suggest(&object.document, &after).ok()?;
    let description = describe(&changes(object.object.value(), &after));
    let whole = Arc::new(Whole { document: Arc::clone(&object.document), after });
    Some(Fix { by: Proposer::Mutators(names), description, edits, whole })
}

/// A value that passes, for each finding that has one without a choice.
fn by_values(judge: &Judge<'_>, object: &BundledObject, findings: &mut [Finding]) {
    if !findings.iter().any(|finding| finding.passing.as_ref().is_some_and(Value::is_boolean)) {
        return;
    }
    let before = object.object.value();
    let Some(broken) = judge.breaks(&object.object) else { return };
    let (mut all, mut left) = (before.clone(), broken.clone());
    let mut found: Vec<(usize, String, Vec<TextEdit>)> = Vec::new();
    for (at, finding) in findings.iter().enumerate() {
        let Some((path, value)) = certain(judge, object, finding, &broken) else { continue };
        // Together with the others it must still take away what it takes away alone.
        let mut next = all.clone();
        if apply(&mut next, &path, Some(value.clone())).is_none() {
            continue;
        }
        let Some(still) = Object::from_value(next.clone()).ok().and_then(|object| judge.breaks(&object)) else {
            continue;
        };
        let is_better = still.len() < left.len() || next == all;
        if !is_better || !still.iter().all(|one| left.contains(one)) {
            continue;
        }
        let mut alone = before.clone();
        let _ = apply(&mut alone, &path, Some(value));
        let Ok((edits, _)) = suggest(&object.document, &alone) else { continue };
        found.push((at, describe(&changes(before, &alone)), edits));
        (all, left) = (next, still);
    }
    let whole = Arc::new(Whole { document: Arc::clone(&object.document), after: all });
    for (at, description, edits) in found {
        let fix = Fix { by: Proposer::Policy, description, edits, whole: Arc::clone(&whole) };
        if let Some(finding) = findings.get_mut(at) {
            finding.fix = Some(Arc::new(fix));
        }
    }
}

/// The field of a finding and the only other value that it can have, with which the finding goes and no other one comes.
fn certain(
    judge: &Judge<'_>,
    object: &BundledObject,
    finding: &Finding,
    broken: &[Broken],
) -> Option<(FieldPath, Value)> {
    let value = finding.passing.as_ref()?.as_bool()?;
    if finding.precision == Precision::Object {
        return None;
    }
    let path = finding.missing.as_ref().unwrap_or(&finding.field);
    let with = |value: bool| {
        let mut changed = object.object.value().clone();
        apply(&mut changed, path, Some(Value::Bool(value)))?;
        judge.breaks(&Object::from_value(changed).ok()?)
    };
    let this = Broken::of(finding);
    let count = |all: &[Broken]| all.iter().filter(|one| **one == this).count();
    let after = with(value)?;
    if count(&after) >= count(broken) || !after.iter().all(|one| broken.contains(one)) {
        return None;
    }
    let is_switched = object.document.value_at(path).is_some_and(|now| *now == Value::Bool(!value));
    // Where nothing is said, either value could do; only one may.
    let is_only_one = is_switched || with(!value)?.contains(&this);
    is_only_one.then(|| (path.clone(), Value::Bool(value)))
}

/// A policy that an object breaks, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) kind: String,
    pub(super) constraint: String,
    /// What the object would create, when that is what breaks it.
    pub(super) implied: Option<String>,
    pub(super) message: String,
}

impl Broken {
    fn of(finding: &Finding) -> Self {
        Self {
            kind: finding.rule.id.clone(),
            constraint: finding.rule.constraint.clone(),
            implied: finding.implied.clone(),
            message: finding.message.clone(),
        }
    }
}
