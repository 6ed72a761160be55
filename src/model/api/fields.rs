//! Typed reading of a mapping's fields: a missing field is `None`, a field of the wrong type is a collected error.

use serde_json::Value;

use crate::model::object::{FieldError, FieldPath, describe};

/// A mapping under reading, with its place and the mistakes found so far.
#[derive(Debug)]
pub(super) struct Fields<'a, 'e> {
    value: &'a Value,
    path: FieldPath,
    errors: &'e mut Vec<FieldError>,
}

impl<'a, 'e> Fields<'a, 'e> {
    /// Reads `value`, which stands at `path`. Anything but a mapping is an error, and reads as empty.
    pub(super) fn new(value: &'a Value, path: FieldPath, errors: &'e mut Vec<FieldError>) -> Self {
        if !value.is_object() && !value.is_null() {
            errors.push(FieldError::new(path.clone(), format!("expected a mapping, found {}", describe(value))));
        }
        Self { value, path, errors }
    }

    /// Where the mapping stands.
    pub(super) fn path(&self) -> &FieldPath {
        &self.path
    }

    /// Reports a mistake in a field of this mapping.
    pub(super) fn invalid(&mut self, key: &str, message: impl Into<String>) {
        self.errors.push(FieldError::new(self.path.key(key), message));
    }

    /// Reports a field that is missing.
    pub(super) fn required(&mut self, key: &str, message: impl AsRef<str>) {
        self.errors.push(FieldError::required(self.path.key(key), message.as_ref()));
    }

    /// Where mistakes are collected, for readers of nested types.
    pub(super) fn errors(&mut self) -> &mut Vec<FieldError> {
        self.errors
    }

    /// The raw value of a field; an explicit null is absent, as in the API.
    pub(super) fn raw(&self, key: &str) -> Option<&'a Value> {
        self.value.get(key).filter(|value| !value.is_null())
    }

    /// A nested mapping.
    pub(super) fn nested(&mut self, key: &str) -> Option<Fields<'a, '_>> {
        let value = self.raw(key)?;
        Some(Fields::new(value, self.path.key(key), self.errors))
    }

    /// A string.
    pub(super) fn text(&mut self, key: &str) -> Option<&'a str> {
        let value = self.raw(key)?;
        let text = value.as_str();
        if text.is_none() {
            self.invalid(key, format!("expected a string, found {}", describe(value)));
        }
        text
    }

    /// A boolean.
    pub(super) fn boolean(&mut self, key: &str) -> Option<bool> {
        let value = self.raw(key)?;
        let boolean = value.as_bool();
        if boolean.is_none() {
            self.invalid(key, format!("expected true or false, found {}", describe(value)));
        }
        boolean
    }

    /// A list; empty when absent.
    pub(super) fn list(&mut self, key: &str) -> &'a [Value] {
        let Some(value) = self.raw(key) else { return &[] };
        if let Some(list) = value.as_array() {
            return list;
        }
        self.invalid(key, format!("expected a list, found {}", describe(value)));
        &[]
    }

    /// A list of strings; empty when absent.
    pub(super) fn texts(&mut self, key: &str) -> Vec<String> {
        let path = self.path.key(key);
        let mut texts = Vec::new();
        for (position, value) in self.list(key).iter().enumerate() {
            match value.as_str() {
                Some(text) => texts.push(text.to_owned()),
                None => self.errors.push(FieldError::new(
                    path.index(position),
                    format!("expected a string, found {}", describe(value)),
                )),
            }
        }
        texts
    }
}
