//! Fields that are there and are to blame.

use std::collections::BTreeSet;

use crate::model::object::{FieldPath, Segment};
use crate::model::value::Value;
use crate::policy::engine::Touch;

use super::guesses::{Guesses, mentions};
use super::trials::{Effect, Sightings, Trials};
use super::{Suspect, edit};

/// From this weight on nothing else is looked at.
pub(super) const CERTAIN: i32 = 8;
/// From this weight on it is taken for the cause.
pub(super) const LIKELY: i32 = 5;

const REMOVED: i32 = 4;
const REPLACED: i32 = 5;
/// The violation is another one without it, and shows it.
const REWORDED: i32 = 3;
const VALUE_SHOWN: i32 = 2;
const KEY_NAMED: i32 = 1;
/// What a field says of identity is more often shown by messages, and asked to leave objects alone, than meant.
const IDENTITY: i32 = -6;
const KIND: i32 = -1;
/// So many fields are tried.
const MAX_FIELDS: usize = 48;
/// So many times is looked for further fields.
const MAX_ROUNDS: usize = 4;
/// So many values instead of one.
const MAX_INSTEAD: usize = 16;

/// Fields that the policy tests and whose change makes the violation go away, weighed.
pub(super) fn suspects(
    trials: &mut Trials<'_>,
    sightings: &Sightings,
    guesses: &Guesses,
    message: &str,
) -> Vec<Suspect> {
    let object = trials.object();
    let mut suspects = Vec::new();
    for (path, value) in fields(object, sightings, message) {
        let removed = trials.effect(edit::without(object, path));
        let instead = guesses.instead_of(value).into_iter().take(MAX_INSTEAD);
        let instead: Vec<Value> = instead.collect();
        let passing =
            instead.into_iter().find(|new| trials.effect(edit::with(object, path, new.clone())) == Effect::Gone);
        let is_shown = is_shown(value, message);
        let is_reworded = removed == Effect::Reworded && is_shown;
        if removed != Effect::Gone && passing.is_none() && !is_reworded {
            continue;
        }
        let weights = [
            (removed == Effect::Gone, REMOVED),
            (passing.is_some(), REPLACED),
            (is_reworded, REWORDED),
            (is_shown, VALUE_SHOWN),
            (is_named(path, message), KEY_NAMED),
            (is_identity(path), IDENTITY),
            (matches!(path.segments().last(), Some(Segment::Key(key)) if key == "kind"), KIND),
        ];
        let weight = weights.iter().filter(|(holds, _)| *holds).map(|(_, weight)| weight).sum();
        let passing = passing.map(|value| value.to_json());
        suspects.push(Suspect { path: path.clone(), is_missing: false, weight, passing });
    }
    suspects
}

/// What is tested, in the order of paths; what messages show or name comes first.
fn fields<'s>(object: &'s Value, sightings: &'s Sightings, message: &str) -> Vec<(&'s FieldPath, &'s Value)> {
    let tested =
        sightings.touched.iter().filter(|(path, touch)| **touch == Touch::Tested && !path.segments().is_empty());
    let mut tested: Vec<_> = tested.filter_map(|(path, _)| Some((path, edit::at(object, path)?))).collect();
    tested.sort_by_key(|(path, value)| !(is_shown(value, message) || is_named(path, message)));
    tested.truncate(MAX_FIELDS);
    tested
}

fn is_shown(value: &Value, message: &str) -> bool {
    match value {
        Value::String(text) => mentions(message, text),
        Value::Number(number) => mentions(message, &number.to_string()),
        _ => false,
    }
}

fn is_named(path: &FieldPath, message: &str) -> bool {
    let key = path.segments().iter().rev().find_map(|segment| match segment {
        Segment::Key(key) => Some(key.as_str()),
        Segment::Index(_) => None,
    });
    key.is_some_and(|key| mentions(message, key))
}

/// Whether it says who an object or a part of it is.
fn is_identity(path: &FieldPath) -> bool {
    let keys: Vec<&Segment> = path.segments().iter().collect();
    let is_key = |segment: &Segment, name: &str| matches!(segment, Segment::Key(key) if key == name);
    match keys.as_slice() {
        [one] => is_key(one, "apiVersion") || is_key(one, "kind"),
        [metadata, name] if is_key(metadata, "metadata") => {
            ["name", "namespace", "generateName", "uid"].iter().any(|one| is_key(name, one))
        }
        [.., Segment::Key(list), Segment::Index(_), last] => {
            is_key(last, "name") && list.to_lowercase().ends_with("containers")
        }
        _ => false,
    }
}

/// Several fields of which each alone is enough: two containers that have one message, or two ways to break one rule. All
/// are neutralised at once, those that a policy tests only then included; then each is given back that the violation does
/// not come back with.
pub(super) fn together(trials: &mut Trials<'_>, sightings: &Sightings) -> Vec<Suspect> {
    let object = trials.object();
    let mut paths = scalars(object, sightings);
    for _ in 0..MAX_ROUNDS {
        let Some(changed) = neutralised(object, &paths) else { return Vec::new() };
        if paths.is_empty() || trials.effect(Some(changed.clone())) == Effect::Gone {
            break;
        }
        let Some(seen) = trials.observe(&changed) else { return Vec::new() };
        let before = paths.len();
        paths.extend(scalars(object, &seen));
        if paths.len() == before {
            return Vec::new();
        }
    }
    if trials.effect(neutralised(object, &paths)) != Effect::Gone {
        return Vec::new();
    }
    for path in paths.clone() {
        let mut others = paths.clone();
        others.remove(&path);
        if trials.effect(neutralised(object, &others)) == Effect::Gone {
            paths = others;
        }
    }
    let suspect = |path| Suspect { path, is_missing: false, weight: LIKELY, passing: None };
    paths.into_iter().map(suspect).collect()
}

/// Scalars that are tested, and do not say who somebody is.
fn scalars(object: &Value, sightings: &Sightings) -> BTreeSet<FieldPath> {
    let tested = sightings.touched.iter().filter(|(path, touch)| {
        let value = edit::at(object, path);
        **touch == Touch::Tested && !is_identity(path) && value.is_some_and(|value| !value.is_collection())
    });
    tested.map(|(path, _)| path.clone()).take(MAX_FIELDS).collect()
}

/// Switches are switched, everything else is taken away, from the last on, so that positions before it stay.
fn neutralised(object: &Value, paths: &BTreeSet<FieldPath>) -> Option<Value> {
    paths.iter().rev().try_fold(object.clone(), |object, path| match edit::at(&object, path) {
        Some(Value::Bool(boolean)) => edit::with(&object, path, Value::Bool(!boolean)),
        _ => edit::without(&object, path),
    })
}

/// Elements of lists, and entries of mappings, without which the violation is not there.
pub(super) fn elements(trials: &mut Trials<'_>, sightings: &Sightings) -> Vec<Suspect> {
    let object = trials.object();
    let iterated = sightings.iterated.iter().filter(|path| !path.segments().is_empty());
    let elements = iterated.flat_map(|path| -> Vec<FieldPath> {
        match edit::at(object, path) {
            Some(Value::Array(items)) => (0..items.len()).map(|index| path.index(index)).collect(),
            Some(Value::Object(fields)) => {
                fields.entries().iter().filter_map(|(key, _)| Some(path.key(key.as_str()?))).collect()
            }
            _ => Vec::new(),
        }
    });
    let elements: Vec<FieldPath> = elements.filter(|path| !is_identity(path)).take(MAX_FIELDS).collect();
    let gone = elements.into_iter().filter(|path| trials.effect(edit::without(object, path)) == Effect::Gone);
    gone.map(|path| Suspect { path, is_missing: false, weight: 1, passing: None }).collect()
}
