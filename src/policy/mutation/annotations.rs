//! The annotations that say what changed an object, for those who want them.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::CompiledMutator;

const MUTATIONS: &str = "gatekeeper.sh/mutations";
const MUTATION_ID: &str = "gatekeeper.sh/mutation-id";

/// Writes into an object which mutators have changed it, and the mutation's id. The id is another one each time: with
/// these annotations a second application of the same mutators does change the object.
pub fn annotate(object: &mut Value, passes: &[Vec<Arc<CompiledMutator>>], id: &str) {
    let mutators: BTreeSet<String> = passes.iter().flatten().map(|one| one.mutator.to_string()).collect();
    let mutators = mutators.into_iter().collect::<Vec<_>>().join(", ");
    let Some(fields) = object.as_object_mut() else { return };
    change(fields, "metadata", |metadata| {
        change(metadata, "annotations", |annotations| {
            annotations.insert(MUTATIONS.to_owned(), mutators.into());
            annotations.insert(MUTATION_ID.to_owned(), id.into());
        });
    });
}

/// A mapping's field, as a mapping; whatever else is there makes way.
fn change(fields: &mut Map<String, Value>, key: &str, change: impl FnOnce(&mut Map<String, Value>)) {
    let mut mapping = match fields.remove(key) {
        Some(Value::Object(mapping)) => mapping,
        _ => Map::new(),
    };
    change(&mut mapping);
    fields.insert(key.to_owned(), mapping.into());
}
