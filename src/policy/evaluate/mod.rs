//! The pipeline: snapshot and review in, everything that was found out. The webhook and the command line call this.

mod application;
mod mutate;
pub mod own;
mod resultants;
mod verdict;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use thiserror::Error;

use crate::model::api::{EnforcementAction, EnforcementPoint};
use crate::model::review::Review;
use crate::policy::engine::external_data::{ExternalDataSource, NoExternalData, OncePerReview, Outside};
use crate::policy::engine::{Deadline, Document, EvalError, Input, Notes, Outcome};
use crate::policy::expansion::{ExpansionFailure, Unexpandable};
use crate::policy::snapshot::{CompiledConstraint, Snapshot};

pub use application::{Application, application};
pub use mutate::{Mutation, MutationContext, MutationFailure, SubjectName, mutate};
pub use resultants::{Expands, Implied, created};
pub use verdict::{Decision, Verdict};

/// The circumstances of an evaluation.
#[derive(Clone, Copy, Debug)]
pub struct EvalContext<'c> {
    /// Where constraints are being applied.
    pub point: EnforcementPoint,
    /// When the answer must be ready.
    pub deadline: Deadline,
    /// The longest that one constraint may take, where others wait behind it. Constraints that keep going beyond their
    /// limits are then set aside. `None` offline: there every constraint is evaluated to its end.
    pub evaluation_limit: Option<Duration>,
    /// Whether [`Evaluation::runs`] are kept.
    pub keeps_runs: bool,
    /// Who answers questions to providers of external data.
    pub external_data: &'c dyn ExternalDataSource,
    /// What is judged beside the object.
    pub expands: Expands<'c>,
}

impl<'c> EvalContext<'c> {
    /// For people and their pipelines: no limits of time, and nothing that reaches out.
    pub fn offline() -> Self {
        Self {
            point: EnforcementPoint::CommandLine,
            deadline: Deadline::none(),
            evaluation_limit: None,
            keeps_runs: false,
            external_data: &NoExternalData,
            expands: Expands::ByTemplates,
        }
    }

    /// What an evaluation in these circumstances may ask.
    pub fn outside(&self, snapshot: &'c Snapshot) -> Outside<'c> {
        Outside { source: self.external_data, providers: snapshot.providers(), deadline: self.deadline }
    }

    /// The same, with answers from this source.
    #[must_use]
    pub fn asking(self, external_data: &'c dyn ExternalDataSource) -> Self {
        Self { external_data, ..self }
    }
}

/// All facts about one review.
#[derive(Debug, Default)]
pub struct Evaluation {
    /// Every violation, with every action that follows from it; ordered by action and message.
    pub violations: Vec<Violation>,
    /// How many constraints matched, violated or not.
    pub matched: usize,
    /// Evaluations that were stopped because they went beyond a limit.
    pub breaches: Vec<LimitBreach>,
    /// Templates whose constraints were evaluated, ordered by kind; first for the object, then for what it would create.
    pub templates: Vec<TemplateRun>,
    /// Constraints that were evaluated, in the order in which they were; only if the context asks for them.
    pub runs: Vec<ConstraintRun>,
    /// What the object would create and could not be judged.
    pub unexpandable: Vec<Unexpandable>,
}

/// The evaluation of one constraint.
#[derive(Clone, Debug)]
pub struct ConstraintRun {
    /// The constraint.
    pub constraint: Arc<CompiledConstraint>,
    /// When it began.
    pub begun: Instant,
    /// How long it took.
    pub time: Duration,
    /// What it came to.
    pub outcome: Outcome,
}

/// What the constraints of one template took for one review.
#[derive(Clone, Debug)]
pub struct TemplateRun {
    /// One of the constraints; all are of its kind.
    pub constraint: Arc<CompiledConstraint>,
    /// Time of all of them.
    pub time: Duration,
    /// How many of them were evaluated.
    pub constraints: usize,
}

/// One evaluation that went beyond a limit. Its constraint counts as violated.
#[derive(Clone, Debug)]
pub struct LimitBreach {
    /// The constraint.
    pub constraint: Arc<CompiledConstraint>,
    /// The limit.
    pub limit: BrokenLimit,
    /// This was one time too many: the constraint is set aside from now on.
    pub is_last_straw: bool,
}

/// A limit of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BrokenLimit {
    /// It took too long.
    Time,
    /// It used too many steps, too much memory, or nested too deeply.
    Resources,
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
    /// What it is in, when that is something that the object would create. Then the message says who implies it.
    pub implied: Option<Arc<Implied>>,
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
    /// The same for something that the object would create.
    #[error("error reviewing resultant resource: evaluating constraint {constraint} {cause}")]
    Resultant {
        /// `Kind/name` of the constraint that was being evaluated.
        constraint: String,
        /// What happened.
        cause: EvalError,
    },
    /// Nobody knows what the object would create.
    #[error("unable to expand object: {0}")]
    Expansion(ExpansionFailure),
    /// The same, as nobody knows what it would be itself.
    #[error("error mutating base resource {resource}: {cause}")]
    Generator {
        /// Its name.
        resource: String,
        /// What happened.
        cause: String,
    },
}

/// Judges a review by every constraint that applies to it.
///
/// # Errors
/// When a policy's answer cannot be had or understood; see [`ReviewFailure`].
pub fn validate(snapshot: &Snapshot, review: &Review, context: EvalContext<'_>) -> Result<Evaluation, ReviewFailure> {
    validate_noting(snapshot, review, context, None)
}

/// The same, and what policies show on their way, as far as they were compiled for that.
///
/// # Errors
/// As [`validate`].
pub fn validate_noting(
    snapshot: &Snapshot,
    review: &Review,
    context: EvalContext<'_>,
    mut notes: Option<&mut Notes>,
) -> Result<Evaluation, ReviewFailure> {
    let answers = OncePerReview::of(context.external_data);
    let context = context.asking(&answers);
    let created = created(snapshot, review, &context)?;
    let mut evaluation = Evaluation { unexpandable: created.unexpandable, ..Evaluation::default() };
    evaluate(snapshot, review, context, &mut evaluation, notes.as_deref_mut())?;
    for resultant in created.resultants {
        if let Some(notes) = notes.as_deref_mut() {
            notes.turn_to(&resultant.object.key().to_string());
        }
        let implied = Arc::new(Implied::new(resultant, review));
        let mut known = std::mem::take(&mut evaluation.violations);
        evaluate(snapshot, &implied.review, context, &mut evaluation, notes.as_deref_mut())
            .map_err(ReviewFailure::of_resultant)?;
        Implied::take(&implied, &mut evaluation.violations, &context);
        known.append(&mut evaluation.violations);
        evaluation.violations = known;
    }
    evaluation.violations.sort_by(|one, other| one.order().cmp(&other.order()));
    Ok(evaluation)
}

/// Judges one object alone.
fn evaluate(
    snapshot: &Snapshot,
    review: &Review,
    context: EvalContext<'_>,
    evaluation: &mut Evaluation,
    mut notes: Option<&mut Notes>,
) -> Result<(), ReviewFailure> {
    let mut matching = Vec::new();
    for constraint in snapshot.candidates(review) {
        match application(constraint, review, context.point) {
            Application::NotMatched | Application::NotEnforcedHere | Application::OtherOperation => {}
            Application::Unclear(error, actions) => {
                let message = format!("unable to match constraints: {error}");
                let (constraint, actions) = (Arc::clone(constraint), actions.into_iter().cloned().collect());
                evaluation.violations.push(Violation { constraint, message, details: None, actions, implied: None });
            }
            Application::Applies(actions) => {
                let actions = actions.into_iter().cloned().collect();
                matching.push(Matching { constraint, actions });
            }
        }
    }
    evaluation.matched += matching.len();
    if !matching.is_empty() {
        let document = Document::from_review(review);
        let is_same_kind = |one: &Matching<'_>, other: &Matching<'_>| one.kind() == other.kind();
        for of_kind in matching.chunk_by(is_same_kind) {
            evaluate_kind(snapshot, of_kind, &document, context, evaluation, notes.as_deref_mut())?;
        }
    }
    Ok(())
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
        Violation {
            constraint: Arc::clone(self.constraint),
            message,
            details,
            actions: self.actions.clone(),
            implied: None,
        }
    }
}

/// Evaluates all constraints of one kind. What a policy cannot judge counts as a violation of it, under its own action;
/// Gatekeeper asks a template about all of its constraints at once, so there one failure is the failure of all.
/// Being stopped by us is the failure of that constraint alone. It is set aside only for what costs others their time.
fn evaluate_kind(
    snapshot: &Snapshot,
    matching: &[Matching<'_>],
    review: &Document,
    context: EvalContext<'_>,
    evaluation: &mut Evaluation,
    mut notes: Option<&mut Notes>,
) -> Result<(), ReviewFailure> {
    let indexes = matching.first().and_then(|one| snapshot.indexes(one.kind()));
    let Some(first) = matching.first() else { return Ok(()) };
    let mut run = TemplateRun { constraint: Arc::clone(first.constraint), time: Duration::ZERO, constraints: 0 };
    let mut violations = Vec::new();
    for one in matching {
        let CompiledConstraint { program, parameters, breaker, .. } = one.constraint.as_ref();
        if let Some(explanation) = breaker.explanation() {
            violations.push(one.violation(explanation, None));
            continue;
        }
        let inventory = snapshot.inventory().document();
        let input = Input { review, parameters, inventory, indexes, outside: Some(context.outside(snapshot)) };
        let deadline = context.evaluation_limit.map_or(context.deadline, |limit| context.deadline.share(limit));
        if let Some(notes) = notes.as_deref_mut() {
            notes.begin(&format!("constraint {}/{}", one.kind(), one.constraint.constraint.name()));
        }
        let begun = Instant::now();
        let result = program.evaluate_noting(input, deadline, notes.as_deref_mut());
        let time = begun.elapsed();
        let outcome = outcome(&result);
        one.constraint.meter.count(time, outcome);
        if context.keeps_runs {
            evaluation.runs.push(ConstraintRun { constraint: Arc::clone(one.constraint), begun, time, outcome });
        }
        run.time += time;
        run.constraints += 1;
        match result {
            Ok(findings) => {
                violations.extend(findings.into_iter().map(|found| one.violation(found.message, Some(found.details))));
            }
            Err(EvalError::Failed(text)) => {
                violations = matching.iter().map(|other| other.violation(text.clone(), None)).collect();
                break;
            }
            Err(error @ (EvalError::DeadlineExceeded | EvalError::LimitExceeded(_)))
                if !context.deadline.has_passed() =>
            {
                let text = breach_text(&error);
                let limit =
                    if error == EvalError::DeadlineExceeded { BrokenLimit::Time } else { BrokenLimit::Resources };
                let is_last_straw = context.evaluation_limit.is_some() && breaker.strike(&text);
                let constraint = Arc::clone(one.constraint);
                evaluation.breaches.push(LimitBreach { constraint, limit, is_last_straw });
                violations.push(one.violation(format!("evaluation stopped: {text}"), None));
            }
            Err(EvalError::Stopped(text)) => violations.push(one.violation(text, None)),
            Err(cause) => {
                let constraint = format!("{}/{}", one.kind(), one.constraint.constraint.name());
                return Err(ReviewFailure::Evaluation { constraint, cause });
            }
        }
    }
    evaluation.violations.append(&mut violations);
    evaluation.templates.push(run);
    Ok(())
}

/// What an evaluation counts as.
fn outcome<F>(result: &Result<Vec<F>, EvalError>) -> Outcome {
    match result {
        Ok(findings) if findings.is_empty() => Outcome::Satisfied,
        Ok(_) => Outcome::Violated,
        Err(EvalError::DeadlineExceeded | EvalError::LimitExceeded(_)) => Outcome::Stopped,
        Err(_) => Outcome::Failed,
    }
}

/// Why an evaluation was stopped.
fn breach_text(error: &EvalError) -> String {
    match error {
        EvalError::LimitExceeded(limit) => (*limit).to_owned(),
        _ => "it took longer than one policy may".to_owned(),
    }
}

impl ReviewFailure {
    fn of_resultant(self) -> Self {
        match self {
            Self::Evaluation { constraint, cause } => Self::Resultant { constraint, cause },
            other @ (Self::Resultant { .. } | Self::Expansion(_) | Self::Generator { .. }) => other,
        }
    }
}

impl Violation {
    /// Gatekeeper sorts by action and message alone; kind and name make the order total.
    fn order(&self) -> (&str, &str, &str, &str) {
        let constraint = &self.constraint.constraint;
        (self.enforcement_action(), &self.message, constraint.kind(), constraint.name())
    }

    /// `[constraint] message`, as clients see it.
    pub fn line(&self) -> String {
        format!("[{}] {}", self.constraint.constraint.name(), self.message)
    }
}
