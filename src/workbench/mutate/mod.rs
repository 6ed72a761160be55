//! What the mutators of a bundle make of its objects: `admit mutate`.
//!
//! ```text
//! objects ─ mutate ─► Mutated ─ by source ─► MutatedText ─ edits of the text ─► printed, compared or written
//! ```
//!
//! The call is the webhook's. What configures admit itself is not mutated, as there. Deliberately absent: reading and
//! writing files.

mod texts;

use serde_json::Value;

use super::bundle::BundledObject;
use super::diagnostic::Diagnostic;
use crate::model::api::Process;
use crate::model::object::Object;
use crate::model::review::{Operation, Review};
use crate::policy::evaluate::own::GROUPS;
use crate::policy::evaluate::{MutationContext, MutationFailure, mutate};
use crate::policy::exclusion::Exclusions;
use crate::policy::snapshot::Snapshot;

pub use texts::{MutatedText, texts};

/// An object that mutators may have changed.
#[derive(Clone, Debug)]
pub struct Mutated {
    /// The object as it was read.
    pub object: BundledObject,
    /// What it is now.
    pub after: Value,
    /// The mutators that changed it, by their names, each once, in the order in which they first did.
    pub mutators: Vec<String>,
}

impl Mutated {
    /// Whether it is another one now.
    pub fn is_changed(&self) -> bool {
        self.after != *self.object.object.value()
    }
}

/// Every object that is no resource of admit itself, in the order in which they were read, and what could not be mutated.
pub fn mutate_all(
    snapshot: &Snapshot,
    objects: &[BundledObject],
    operation: Operation,
) -> (Vec<Mutated>, Vec<Diagnostic>) {
    let (mut mutated, mut problems) = (Vec::new(), Vec::new());
    for object in objects.iter().filter(|one| !is_own(one)) {
        match mutate_one(snapshot, snapshot.exclusions(), object, operation) {
            Ok(one) => mutated.push(one),
            Err(failure) => {
                let location = object.document.location();
                problems.push(Diagnostic::at(&object.document, &location, failure.to_string()));
            }
        }
    }
    (mutated, problems)
}

/// One object in a request that does this.
pub(in crate::workbench) fn mutate_one(
    snapshot: &Snapshot,
    exclusions: &Exclusions,
    object: &BundledObject,
    operation: Operation,
) -> Result<Mutated, MutationFailure> {
    let namespace = snapshot.namespace(object.object.namespace()).cloned();
    let review = Review { operation: Some(operation), ..Review::of_object(&object.object, namespace) };
    let (gvk, object_namespace) = (object.object.gvk(), object.object.namespace());
    if exclusions.excludes_object(Process::MutationWebhook, gvk, object_namespace, object.object.name()) {
        return Ok(Mutated { object: object.clone(), after: object.object.value().clone(), mutators: Vec::new() });
    }
    let mutation = mutate(snapshot, &review, object.object.value(), MutationContext::offline())?;
    let mut mutators: Vec<String> = Vec::new();
    for one in mutation.passes.iter().flatten() {
        let name = name_of(&one.source);
        if !mutators.contains(&name) {
            mutators.push(name);
        }
    }
    Ok(Mutated { object: object.clone(), after: mutation.object, mutators })
}

/// `Assign/run-as-non-root`
pub(in crate::workbench) fn name_of(mutator: &Object) -> String {
    format!("{}/{}", mutator.gvk().kind, mutator.name())
}

/// Whether it configures admit, or tests what does.
pub fn is_own(object: &BundledObject) -> bool {
    let group = object.object.gvk().group.as_str();
    GROUPS.contains(&group) || group == "test.gatekeeper.sh"
}
