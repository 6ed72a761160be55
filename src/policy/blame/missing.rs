//! Fields that are not there and should be.
//!
//! Mappings that a policy goes through are given the keys that parameters name; what it looks for in vain is given values.
//! A policy that looks for `resources.limits.cpu` and does not find `resources` has said no more than that: so it is given an
//! empty one, and looks for `limits`.

use std::collections::{BTreeSet, VecDeque};

use crate::model::object::{FieldPath, Segment};
use crate::model::value::Value;
use crate::policy::engine::Touch;

use super::guesses::Guesses;
use super::message::{demands, mentions, names};
use super::offer::offer;
use super::trials::{Effect, Sightings, Trials};
use super::{Suspect, edit, values};

/// So many mappings are made within each other.
const MAX_DEPTH: usize = 4;
/// So many missing fields are tried.
const MAX_FIELDS: usize = 16;
/// So many values for each.
const MAX_VALUES: usize = 20;

/// Evaluations that are left for what comes after.
const KEPT_FOR_THE_REST: u32 = 120;
/// So many evaluations are spent when something else is likely already.
const FOR_A_DOUBT: u32 = 40;
/// And so many values for each field then.
const MAX_VALUES_IN_DOUBT: usize = 3;

const GONE: i32 = 5;
const REWORDED: i32 = 3;
const MENTIONED: i32 = 2;
const NAMED_BY_PARAMETERS: i32 = 2;
/// The message says that it should be there. More than can speak for a value, which may only be why the rule applies.
const DEMANDED: i32 = 12;
/// So many values for a field that only the code names.
const MAX_VALUES_OF_OTHER_NAMES: usize = 2;
/// So many mappings that are tested as a whole.
const MAX_TESTED_MAPPINGS: usize = 4;

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
    is_doubt: bool,
) -> Vec<Suspect> {
    let object = trials.object();
    let spent = if is_doubt { trials.left().saturating_sub(FOR_A_DOUBT) } else { 0 };
    let kept = KEPT_FOR_THE_REST.max(spent);
    let mut suspects = Vec::new();
    let is_mapping = |path: &&FieldPath| matches!(edit::at(object, path), Some(Value::Object(_)));
    for path in sightings.iterated.iter().filter(is_mapping).take(MAX_FIELDS).filter(|_| !is_doubt) {
        suspects.extend(named(trials, object, path, 0, guesses, message));
    }
    // Some builtins take all keys of a mapping at once.
    let tested = sightings.touched.iter().filter(|(_, touch)| **touch == Touch::Tested).map(|(path, _)| path);
    let tested = tested.filter(|path| !path.segments().is_empty() && !sightings.iterated.contains(*path));
    for path in tested.filter(is_mapping).take(MAX_TESTED_MAPPINGS) {
        let is_mentioned = |name: &&String| mentions(message, name);
        for name in guesses.names().iter().chain(guesses.other_names()).filter(is_mentioned) {
            suspects.extend(under(
                trials,
                object,
                &path.key(name.clone()),
                0,
                (guesses, MAX_VALUES_OF_OTHER_NAMES),
                message,
            ));
        }
    }
    let mut queue = Queue::default();
    queue.add(&sightings.missed, object, 0);
    // `key:` with nothing behind it is as good as missing.
    let is_null = |path: &&FieldPath| matches!(edit::at(object, path), Some(Value::Null));
    sightings.touched.keys().filter(is_null).for_each(|path| queue.push(path.clone(), object, 0));
    while let Some(Absent { path, object, depth }) = queue.absent.pop_front()
        && trials.left() > kept
    {
        let emptied = edit::with(&object, &path, Value::object(Vec::new()));
        let below = emptied.and_then(|emptied| Some((trials.observe(&emptied)?, emptied)));
        let is_iterated = below.as_ref().is_some_and(|(below, _)| below.iterated.contains(&path));
        let most = if is_doubt { MAX_VALUES_IN_DOUBT } else { MAX_VALUES };
        let found = filled(trials, &object, &path, guesses, (is_iterated, most));
        if let Some((below, emptied)) = below {
            if found.is_none() && is_iterated {
                suspects.extend(named(trials, &emptied, &path, depth + 1, guesses, message));
            }
            if depth < MAX_DEPTH {
                let is_below = |(parent, _): &&(FieldPath, String)| parent.segments().starts_with(path.segments());
                queue.add(&below.missed.iter().filter(is_below).cloned().collect(), &emptied, depth + 1);
            }
        }
        if let Some((weight, passing)) = found {
            let told = told(&path, depth, message);
            let weight = weight + weight_of_message(&path, told.is_some(), message);
            // What passes is a value of the deepest field.
            let passing = passing.filter(|_| told.as_ref().is_none_or(|told| *told == path));
            let passing = passing.and_then(|value| offer(trials, guesses, &object, (&path, &value), is_iterated));
            let is_told = told.is_some();
            suspects.push(Suspect {
                path: told.unwrap_or(path),
                is_missing: true,
                weight,
                favour: 0,
                is_told,
                passing,
            });
        }
    }
    suspects
}

/// What the message says for a field: that it, or what it is in, should be there.
fn weight_of_message(path: &FieldPath, is_told: bool, message: &str) -> i32 {
    let is_demanded = (is_told || values::is_parent_named(path, message)) && demands(message);
    (if is_told { MENTIONED } else { 0 }) + if is_demanded { DEMANDED } else { 0 }
}

/// The deepest of the missing fields on the way to one that the message speaks of: a probe, not what it should have inside.
fn told(path: &FieldPath, depth: usize, message: &str) -> Option<FieldPath> {
    let mut missing = std::iter::successors(Some(path.clone()), FieldPath::parent).take(depth + 1);
    missing.find(|path| matches!(path.segments().last(), Some(Segment::Key(key)) if names(message, key)))
}

/// What becomes of the violation when the field is there: the weight of that, and a value that passes.
fn filled(
    trials: &mut Trials<'_>,
    object: &Value,
    path: &FieldPath,
    guesses: &Guesses,
    (is_iterated, most): (bool, usize),
) -> Option<(i32, Option<Value>)> {
    let mut found = None;
    for value in guesses.for_missing(path, is_iterated).into_iter().take(most) {
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
    let tried = |trials: &mut Trials<'_>, names: &[String], most: usize| -> Vec<Suspect> {
        let paths = names.iter().map(|name| mapping.key(name.clone()));
        paths.filter_map(|path| under(trials, object, &path, depth, (guesses, most), message)).collect()
    };
    let found = tried(trials, guesses.names(), MAX_VALUES);
    match found.is_empty() {
        true => tried(trials, guesses.other_names(), MAX_VALUES_OF_OTHER_NAMES),
        false => found,
    }
}

/// A key that is missing from a mapping, if the violation goes away when it is there, with one of so many values.
fn under(
    trials: &mut Trials<'_>,
    object: &Value,
    path: &FieldPath,
    depth: usize,
    (guesses, most): (&Guesses, usize),
    message: &str,
) -> Option<Suspect> {
    if edit::at(object, path).is_some() {
        return None;
    }
    let is_mentioned = values::last_key(path).is_some_and(|name| mentions(message, name));
    let mut found = None;
    for value in guesses.texts_for_missing().take(most) {
        match trials.effect(edit::with(object, path, value.clone())) {
            Effect::Gone => {
                found = Some((GONE, offer(trials, guesses, object, (path, value), false)));
                break;
            }
            // Of several that are missing, the message lists one less.
            Effect::Reworded if is_mentioned && found.is_none() => found = Some((REWORDED, None)),
            Effect::Reworded | Effect::Stays | Effect::Unknown => {}
        }
    }
    let (weight, passing) = found?;
    let told = told(path, depth, message);
    let is_told = told.is_some();
    let weight = weight + NAMED_BY_PARAMETERS + weight_of_message(path, is_told, message);
    let passing = passing.filter(|_| told.as_ref().is_none_or(|told| told == path));
    let path = told.unwrap_or_else(|| path.clone());
    Some(Suspect { path, is_missing: true, weight, favour: 0, is_told, passing })
}
