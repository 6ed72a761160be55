//! The part of a list or mapping that is to blame: policies compare, keep or leave out wholes of which one part is wrong.

use crate::model::object::{FieldPath, Segment};
use crate::model::value::Value;

use super::guesses::Guesses;
use super::trials::{Effect, Sightings, Trials};
use super::{Suspect, edit, values};

/// So many levels down.
const MAX_LEVELS: usize = 6;
/// So many parts of each whole.
const MAX_PARTS: usize = 16;
/// So many values instead of each.
const MAX_INSTEAD: usize = 8;

/// The suspect, or the one part of it whose change alone makes the violation go away as well.
pub(super) fn innermost(
    trials: &mut Trials<'_>,
    sightings: &Sightings,
    guesses: &Guesses,
    mut suspect: Suspect,
) -> Suspect {
    for _ in 0..MAX_LEVELS {
        let Some(path) = only_part(trials, sightings, guesses, &suspect.path) else { break };
        suspect = Suspect { path, passing: None, ..suspect };
    }
    suspect
}

/// Rather what is mended by another value than what is mended by being left out; nothing when there are several.
fn only_part(
    trials: &mut Trials<'_>,
    sightings: &Sightings,
    guesses: &Guesses,
    whole: &FieldPath,
) -> Option<FieldPath> {
    let object = trials.object();
    let mut parts = Vec::new();
    for (path, value) in parts_of(object, whole)? {
        // A mapping without one of its fields may be one that the policy cannot read.
        let is_element = matches!(path.segments().last(), Some(Segment::Index(_)));
        let is_removable =
            (is_element || value.is_collection()) && trials.effect(edit::without(object, &path)) == Effect::Gone;
        let instead = guesses.instead_of(&path, value).into_iter().filter(|_| !value.is_collection());
        let instead = instead.take(MAX_INSTEAD).chain(sightings.wanted(&path));
        let mut instead = instead.filter(|new| new != value && !values::is_identity(&path));
        let is_replaceable = instead.any(|new| trials.effect(edit::with(object, &path, new)) == Effect::Gone);
        parts.push((path, is_removable, is_replaceable));
    }
    let only = |is_meant: &dyn Fn(bool, bool) -> bool| {
        let mut meant = parts.iter().filter(|(_, removable, replaceable)| is_meant(*removable, *replaceable));
        let first = meant.next()?;
        Some(meant.next().is_none().then(|| first.0.clone()))
    };
    let both = only(&|removable, replaceable| removable && replaceable);
    both.or_else(|| only(&|_, replaceable| replaceable)).or_else(|| only(&|removable, _| removable)).flatten()
}

/// Nothing for what has none, or too many.
fn parts_of<'v>(object: &'v Value, whole: &FieldPath) -> Option<Vec<(FieldPath, &'v Value)>> {
    let parts: Vec<(FieldPath, &Value)> = match edit::at(object, whole)? {
        Value::Array(items) => items.iter().enumerate().map(|(index, item)| (whole.index(index), item)).collect(),
        Value::Object(fields) => {
            let entries = fields.entries().iter();
            entries.filter_map(|(key, item)| Some((whole.key(key.as_str()?), item))).collect()
        }
        _ => return None,
    };
    (parts.len() <= MAX_PARTS).then_some(parts)
}
