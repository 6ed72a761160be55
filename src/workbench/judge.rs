//! Every object of a bundle, judged by every policy of the bundle, as the command line does it.

use std::sync::Arc;

use super::bundle::{Bundle, BundledObject};
use crate::manifest::Location;
use crate::model::api::EnforcementAction;
use crate::model::review::Review;
use crate::policy::blame::{Basis, Blame, blame};
use crate::policy::engine::{Deadline, Notes};
use crate::policy::evaluate::{EvalContext, ReviewFailure, Violation, validate_noting};

/// A violation and the object that it is in.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// What is wrong.
    pub violation: Violation,
    /// With what.
    pub object: BundledObject,
    /// How all policies judged that object; absent unless they were compiled for it.
    pub trace: Option<Arc<str>>,
    /// The field that it is about, once somebody asked for it.
    pub blame: Option<Blame>,
}

/// All violations, ordered by action and message.
///
/// # Errors
/// When a policy's answer for some object cannot be had or understood.
pub fn judge(bundle: &Bundle) -> Result<Vec<Judgement>, ReviewFailure> {
    judge_noting(bundle, false).0
}

/// The same, and beside it what policies show on their way: for each object what they printed, and its trace.
pub fn judge_noting(bundle: &Bundle, is_traced: bool) -> (Result<Vec<Judgement>, ReviewFailure>, Vec<String>) {
    let mut shown = Vec::new();
    (judge_objects(bundle, is_traced, &mut shown), shown)
}

fn judge_objects(bundle: &Bundle, is_traced: bool, shown: &mut Vec<String>) -> Result<Vec<Judgement>, ReviewFailure> {
    let context = EvalContext::offline();
    let mut judgements = Vec::new();
    for bundled in &bundle.objects {
        let namespace = bundle.snapshot.namespace(bundled.object.namespace()).cloned();
        let review = Review::of_object(&bundled.object, namespace);
        let mut notes = Notes::default();
        let evaluation = validate_noting(&bundle.snapshot, &review, context, Some(&mut notes));
        let key = bundled.object.key();
        shown.extend(notes.printed().iter().map(|line| format!("{key}: {line}")));
        let trace: Option<Arc<str>> = is_traced.then(|| Arc::from(notes.trace()));
        shown.extend(trace.iter().map(|trace| format!("TRACE: {key}\n{trace}")));
        let judged = evaluation?.violations.into_iter().map(|violation| Judgement {
            violation,
            object: bundled.clone(),
            trace: trace.clone(),
            blame: None,
        });
        judgements.extend(judged);
    }
    judgements.sort_by(|one, other| one.order().cmp(&other.order()));
    Ok(judgements)
}

/// Finds out which field each violation is about.
pub fn blame_all(bundle: &Bundle, judgements: &mut [Judgement]) {
    for judgement in judgements {
        let object = &judgement.object.object;
        let namespace = bundle.snapshot.namespace(object.namespace()).cloned();
        let review = Review::of_object(object, namespace);
        judgement.blame = Some(blame(&bundle.snapshot, &review, &judgement.violation, Deadline::none()));
    }
}

impl Judgement {
    /// Where the field that it is about stands: its value, or the key of what a field is missing from.
    pub fn location(&self) -> Option<Location> {
        let blame = self.blame.as_ref()?;
        let document = &self.object.document;
        let located = match (&blame.missing, blame.basis) {
            (_, Basis::Object) => return Some(document.location()),
            (Some(_), _) => document.locate_key(&blame.path),
            (None, _) => document.locate(&blame.path),
        };
        Some(located.location)
    }

    fn order(&self) -> (&str, &str) {
        (self.violation.constraint.constraint.enforcement.as_str(), &self.violation.message)
    }

    /// Whether it would refuse a request.
    pub fn is_denial(&self) -> bool {
        self.violation.actions.contains(&EnforcementAction::Deny)
    }
}
