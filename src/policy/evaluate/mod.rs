//! The pipeline: snapshot and review in, everything that was found out. The webhook and the command line call this.

mod verdict;

use std::sync::Arc;

use serde_json::Value;
use thiserror::Error;

use crate::model::api::{EnforcementAction, EnforcementPoint};
use crate::model::review::Review;
use crate::policy::engine::{Deadline, Document, EvalError, Input};
use crate::policy::matching;
use crate::policy::snapshot::{CompiledConstraint, Snapshot};

pub use verdict::{Decision, Verdict};

/// The circumstances of an evaluation.
#[derive(Clone, Copy, Debug)]
pub struct EvalContext {
    /// Where constraints are being applied.
    pub point: EnforcementPoint,
    /// When the answer must be ready.
    pub deadline: Deadline,
}

/// All facts about one review.
#[derive(Debug, Default)]
pub struct Evaluation {
    /// Every violation, with every action that follows from it; ordered by action and message.
    pub violations: Vec<Violation>,
    /// How many constraints matched, violated or not.
    pub matched: usize,
}

/// A constraint that a review breaks.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The constraint.
    pub constraint: Arc<CompiledConstraint>,
    /// What is wrong, in the policy's words.
    pub message: String,
    /// What the policy adds for machines; `None` when the constraint could not be matched or evaluated.
    pub details: Option<Value>,
    /// What follows at this enforcement point; more than one only when scoped.
    pub actions: Vec<EnforcementAction>,
}

/// Why a review has no evaluation: the request must be refused, as no policy can be relied upon.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReviewFailure {
    /// Time ran out.
    #[error("evaluating constraint {constraint} {cause}")]
    Evaluation {
        /// `Kind/name` of the constraint that was being evaluated.
        constraint: String,
        /// What happened.
        cause: EvalError,
    },
}

/// Judges a review by every constraint that applies to it.
///
/// # Errors
/// When a policy's answer cannot be had or understood; see [`ReviewFailure`].
pub fn validate(snapshot: &Snapshot, review: &Review, context: EvalContext) -> Result<Evaluation, ReviewFailure> {
    let mut evaluation = Evaluation::default();
    let mut matching = Vec::new();
    let kinds = review.objects().map(|object| object.gvk().kind.as_str());
    for constraint in snapshot.candidates(kinds) {
        let actions = constraint.constraint.enforcement.actions_at(context.point);
        if actions.is_empty() || !template_applies(constraint, review, context.point) {
            continue;
        }
        let actions: Vec<EnforcementAction> = actions.into_iter().cloned().collect();
        match matching::matches(&constraint.constraint.criteria, review) {
            Ok(false) => continue,
            Ok(true) => {}
            Err(error) => {
                let message = format!(
                    "unable to match constraints: error matching the requested object: {} :failed to run Match \
                     criteria: {error}",
                    review.display_name()
                );
                let constraint = Arc::clone(constraint);
                evaluation.violations.push(Violation { constraint, message, details: None, actions });
                continue;
            }
        }
        matching.push(Matching { constraint, actions });
    }
    evaluation.matched = matching.len();
    if !matching.is_empty() {
        let document = Document::from_review(review);
        let is_same_kind = |one: &Matching<'_>, other: &Matching<'_>| one.kind() == other.kind();
        for of_kind in matching.chunk_by(is_same_kind) {
            evaluation.violations.extend(evaluate_kind(snapshot, of_kind, &document, context.deadline)?);
        }
    }
    evaluation.violations.sort_by(|one, other| one.order().cmp(&other.order()));
    Ok(evaluation)
}

/// `targets[].operations` counts at admission only.
fn template_applies(constraint: &CompiledConstraint, review: &Review, point: EnforcementPoint) -> bool {
    let Some(operation) = review.operation.filter(|_| point == EnforcementPoint::Webhook) else { return true };
    constraint.operations.is_empty() || constraint.operations.iter().any(|one| one == operation.as_str())
}

/// A constraint that applies to the review, and what a violation of it does.
struct Matching<'a> {
    constraint: &'a Arc<CompiledConstraint>,
    actions: Vec<EnforcementAction>,
}

impl Matching<'_> {
    fn kind(&self) -> &str {
        self.constraint.constraint.kind()
    }

    fn violation(&self, message: String, details: Option<Value>) -> Violation {
        Violation { constraint: Arc::clone(self.constraint), message, details, actions: self.actions.clone() }
    }
}

/// Evaluates all constraints of one kind. What a policy cannot judge counts as a violation of it, under its own action;
/// Gatekeeper asks a template about all of its constraints at once, so there one failure is the failure of all.
fn evaluate_kind(
    snapshot: &Snapshot,
    matching: &[Matching<'_>],
    review: &Document,
    deadline: Deadline,
) -> Result<Vec<Violation>, ReviewFailure> {
    let indexes = matching.first().and_then(|one| snapshot.indexes(one.kind()));
    let mut violations = Vec::new();
    for one in matching {
        let CompiledConstraint { program, parameters, .. } = one.constraint.as_ref();
        let input = Input { review, parameters, inventory: snapshot.inventory().document(), indexes };
        match program.evaluate(input, deadline) {
            Ok(findings) => {
                violations.extend(findings.into_iter().map(|found| one.violation(found.message, Some(found.details))));
            }
            Err(EvalError::Failed(text)) => {
                return Ok(matching.iter().map(|other| other.violation(text.clone(), None)).collect());
            }
            Err(cause) => {
                let constraint = format!("{}/{}", one.kind(), one.constraint.constraint.name());
                return Err(ReviewFailure::Evaluation { constraint, cause });
            }
        }
    }
    Ok(violations)
}

impl Violation {
    /// Gatekeeper sorts by action and message alone; kind and name make the order total.
    fn order(&self) -> (&str, &str, &str, &str) {
        let constraint = &self.constraint.constraint;
        (constraint.enforcement.as_str(), &self.message, constraint.kind(), constraint.name())
    }

    /// `[constraint] message`, as clients see it.
    pub fn line(&self) -> String {
        format!("[{}] {}", self.constraint.constraint.name(), self.message)
    }
}
