//! Mutating one object: all mutators that are for it, in order, again and again until nothing changes any more.
//!
//! Guarantees: the object that is given is not touched; either all mutators have had their say or there is no result; at
//! most one pass more than there are mutators.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use thiserror::Error;

use super::EvalContext;
use crate::model::api::mutator::MutatorId;
use crate::model::object::FieldError;
use crate::model::review::{RequestFields, Review, ReviewedObject};
use crate::model::value::{NumberMode, Value as Reviewed};
use crate::policy::matching::MatchError;
use crate::policy::mutation::{CompiledMutator, Draft, MutateError, Mutators, apply, resolve};
use crate::policy::snapshot::Snapshot;

/// The circumstances of a mutation.
#[derive(Clone, Copy, Debug)]
pub struct MutationContext<'c> {
    /// Tells it from all others, in messages, logs and annotations: a random UUID, made up by the caller.
    pub id: &'c str,
    /// When it must be done, and who answers for providers of external data.
    pub evaluation: EvalContext<'c>,
}

impl<'c> MutationContext<'c> {
    /// For people and their pipelines, who get the same texts each time.
    pub fn offline() -> Self {
        Self { id: "00000000-0000-0000-0000-000000000000", evaluation: EvalContext::offline() }
    }
}

/// What became of an object.
#[derive(Clone, Debug)]
pub struct Mutation {
    /// The object as it is now.
    pub object: Value,
    /// Whether that is another one than before.
    pub is_changed: bool,
    /// The mutators that wrote something in each pass; the last pass, in which nothing changed, is not among them.
    pub passes: Vec<Vec<Arc<CompiledMutator>>>,
    /// Where external data was to be written and something else was, and why.
    pub fallbacks: Vec<String>,
}

/// Why there is no result: the request must be refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MutationFailure {
    /// It cannot be told whether a mutator is for the object.
    #[error("matching for mutator {mutator} failed for {subject}: failed to run Match criteria: {cause}")]
    Match {
        /// The mutator.
        mutator: Box<MutatorId>,
        /// The object.
        subject: Box<SubjectName>,
        /// Why.
        cause: MatchError,
    },
    /// A mutator cannot act on the object.
    #[error("mutation {id} for mutator {mutator} failed for {subject}: {cause}")]
    Mutate {
        /// The mutation's id.
        id: String,
        /// The mutator.
        mutator: Box<MutatorId>,
        /// The object.
        subject: Box<SubjectName>,
        /// Why.
        cause: MutateError,
    },
    /// Mutators undo what others did, for ever.
    #[error("mutation not converging: mutation {id} not converging for {subject}")]
    NotConverging {
        /// The mutation's id.
        id: String,
        /// The object.
        subject: Box<SubjectName>,
        /// The mutators that wrote something in each pass.
        passes: Vec<Vec<String>>,
    },
    /// A provider has no answer that serves.
    #[error("failed to resolve external data placeholders: {0}")]
    ExternalData(String),
    /// Mutators have left no Kubernetes object.
    #[error("mutation {id} for mutator {mutator} left no Kubernetes object: {cause}")]
    NoObject {
        /// The mutation's id.
        id: String,
        /// The mutator.
        mutator: Box<MutatorId>,
        /// What is wrong with it now.
        cause: FieldError,
    },
    /// Time ran out.
    #[error("mutation {id} for {subject} took too long")]
    DeadlineExceeded {
        /// The mutation's id.
        id: String,
        /// The object.
        subject: Box<SubjectName>,
    },
}

/// An object in messages: `group kind namespace name`, as Gatekeeper writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectName {
    /// API group; empty for the core group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// Name, or what it will begin with.
    pub name: String,
}

impl fmt::Display for SubjectName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, kind, namespace, name } = self;
        write!(formatter, "{group} {kind} {namespace} {name}")
    }
}

/// Applies the mutators of a snapshot to an object. Of the review, what is asked is who does what, in which namespace;
/// `object` is taken to the last digit.
///
/// # Errors
/// When the result cannot be had; see [`MutationFailure`].
pub fn mutate(
    snapshot: &Snapshot,
    review: &Review,
    object: &Value,
    context: MutationContext<'_>,
) -> Result<Mutation, MutationFailure> {
    let unchanged =
        || Mutation { object: object.clone(), is_changed: false, passes: Vec::new(), fallbacks: Vec::new() };
    let mutators = snapshot.mutators();
    let Some(matching) = matching_view(object, review).filter(|_| !mutators.active().is_empty()) else {
        return Ok(unchanged());
    };
    let start = Start { mutators, object, matching, username: review.username(), context };
    let mut run = Run::new(&start);
    let passes = run.run()?;
    let Some(mut draft) = run.draft.filter(|_| !passes.is_empty()) else { return Ok(unchanged()) };
    let EvalContext { external_data, deadline, .. } = context.evaluation;
    let fallbacks =
        resolve(&mut draft, snapshot.providers(), external_data, deadline).map_err(MutationFailure::ExternalData)?;
    let mutated = draft.into_object(object);
    let is_changed = mutated != *object;
    Ok(Mutation { is_changed, object: mutated, passes: if is_changed { passes } else { Vec::new() }, fallbacks })
}

/// A review of what matching looks at: type, names and labels. Only the new object counts, in the request's namespace.
/// `None` for what is no Kubernetes object: nothing is for it.
fn matching_view(object: &Value, review: &Review) -> Option<Review> {
    let reviewed = reviewed(object, &review.namespace).ok()?;
    Some(Review {
        uid: String::new(),
        kind: review.kind.clone(),
        name: String::new(),
        namespace: review.namespace.clone(),
        operation: review.operation,
        object: Some(Arc::new(reviewed)),
        old_object: None,
        source: review.source,
        namespace_object: review.namespace_object.clone(),
        request: RequestFields::default(),
    })
}

fn reviewed(object: &Value, namespace: &str) -> Result<ReviewedObject, FieldError> {
    let mut metadata = Map::new();
    for key in ["name", "generateName", "labels"] {
        let value = object.get("metadata").and_then(|metadata| metadata.get(key));
        metadata.extend(value.map(|value| (key.to_owned(), value.clone())));
    }
    if !namespace.is_empty() {
        metadata.insert("namespace".to_owned(), namespace.into());
    }
    let field = |key: &str| object.get(key).cloned().unwrap_or_default();
    let view = json!({"apiVersion": field("apiVersion"), "kind": field("kind"), "metadata": metadata});
    ReviewedObject::from_value(Reviewed::from_json(&view, NumberMode::Float))
}

/// What there is before any mutator acts.
struct Start<'a> {
    mutators: &'a Mutators,
    object: &'a Value,
    matching: Review,
    username: &'a str,
    context: MutationContext<'a>,
}

/// Mutators at work on one object.
struct Run<'a> {
    start: &'a Start<'a>,
    /// What matching looks at, as it is now.
    matching: Review,
    /// The object as it is now; `None` until a mutator is for it.
    draft: Option<Draft>,
}

impl<'a> Run<'a> {
    fn new(start: &'a Start<'a>) -> Self {
        Self { start, matching: start.matching.clone(), draft: None }
    }

    /// All passes that changed something.
    fn run(&mut self) -> Result<Vec<Vec<Arc<CompiledMutator>>>, MutationFailure> {
        let mut passes = Vec::new();
        for number in 0..=self.start.mutators.len() {
            if self.start.context.evaluation.deadline.has_passed() {
                return Err(MutationFailure::DeadlineExceeded { id: self.id(), subject: self.subject() });
            }
            // Copies cost more than mutators do, and hardly ever is something changed in a second pass.
            let before = if number > 1 { self.draft.clone() } else { None };
            let written = self.pass()?;
            let Some(draft) = self.draft.as_mut().filter(|_| !written.is_empty()) else { return Ok(passes) };
            if !draft.take_is_changed() {
                return Ok(passes);
            }
            // What is changed and changed back within a pass is no change. If it is so in the first, it is in the second.
            let before = if number == 1 { self.after_first_pass()? } else { before };
            if before.zip(self.draft.as_ref()).is_some_and(|(before, draft)| before.is_same(draft)) {
                return Ok(passes);
            }
            passes.push(written);
        }
        let passes = passes.iter().map(|pass| pass.iter().map(|one| one.mutator.to_string()).collect()).collect();
        Err(MutationFailure::NotConverging { id: self.id(), subject: self.subject(), passes })
    }

    /// The object as the first pass left it.
    fn after_first_pass(&self) -> Result<Option<Draft>, MutationFailure> {
        let mut again = Self::new(self.start);
        again.pass()?;
        Ok(again.draft)
    }

    /// Lets every mutator act once that is for the object as it then is. The mutators that wrote something.
    fn pass(&mut self) -> Result<Vec<Arc<CompiledMutator>>, MutationFailure> {
        let Start { mutators, object, username, context, .. } = self.start;
        let mut written = Vec::new();
        let mut candidates = mutators.candidates(&self.matching).into_iter();
        while let Some(position) = candidates.next() {
            let Some(one) = mutators.active().get(position) else { continue };
            let is_for_it = one.mutator.matches(&self.matching).map_err(|cause| MutationFailure::Match {
                mutator: Box::new(one.mutator.id.clone()),
                subject: self.subject(),
                cause,
            })?;
            if !is_for_it {
                continue;
            }
            let draft = self.draft.get_or_insert_with(|| Draft::new(object, &self.matching.namespace));
            let is_written = apply(&one.mutator, draft, username).map_err(|cause| MutationFailure::Mutate {
                id: context.id.to_owned(),
                mutator: Box::new(one.mutator.id.clone()),
                subject: self.subject(),
                cause,
            })?;
            if is_written {
                written.push(Arc::clone(one));
            }
            if is_written && mutators.is_matched(&one.mutator) {
                self.look_again(one)?;
                // What can be for it now may be others; those that have had their turn have had it.
                let after = mutators.candidates(&self.matching).into_iter();
                candidates = after.filter(|next| *next > position).collect::<Vec<_>>().into_iter();
            }
        }
        Ok(written)
    }

    /// Takes what matching looks at from the object as it is now.
    fn look_again(&mut self, one: &CompiledMutator) -> Result<(), MutationFailure> {
        let Some(draft) = &self.draft else { return Ok(()) };
        match reviewed(&draft.object, &self.matching.namespace) {
            Ok(reviewed) => {
                self.matching.object = Some(Arc::new(reviewed));
                Ok(())
            }
            Err(cause) => {
                Err(MutationFailure::NoObject { id: self.id(), mutator: Box::new(one.mutator.id.clone()), cause })
            }
        }
    }

    fn id(&self) -> String {
        self.start.context.id.to_owned()
    }

    fn subject(&self) -> Box<SubjectName> {
        let object = self.matching.object.as_deref();
        let gvk = object.map(|object| object.gvk().clone()).unwrap_or_default();
        let names = object.map(|object| [object.name(), object.generate_name()]).unwrap_or_default();
        let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
        let namespace = self.matching.namespace.clone();
        Box::new(SubjectName { group: gvk.group, kind: gvk.kind, namespace, name: name.to_owned() })
    }
}
