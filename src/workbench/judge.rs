//! Every object of a bundle, judged by every policy of the bundle, as the command line does it.

use super::bundle::{Bundle, BundledObject};
use crate::model::api::EnforcementAction;
use crate::model::review::Review;
use crate::policy::evaluate::{EvalContext, ReviewFailure, Violation, validate};

/// A violation and the object that it is in.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// What is wrong.
    pub violation: Violation,
    /// With what.
    pub object: BundledObject,
}

/// All violations, ordered by action and message.
///
/// # Errors
/// When a policy's answer for some object cannot be had or understood.
pub fn judge(bundle: &Bundle) -> Result<Vec<Judgement>, ReviewFailure> {
    let context = EvalContext::offline();
    let mut judgements = Vec::new();
    for bundled in &bundle.objects {
        let namespace = bundle.snapshot.namespace(bundled.object.namespace()).cloned();
        let review = Review::of_object(bundled.object.clone(), namespace);
        let evaluation = validate(&bundle.snapshot, &review, context)?;
        let judged =
            evaluation.violations.into_iter().map(|violation| Judgement { violation, object: bundled.clone() });
        judgements.extend(judged);
    }
    judgements.sort_by(|one, other| one.order().cmp(&other.order()));
    Ok(judgements)
}

impl Judgement {
    fn order(&self) -> (&str, &str) {
        (self.violation.constraint.constraint.enforcement.as_str(), &self.violation.message)
    }

    /// Whether it would refuse a request.
    pub fn is_denial(&self) -> bool {
        self.violation.actions.contains(&EnforcementAction::Deny)
    }
}
