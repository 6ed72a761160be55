//! What mutators make of an object and of what it would create, as a change of the object.
//!
//! What a Deployment creates is not in its file; but each field of it was written somewhere in there, and that is where the
//! change of a Pod goes. A change of what nobody wrote, such as the Pod's own name, is none of the file's.

use serde_json::Value;

use super::change::{apply, changes};
use crate::model::object::Object;
use crate::model::review::Operation;
use crate::policy::evaluate::{MutationContext, mutate};
use crate::policy::expansion::{Generators, Holder};
use crate::workbench::bundle::BundledObject;
use crate::workbench::lint::judge::Judge;
use crate::workbench::mutate::{mutate_one, name_of};

/// The object after mutation and the mutators that changed it; nothing when none did, or one failed.
pub(super) fn mutated(judge: &Judge<'_>, object: &BundledObject) -> Option<(Value, Vec<String>)> {
    if judge.mutations.mutators().is_empty() {
        return None;
    }
    let mutated = mutate_one(judge.mutations, judge.snapshot.exclusions(), object, Operation::Create).ok()?;
    let (mut after, mut names) = (mutated.after, mutated.mutators);
    if let Some(referents) = judge.referents {
        let generator = Object::from_value(after.clone()).ok()?;
        let namespace = judge.snapshot.namespace(generator.namespace()).cloned();
        let generators = Generators { templates: judge.snapshot.expansions(), workloads: Some(referents) };
        let expansion = generators.expand(&generator, generator.namespace(), &mut |_| Ok(None)).ok()?;
        for resultant in expansion.resultants {
            let review = resultant.review(namespace.clone());
            let before = resultant.object.value();
            let mutation = mutate(judge.mutations, &review, before, MutationContext::offline()).ok()?;
            for (path, new) in changes(before, &mutation.object) {
                let origin = resultant.origin(&path);
                if origin.holder == Holder::Generator && !origin.is_made_up {
                    apply(&mut after, &origin.path, new)?;
                }
            }
            for one in mutation.passes.iter().flatten() {
                let name = name_of(&one.source);
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
    }
    (after != *object.object.value()).then_some((after, names))
}
