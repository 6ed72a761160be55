//! What a reviewed object would create, judged beside it: its violations are the object's, and say who implies them.
//!
//! Guarantees: a request that nothing applies to is not looked at any closer; what cannot be expanded is not let through.

use std::sync::Arc;

use serde_json::{Value, json};

use super::mutate::{MutationContext, mutate};
use super::{EvalContext, ReviewFailure, Violation};
use crate::model::api::{Enforcement, EnforcementAction, EnforcementPoint, ImpliedAction};
use crate::model::object::{FieldPath, Object};
use crate::model::review::{Operation, RequestFields, Review, ReviewedObject, Source};
use crate::policy::expansion::{Expansion, Generators, Holder, Origin, Referents, Resultant};
use crate::policy::snapshot::{CompiledConstraint, Snapshot};

/// What is judged beside an object.
#[derive(Clone, Copy, Debug)]
pub enum Expands<'c> {
    /// Nothing.
    Nothing,
    /// What ExpansionTemplates say that it creates.
    ByTemplates,
    /// The same, and what workloads create that no ExpansionTemplate applies to. These may have templates for them.
    WithWorkloads(&'c Referents),
}

/// What a violation is in, when that is not the object of the review.
#[derive(Clone, Debug)]
pub struct Implied {
    /// What would be created.
    pub resultant: Arc<Resultant>,
    /// The review of it.
    pub review: Review,
}

/// What the object of a review would create, as it is judged.
///
/// # Errors
/// When nobody can know.
pub fn created(snapshot: &Snapshot, review: &Review, context: &EvalContext<'_>) -> Result<Expansion, ReviewFailure> {
    let workloads = match context.expands {
        Expands::Nothing => return Ok(Expansion::default()),
        Expands::ByTemplates => None,
        Expands::WithWorkloads(referents) => Some(referents),
    };
    let generators = Generators { templates: snapshot.expansions(), workloads };
    if !generators.may_expand(&review.kind) {
        return Ok(Expansion::default());
    }
    let Some(mut generator) = review.object.as_ref().and_then(|object| generator(object.value().to_json(), review))
    else {
        return Ok(Expansion::default());
    };
    let mutate = |object: &Object, source: Source| mutated(snapshot, review, object, source, context);
    // In the cluster it has been when it gets here.
    if context.point == EnforcementPoint::CommandLine && !snapshot.expansions().is_empty() {
        let resource = generator.name().to_owned();
        let changed =
            mutate(&generator, review.source).map_err(|cause| ReviewFailure::Generator { resource, cause })?;
        generator = changed.unwrap_or(generator);
    }
    let namespace = review.namespace_object.as_ref().map_or(review.namespace.as_str(), |namespace| namespace.name());
    generators
        .expand(&generator, namespace, &mut |resultant| mutate(resultant, Source::Generated))
        .map_err(ReviewFailure::Expansion)
}

/// What mutators make of an object, who acts being the review's; nothing when they leave it as it is. They are asked for no
/// operation: those that are for some alone leave it alone.
fn mutated(
    snapshot: &Snapshot,
    review: &Review,
    object: &Object,
    source: Source,
    context: &EvalContext<'_>,
) -> Result<Option<Object>, String> {
    if snapshot.mutators().active().is_empty() {
        return Ok(None);
    }
    let uid = review.uid.as_str();
    let request = RequestFields { user_info: review.request.user_info.clone(), ..RequestFields::default() };
    let is_unplaced = context.point == EnforcementPoint::CommandLine && review.namespace.is_empty();
    let namespace = review.namespace_object.clone().or_else(|| is_unplaced.then(nameless_namespace).flatten());
    let review = Review { request, source, ..Review::of_object(object, namespace) };
    let offline = MutationContext::offline();
    let id = if uid.is_empty() { offline.id } else { uid };
    let mutation = mutate(snapshot, &review, object.value(), MutationContext { id, evaluation: *context });
    let mutation = mutation.map_err(|failure| failure.to_string())?;
    let object = mutation.is_changed.then(|| Object::from_value(mutation.object)).transpose();
    object.map_err(|error| error.to_string())
}

/// The Namespace of an object in a file that does not say which: as with Gatekeeper's tool, mutators for what is in some
/// namespace are for it.
fn nameless_namespace() -> Option<Arc<ReviewedObject>> {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {}});
    Object::from_value(namespace).ok().map(|object| Arc::new(ReviewedObject::from(&object)))
}

/// The object as the request has it: its type and its namespace are those of the request.
fn generator(mut value: Value, review: &Review) -> Option<Object> {
    let fields = value.as_object_mut()?;
    fields.insert("apiVersion".to_owned(), review.kind.api_version().into());
    fields.insert("kind".to_owned(), review.kind.kind.as_str().into());
    if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
        if review.namespace.is_empty() {
            metadata.remove("namespace");
        } else {
            metadata.insert("namespace".to_owned(), review.namespace.as_str().into());
        }
    }
    Object::from_value(value).ok()
}

impl Implied {
    /// A resultant is judged for the operation that its generator is judged for, by nobody in particular.
    pub(super) fn new(resultant: Resultant, parent: &Review) -> Self {
        let review = Review { operation: parent.operation, ..resultant.review(parent.namespace_object.clone()) };
        let old_object = review.object.clone().filter(|_| parent.operation == Some(Operation::Delete));
        Self { resultant: Arc::new(resultant), review: Review { old_object, ..review } }
    }

    /// Makes violations in the resultant violations of the object that it comes from.
    pub(super) fn take(implied: &Arc<Self>, violations: &mut [Violation], context: &EvalContext<'_>) {
        for violation in violations {
            violation.message = implied.resultant.implied(&violation.message);
            match &implied.resultant.action {
                None => {}
                Some(ImpliedAction::Always(action)) => violation.actions = vec![action.clone()],
                Some(ImpliedAction::ByScope) => violation.actions = scoped_actions(&violation.constraint, context),
            }
            violation.implied = Some(Arc::clone(implied));
        }
    }
}

/// What follows by `scoped`: nothing from a constraint that is not.
fn scoped_actions(constraint: &CompiledConstraint, context: &EvalContext<'_>) -> Vec<EnforcementAction> {
    match &constraint.constraint.enforcement {
        Enforcement::Everywhere(_) => Vec::new(),
        scoped @ Enforcement::Scoped(_) => scoped.actions_at(context.point).into_iter().cloned().collect(),
    }
}

impl Violation {
    /// The text of `enforcementAction` that counts: the ExpansionTemplate's before the constraint's. It orders results.
    pub fn enforcement_action(&self) -> &str {
        let action = self.implied.as_ref().and_then(|implied| implied.resultant.action.as_ref());
        action.map_or_else(|| self.constraint.constraint.enforcement.as_str(), ImpliedAction::as_str)
    }

    /// What is wrong in the policy's own words, without who implies it.
    pub fn own_message(&self) -> &str {
        let Some(implied) = &self.implied else { return &self.message };
        let prefix = implied.resultant.implied("");
        self.message.strip_prefix(&prefix).unwrap_or(&self.message)
    }

    /// Where somebody wrote a field of what it is in.
    pub fn origin_of(&self, path: &FieldPath) -> Origin {
        match &self.implied {
            Some(implied) => implied.resultant.origin(path),
            None => Origin { holder: Holder::Generator, path: path.clone(), is_made_up: false },
        }
    }
}
