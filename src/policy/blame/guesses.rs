//! Values that a policy may be content with: what its constraint's parameters and its code name, and what was there before.

use serde_json::Value as Json;

use crate::model::object::{FieldPath, Segment};
use crate::model::value::{NumberMode, Value};
use crate::policy::evaluate::Violation;

use super::message::mentions;
use super::trials::Sightings;
use super::{edit, sample, values};

/// So many texts of each source are tried.
const MAX_TEXTS: usize = 24;
/// So many numbers of each source.
const MAX_NUMBERS: usize = 6;
/// So many lists and mappings.
const MAX_WHOLES: usize = 12;
/// So many names for what may be missing.
const MAX_NAMES: usize = 8;
/// So many names that the code has, and the parameters do not.
const MAX_OTHER_NAMES: usize = 10;
/// So many texts of the code for a field that may only have to be there; a few, so that lists come, too.
const MAX_FIRST_TEXTS: usize = 6;
/// So many values of a flag.
const MAX_OF_FLAG: usize = 6;
/// So many values of fields of the same name.
const MAX_NAMESAKES: usize = 3;
/// So many texts where there is a value that is none.
const MAX_OTHER_TYPE: usize = 4;
/// A text that no policy can have thought of. Where it will do, anything will.
pub(super) const ANYTHING: &str = "admit";
/// More than policies ask for, and still a number of seconds, bytes or replicas.
const MUCH: f64 = 1e6;
/// Amounts of memory and of CPU, for where there is one.
const QUANTITIES: [&str; 4] = ["1Mi", "1Gi", "1m", "1"];

/// What to try.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    /// Of parameters, then what will tell that anything will do, then constants.
    texts: Vec<Value>,
    /// So many of them are of parameters, or anything.
    of_parameters: usize,
    numbers: Vec<Value>,
    /// So many of them are of parameters.
    numbers_of_parameters: usize,
    /// Lists and mappings of the parameters.
    wholes: Vec<Value>,
    /// Names that may be keys, those that the message has first.
    names: Vec<String>,
    /// Names that the code has.
    other_names: Vec<String>,
    /// What other fields have, under their names: a limit and its request may have to be the same.
    namesakes: Vec<(FieldPath, Value)>,
    /// Scalars that the parameters have just so.
    given: Vec<Value>,
    old_object: Option<Value>,
}

impl Guesses {
    pub(super) fn new(
        violation: &Violation,
        sightings: &Sightings,
        object: &Value,
        old_object: Option<&Value>,
    ) -> Self {
        let mut guesses = Self { old_object: old_object.cloned(), ..Self::default() };
        let scalars = sightings.touched.keys().filter_map(|path| Some((path, edit::at(object, path)?)));
        let scalars = scalars.filter(|(_, value)| !value.is_collection());
        guesses.namesakes = scalars.map(|(path, value)| (path.clone(), value.clone())).collect();
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
        guesses.of_parameters = guesses.texts.len();
        guesses.numbers_of_parameters = guesses.numbers.len();
        let is_named = |text: &&String| mentions(&violation.message, text);
        let (named, others): (Vec<&String>, Vec<&String>) = texts.iter().partition(is_named);
        guesses.names = named.into_iter().chain(others).take(MAX_NAMES).cloned().collect();
        let is_plain = |text: &&String| !text.is_empty() && !text.contains(['*', '^', '$', '\\', '|']);
        guesses.given = texts.iter().filter(is_plain).map(|text| Value::string(text.as_str())).collect();
        guesses.given.extend(guesses.numbers.iter().cloned());
        guesses.add_constants(violation, sightings);
        guesses
    }

    /// Other values for what is there, of its type or one that parameters have: first what parameters say.
    pub(super) fn instead_of(&self, path: &FieldPath, value: &Value) -> Vec<Value> {
        let texts = self.texts.iter().take(MAX_OTHER_TYPE);
        let namesakes = self.of_namesakes(path);
        let others: Vec<Value> = match value {
            Value::Bool(boolean) => [Value::Bool(!boolean)].into_iter().chain(texts.cloned()).collect(),
            Value::String(text) => {
                let (given, rest) = self.texts.split_at(self.of_parameters.min(self.texts.len()));
                let quantities = QUANTITIES.iter().filter(|_| is_quantity(text)).map(|text| Value::string(*text));
                let flags = of_flag(text, &self.texts);
                let first = given.iter().cloned().chain(namesakes).chain(quantities).chain(flags);
                first.chain(rest.iter().cloned()).collect()
            }
            Value::Number(_) => {
                let (given, rest) = self.numbers.split_at(self.numbers_of_parameters.min(self.numbers.len()));
                given.iter().cloned().chain(namesakes).chain(rest.iter().chain(texts).cloned()).collect()
            }
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

    /// What fields of this name have elsewhere.
    fn of_namesakes(&self, path: &FieldPath) -> Vec<Value> {
        let is_namesake = |other: &FieldPath| other != path && values::last_key(other) == values::last_key(path);
        let has_key = matches!(path.segments().last(), Some(Segment::Key(_)));
        let namesakes = self.namesakes.iter().filter(|(other, _)| has_key && is_namesake(other));
        namesakes.map(|(_, value)| value.clone()).take(MAX_NAMESAKES).collect()
    }

    /// Values of any type for what is not there. Where the policy goes through what is there, lists come first.
    pub(super) fn for_missing(&self, path: &FieldPath, is_iterated: bool) -> Vec<Value> {
        let lists: Vec<Value> =
            self.texts.iter().take(MAX_TEXTS).map(|text| Value::array(vec![text.clone()])).collect();
        let switches = [true, false].map(Value::Bool);
        let scalars: Vec<&Value> = self.texts_for_missing().collect();
        let (first, rest) = scalars.split_at(scalars.len().min(self.of_parameters + MAX_FIRST_TEXTS));
        let first = first.iter().copied().chain(self.numbers.iter().take(MAX_NUMBERS)).chain(&self.wholes).cloned();
        let mut values: Vec<Value> = self.before(path).into_iter().collect();
        if is_iterated {
            values.extend(lists.iter().cloned());
        }
        values.extend(switches.into_iter().chain(first));
        values.extend(lists.iter().filter(|_| !is_iterated).cloned());
        values.extend(rest.iter().map(|text| (*text).clone()));
        values
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

    /// Names that only the code has.
    pub(super) fn other_names(&self) -> &[String] {
        &self.other_names
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
        let is_unfit = is_text && matches!(value, Value::Bool(_) | Value::Number(_) | Value::Array(_));
        let is_offered = matches!(value, Value::Bool(_))
            || is_list_of_given
            || self.given.contains(value)
            || self.before(path).as_ref() == Some(value);
        (is_offered && !is_unfit).then(|| value.to_json())
    }

    pub(super) fn before(&self, path: &FieldPath) -> Option<Value> {
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
        let message = violation.message.to_lowercase();
        let is_told =
            |constant: &&Value| constant.as_str().is_some_and(|text| mentions(&message, &text.to_lowercase()));
        constants.sort_by_key(|constant| !is_told(constant));
        let names = constants.iter().filter_map(|constant| constant.as_str()).filter(|text| is_name(text));
        let names = names.filter(|name| !self.names.iter().any(|known| known == name));
        self.other_names = names.take(MAX_OTHER_NAMES).map(str::to_owned).collect();
        for constant in constants {
            match constant {
                Value::String(text) if self.texts.len() < most && !text.contains(['%', ' ']) && !is_field(text) => {
                    self.add_text(text);
                    sample::of_pattern(text).iter().for_each(|sample| self.add_text(sample));
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

/// `500m`, `1.5Gi`, `100M`.
pub(super) fn is_quantity(text: &str) -> bool {
    let unit = text.trim_start_matches(|one: char| one.is_ascii_digit() || one == '.');
    unit.len() < text.len() && unit.len() <= 2 && unit.chars().all(|one| one.is_ascii_alphabetic())
}

/// `--flag=value` with other values.
fn of_flag(text: &str, texts: &[Value]) -> Vec<Value> {
    let Some((flag, _)) = text.split_once('=').filter(|(flag, _)| flag.starts_with('-')) else { return Vec::new() };
    let values = texts.iter().filter_map(Value::as_str).filter(|value| is_name(value)).take(MAX_OF_FLAG);
    values.map(|value| Value::string(format!("{flag}={value}"))).collect()
}

/// What may be the key of a field, a label or an annotation.
fn is_name(text: &str) -> bool {
    text.len() >= 2
        && text.starts_with(|one: char| one.is_ascii_alphabetic())
        && text.chars().all(|one| one.is_ascii_alphanumeric() || "-_./".contains(one))
}

fn as_float(value: &Value) -> Option<f64> {
    value.to_json().as_f64()
}

/// Whether a parameter says what is left alone. An object that is left alone is not one that is right.
fn is_exemption(key: &str) -> bool {
    let key = key.to_lowercase();
    ["exempt", "except", "exclu", "ignore", "skip"].iter().any(|word| key.contains(word))
}
