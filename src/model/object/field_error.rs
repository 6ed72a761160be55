//! What is wrong with one field of a document, in the words of the Kubernetes API server.
//!
//! An error is a path, a kind and a message; `Display` joins path and message as `kubectl` users know it:
//! `spec.replicas: Invalid value: "string": …`. Line and column are not known here: `manifest` finds them from the path.

use std::fmt;

use serde_json::Value;

use crate::model::object::FieldPath;
use crate::model::object::go_text;

/// What kind of mistake a [`FieldError`] reports; the API server prints it at the head of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FieldErrorKind {
    /// The value breaks a rule.
    Invalid,
    /// The value has the wrong type.
    TypeInvalid,
    /// A value is missing.
    Required,
    /// A value stands where none may stand.
    Forbidden,
    /// The value is not one of a closed set.
    NotSupported,
    /// The value occurs a second time where it may occur once.
    Duplicate,
    /// The string is too long.
    TooLong,
    /// The list or mapping has too many entries.
    TooMany,
}

/// One mistake in one field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[error("{path}: {message}")]
pub struct FieldError {
    /// Which field.
    pub path: FieldPath,
    /// What kind of mistake.
    pub kind: FieldErrorKind,
    /// The whole message without the path, kind included: `Required value: must be specified`.
    pub message: String,
}

impl FieldError {
    /// An error in free words, for rules that are not the API server's.
    pub fn new(path: FieldPath, message: impl Into<String>) -> Self {
        Self { path, kind: FieldErrorKind::Invalid, message: message.into() }
    }

    /// `Invalid value: <value>: <detail>`
    pub fn invalid(path: FieldPath, value: &Value, detail: impl fmt::Display) -> Self {
        Self::with_value(path, FieldErrorKind::Invalid, value, detail)
    }

    /// `Invalid value: "<found>": <detail>`, where `found` is the name of the type that was found.
    pub fn type_invalid(path: FieldPath, found: &str, detail: impl fmt::Display) -> Self {
        let message = format!("Invalid value: {}: {detail}", go_text::quote(found));
        Self { path, kind: FieldErrorKind::TypeInvalid, message }
    }

    /// `Required value`, followed by `: <detail>` unless that is empty.
    pub fn required(path: FieldPath, detail: impl AsRef<str>) -> Self {
        Self { path, kind: FieldErrorKind::Required, message: join_detail("Required value", detail.as_ref()) }
    }

    /// `Forbidden: <detail>`
    pub fn forbidden(path: FieldPath, detail: impl AsRef<str>) -> Self {
        Self { path, kind: FieldErrorKind::Forbidden, message: join_detail("Forbidden", detail.as_ref()) }
    }

    /// `Unsupported value: <value>: supported values: "a", "b"`
    pub fn not_supported<Name: AsRef<str>>(path: FieldPath, value: &Value, supported: &[Name]) -> Self {
        let quoted: Vec<String> = supported.iter().map(|name| go_text::quote(name.as_ref())).collect();
        let detail = format!("supported values: {}", quoted.join(", "));
        Self::with_value(path, FieldErrorKind::NotSupported, value, detail)
    }

    /// `Duplicate value: <value>`
    pub fn duplicate(path: FieldPath, value: &Value) -> Self {
        let message = format!("Duplicate value: {}", print_value(value));
        Self { path, kind: FieldErrorKind::Duplicate, message }
    }

    /// `Too long: may not be more than 63 bytes` (so says the API server, although it counts characters).
    pub fn too_long(path: FieldPath, maximum: i64) -> Self {
        let bytes = if maximum == 1 { "byte" } else { "bytes" };
        let message = format!("Too long: may not be more than {maximum} {bytes}");
        Self { path, kind: FieldErrorKind::TooLong, message }
    }

    /// `Too many: 4: must have at most 3 items`
    pub fn too_many(path: FieldPath, actual: usize, maximum: i64) -> Self {
        let items = if maximum == 1 { "item" } else { "items" };
        let message = format!("Too many: {actual}: must have at most {maximum} {items}");
        Self { path, kind: FieldErrorKind::TooMany, message }
    }

    fn with_value(path: FieldPath, kind: FieldErrorKind, value: &Value, detail: impl fmt::Display) -> Self {
        let head = if kind == FieldErrorKind::NotSupported { "Unsupported value" } else { "Invalid value" };
        Self { path, kind, message: format!("{head}: {}: {detail}", print_value(value)) }
    }
}

/// A bad value inside a message: strings quoted, floats short, everything else as JSON.
fn print_value(value: &Value) -> String {
    match value {
        Value::String(text) => go_text::quote(text),
        Value::Number(number) if !number.is_i64() => number.as_f64().map_or_else(|| number.to_string(), go_text::float),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => go_text::json(value),
    }
}

fn join_detail(head: &str, detail: &str) -> String {
    if detail.is_empty() { head.to_owned() } else { format!("{head}: {detail}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(error: &FieldError, expected: &str) {
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn reads_like_the_api_server() {
        let at = || FieldPath::from(["spec", "cpu"]);
        check(&FieldError::required(at(), ""), "spec.cpu: Required value");
        check(&FieldError::required(at(), "must be set"), "spec.cpu: Required value: must be set");
        check(&FieldError::forbidden(at(), "not here"), "spec.cpu: Forbidden: not here");
        check(&FieldError::invalid(at(), &json!("a\"b"), "no"), r#"spec.cpu: Invalid value: "a\"b": no"#);
        check(&FieldError::invalid(at(), &json!({"a": [1.5]}), "no"), r#"spec.cpu: Invalid value: {"a":[1.5]}: no"#);
        check(
            &FieldError::not_supported(at(), &json!("x"), &["a", "b"]),
            r#"spec.cpu: Unsupported value: "x": supported values: "a", "b""#,
        );
        check(&FieldError::type_invalid(at(), "integer", "no"), r#"spec.cpu: Invalid value: "integer": no"#);
        check(&FieldError::too_long(at(), 1), "spec.cpu: Too long: may not be more than 1 byte");
        check(&FieldError::too_many(at(), 4, 3), "spec.cpu: Too many: 4: must have at most 3 items");
        check(&FieldError::duplicate(at(), &json!(3)), "spec.cpu: Duplicate value: 3");
    }
}
