//! What is wrong with a value, by the checks of a schema: types, limits, enumerations, alternatives.
//!
//! The order of checks, and with it the order of messages, is the API server's. So are its oddities, where they decide
//! whether a value passes: bounds of integers are cut to integers, and a string format lets any list pass.

use serde_json::{Map, Value};

use crate::model::object::go_text::quote;
use crate::model::object::{FieldError, FieldPath};

use super::lists::has_duplicate;
use super::outcome::Outcome;
use super::types::{Type, is_integral, type_name};
use super::{AdditionalProperties, Schema};

impl Schema {
    /// Judges a value that stands at a path. Recursion is bounded by the schema's depth.
    pub(super) fn judge(&self, value: &Value, at: &FieldPath) -> Outcome {
        let mut outcome = Outcome::default();
        let typed = !self.types.is_empty() || self.format.is_some();
        if typed {
            self.judge_type(value, at, &mut outcome);
        }
        if value.is_null() {
            self.judge_enumeration(value, at, &mut outcome);
            return outcome;
        }
        self.judge_alternatives(value, at, &mut outcome);
        match value {
            Value::String(text) => self.judge_text(text, value, at, &mut outcome),
            Value::Number(number) => {
                self.numbers.judge(number, &self.types, self.format.as_ref(), at, &mut outcome);
                outcome.count();
            }
            Value::Array(items) => self.judge_items(items, at, &mut outcome),
            Value::Object(fields) => self.judge_fields(fields, at, &mut outcome),
            Value::Null | Value::Bool(_) => {}
        }
        self.judge_enumeration(value, at, &mut outcome);
        self.count_checks(value, typed, &mut outcome);
        outcome
    }

    /// One for each kind of check that applied, as the API server counts.
    fn count_checks(&self, value: &Value, typed: bool, outcome: &mut Outcome) {
        let has_text_format = self.format.as_ref().is_some_and(|format| !format.is_numeric());
        let applied = [
            true, // alternatives
            true, // enumeration
            true, // the schema as a whole
            typed,
            matches!(value, Value::String(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)),
            value.is_string() && has_text_format,
        ];
        applied.iter().filter(|applied| **applied).for_each(|_| outcome.count());
    }

    fn judge_type(&self, value: &Value, at: &FieldPath, outcome: &mut Outcome) {
        match self.type_mismatch(value) {
            Some((expected, found)) => {
                let detail = format!("{at} in body must be of type {expected}: {}", quote(found));
                outcome.report(FieldError::type_invalid(at.clone(), found, detail));
            }
            None => outcome.count(),
        }
    }

    /// Expected and found, if they differ.
    fn type_mismatch(&self, value: &Value) -> Option<(String, &'static str)> {
        let expected = || self.types.iter().map(|expected| expected.name()).collect::<Vec<_>>().join(",");
        let wants = |wanted: Type| self.types.contains(&wanted);
        let Some(found) = Type::of(value) else {
            return (!self.types.is_empty() && !self.nullable).then(|| (expected(), "null"));
        };
        let fits = wants(found)
            || (found == Type::Integer && wants(Type::Number))
            || (wants(Type::Integer) && matches!(value, Value::Number(number) if is_integral(number)));
        if let Some(format) = &self.format {
            let is_text = matches!(found, Type::String | Type::Array);
            if !is_text && !fits {
                return Some((format.name().to_owned(), format_name(found)));
            }
            if is_text && !wants(Type::Integer) && !wants(Type::Number) {
                return None;
            }
        }
        (!fits).then(|| (expected(), type_name(value)))
    }

    fn judge_alternatives(&self, value: &Value, at: &FieldPath, outcome: &mut Outcome) {
        self.judge_any_of(value, at, outcome);
        self.judge_one_of(value, at, outcome);
        self.judge_all_of(value, at, outcome);
        if self.not.as_ref().is_some_and(|schema| schema.judge(value, at).is_valid()) {
            outcome.report(alternative_error(at, "must not validate the schema (not)"));
        }
        outcome.count();
    }

    fn judge_any_of(&self, value: &Value, at: &FieldPath, outcome: &mut Outcome) {
        let mut nearest: Option<Outcome> = None;
        for schema in &self.any_of {
            let judgement = schema.judge(value, at);
            if judgement.is_valid() {
                outcome.merge(judgement);
                return;
            }
            nearest = Some(further(nearest, judgement));
        }
        if let Some(nearest) = nearest {
            outcome.report(alternative_error(at, "must validate at least one schema (anyOf)"));
            outcome.merge(nearest);
        }
    }

    fn judge_one_of(&self, value: &Value, at: &FieldPath, outcome: &mut Outcome) {
        if self.one_of.is_empty() {
            return;
        }
        let (mut valid, invalid): (Vec<_>, Vec<_>) =
            self.one_of.iter().map(|schema| schema.judge(value, at)).partition(Outcome::is_valid);
        if valid.len() == 1 {
            valid.drain(..).for_each(|judgement| outcome.merge(judgement));
            return;
        }
        let found = match valid.len() {
            0 => "Found none valid".to_owned(),
            count => format!("Found {count} valid alternatives"),
        };
        outcome.report(alternative_error(at, &format!("must validate one and only one schema (oneOf). {found}")));
        if valid.is_empty() {
            let nearest = invalid.into_iter().fold(None, |nearest, judgement| Some(further(nearest, judgement)));
            nearest.into_iter().for_each(|nearest| outcome.merge(nearest));
        }
    }

    fn judge_all_of(&self, value: &Value, at: &FieldPath, outcome: &mut Outcome) {
        let mut validated = 0;
        for schema in &self.all_of {
            let judgement = schema.judge(value, at);
            validated += usize::from(judgement.is_valid());
            outcome.merge(judgement);
        }
        if validated < self.all_of.len() {
            let none = if validated == 0 { ". None validated" } else { "" };
            outcome.report(alternative_error(at, &format!("must validate all the schemas (allOf){none}")));
        }
    }

    /// Only the first of length, then pattern, is reported; the format is judged on its own.
    fn judge_text(&self, text: &str, value: &Value, at: &FieldPath, outcome: &mut Outcome) {
        let length = count(text.chars().count());
        match (self.length.maximum, self.length.minimum, &self.pattern) {
            (Some(maximum), _, _) if length > maximum => outcome.report(FieldError::too_long(at.clone(), maximum)),
            (_, Some(minimum), _) if length < minimum => {
                let detail = format!("{at} in body should be at least {minimum} chars long");
                outcome.report(FieldError::invalid(at.clone(), value, detail));
            }
            (_, _, Some(pattern)) if !pattern.is_match(text) => {
                let detail = format!("{at} in body should match '{}'", pattern.source());
                outcome.report(FieldError::invalid(at.clone(), value, detail));
            }
            _ => {}
        }
        if let Some(format) = self.format.as_ref().filter(|format| !format.accepts(text)) {
            let detail = format!("{at} in body must be of type {}: {}", format.name(), quote(text));
            outcome.report(FieldError::type_invalid(at.clone(), text, detail));
        }
    }

    fn judge_items(&self, items: &[Value], at: &FieldPath, outcome: &mut Outcome) {
        if let Some(schema) = &self.items {
            for (index, item) in items.iter().enumerate() {
                outcome.merge(schema.judge(item, &at.index(index)));
            }
        }
        if let Some(minimum) = self.item_count.minimum.filter(|minimum| count(items.len()) < *minimum) {
            let detail = format!("{at} in body should have at least {minimum} items");
            outcome.report(FieldError::invalid(at.clone(), &items.len().into(), detail));
        }
        if let Some(maximum) = self.item_count.maximum.filter(|maximum| count(items.len()) > *maximum) {
            outcome.report(FieldError::too_many(at.clone(), items.len(), maximum));
        }
        if self.unique_items && has_duplicate(items) {
            let detail = format!("{at} in body shouldn't contain duplicates");
            outcome.report(FieldError::invalid(at.clone(), &Value::from(""), detail));
        }
        outcome.count();
    }

    fn judge_fields(&self, fields: &Map<String, Value>, at: &FieldPath, outcome: &mut Outcome) {
        if let Some(minimum) = self.property_count.minimum.filter(|minimum| count(fields.len()) < *minimum) {
            let detail = format!("{at} in body should have at least {minimum} properties");
            outcome.report(FieldError::invalid(at.clone(), &fields.len().into(), detail));
        }
        if let Some(maximum) = self.property_count.maximum.filter(|maximum| count(fields.len()) > *maximum) {
            outcome.report(FieldError::too_many(at.clone(), fields.len(), maximum));
        }
        for (key, field) in fields.iter().filter(|(key, _)| !self.properties.contains_key(*key)) {
            match &self.additional_properties {
                AdditionalProperties::Unmentioned | AdditionalProperties::Allowed => break,
                AdditionalProperties::Refused => {
                    let detail = format!("{} in body is a forbidden property", at.key(key));
                    outcome.report(FieldError::invalid(at.clone(), &Value::from(key.as_str()), detail));
                }
                AdditionalProperties::Matching(schema) => outcome.merge(schema.judge(field, &at.key(key))),
            }
        }
        for (name, schema) in &self.properties {
            if let Some(field) = fields.get(name) {
                outcome.merge(schema.judge(field, &at.key(name)));
            }
        }
        for name in self.required.iter().filter(|name| !fields.contains_key(*name)) {
            outcome.report(FieldError::required(at.key(name), ""));
        }
    }

    fn judge_enumeration(&self, value: &Value, at: &FieldPath, outcome: &mut Outcome) {
        if self.allowed_values.is_empty() || self.allowed_values.iter().any(|allowed| equals(value, allowed)) {
            return;
        }
        let supported: Vec<String> = self.allowed_values.iter().map(plain_text).collect();
        outcome.report(FieldError::not_supported(at.clone(), value, &supported));
    }
}

/// Whether a value is the allowed one. Null never is, even where it is listed; `1.0` is 1.
fn equals(value: &Value, allowed: &Value) -> bool {
    match (value, allowed) {
        (Value::Null, _) => false,
        (Value::Number(left), Value::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        _ => value == allowed,
    }
}

fn plain_text(value: &Value) -> String {
    value.as_str().map_or_else(|| crate::model::object::go_text::json(value), str::to_owned)
}

/// The message of a failed alternative. The API server gives it no field; we name the one that the text names.
fn alternative_error(at: &FieldPath, text: &str) -> FieldError {
    FieldError::invalid(at.clone(), &Value::from(""), format!("{} {text}", quote(&at.to_string())))
}

/// Of two failed judgements the one that went further, the earlier one on a tie.
fn further(nearest: Option<Outcome>, judgement: Outcome) -> Outcome {
    match nearest {
        Some(nearest) if nearest.checks() >= judgement.checks() => nearest,
        Some(_) | None => judgement,
    }
}

/// How the API server names the found type when the expected one has a format.
fn format_name(found: Type) -> &'static str {
    match found {
        Type::Integer => "int64",
        Type::Number => "float64",
        Type::Array | Type::Boolean | Type::Object | Type::String => "",
    }
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
