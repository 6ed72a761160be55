//! One schema node as written: reads a keyword with its type, or reports that it has another.
//!
//! A keyword that is null counts as absent, as it does for the API server.

use serde_json::{Map, Value};

use crate::model::object::{FieldError, FieldPath};

use super::types::type_name;

/// The keywords of one schema node.
#[derive(Debug)]
pub(super) struct Keywords<'a> {
    fields: &'a Map<String, Value>,
    at: &'a FieldPath,
    errors: &'a mut Vec<FieldError>,
}

impl<'a> Keywords<'a> {
    /// The keywords of a node at a path; what is wrong with them goes to `errors`.
    pub(super) fn new(fields: &'a Map<String, Value>, at: &'a FieldPath, errors: &'a mut Vec<FieldError>) -> Self {
        Self { fields, at, errors }
    }

    /// Where a keyword stands.
    pub(super) fn path(&self, keyword: &str) -> FieldPath {
        self.at.key(keyword)
    }

    /// Where errors go.
    pub(super) fn errors(&mut self) -> &mut Vec<FieldError> {
        self.errors
    }

    /// A keyword of any type.
    pub(super) fn any(&self, keyword: &str) -> Option<&'a Value> {
        self.fields.get(keyword).filter(|value| !value.is_null())
    }

    /// A keyword that is a string.
    pub(super) fn text(&mut self, keyword: &str) -> Option<&'a str> {
        self.read(keyword, "a string", Value::as_str)
    }

    /// A keyword that is a boolean; false if absent.
    pub(super) fn flag(&mut self, keyword: &str) -> bool {
        self.read(keyword, "a boolean", Value::as_bool).unwrap_or_default()
    }

    /// A keyword that is a number.
    pub(super) fn number(&mut self, keyword: &str) -> Option<f64> {
        self.read(keyword, "a number", Value::as_f64)
    }

    /// A keyword that is an integer.
    pub(super) fn integer(&mut self, keyword: &str) -> Option<i64> {
        self.read(keyword, "an integer", Value::as_i64)
    }

    /// A keyword that is a list; empty if absent.
    pub(super) fn list(&mut self, keyword: &str) -> &'a [Value] {
        self.read(keyword, "a list", Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// A keyword that is a list of strings; empty if absent.
    pub(super) fn texts(&mut self, keyword: &str) -> Vec<String> {
        let strings = |value: &'a Value| -> Option<Vec<String>> {
            value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
        };
        self.read(keyword, "a list of strings", strings).unwrap_or_default()
    }

    /// A keyword that is a mapping; empty if absent.
    pub(super) fn mapping(&mut self, keyword: &str) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
        self.read(keyword, "an object", Value::as_object).into_iter().flatten()
    }

    fn read<T>(&mut self, keyword: &str, expected: &str, convert: impl FnOnce(&'a Value) -> Option<T>) -> Option<T> {
        let value = self.any(keyword)?;
        let converted = convert(value);
        if converted.is_none() {
            let detail = format!("{keyword} must be {expected}");
            self.errors.push(FieldError::type_invalid(self.at.key(keyword), type_name(value), detail));
        }
        converted
    }
}
