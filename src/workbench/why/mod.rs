//! Why an object is denied, or is not: what each constraint makes of it, and for which reason.
//!
//! ```text
//! paths ─ world ─► World ─┐
//! OBJECT ─ subject ───────┴─ explain ─► Explanation ─ report ─► text, JSON
//! ```
//!
//! The verdict is that of `evaluate::validate`, the call that the webhook makes; that a constraint is not evaluated is told
//! by the functions that decide it. Which rule fired is seen by evaluating the constraint once more, counting what holds.

mod proof;
pub mod report;
mod subject;
mod world;

use std::collections::BTreeMap;

use crate::model::api::{EnforcementAction, EnforcementPoint, Process};
use crate::model::object::{ObjectKey, Wildcard};
use crate::model::review::{AdmissionReview, Operation, Review};
use crate::policy::engine::external_data::Outside;
use crate::policy::engine::{Document, Input};
use crate::policy::evaluate::{Application, Decision, EvalContext, Verdict, Violation, application, validate};
use crate::policy::matching::{Mismatch, mismatches};
use crate::policy::snapshot::CompiledConstraint;
use crate::workbench::bundle::BundledObject;
use crate::workbench::requests;

pub use proof::{Fired, Step};
pub use subject::{SubjectError, find};
pub use world::World;

/// Where the object is judged, and in which request.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// Where constraints are applied.
    pub point: EnforcementPoint,
    /// What the request does; counts at the webhook only.
    pub operation: Operation,
}

/// What becomes of one object.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The object.
    pub object: ObjectKey,
    /// Where it stands: `file:line:column`.
    pub place: String,
    /// Where and how it is judged.
    pub circumstances: Circumstances,
    /// What the API server is told.
    pub decision: Decision,
    /// The namespaces of a Config that take the object out of sight of the process; then no constraint counts.
    pub exclusion: Option<String>,
    /// What each constraint makes of it, ordered by kind and name.
    pub constraints: Vec<Explained>,
}

/// What one constraint makes of an object.
#[derive(Clone, Debug)]
pub struct Explained {
    /// Kind of the constraint.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub place: String,
    /// What it makes of the object.
    pub outcome: Outcome,
}

/// What a constraint makes of an object, and why.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It is violated.
    Violated {
        /// What follows.
        actions: Vec<EnforcementAction>,
        /// Each message, and what made it.
        messages: Vec<Explanations>,
    },
    /// It was evaluated and found nothing.
    Satisfied,
    /// It is about other objects.
    NotMatched(Vec<Mismatch>),
    /// It does nothing at this enforcement point; those at which it does.
    NotEnforcedHere(Vec<String>),
    /// Its template is for these operations.
    OtherOperation(Vec<String>),
    /// It is not in force, or its template is not.
    NotInForce(Vec<Problem>),
}

/// A message, and the rules that made it.
#[derive(Clone, Debug)]
pub struct Explanations {
    /// In the policy's words.
    pub message: String,
    /// None where the evaluation failed, or it cannot be told whether the constraint matches.
    pub fired: Vec<Fired>,
}

/// What is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: String,
    /// What.
    pub message: String,
}

/// Explains one object. The policies must have been compiled for coverage.
///
/// # Errors
/// When no policy can be relied upon for this object; says why.
pub fn explain(world: &World, subject: &BundledObject, circumstances: Circumstances) -> Result<Explanation, String> {
    let review = review(world, subject, circumstances)?;
    let context = EvalContext { point: circumstances.point, ..EvalContext::offline() };
    let exclusion = exclusion(world, &review, circumstances.point);
    let mut violations: BTreeMap<(String, String), Vec<Violation>> = BTreeMap::new();
    let mut decision = Decision::Allow;
    if exclusion.is_none() {
        let evaluation = validate(&world.snapshot, &review, context).map_err(|failure| failure.to_string())?;
        decision = Verdict::from_evaluation(&evaluation).decision;
        for violation in evaluation.violations {
            let constraint = &violation.constraint.constraint;
            let key = (constraint.kind().to_owned(), constraint.name().to_owned());
            violations.entry(key).or_default().push(violation);
        }
    }
    let mut constraints: Vec<Explained> = world.not_in_force();
    for constraint in world.snapshot.constraints() {
        let (kind, name) = (constraint.constraint.kind().to_owned(), constraint.constraint.name().to_owned());
        let found = violations.remove(&(kind.clone(), name.clone())).unwrap_or_default();
        let outcome = outcome(world, constraint, &review, circumstances.point, found);
        let place = world.place_of(&constraint.constraint.object.key());
        constraints.push(Explained { kind, name, place, outcome });
    }
    constraints.sort_by(|one, other| (&one.kind, &one.name).cmp(&(&other.kind, &other.name)));
    let (object, place) = (subject.object.key(), subject.document.location().to_string());
    Ok(Explanation { object, place, circumstances, decision, exclusion, constraints })
}

/// At the webhook the request of a developer, elsewhere the object as it is.
fn review(world: &World, subject: &BundledObject, circumstances: Circumstances) -> Result<Review, String> {
    let object = &subject.object;
    let namespace = world.snapshot.namespace(object.namespace()).cloned();
    if circumstances.point != EnforcementPoint::Webhook {
        return Ok(Review::of_object(object, namespace));
    }
    let mut request = requests::creation(object, "why");
    request["request"]["operation"] = circumstances.operation.as_str().into();
    match circumstances.operation {
        Operation::Create | Operation::Connect => {}
        Operation::Update => request["request"]["oldObject"] = object.value().clone(),
        Operation::Delete => {
            request["request"]["object"] = serde_json::Value::Null;
            request["request"]["oldObject"] = object.value().clone();
        }
    }
    let mut review =
        AdmissionReview::parse(request.to_string().as_bytes()).map_err(|rejected| rejected.error.to_string())?.review;
    review.namespace_object = namespace;
    Ok(review)
}

fn exclusion(world: &World, review: &Review, point: EnforcementPoint) -> Option<String> {
    let process = match point {
        EnforcementPoint::Webhook => Process::Webhook,
        EnforcementPoint::Audit => Process::Audit,
        EnforcementPoint::CommandLine => return None,
    };
    let exclusions = world.snapshot.exclusions();
    let patterns: Vec<&str> = exclusions.of(process).iter().map(Wildcard::as_str).collect();
    exclusions.excludes_review(process, review).then(|| {
        format!("a Config excludes these namespaces from the process {}: {}", process.as_str(), patterns.join(", "))
    })
}

/// What it makes of the object, and of what the object would create.
fn outcome(
    world: &World,
    constraint: &CompiledConstraint,
    review: &Review,
    point: EnforcementPoint,
    violations: Vec<Violation>,
) -> Outcome {
    let (own, implied): (Vec<_>, Vec<_>) = violations.into_iter().partition(|violation| violation.implied.is_none());
    let outcome = outcome_of_object(world, constraint, review, point, own);
    if implied.is_empty() {
        return outcome;
    }
    let (mut actions, mut messages) = (Vec::new(), Vec::new());
    if let Outcome::Violated { actions: of_object, messages: about_object } = outcome {
        (actions, messages) = (of_object, about_object);
    }
    for violation in implied {
        let review = violation.implied.as_ref().map_or(review, |implied| &implied.review);
        let fired = fire(world, constraint, review).remove(violation.own_message()).unwrap_or_default();
        actions.extend(violation.actions);
        messages.push(Explanations { message: violation.message, fired });
    }
    actions.sort();
    actions.dedup();
    Outcome::Violated { actions, messages }
}

fn outcome_of_object(
    world: &World,
    constraint: &CompiledConstraint,
    review: &Review,
    point: EnforcementPoint,
    violations: Vec<Violation>,
) -> Outcome {
    match application(constraint, review, point) {
        Application::NotMatched => {
            Outcome::NotMatched(mismatches(&constraint.constraint.criteria, review).unwrap_or_default())
        }
        Application::NotEnforcedHere => Outcome::NotEnforcedHere(enforcement_points(constraint)),
        Application::OtherOperation => Outcome::OtherOperation(constraint.operations.clone()),
        Application::Unclear(..) | Application::Applies(_) if violations.is_empty() => Outcome::Satisfied,
        Application::Unclear(..) | Application::Applies(_) => {
            let actions = violations.first().map(|violation| violation.actions.clone()).unwrap_or_default();
            let mut fired = fire(world, constraint, review);
            let explain = |violation: Violation| {
                let fired = fired.remove(&violation.message).unwrap_or_default();
                Explanations { message: violation.message, fired }
            };
            Outcome::Violated { actions, messages: violations.into_iter().map(explain).collect() }
        }
    }
}

/// What makes each message of a constraint.
fn fire(world: &World, constraint: &CompiledConstraint, review: &Review) -> BTreeMap<String, Vec<Fired>> {
    let document = Document::from_review(review);
    let inventory = world.snapshot.inventory().document();
    let indexes = world.snapshot.indexes(constraint.constraint.kind());
    let outside = Some(Outside::recorded(world.snapshot.providers()));
    let input = Input { review: &document, parameters: &constraint.parameters, inventory, indexes, outside };
    proof::fired(world, constraint, input)
}

/// The names of all points that a scoped constraint has actions at.
fn enforcement_points(constraint: &CompiledConstraint) -> Vec<String> {
    let scoped = constraint.constraint.object.field(&["spec", "scopedEnforcementActions"]);
    let entries = scoped.and_then(serde_json::Value::as_array).into_iter().flatten();
    let points = entries.filter_map(|entry| entry.get("enforcementPoints")?.as_array()).flatten();
    let mut names: Vec<String> = points.filter_map(|point| point.get("name")?.as_str()).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}
