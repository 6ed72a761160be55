//! Whether a constraint is evaluated on a review, and if not, why: decided in one place for those who evaluate and for
//! those who explain.

use crate::model::api::{EnforcementAction, EnforcementPoint};
use crate::model::review::Review;
use crate::policy::matching::{self, MatchFailure};
use crate::policy::snapshot::CompiledConstraint;

/// What becomes of a constraint, in the order in which it is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Application<'c> {
    /// `spec.match` is about other objects; `matching::mismatches` says why.
    NotMatched,
    /// It does nothing at this enforcement point.
    NotEnforcedHere,
    /// Its template is for other operations.
    OtherOperation,
    /// It cannot be told whether it matches, so it counts as violated.
    Unclear(MatchFailure, Vec<&'c EnforcementAction>),
    /// It is evaluated, and this follows from a violation.
    Applies(Vec<&'c EnforcementAction>),
}

/// What becomes of a constraint at an enforcement point.
pub fn application<'c>(
    constraint: &'c CompiledConstraint,
    review: &Review,
    point: EnforcementPoint,
) -> Application<'c> {
    // First, because it is what most candidates fail.
    let outcome = matching::matches(&constraint.constraint.criteria, review);
    if outcome == Ok(false) {
        return Application::NotMatched;
    }
    let actions = constraint.constraint.enforcement.actions_at(point);
    if actions.is_empty() {
        return Application::NotEnforcedHere;
    }
    if !template_applies(constraint, review, point) {
        return Application::OtherOperation;
    }
    match outcome {
        Err(failure) => Application::Unclear(failure, actions),
        Ok(_) => Application::Applies(actions),
    }
}

/// `targets[].operations` counts at admission only.
fn template_applies(constraint: &CompiledConstraint, review: &Review, point: EnforcementPoint) -> bool {
    let Some(operation) = review.operation.filter(|_| point == EnforcementPoint::Webhook) else { return true };
    constraint.operations.is_empty() || constraint.operations.iter().any(|one| one == operation.as_str())
}
