//! Objects inside a resource (`x-kubernetes-embedded-resource`): they must say what they are.
//!
//! Names, labels and annotations of embedded objects are not judged.

use serde_json::{Map, Value};

use crate::model::object::{FieldError, FieldPath};

use super::{Role, Schema};

impl Schema {
    /// Reports embedded objects without a usable `apiVersion` and `kind`, here and in all below.
    pub(super) fn check_embedded(&self, value: &Value, at: &FieldPath, errors: &mut Vec<FieldError>) {
        match value {
            Value::Object(fields) => {
                if self.role == Role::Embedded {
                    check_type_fields(fields, at, errors);
                }
                for (key, field) in fields {
                    if let Some(schema) = self.property(key) {
                        schema.check_embedded(field, &at.key(key), errors);
                    }
                }
            }
            Value::Array(items) => {
                let Some(schema) = &self.items else { return };
                for (index, item) in items.iter().enumerate() {
                    schema.check_embedded(item, &at.index(index), errors);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

fn check_type_fields(fields: &Map<String, Value>, at: &FieldPath, errors: &mut Vec<FieldError>) {
    for name in ["apiVersion", "kind"] {
        let path = at.key(name);
        match fields.get(name) {
            None => errors.push(FieldError::required(path, "")),
            Some(Value::String(text)) if text.is_empty() => {
                errors.push(FieldError::invalid(path, &Value::from(""), "must not be empty"));
            }
            Some(Value::String(_)) => {}
            Some(other) => errors.push(FieldError::invalid(path, other, "must be a string")),
        }
    }
}
