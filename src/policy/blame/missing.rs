//! Fields that are not there and should be.
//!
//! Mappings that a policy goes through are given the keys that parameters name; what it looks for in vain is given values.
//! A policy that looks for `resources.limits.cpu` and does not find `resources` has said no more than that: so it is given an
//! empty one, and looks for `limits`.

use std::cmp::Reverse;
use std::collections::{BTreeSet, VecDeque};

use crate::model::object::{FieldPath, Segment};
use crate::model::value::Value;
use crate::policy::engine::{Role, Touch};

use super::guesses::{ANYTHING, Guesses};
use super::message::{demands, mentions, names};
use super::offer::offer;
use super::trials::{Effect, Sightings, Trials};
use super::{Standing, Suspect, edit, values};

/// So many mappings are made within each other.
const MAX_DEPTH: usize = 4;
/// So many missing fields are tried.
const MAX_FIELDS: usize = 16;
/// So many values for each.
const MAX_VALUES: usize = 20;

/// Evaluations that are left for what comes after.
const KEPT_FOR_THE_REST: u32 = 120;
/// So many evaluations are spent when something else is likely already.
const FOR_A_DOUBT: u32 = 80;
/// And so many values for each field then.
const MAX_VALUES_IN_DOUBT: usize = 6;

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
    role: Role,
    /// What the policy compares with what stands for it.
    wanted: Vec<Value>,
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
        suspects.extend(named(trials, object, path, guesses, message));
    }
    // Some builtins take all keys of a mapping at once.
    let tested = sightings.touched.iter().filter(|(_, touch)| **touch == Touch::Tested).map(|(path, _)| path);
    let tested = tested.filter(|path| !path.segments().is_empty() && !sightings.iterated.contains(*path));
    for path in tested.filter(is_mapping).take(MAX_TESTED_MAPPINGS) {
        // Where any key will do, it is not this one that is missing.
        let other = edit::with(object, &path.key(ANYTHING), Value::string(ANYTHING));
        if trials.effect(other) == Effect::Gone {
            continue;
        }
        let is_mentioned = |name: &&String| mentions(message, name);
        for name in guesses.names().iter().chain(guesses.other_names()).filter(is_mentioned) {
            suspects.extend(under(
                trials,
                object,
                &path.key(name.clone()),
                (guesses, MAX_VALUES_OF_OTHER_NAMES),
                message,
            ));
        }
    }
    let mut queue = Queue::default();
    let mut missed: Vec<&(FieldPath, String)> = sightings.missed.iter().collect();
    missed.sort_by_key(|(parent, key)| Reverse(sightings.role(&parent.key(key.clone()))));
    missed.into_iter().for_each(|missed| queue.add(sightings, missed, object, 0));
    // `key:` with nothing behind it is as good as missing.
    let is_null = |path: &&FieldPath| matches!(edit::at(object, path), Some(Value::Null));
    sightings.touched.keys().filter(is_null).for_each(|path| queue.push(sightings, path.clone(), object, 0));
    while let Some(Absent { path, object, depth, role, wanted }) = queue.next(trials, &suspects)
        && trials.left() > kept
    {
        let emptied = edit::with(&object, &path, Value::object(Vec::new()));
        let below = emptied.and_then(|emptied| Some((trials.observe(&emptied)?, emptied)));
        let is_iterated = below.as_ref().is_some_and(|(below, _)| below.iterated.contains(&path));
        let most = if is_doubt { MAX_VALUES_IN_DOUBT } else { MAX_VALUES };
        let found = filled(trials, &object, &path, guesses, (is_iterated, most), wanted);
        if let Some((below, emptied)) = below {
            if found.is_none() && is_iterated {
                suspects.extend(named(trials, &emptied, &path, guesses, message));
            }
            if depth < MAX_DEPTH {
                queue.add_below(&path, &below, &emptied, depth + 1);
            }
            if found.is_none() && is_iterated && depth < MAX_DEPTH {
                queue.lists.push_back((path.clone(), object.clone(), depth));
            }
        }
        if let Some((weight, passing)) = found {
            let (inner, path) = (path.clone(), out_of_lists(trials.object(), &path));
            let told = told(trials.object(), &path, message);
            let weight = weight + weight_of_message(&path, told.is_some(), message);
            // What passes is a value of the deepest field.
            let passing = passing.filter(|_| told.as_ref().is_none_or(|told| *told == path));
            let passing = passing.filter(|_| inner == path);
            let passing = passing.and_then(|value| offer(trials, guesses, &object, (&path, &value), is_iterated));
            let is_told = told.is_some();
            let standing = Standing::of_missing(&path, is_told, role);
            suspects.push(Suspect {
                path: told.unwrap_or(path),
                is_missing: true,
                weight,
                favour: 0,
                is_told,
                standing,
                passing,
            });
        }
    }
    suspects
}

/// What is inside of an element that was made up is missing because its list is.
fn out_of_lists(object: &Value, path: &FieldPath) -> FieldPath {
    let made_up = |path: &FieldPath| {
        let is_element = matches!(path.segments().last(), Some(Segment::Index(_)));
        if is_element && edit::at(object, path).is_none() { path.parent() } else { None }
    };
    let around: Vec<FieldPath> = std::iter::successors(Some(path.clone()), FieldPath::parent).collect();
    around.iter().rev().find_map(made_up).unwrap_or_else(|| path.clone())
}

/// What the message says for a field: that it, or what it is in, should be there.
fn weight_of_message(path: &FieldPath, is_told: bool, message: &str) -> i32 {
    let is_demanded = (is_told || values::is_parent_named(path, message)) && demands(message);
    (if is_told { MENTIONED } else { 0 }) + if is_demanded { DEMANDED } else { 0 }
}

/// The deepest of the missing fields on the way to one that the message speaks of: a probe, not what it should have inside.
fn told(object: &Value, path: &FieldPath, message: &str) -> Option<FieldPath> {
    let is_missing = |path: &FieldPath| matches!(edit::at(object, path), None | Some(Value::Null));
    let mut missing = std::iter::successors(Some(path.clone()), FieldPath::parent).take_while(is_missing);
    missing.find(|path| matches!(path.segments().last(), Some(Segment::Key(key)) if names(message, key)))
}

/// What becomes of the violation when the field is there: the weight of that, and a value that passes.
fn filled(
    trials: &mut Trials<'_>,
    object: &Value,
    path: &FieldPath,
    guesses: &Guesses,
    (is_iterated, most): (bool, usize),
    wanted: Vec<Value>,
) -> Option<(i32, Option<Value>)> {
    let mut found = None;
    for value in guesses.for_missing(path, is_iterated).into_iter().take(most).chain(wanted) {
        match trials.effect_with(object, path, &value) {
            Effect::Gone => return Some((GONE, Some(value))),
            Effect::Reworded => found = Some((REWORDED, value)),
            Effect::Stays | Effect::Unknown => {}
        }
    }
    let (weight, value) = found?;
    // Now that it is there, the policy may say what it should be.
    let sightings = edit::with(object, path, value).and_then(|changed| trials.observe(&changed));
    let mut wanted = sightings.map(|sightings| sightings.wanted(path)).unwrap_or_default().into_iter();
    let passing = wanted.find(|value| trials.effect_with(object, path, value) == Effect::Gone);
    Some(passing.map_or((weight, None), |value| (GONE, Some(value))))
}

/// Fields that are still to be tried, each once.
#[derive(Default)]
struct Queue {
    seen: BTreeSet<FieldPath>,
    absent: VecDeque<Absent>,
    /// What would be lists, in objects without them, and how deep they are: elements are made up when nothing else is missing.
    lists: VecDeque<(FieldPath, Value, usize)>,
}

impl Queue {
    fn next(&mut self, trials: &mut Trials<'_>, found: &[Suspect]) -> Option<Absent> {
        while self.absent.is_empty() && found.iter().all(|suspect| suspect.weight < GONE) {
            let (path, object, depth) = self.lists.pop_front()?;
            let listed = edit::with(&object, &path, Value::array(vec![Value::object(Vec::new())]));
            if let Some(listed) = listed
                && let Some(below) = trials.observe(&listed)
            {
                self.add_below(&path, &below, &listed, depth + 1);
            }
        }
        self.absent.pop_front()
    }

    fn add(&mut self, sightings: &Sightings, (parent, key): &(FieldPath, String), object: &Value, depth: usize) {
        self.push(sightings, parent.key(key.clone()), object, depth);
    }

    /// What is missing from something that was put in, and from what is in it.
    fn add_below(&mut self, path: &FieldPath, sightings: &Sightings, object: &Value, depth: usize) {
        let is_below = |(parent, _): &&(FieldPath, String)| parent.segments().starts_with(path.segments());
        sightings.missed.iter().filter(is_below).for_each(|missed| self.add(sightings, missed, object, depth));
    }

    fn push(&mut self, sightings: &Sightings, path: FieldPath, object: &Value, depth: usize) {
        if self.seen.len() < MAX_FIELDS && self.seen.insert(path.clone()) {
            let (role, wanted) = (sightings.role(&path), sightings.wanted(&path));
            self.absent.push_back(Absent { path, object: object.clone(), depth, role, wanted });
        }
    }
}

/// Keys that parameters name, missing from a mapping that the policy goes through: labels. The mapping may be
/// missing as well.
fn named(
    trials: &mut Trials<'_>,
    object: &Value,
    mapping: &FieldPath,
    guesses: &Guesses,
    message: &str,
) -> Vec<Suspect> {
    let tried = |trials: &mut Trials<'_>, names: &[String], most: usize| -> Vec<Suspect> {
        let paths = names.iter().map(|name| mapping.key(name.clone()));
        paths.filter_map(|path| under(trials, object, &path, (guesses, most), message)).collect()
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
    (guesses, most): (&Guesses, usize),
    message: &str,
) -> Option<Suspect> {
    if edit::at(object, path).is_some() {
        return None;
    }
    let is_mentioned = values::last_key(path).is_some_and(|name| mentions(message, name));
    let mut found = None;
    for value in guesses.texts_for_missing().take(most) {
        match trials.effect_with(object, path, value) {
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
    let told = told(trials.object(), path, message);
    let is_told = told.is_some();
    let weight = weight + NAMED_BY_PARAMETERS + weight_of_message(path, is_told, message);
    let passing = passing.filter(|_| told.as_ref().is_none_or(|told| told == path));
    let path = told.unwrap_or_else(|| path.clone());
    let standing = Standing::of_missing(&path, is_told, Role::Open);
    Some(Suspect { path, is_missing: true, weight, favour: 0, is_told, standing, passing })
}
