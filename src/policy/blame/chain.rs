//! Several fields that are missing together: a policy that wants two looks for the second once it has the first.

use std::collections::{BTreeSet, VecDeque};

use crate::model::object::FieldPath;
use crate::model::value::Value;

use super::guesses::Guesses;
use super::trials::{Effect, Sightings, Trials};
use super::{Suspect, edit, values};

/// So many fields are put in one after another, mappings around them included.
const MAX_LINKS: usize = 4;
/// So many objects are gone on with.
const MAX_STATES: usize = 16;
/// So many fields are looked at of each.
const MAX_FIELDS: usize = 6;
/// So many values for the last one.
const MAX_VALUES: usize = 12;

/// So many ends are looked at with another field, with so many values each.
const MAX_ENDS: usize = 4;
const MAX_VALUES_OF_PAIR: usize = 6;

/// An object that the policy came further with.
struct State {
    object: Value,
    /// What was put in, in this order.
    put: Vec<(FieldPath, Value)>,
    /// What it looked for in vain, for the first time.
    missed: Vec<FieldPath>,
}

/// A field that was come to, and no value of it passes.
struct End {
    object: Value,
    put: Vec<(FieldPath, Value)>,
    path: FieldPath,
}

/// Fields of which all have to be there, the first that is looked for first.
pub(super) fn suspects(trials: &mut Trials<'_>, sightings: &Sightings, guesses: &Guesses) -> Vec<Suspect> {
    let mut seen: BTreeSet<FieldPath> = fields(sightings).collect();
    let first = State { object: trials.object().clone(), put: Vec::new(), missed: seen.iter().cloned().collect() };
    let mut states = VecDeque::from([first]);
    let mut left = MAX_STATES;
    let mut ends = Vec::new();
    while let Some(State { object, put, missed }) = states.pop_front() {
        for path in missed.iter().take(MAX_FIELDS) {
            if !put.is_empty() {
                let mut values = guesses.for_missing(path, false).into_iter().take(MAX_VALUES);
                let passes = |value: &Value| trials.effect(edit::with(&object, path, value.clone())) == Effect::Gone;
                if let Some(value) = values.find(passes) {
                    return together(trials, put, (path.clone(), value));
                }
                ends.push(End { object: object.clone(), put: put.clone(), path: path.clone() });
            }
            if put.len() >= MAX_LINKS {
                continue;
            }
            for value in stand_ins() {
                let Some(changed) = edit::with(&object, path, value.clone()) else { continue };
                let Some(found) = trials.observe(&changed) else { return Vec::new() };
                let missed: Vec<FieldPath> = fields(&found).filter(|path| !seen.contains(path)).collect();
                if !missed.is_empty() && left > 0 {
                    left -= 1;
                    seen.extend(missed.iter().cloned());
                    let put = put.iter().cloned().chain([(path.clone(), value)]).collect();
                    states.push_back(State { object: changed, put, missed });
                }
            }
        }
    }
    let others: Vec<FieldPath> = fields(sightings).take(MAX_FIELDS).collect();
    pair(trials, &ends, &others, guesses).unwrap_or_default()
}

/// Ends that nothing passes at, each with another field that is missing: policies may look for both, and then want both.
fn pair(trials: &mut Trials<'_>, ends: &[End], others: &[FieldPath], guesses: &Guesses) -> Option<Vec<Suspect>> {
    for End { object, put, path } in ends.iter().take(MAX_ENDS) {
        let is_put = |other: &FieldPath| other == path || put.iter().any(|(path, _)| path == other);
        for other in others.iter().filter(|other| !is_put(other)) {
            for stand_in in stand_ins() {
                let Some(changed) = edit::with(object, other, stand_in.clone()) else { continue };
                let mut values = guesses.for_missing(path, false).into_iter().take(MAX_VALUES_OF_PAIR);
                let passes = |value: &Value| trials.effect(edit::with(&changed, path, value.clone())) == Effect::Gone;
                if let Some(value) = values.find(passes) {
                    let put = [(other.clone(), stand_in)].into_iter().chain(put.iter().cloned()).collect();
                    return Some(together(trials, put, (path.clone(), value)));
                }
            }
        }
    }
    None
}

fn fields(sightings: &Sightings) -> impl Iterator<Item = FieldPath> {
    sightings.missed.iter().map(|(parent, key)| parent.key(key.clone()))
}

/// What policies ask for of something that only has to be there.
fn stand_ins() -> [Value; 3] {
    [Value::Bool(true), Value::array(vec![Value::Bool(true)]), Value::object(Vec::new())]
}

/// Without what the violation goes away without, and without mappings that were put in for what is inside of them.
fn together(trials: &mut Trials<'_>, mut put: Vec<(FieldPath, Value)>, last: (FieldPath, Value)) -> Vec<Suspect> {
    let object = trials.object();
    put.push(last);
    let with_all = |put: &[(FieldPath, Value)]| {
        put.iter().try_fold(object.clone(), |object, (path, value)| edit::with(&object, path, value.clone()))
    };
    for position in (0..put.len()).rev() {
        let mut others = put.clone();
        others.remove(position);
        if trials.effect(with_all(&others)) == Effect::Gone {
            put = others;
        }
    }
    let is_around =
        |outer: &FieldPath, inner: &FieldPath| outer != inner && inner.segments().starts_with(outer.segments());
    let innermost = put.iter().filter(|(path, _)| !put.iter().any(|(other, _)| is_around(path, other)));
    let suspect = |(position, (path, _)): (usize, &(FieldPath, Value))| {
        // The first comes first.
        let weight = if position == 0 { values::LIKELY + 1 } else { values::LIKELY };
        Suspect { path: path.clone(), is_missing: true, weight, ..Suspect::default() }
    };
    innermost.enumerate().map(suspect).collect()
}
