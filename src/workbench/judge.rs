//! Every object of a bundle, judged by every policy of the bundle, as the command line does it.

use std::sync::Arc;

use super::bundle::{Bundle, BundledObject};
use crate::manifest::Location;
use crate::model::api::EnforcementAction;
use crate::model::object::FieldPath;
use crate::model::review::Review;
use crate::policy::blame::{Basis, Blame, blame};
use crate::policy::engine::{Deadline, Notes};
use crate::policy::evaluate::{EvalContext, ReviewFailure, Violation, validate_noting};
use crate::policy::expansion::{Holder, Origin, Referents, Resultant, Unexpandable, expand};

/// What is judged, and what is shown beside the violations.
#[derive(Clone, Copy, Debug, Default)]
pub struct JudgeOptions {
    /// The policies were compiled to leave traces.
    pub is_traced: bool,
    /// What a workload would create is judged too.
    pub expands: bool,
}

/// A violation and the object that it is in.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// What is wrong.
    pub violation: Violation,
    /// With what. If it is what this object would create, the generator.
    pub object: BundledObject,
    /// What the object would create, when the violation is in that.
    pub implied: Option<Implied>,
    /// How all policies judged that object; absent unless they were compiled for it.
    pub trace: Option<Arc<str>>,
    /// The field that it is about, once somebody asked for it.
    pub blame: Option<Blame>,
}

/// Something that an object would create.
#[derive(Clone, Debug)]
pub struct Implied {
    /// What would be created.
    pub resultant: Arc<Resultant>,
    /// The violation's message before it said who implies it.
    pub message: String,
    /// The object that the template is in, when it is not the generator.
    pub elsewhere: Option<BundledObject>,
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
    let mut judgements = Vec::new();
    for bundled in &bundle.objects {
        judgements.extend(judge_one(bundle, bundled, None, options, shown)?);
        if !options.expands {
            continue;
        }
        let expansion = expand(&bundled.object, &referents);
        shown.extend(expansion.unexpandable.iter().map(|reason| unexpandable_warning(bundle, bundled, reason)));
        for resultant in expansion.resultants {
            judgements.extend(judge_one(bundle, bundled, Some(&Arc::new(resultant)), options, shown)?);
        }
    }
    judgements.sort_by(|one, other| one.order().cmp(&other.order()));
    Ok(judgements)
}

/// Judges an object, or something that it would create.
fn judge_one(
    bundle: &Bundle,
    bundled: &BundledObject,
    resultant: Option<&Arc<Resultant>>,
    options: JudgeOptions,
    shown: &mut Vec<String>,
) -> Result<Vec<Judgement>, ReviewFailure> {
    let review = review_of(bundle, bundled, resultant.map(Arc::as_ref));
    let mut notes = Notes::default();
    let evaluation = validate_noting(&bundle.snapshot, &review, EvalContext::offline(), Some(&mut notes));
    let key = resultant.map_or(&*bundled.object, |resultant| &resultant.object).key();
    shown.extend(notes.printed().iter().map(|line| format!("{key}: {line}")));
    let trace: Option<Arc<str>> = options.is_traced.then(|| Arc::from(notes.trace()));
    shown.extend(trace.iter().map(|trace| format!("TRACE: {key}\n{trace}")));
    let to_judgement = |mut violation: Violation| {
        let implied = resultant.map(|resultant| {
            let message = std::mem::take(&mut violation.message);
            violation.message = resultant.implied(&message);
            let elsewhere = elsewhere(bundle, &resultant.origin(&FieldPath::root()).holder);
            Implied { resultant: Arc::clone(resultant), message, elsewhere }
        });
        Judgement { violation, object: bundled.clone(), implied, trace: trace.clone(), blame: None }
    };
    Ok(evaluation?.violations.into_iter().map(to_judgement).collect())
}

/// Gatekeeper looks for the namespace of what an object would create by the object.
fn review_of(bundle: &Bundle, bundled: &BundledObject, resultant: Option<&Resultant>) -> Review {
    let namespace = bundle.snapshot.namespace(bundled.object.namespace()).cloned();
    match resultant {
        Some(resultant) => resultant.review(namespace),
        None => Review::of_object(&bundled.object, namespace),
    }
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
        let implied = judgement.implied.as_ref();
        let review = review_of(bundle, &judgement.object, implied.map(|implied| &*implied.resultant));
        // The policy knows nothing of who implies what it says.
        let message = implied.map_or(&judgement.violation.message, |implied| &implied.message).clone();
        let violation = Violation { message, ..judgement.violation.clone() };
        judgement.blame = Some(blame(&bundle.snapshot, &review, &violation, Deadline::none()));
    }
}

impl Judgement {
    /// Where the field that it is about stands: its value, or the key of what a field is missing from. For what is
    /// created, where somebody wrote what that is made from.
    pub fn location(&self) -> Option<Location> {
        let blame = self.blame.as_ref()?;
        let origin = self.origin_of(&blame.path);
        let elsewhere = self.implied.as_ref().and_then(|implied| implied.elsewhere.as_ref());
        let holder = elsewhere.filter(|_| origin.holder != Holder::Generator).unwrap_or(&self.object);
        let (document, path) = (&holder.document, origin.path);
        if blame.basis == Basis::Object && path == FieldPath::root() {
            return Some(document.location());
        }
        let is_key = blame.missing.is_some() || blame.basis == Basis::Object;
        let located = if is_key { document.locate_key(&path) } else { document.locate(&path) };
        Some(located.location)
    }

    /// Where somebody wrote a field of what was judged.
    pub fn origin_of(&self, path: &FieldPath) -> Origin {
        match &self.implied {
            Some(implied) => implied.resultant.origin(path),
            None => Origin { holder: Holder::Generator, path: path.clone(), is_made_up: false },
        }
    }

    fn order(&self) -> (&str, &str) {
        (self.violation.constraint.constraint.enforcement.as_str(), &self.violation.message)
    }

    /// Whether it would refuse a request.
    pub fn is_denial(&self) -> bool {
        self.violation.actions.contains(&EnforcementAction::Deny)
    }
}
