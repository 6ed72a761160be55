//! Mutators in force: those of the store that can act, and of those that cannot what they last were.

use std::sync::Arc;

use super::{BuildOptions, ErrorPlace, ResourceError, Store};
use crate::model::api::mutator::{Location, Mutator, MutatorId, MutatorKind};
use crate::model::object::{FieldError, FieldPath, Object, Segment};
use crate::policy::mutation::{CompiledMutator, Mutators, conflict_text};

/// Gatekeeper's type of error for mutators whose locations contradict each other.
pub const CONFLICTING: &str = "ErrConflictingSchema";
/// Gatekeeper gives other errors no type.
const OTHER: &str = "";

/// Reads all mutators; one that did not change stays the same in memory, and so do all together.
pub(super) fn build_mutators(
    store: &Store,
    previous: &Arc<Mutators>,
    options: BuildOptions,
    errors: &mut Vec<ResourceError>,
) -> Arc<Mutators> {
    let mut in_force = Vec::new();
    for object in store.mutators.values().filter(|object| !object.is_terminating()) {
        let before = find(previous, object);
        if let Some(before) = before.filter(|before| is_same(&before.source, object)) {
            in_force.push(Arc::clone(before));
            continue;
        }
        match check_mutator(object, options) {
            Ok(mutator) => in_force.push(Arc::new(CompiledMutator { mutator, source: Arc::clone(object) })),
            Err(found) => {
                in_force.extend(before.cloned());
                errors.extend(found.into_iter().map(|error| refused(object, error, before.is_some())));
            }
        }
    }
    let is_unchanged = previous.len() == in_force.len()
        && previous.iter().zip(&in_force).all(|(before, now)| Arc::ptr_eq(before, now));
    let mutators = if is_unchanged { Arc::clone(previous) } else { Arc::new(Mutators::new(in_force)) };
    errors.extend(conflict_errors(&mutators));
    mutators
}

/// Reads a mutator that may be used here.
///
/// # Errors
/// With everything that is wrong with it; what Gatekeeper says comes first, in its words.
pub fn check_mutator(object: &Object, options: BuildOptions) -> Result<Mutator, Vec<FieldError>> {
    let mutator = Mutator::parse(object)?;
    if mutator.external_data().is_none() || options.compile.access.has_external_data() {
        return Ok(mutator);
    }
    let path = FieldPath::from(["spec", "parameters", "assign", "externalData"]);
    Err(vec![FieldError::new(path, "external data feature flag is not enabled")])
}

fn find<'a>(previous: &'a Mutators, object: &Object) -> Option<&'a Arc<CompiledMutator>> {
    let kind = MutatorKind::from_text(&object.gvk().kind)?;
    previous.find(&MutatorId { kind, namespace: object.namespace().to_owned(), name: object.name().to_owned() })
}

fn is_same(before: &Arc<Object>, now: &Arc<Object>) -> bool {
    Arc::ptr_eq(before, now)
        || (before.gvk() == now.gvk()
            && before.uid() == now.uid()
            && before.generation() == now.generation()
            && before.field(&["spec"]) == now.field(&["spec"]))
}

fn refused(object: &Object, error: FieldError, has_previous: bool) -> ResourceError {
    let place = place_in_location(object, &error.path).unwrap_or(ErrorPlace::Field(error.path));
    ResourceError { key: object.key(), code: OTHER, message: error.message, place, previous_in_force: has_previous }
}

/// Where a text that should be a location stops being one.
fn place_in_location(object: &Object, path: &FieldPath) -> Option<ErrorPlace> {
    let mut value = object.value();
    for segment in path.segments() {
        value = match segment {
            Segment::Key(key) => value.get(key)?,
            Segment::Index(index) => value.get(index)?,
        };
    }
    let is_location =
        matches!(path.segments().last(), Some(Segment::Key(key)) if key == "location" || key == "subPath");
    let column = Location::parse(value.as_str().filter(|_| is_location)?).err()?.column;
    Some(ErrorPlace::Text { field: path.clone(), line: 1, column })
}

fn conflict_errors(mutators: &Mutators) -> impl Iterator<Item = ResourceError> {
    let to_error = |one: &Arc<CompiledMutator>| {
        let ids = mutators.conflicts().get(&one.mutator.id)?;
        Some(ResourceError {
            key: one.source.key(),
            code: CONFLICTING,
            message: conflict_text(ids),
            place: ErrorPlace::Field(FieldPath::from(["spec", "location"])),
            previous_in_force: false,
        })
    };
    mutators.iter().filter_map(to_error)
}
