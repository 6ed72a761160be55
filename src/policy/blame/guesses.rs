//! Values that a policy may be content with: what its constraint's parameters and its code name.

use serde_json::Value as Json;

use crate::model::object::{FieldPath, Segment};
use crate::model::value::{NumberMode, Value};
use crate::policy::evaluate::Violation;

use super::trials::Sightings;
use super::{edit, sample};

/// So many texts of each source are tried.
const MAX_TEXTS: usize = 24;
/// So many numbers.
const MAX_NUMBERS: usize = 12;
/// So many names for what may be missing.
const MAX_NAMES: usize = 8;

/// What to try.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    texts: Vec<Value>,
    numbers: Vec<Value>,
    /// Lists and mappings of the parameters.
    wholes: Vec<Value>,
    /// Names that may be keys, those that the message has first.
    names: Vec<String>,
}

impl Guesses {
    pub(super) fn new(violation: &Violation, sightings: &Sightings) -> Self {
        let mut guesses = Self::default();
        let mut texts = Vec::new();
        let parameters = violation.constraint.constraint.parameters();
        parameters.into_iter().for_each(|parameters| guesses.collect(parameters, &mut texts, true));
        for text in &texts {
            guesses.add_text(text);
            sample::of_pattern(text).iter().for_each(|sample| guesses.add_text(sample));
        }
        let is_named = |text: &&String| mentions(&violation.message, text);
        let (named, others): (Vec<&String>, Vec<&String>) = texts.iter().partition(is_named);
        guesses.names = named.into_iter().chain(others).take(MAX_NAMES).cloned().collect();
        guesses.add_constants(violation, sightings);
        // A value that no policy can have thought of.
        guesses.texts.push(Value::string("admit"));
        guesses.numbers.extend([0, 1].map(edit::number));
        guesses
    }

    /// Values of the same type, another one each.
    pub(super) fn instead_of(&self, value: &Value) -> Vec<Value> {
        let others: Vec<Value> = match value {
            Value::Bool(boolean) => vec![Value::Bool(!boolean)],
            Value::String(_) => self.texts.clone(),
            Value::Number(_) => self.numbers.clone(),
            Value::Array(_) | Value::Object(_) => {
                let is_alike = |other: &&Value| other.type_name() == value.type_name();
                self.wholes.iter().filter(is_alike).cloned().collect()
            }
            Value::Null | Value::Set(_) => Vec::new(),
        };
        others.into_iter().filter(|other| other != value).collect()
    }

    /// Values of any type.
    pub(super) fn anything(&self) -> impl Iterator<Item = Value> {
        let lists = self.texts.iter().take(MAX_TEXTS).map(|text| Value::array(vec![text.clone()]));
        let scalars = self.texts.iter().chain(&self.numbers).chain(&self.wholes).cloned();
        [true, false].map(Value::Bool).into_iter().chain(scalars).chain(lists.collect::<Vec<_>>())
    }

    /// A few texts, for fields that a policy knows by their names.
    pub(super) fn texts(&self) -> &[Value] {
        &self.texts
    }

    /// Names that something missing may have.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    fn collect(&mut self, json: &Json, texts: &mut Vec<String>, is_top: bool) {
        if (json.is_array() || json.is_object()) && !is_top && self.wholes.len() < MAX_NUMBERS {
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

    /// Constants of the code, without formats and names of fields.
    fn add_constants(&mut self, violation: &Violation, sightings: &Sightings) {
        let is_field = |text: &str| {
            let is_last = |path: &FieldPath| matches!(path.segments().last(), Some(Segment::Key(key)) if key == text);
            sightings.touched.keys().any(is_last) || sightings.missed.iter().any(|(_, key)| key == text)
        };
        let most = self.texts.len() + MAX_TEXTS;
        for constant in violation.constraint.program.constants() {
            match constant {
                Value::String(text) if self.texts.len() < most && !text.contains(['%', ' ']) && !is_field(text) => {
                    self.add_text(text);
                }
                Value::Number(_) if self.numbers.len() < MAX_NUMBERS && !self.numbers.contains(constant) => {
                    self.numbers.push(constant.clone());
                }
                _ => {}
            }
        }
    }
}

/// Whether a parameter says what is left alone. An object that is left alone is not one that is right.
fn is_exemption(key: &str) -> bool {
    let key = key.to_lowercase();
    ["exempt", "except", "exclu", "ignore", "skip"].iter().any(|word| key.contains(word))
}

/// Whether a text stands in a message, as a word of its own.
pub(super) fn mentions(message: &str, text: &str) -> bool {
    if text.len() < 2 {
        return false;
    }
    message.match_indices(text).any(|(start, found)| {
        let is_border = |character: Option<char>| !character.is_some_and(char::is_alphanumeric);
        let before = message.get(..start).and_then(|before| before.chars().next_back());
        let behind = message.get(start + found.len()..).and_then(|behind| behind.chars().next());
        is_border(before) && is_border(behind)
    })
}
