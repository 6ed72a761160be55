//! Fields that are there and are to blame.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::object::{FieldPath, Segment};
use crate::model::value::Value;
use crate::policy::engine::{Role, Touch};

use super::guesses::{ANYTHING, Guesses};
use super::message::{demands, mentions, names, shows};
use super::offer::offer;
use super::trials::{Effect, Sightings, Trials};
use super::{Standing, Suspect, edit};

/// From this weight on nothing else is looked at.
pub(super) const CERTAIN: i32 = 8;
/// From this weight on it is taken for the cause.
pub(super) const LIKELY: i32 = 5;

const REMOVED: i32 = 4;
const REPLACED: i32 = 5;
/// The violation is another one without it, and shows it.
const REWORDED: i32 = 3;
const VALUE_SHOWN: i32 = 2;
const KEY_NAMED: i32 = 2;
const PARENT_NAMED: i32 = 2;
/// The message names it and says how it should be.
const DEMANDED: i32 = 4;
/// What a field says of identity is more often shown by messages, and asked to leave objects alone, than meant.
const IDENTITY: i32 = -6;
const KIND: i32 = -1;
/// So many fields are tried.
const MAX_FIELDS: usize = 48;
/// So many times is looked for further fields.
const MAX_ROUNDS: usize = 4;
/// So many values instead of one.
const MAX_INSTEAD: usize = 16;
/// So many, once something else is certain.
const MAX_INSTEAD_OF_OTHERS: usize = 2;
/// So many fields of one name, with so many values each.
const MAX_GROUPS: usize = 8;
const MAX_VALUES_OF_GROUP: usize = 3;

/// Fields that the policy tests and whose change makes the violation go away, weighed.
pub(super) fn suspects(
    trials: &mut Trials<'_>,
    sightings: &Sightings,
    guesses: &Guesses,
    message: &str,
) -> Vec<Suspect> {
    let object = trials.object();
    let names = names_of(object, sightings);
    let is_demanded = demands(message);
    let mut suspects: Vec<Suspect> = Vec::new();
    for (path, value) in fields(object, sightings, message) {
        let is_shown = is_shown(value, message) && !is_part_of_another(path, value, message);
        // A message shows whom it is about, and other fields may have the same words.
        let is_shown = is_shown && (is_identity(path) || !names.contains(&value));
        let is_named = is_named(path, message);
        let is_other = !is_shown && !is_named && suspects.iter().any(|suspect| suspect.weight >= CERTAIN);
        let most = if is_other { MAX_INSTEAD_OF_OTHERS } else { MAX_INSTEAD };
        let removed = trials.effect(edit::without(object, path));
        let wanted = sightings.wanted(path).into_iter().filter(|wanted| wanted != value);
        let mut instead = guesses.instead_of(path, value).into_iter().take(most).chain(wanted);
        let passing = instead.find(|new| trials.effect(edit::with(object, path, new.clone())) == Effect::Gone);
        let is_reworded = removed == Effect::Reworded && is_shown;
        if removed != Effect::Gone && passing.is_none() && !is_reworded {
            continue;
        }
        let weights = [
            (removed == Effect::Gone, REMOVED),
            (passing.is_some(), REPLACED),
            (is_reworded, REWORDED),
            (is_shown, VALUE_SHOWN),
            (is_named, KEY_NAMED),
            (is_parent_named(path, message), PARENT_NAMED),
            (is_identity(path), IDENTITY),
            (matches!(path.segments().last(), Some(Segment::Key(key)) if key == "kind"), KIND),
        ];
        let weight = weights.iter().filter(|(holds, _)| *holds).map(|(_, weight)| weight).sum();
        let is_replaceable = passing.is_some();
        let passing = passing.and_then(|value| offer(trials, guesses, object, (path, &value), false));
        let is_told = is_shown || is_named;
        let favour = if is_named && is_demanded { DEMANDED } else { 0 };
        let is_likely = weight >= LIKELY;
        let standing = if is_likely { standing(trials, sightings, path, is_replaceable) } else { Standing::Open };
        suspects.push(Suspect { path: path.clone(), is_missing: false, weight, favour, is_told, standing, passing });
    }
    prefer_what_is_within(object, &mut suspects);
    suspects
}

/// What the policy tests a field for. A list that it looks into only has what it is about, and what it wants to be just so
/// is only a condition if anything else does away with the violation.
fn standing(trials: &mut Trials<'_>, sightings: &Sightings, path: &FieldPath, is_replaceable: bool) -> Standing {
    let object = trials.object();
    let value = edit::at(object, path);
    let is_around = |other: &FieldPath| {
        other.segments().len() > path.segments().len() + 1 && other.segments().starts_with(path.segments())
    };
    let is_looked_into = || sightings.iterated.contains(path) || sightings.touched.keys().any(is_around);
    match (value, sightings.role(path)) {
        _ if is_identity(path) => Standing::Guard,
        (Some(Value::Array(_)), _) if is_looked_into() => Standing::Guard,
        (Some(Value::Array(_) | Value::Object(_)), Role::Guard) => Standing::Open,
        (_, Role::Guard) => match trials.effect(edit::with(object, path, Value::string(ANYTHING))) {
            Effect::Gone => Standing::Guard,
            _ => Standing::Open,
        },
        (_, Role::Check) if !is_replaceable => Standing::Open,
        (_, role) => Standing::of(role),
    }
}

/// What is around a field that is to blame goes with it: it is not more to blame.
fn prefer_what_is_within(object: &Value, suspects: &mut [Suspect]) {
    let all: Vec<(FieldPath, i32)> = suspects.iter().map(|one| (one.path.clone(), one.weight)).collect();
    let is_collection = |one: &&mut Suspect| edit::at(object, &one.path).is_some_and(Value::is_collection);
    for suspect in suspects.iter_mut().filter(is_collection) {
        let is_within = |(path, _): &&(FieldPath, i32)| {
            *path != suspect.path && path.segments().starts_with(suspect.path.segments()) && !is_identity(path)
        };
        if let Some(most) = all.iter().filter(is_within).map(|(_, weight)| *weight).max() {
            suspect.weight = suspect.weight.min(most);
        }
    }
}

/// The names of the object and its containers.
fn names_of<'s>(object: &'s Value, sightings: &'s Sightings) -> Vec<&'s Value> {
    let paths = sightings.touched.keys().filter(|path| is_identity(path) && last_key(path) == Some("name"));
    paths.filter_map(|path| edit::at(object, path)).collect()
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
        Value::String(text) => mentions(message, text) || flag(text).is_some_and(|flag| mentions(message, flag)),
        Value::Number(number) => shows(message, &number.to_string()),
        Value::Bool(boolean) => mentions(message, &boolean.to_string()),
        _ => false,
    }
}

/// The name of a flag with its value.
fn flag(text: &str) -> Option<&str> {
    text.split_once('=').map(|(flag, _)| flag).filter(|flag| flag.starts_with('-'))
}

fn is_named(path: &FieldPath, message: &str) -> bool {
    last_key(path).is_some_and(|key| names(message, key))
}

/// Whether what the field is in is named: the requests, of which one is wrong.
pub(super) fn is_parent_named(path: &FieldPath, message: &str) -> bool {
    matches!(path.parent().as_ref().and_then(|parent| parent.segments().last()),
        Some(Segment::Key(key)) if names(message, key) || key.strip_suffix('s').is_some_and(|one| mentions(message, one)))
}

/// Whether a message has the API version only as part of another: `v1` in `example.com/v1`.
fn is_part_of_another(path: &FieldPath, value: &Value, message: &str) -> bool {
    let is_version = *path == FieldPath::from(["apiVersion"]);
    is_version && value.as_str().is_some_and(|version| message.contains(&format!("/{version}")))
}

/// The name of a field; of an element, that of its list.
pub(super) fn last_key(path: &FieldPath) -> Option<&str> {
    path.segments().iter().rev().find_map(|segment| match segment {
        Segment::Key(key) => Some(key.as_str()),
        Segment::Index(_) => None,
    })
}

/// Whether it says who an object or a part of it is.
pub(super) fn is_identity(path: &FieldPath) -> bool {
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

/// The same field of several elements that have one message: all are given one value, or taken away; then each is given back
/// that the violation does not come back with.
pub(super) fn alike(trials: &mut Trials<'_>, sightings: &Sightings, guesses: &Guesses, message: &str) -> Vec<Suspect> {
    let object = trials.object();
    let mut groups: BTreeMap<String, BTreeSet<FieldPath>> = BTreeMap::new();
    for path in scalars(object, sightings) {
        let name = last_key(&path).unwrap_or_default().to_owned();
        groups.entry(name).or_default().insert(path);
    }
    let mut suspects = Vec::new();
    for group in groups.values().filter(|group| group.len() > 1).take(MAX_GROUPS) {
        let Some((new, causes)) = causes_of_group(trials, group, guesses) else { continue };
        let is_alone = causes.len() == 1;
        for path in causes {
            let is_shown = edit::at(object, &path).is_some_and(|value| is_shown(value, message));
            let weights = [(new.is_some(), REPLACED), (new.is_none(), REMOVED), (is_shown, VALUE_SHOWN)];
            let weight: i32 = weights.iter().filter(|(holds, _)| *holds).map(|(_, weight)| weight).sum();
            let weight = weight + if is_named(&path, message) { KEY_NAMED } else { 0 };
            let passing = new.as_ref().filter(|_| is_alone);
            let passing = passing.and_then(|value| offer(trials, guesses, object, (&path, value), false));
            suspects.push(Suspect {
                path,
                is_missing: false,
                weight,
                favour: 0,
                is_told: true,
                standing: Standing::Open,
                passing,
            });
        }
    }
    suspects
}

/// What was done to which of a group's fields to make the violation go away: a new value, or none.
fn causes_of_group(
    trials: &mut Trials<'_>,
    group: &BTreeSet<FieldPath>,
    guesses: &Guesses,
) -> Option<(Option<Value>, BTreeSet<FieldPath>)> {
    let object = trials.object();
    let mut values: Vec<(&FieldPath, &Value)> = Vec::new();
    for (path, value) in group.iter().filter_map(|path| Some((path, edit::at(object, path)?))) {
        if !values.iter().any(|(_, known)| *known == value) && values.len() < MAX_VALUES_OF_GROUP {
            values.push((path, value));
        }
    }
    let mut tried: Vec<Option<Value>> = vec![None];
    for (path, value) in values {
        let instead = guesses.instead_of(path, value).into_iter().take(MAX_INSTEAD).map(Some);
        tried.extend(instead.filter(|new| !tried.contains(new)).collect::<Vec<_>>());
    }
    let changed = |paths: &BTreeSet<FieldPath>, new: &Option<Value>| {
        paths.iter().rev().try_fold(object.clone(), |object, path| match new {
            Some(new) => edit::with(&object, path, new.clone()),
            None => edit::without(&object, path),
        })
    };
    let new = tried.into_iter().find(|new| trials.effect(changed(group, new)) == Effect::Gone)?;
    let mut causes = group.clone();
    for path in group {
        let mut others = causes.clone();
        others.remove(path);
        if trials.effect(changed(&others, &new)) == Effect::Gone {
            causes = others;
        }
    }
    Some((new, causes))
}

/// Several fields of which each alone is enough: two ways to break one rule. All are neutralised at once, those that a policy
/// tests only then included; then each is given back that the violation does not come back with.
pub(super) fn together(trials: &mut Trials<'_>, sightings: &Sightings) -> Vec<Suspect> {
    let found = [false, true].iter().find_map(|is_switching| neutralise(trials, sightings, *is_switching));
    let suspect = |path| Suspect { path, is_missing: false, weight: LIKELY, ..Suspect::default() };
    found.into_iter().flatten().map(suspect).collect()
}

fn neutralise(trials: &mut Trials<'_>, sightings: &Sightings, is_switching: bool) -> Option<BTreeSet<FieldPath>> {
    let object = trials.object();
    let neutralised = |paths: &BTreeSet<FieldPath>| neutralised(object, paths, is_switching);
    let mut paths = scalars(object, sightings);
    for _ in 0..MAX_ROUNDS {
        let changed = neutralised(&paths)?;
        if paths.is_empty() || trials.effect(Some(changed.clone())) == Effect::Gone {
            break;
        }
        let before = paths.len();
        paths.extend(scalars(object, &trials.observe(&changed)?));
        if paths.len() == before {
            return None;
        }
    }
    if trials.effect(neutralised(&paths)) != Effect::Gone {
        return None;
    }
    for path in paths.clone() {
        let mut others = paths.clone();
        others.remove(&path);
        if trials.effect(neutralised(&others)) == Effect::Gone {
            paths = others;
        }
    }
    Some(paths)
}

/// Scalars that are tested, and do not say who somebody is.
fn scalars(object: &Value, sightings: &Sightings) -> BTreeSet<FieldPath> {
    let tested = sightings.touched.iter().filter(|(path, touch)| {
        let value = edit::at(object, path);
        **touch == Touch::Tested && !is_identity(path) && value.is_some_and(|value| !value.is_collection())
    });
    tested.map(|(path, _)| path.clone()).take(MAX_FIELDS).collect()
}

/// Everything is taken away, from the last on, so that positions before it stay; or else switches are switched.
fn neutralised(object: &Value, paths: &BTreeSet<FieldPath>, is_switching: bool) -> Option<Value> {
    paths.iter().rev().try_fold(object.clone(), |object, path| match edit::at(&object, path) {
        Some(Value::Bool(boolean)) if is_switching => edit::with(&object, path, Value::Bool(!boolean)),
        _ => edit::without(&object, path),
    })
}

/// Elements of lists, and entries of mappings, without which the violation is not there.
pub(super) fn elements(trials: &mut Trials<'_>, sightings: &Sightings, message: &str) -> Vec<Suspect> {
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
    let suspect = |path| Suspect { path, is_missing: false, weight: 1, ..Suspect::default() };
    gone.map(|path| suspect(shown_within(object, sightings, &path, message).unwrap_or(path))).collect()
}

/// The one field of an element that the message shows: whatever its value, this policy would not have the element.
fn shown_within(object: &Value, sightings: &Sightings, element: &FieldPath, message: &str) -> Option<FieldPath> {
    let is_within = |path: &&FieldPath| path.segments().starts_with(element.segments());
    let mut shown = sightings.touched.keys().filter(is_within).filter(|path| {
        let value = edit::at(object, path);
        value.is_some_and(|value| is_shown(value, message))
    });
    let first = shown.next()?;
    shown.next().is_none().then(|| first.clone())
}

/// The one field that the policy looks at, if its message names it: nothing that was tried makes the violation go away.
pub(super) fn only_one(object: &Value, sightings: &Sightings, message: &str) -> Option<FieldPath> {
    let mut fields = sightings.touched.keys().filter(|path| {
        let value = edit::at(object, path);
        !is_identity(path) && value.is_some_and(|value| !value.is_collection())
    });
    let first = fields.next().filter(|path| is_named(path, message))?;
    fields.next().is_none().then(|| first.clone())
}
