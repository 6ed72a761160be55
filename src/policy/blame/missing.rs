//! Fields that are not there and should be.
//!
//! Mappings that a policy goes through are given the keys that parameters name; what it looks for in vain is given values.
//! A policy that looks for `resources.limits.cpu` and does not find `resources` has said no more than that: so it is given an
//! empty one, and looks for `limits`.

use std::collections::{BTreeSet, VecDeque};

use crate::model::object::{FieldPath, Segment};
use crate::model::value::Value;

use super::guesses::{Guesses, mentions};
use super::trials::{Effect, Sightings, Trials};
use super::{Suspect, edit};

/// So many mappings are made within each other.
const MAX_DEPTH: usize = 4;
/// So many missing fields are tried.
const MAX_FIELDS: usize = 16;
/// So many values for each.
const MAX_VALUES: usize = 20;

/// Evaluations that are left for what comes after.
const KEPT_FOR_THE_REST: u32 = 120;

const GONE: i32 = 5;
const REWORDED: i32 = 3;
const MENTIONED: i32 = 2;
const NAMED_BY_PARAMETERS: i32 = 2;

/// A field that was looked for in vain.
struct Absent {
    path: FieldPath,
    /// The object with what encloses it.
    object: Value,
    depth: usize,
}

/// Fields whose being there makes the violation go away, weighed.
pub(super) fn suspects(
    trials: &mut Trials<'_>,
    sightings: &Sightings,
    guesses: &Guesses,
    message: &str,
) -> Vec<Suspect> {
    let object = trials.object();
    let mut suspects = Vec::new();
    let is_mapping = |path: &&FieldPath| matches!(edit::at(object, path), Some(Value::Object(_)));
    for path in sightings.iterated.iter().filter(is_mapping).take(MAX_FIELDS) {
        suspects.extend(named(trials, object, path, 0, guesses, message));
    }
    let mut queue = Queue::default();
    queue.add(&sightings.missed, object, 0);
    // `key:` with nothing behind it is as good as missing.
    let is_null = |path: &&FieldPath| matches!(edit::at(object, path), Some(Value::Null));
    sightings.touched.keys().filter(is_null).for_each(|path| queue.push(path.clone(), object, 0));
    while let Some(Absent { path, object, depth }) = queue.absent.pop_front()
        && trials.has_more_than(KEPT_FOR_THE_REST)
    {
        let found = filled(trials, &object, &path, guesses);
        if let Some(emptied) = edit::with(&object, &path, Value::object(Vec::new()))
            && let Some(below) = trials.observe(&emptied)
        {
            if found.is_none() && below.iterated.contains(&path) {
                suspects.extend(named(trials, &emptied, &path, depth + 1, guesses, message));
            }
            if depth < MAX_DEPTH {
                let is_below = |(parent, _): &&(FieldPath, String)| parent.segments().starts_with(path.segments());
                queue.add(&below.missed.iter().filter(is_below).cloned().collect(), &emptied, depth + 1);
            }
        }
        if let Some((weight, passing)) = found {
            let told = told(&path, depth, message);
            let weight = weight + if told.is_some() { MENTIONED } else { 0 };
            // What passes is a value of the deepest field.
            let passing = passing.filter(|_| told.as_ref().is_none_or(|told| *told == path));
            let passing = passing.and_then(|value| guesses.offered(&path, &value));
            suspects.push(Suspect { path: told.unwrap_or(path), is_missing: true, weight, passing });
        }
    }
    suspects
}

/// The deepest of the missing fields on the way to one that the message speaks of: a probe, not what it should have inside.
fn told(path: &FieldPath, depth: usize, message: &str) -> Option<FieldPath> {
    let mut missing = std::iter::successors(Some(path.clone()), FieldPath::parent).take(depth + 1);
    missing.find(|path| matches!(path.segments().last(), Some(Segment::Key(key)) if mentions(message, key)))
}

/// What becomes of the violation when the field is there: the weight of that, and a value that passes.
fn filled(
    trials: &mut Trials<'_>,
    object: &Value,
    path: &FieldPath,
    guesses: &Guesses,
) -> Option<(i32, Option<Value>)> {
    let mut found = None;
    for value in guesses.for_missing(path).take(MAX_VALUES) {
        match trials.effect(edit::with(object, path, value.clone())) {
            Effect::Gone => return Some((GONE, Some(value))),
            Effect::Reworded => found = Some((REWORDED, None)),
            Effect::Stays | Effect::Unknown => {}
        }
    }
    found
}

/// Fields that are still to be tried, each once.
#[derive(Default)]
struct Queue {
    seen: BTreeSet<FieldPath>,
    absent: VecDeque<Absent>,
}

impl Queue {
    fn add(&mut self, missed: &BTreeSet<(FieldPath, String)>, object: &Value, depth: usize) {
        missed.iter().for_each(|(parent, key)| self.push(parent.key(key.clone()), object, depth));
    }

    fn push(&mut self, path: FieldPath, object: &Value, depth: usize) {
        if self.seen.len() < MAX_FIELDS && self.seen.insert(path.clone()) {
            self.absent.push_back(Absent { path, object: object.clone(), depth });
        }
    }
}

/// Keys that parameters name, missing from a mapping that the policy goes through: labels. The mapping and so many around it
/// are missing as well.
fn named(
    trials: &mut Trials<'_>,
    object: &Value,
    mapping: &FieldPath,
    depth: usize,
    guesses: &Guesses,
    message: &str,
) -> Vec<Suspect> {
    let mut suspects = Vec::new();
    for name in guesses.names() {
        let path = mapping.key(name.clone());
        if edit::at(object, &path).is_some() {
            continue;
        }
        let is_mentioned = mentions(message, name);
        let mut found = None;
        for value in guesses.texts_for_missing().take(MAX_VALUES) {
            match trials.effect(edit::with(object, &path, value.clone())) {
                Effect::Gone => {
                    found = Some((GONE, guesses.offered(&path, value)));
                    break;
                }
                // Of several that are missing, the message lists one less.
                Effect::Reworded if is_mentioned && found.is_none() => found = Some((REWORDED, None)),
                Effect::Reworded | Effect::Stays | Effect::Unknown => {}
            }
        }
        if let Some((weight, passing)) = found {
            let told = told(&path, depth, message);
            let weight = weight + NAMED_BY_PARAMETERS + if told.is_some() { MENTIONED } else { 0 };
            let passing = passing.filter(|_| told.as_ref().is_none_or(|told| *told == path));
            suspects.push(Suspect { path: told.unwrap_or(path), is_missing: true, weight, passing });
        }
    }
    suspects
}
