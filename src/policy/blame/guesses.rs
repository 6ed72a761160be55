//! Values that a policy may be content with: what its constraint's parameters and its code name, and what was there before.

use serde_json::Value as Json;

use crate::model::object::{FieldPath, Segment};
use crate::model::value::{NumberMode, Value};
use crate::policy::evaluate::Violation;

use super::trials::Sightings;
use super::{edit, sample};

/// So many texts of each source are tried.
const MAX_TEXTS: usize = 24;
/// So many numbers of each source.
const MAX_NUMBERS: usize = 6;
/// So many lists and mappings.
const MAX_WHOLES: usize = 12;
/// So many names for what may be missing.
const MAX_NAMES: usize = 8;
/// So many texts where there is a value that is none.
const MAX_OTHER_TYPE: usize = 4;
/// A text that no policy can have thought of. Where it will do, anything will.
const ANYTHING: &str = "admit";
/// More than policies ask for, and still a number of seconds, bytes or replicas.
const MUCH: f64 = 1e6;

/// What to try.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    /// Of parameters, then what will tell that anything will do, then constants.
    texts: Vec<Value>,
    numbers: Vec<Value>,
    /// Lists and mappings of the parameters.
    wholes: Vec<Value>,
    /// Names that may be keys, those that the message has first.
    names: Vec<String>,
    /// Scalars that the parameters have just so.
    given: Vec<Value>,
    old_object: Option<Value>,
}

impl Guesses {
    pub(super) fn new(violation: &Violation, sightings: &Sightings, old_object: Option<&Value>) -> Self {
        let mut guesses = Self { old_object: old_object.cloned(), ..Self::default() };
        let mut texts = Vec::new();
        let parameters = violation.constraint.constraint.parameters();
        parameters.into_iter().for_each(|parameters| guesses.collect(parameters, &mut texts, true));
        for text in &texts {
            guesses.add_text(text);
            sample::of_pattern(text).iter().for_each(|sample| guesses.add_text(sample));
        }
        // `localhost/profile.json` may be put together of a kind and a name.
        let rests = texts.iter().filter_map(|text| Some(text.split_once('/')?.1));
        rests.filter(|rest| !rest.is_empty()).for_each(|rest| guesses.add_text(rest));
        guesses.add_text(ANYTHING);
        let is_named = |text: &&String| mentions(&violation.message, text);
        let (named, others): (Vec<&String>, Vec<&String>) = texts.iter().partition(is_named);
        guesses.names = named.into_iter().chain(others).take(MAX_NAMES).cloned().collect();
        let is_plain = |text: &&String| !text.is_empty() && !text.contains(['*', '^', '$', '\\', '|']);
        guesses.given = texts.iter().filter(is_plain).map(|text| Value::string(text.as_str())).collect();
        guesses.given.extend(guesses.numbers.iter().cloned());
        guesses.add_constants(violation, sightings);
        guesses
    }

    /// Other values for what is there, of its type or one that parameters have.
    pub(super) fn instead_of(&self, path: &FieldPath, value: &Value) -> Vec<Value> {
        let texts = self.texts.iter().take(MAX_OTHER_TYPE);
        let others: Vec<Value> = match value {
            Value::Bool(boolean) => [Value::Bool(!boolean)].into_iter().chain(texts.cloned()).collect(),
            Value::String(_) => self.texts.clone(),
            Value::Number(_) => self.numbers.iter().chain(texts).cloned().collect(),
            Value::Array(_) => {
                let wholes = self.wholes.iter().filter(|other| matches!(other, Value::Array(_)));
                [Value::array(Vec::new())].iter().chain(wholes).chain(texts).cloned().collect()
            }
            Value::Object(_) => {
                let wholes = self.wholes.iter().filter(|other| matches!(other, Value::Object(_)));
                with_another_entry(value).into_iter().chain(wholes.cloned()).collect()
            }
            Value::Null | Value::Set(_) => Vec::new(),
        };
        self.before(path).into_iter().chain(others).filter(|other| other != value).collect()
    }

    /// Values of any type for what is not there.
    pub(super) fn for_missing(&self, path: &FieldPath) -> impl Iterator<Item = Value> {
        let lists = self.texts.iter().take(MAX_TEXTS).map(|text| Value::array(vec![text.clone()]));
        let scalars = self.texts_for_missing().chain(&self.numbers).chain(&self.wholes).cloned();
        let before = self.before(path).into_iter();
        before.chain([true, false].map(Value::Bool)).chain(scalars).chain(lists.collect::<Vec<_>>())
    }

    /// Texts for fields that a policy may only want to be there: then none of them is better than another.
    pub(super) fn texts_for_missing(&self) -> impl Iterator<Item = &Value> {
        let is_anything = |text: &&Value| text.as_str() == Some(ANYTHING);
        self.texts.iter().filter(is_anything).chain(self.texts.iter().filter(move |text| !is_anything(text)))
    }

    /// Names that something missing may have.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// A value as one may show it to people: a switch, what parameters name, or what was there before. That something else
    /// passes says little about what they should write.
    pub(super) fn offered(&self, path: &FieldPath, value: &Value) -> Option<Json> {
        let is_list_of_given = matches!(value, Value::Array(items)
            if !items.is_empty() && items.iter().all(|item| self.given.contains(item)));
        // There, everything is text.
        let is_text = path.segments().iter().any(|segment| {
            matches!(segment, Segment::Key(key) if ["annotations", "labels", "matchLabels"].contains(&key.as_str()))
        });
        let is_offered = matches!(value, Value::Bool(_)) && !is_text
            || is_list_of_given
            || self.given.contains(value)
            || self.before(path).as_ref() == Some(value);
        is_offered.then(|| value.to_json())
    }

    fn before(&self, path: &FieldPath) -> Option<Value> {
        edit::at(self.old_object.as_ref()?, path).cloned()
    }

    fn collect(&mut self, json: &Json, texts: &mut Vec<String>, is_top: bool) {
        if (json.is_array() || json.is_object()) && !is_top && self.wholes.len() < MAX_WHOLES {
            self.wholes.push(Value::from_json(json, NumberMode::Float));
        }
        match json {
            Json::String(text) if !texts.contains(text) && texts.len() < MAX_TEXTS => texts.push(text.clone()),
            Json::Number(number) if self.numbers.len() < MAX_NUMBERS => {
                self.numbers.push(Value::from_json(&Json::Number(number.clone()), NumberMode::Float));
            }
            Json::Array(items) => items.iter().for_each(|item| self.collect(item, texts, false)),
            Json::Object(fields) => {
                let fields = fields.iter().filter(|(key, _)| !is_exemption(key));
                fields.for_each(|(_, item)| self.collect(item, texts, false));
            }
            _ => {}
        }
    }

    fn add_text(&mut self, text: &str) {
        let text = Value::string(text);
        if !self.texts.contains(&text) {
            self.texts.push(text);
        }
    }

    /// Constants of the code, without formats and names of fields; and numbers beside all that are named.
    fn add_constants(&mut self, violation: &Violation, sightings: &Sightings) {
        let is_field = |text: &str| {
            let is_last = |path: &FieldPath| matches!(path.segments().last(), Some(Segment::Key(key)) if key == text);
            sightings.touched.keys().any(is_last) || sightings.missed.iter().any(|(_, key)| key == text)
        };
        let most = self.texts.len() + MAX_TEXTS;
        let mut numbers = self.numbers.clone();
        let mut constants: Vec<&Value> = violation.constraint.program.constants().iter().collect();
        constants.sort_by_key(|constant| !constant.as_str().is_some_and(|text| mentions(&violation.message, text)));
        for constant in constants {
            match constant {
                Value::String(text) if self.texts.len() < most && !text.contains(['%', ' ']) && !is_field(text) => {
                    self.add_text(text);
                }
                Value::Number(_) if numbers.len() < 2 * MAX_NUMBERS => numbers.push(constant.clone()),
                _ => {}
            }
        }
        let beside = numbers.iter().filter_map(as_float).flat_map(|number| [number, number + 1.0, number - 1.0]);
        for number in [0.0, 1.0, MUCH].into_iter().chain(beside).map(edit::float) {
            if !self.numbers.contains(&number) {
                self.numbers.push(number);
            }
        }
    }
}

/// The mapping, its first entry that is a text another one.
fn with_another_entry(mapping: &Value) -> Option<Value> {
    let Value::Object(fields) = mapping else { return None };
    let (key, _) = fields.entries().iter().find(|(_, value)| value.as_str().is_some())?;
    edit::with(mapping, &FieldPath::root().key(key.as_str()?), Value::string(ANYTHING))
}

fn as_float(value: &Value) -> Option<f64> {
    value.to_json().as_f64()
}

/// Whether a parameter says what is left alone. An object that is left alone is not one that is right.
fn is_exemption(key: &str) -> bool {
    let key = key.to_lowercase();
    ["exempt", "except", "exclu", "ignore", "skip"].iter().any(|word| key.contains(word))
}

/// Whether a text stands in a message, as a word of its own. Less than two letters say nothing.
pub(super) fn mentions(message: &str, text: &str) -> bool {
    text.len() >= 2 && shows(message, text)
}

/// Whether a text of any length stands in a message. `web` does not stand in `web-1`.
pub(super) fn shows(message: &str, text: &str) -> bool {
    if text.is_empty() {
        return false;
    }
    message.match_indices(text).any(|(start, found)| {
        let is_border =
            |character: Option<char>| !character.is_some_and(|one| one.is_alphanumeric() || "-_".contains(one));
        let before = message.get(..start).and_then(|before| before.chars().next_back());
        let behind = message.get(start + found.len()..).and_then(|behind| behind.chars().next());
        is_border(before) && is_border(behind)
    })
}
