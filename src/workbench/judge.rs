//! Every object of a bundle, judged by every policy of the bundle, as the command line does it.

use std::sync::Arc;

use super::bundle::{Bundle, BundledObject};
use crate::manifest::Location;
use crate::model::api::EnforcementAction;
use crate::model::object::FieldPath;
use crate::model::review::Review;
use crate::policy::blame::{Basis, Blame, blame};
use crate::policy::engine::{Deadline, Notes};
use crate::policy::evaluate::{EvalContext, Expands, ReviewFailure, Violation, validate_noting};
use crate::policy::expansion::{Holder, Referents, Unexpandable};

/// What is judged, and what is shown beside the violations.
#[derive(Clone, Copy, Debug, Default)]
pub struct JudgeOptions {
    /// The policies were compiled to leave traces.
    pub is_traced: bool,
    /// What a workload would create is judged too, where no ExpansionTemplate says what that is.
    pub expands: bool,
}

/// A violation and the object that it is in.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// What is wrong.
    pub violation: Violation,
    /// With what. If it is what this object would create, the generator.
    pub object: BundledObject,
    /// The object that the template is in, when the violation is in what would be created, and the template not in the
    /// generator.
    pub elsewhere: Option<BundledObject>,
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
    judge_noting(bundle, JudgeOptions::default()).0
}

/// The same, and beside it what policies show on their way: for each object what they printed, and its trace.
pub fn judge_noting(bundle: &Bundle, options: JudgeOptions) -> (Result<Vec<Judgement>, ReviewFailure>, Vec<String>) {
    let mut shown = Vec::new();
    (judge_objects(bundle, options, &mut shown), shown)
}

fn judge_objects(
    bundle: &Bundle,
    options: JudgeOptions,
    shown: &mut Vec<String>,
) -> Result<Vec<Judgement>, ReviewFailure> {
    let referents: Referents =
        bundle.objects.iter().filter(|_| options.expands).map(|bundled| &bundled.object).collect();
    let expands = if options.expands { Expands::WithWorkloads(&referents) } else { Expands::ByTemplates };
    let context = EvalContext { expands, ..EvalContext::offline() };
    let mut judgements = Vec::new();
    for bundled in &bundle.objects {
        judgements.extend(judge_one(bundle, bundled, options.is_traced, context, shown)?);
    }
    judgements.sort_by(|one, other| one.order().cmp(&other.order()));
    Ok(judgements)
}

/// Judges an object, and what it would create.
fn judge_one(
    bundle: &Bundle,
    bundled: &BundledObject,
    is_traced: bool,
    context: EvalContext<'_>,
    shown: &mut Vec<String>,
) -> Result<Vec<Judgement>, ReviewFailure> {
    let mut notes = Notes::default();
    let evaluation = validate_noting(&bundle.snapshot, &review_of(bundle, bundled), context, Some(&mut notes));
    let key = bundled.object.key().to_string();
    shown.append(&mut notes.printed_of(&key));
    let trace: Option<Arc<str>> = is_traced.then(|| Arc::from(notes.trace()));
    shown.extend(trace.iter().map(|trace| format!("TRACE: {key}\n{trace}")));
    let evaluation = evaluation?;
    shown.extend(evaluation.unexpandable.iter().map(|reason| unexpandable_warning(bundle, bundled, reason)));
    let to_judgement = |violation: Violation| {
        let elsewhere = elsewhere(bundle, &violation.origin_of(&FieldPath::root()).holder);
        Judgement { violation, object: bundled.clone(), elsewhere, trace: trace.clone(), blame: None }
    };
    Ok(evaluation.violations.into_iter().map(to_judgement).collect())
}

fn review_of(bundle: &Bundle, bundled: &BundledObject) -> Review {
    Review::of_object(&bundled.object, bundle.snapshot.namespace(bundled.object.namespace()).cloned())
}

fn elsewhere(bundle: &Bundle, holder: &Holder) -> Option<BundledObject> {
    match holder {
        Holder::Generator => None,
        Holder::Other(key) => bundle.objects.iter().find(|bundled| bundled.object.key() == **key).cloned(),
    }
}

fn unexpandable_warning(bundle: &Bundle, bundled: &BundledObject, unexpandable: &Unexpandable) -> String {
    let Unexpandable { origin, reason } = unexpandable;
    let holder = elsewhere(bundle, &origin.holder);
    let place = holder.as_ref().unwrap_or(bundled).document.locate_key(&origin.path).location;
    let key = bundled.object.key();
    format!("warning: {place}: what {key} creates was not judged: {}: {reason}", origin.path)
}

/// Finds out which field each violation is about.
pub fn blame_all(bundle: &Bundle, judgements: &mut [Judgement]) {
    for judgement in judgements {
        let review = review_of(bundle, &judgement.object);
        judgement.blame = Some(blame(&bundle.snapshot, &review, &judgement.violation, Deadline::none()));
    }
}

impl Judgement {
    /// Where the field that it is about stands: its value, or the key of what a field is missing from. For what is
    /// created, where somebody wrote what that is made from.
    pub fn location(&self) -> Option<Location> {
        let blame = self.blame.as_ref()?;
        let origin = self.violation.origin_of(&blame.path);
        let elsewhere = self.elsewhere.as_ref().filter(|_| origin.holder != Holder::Generator);
        let holder = elsewhere.unwrap_or(&self.object);
        let (document, path) = (&holder.document, origin.path);
        if blame.basis == Basis::Object && path == FieldPath::root() {
            return Some(document.location());
        }
        let is_key = blame.missing.is_some() || blame.basis == Basis::Object;
        let located = if is_key { document.locate_key(&path) } else { document.locate(&path) };
        Some(located.location)
    }

    fn order(&self) -> (&str, &str) {
        (self.violation.enforcement_action(), &self.violation.message)
    }

    /// Whether it would refuse a request.
    pub fn is_denial(&self) -> bool {
        self.violation.actions.contains(&EnforcementAction::Deny)
    }
}
