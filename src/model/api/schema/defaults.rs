//! Filling in defaults, and the checks that a schema's own defaults must pass.

use serde_json::Value;

use crate::model::object::{FieldError, FieldPath};

use super::{AdditionalProperties, Schema};

impl Schema {
    /// Sets absent properties, and nulls that may not be null, to their defaults; then does so inside.
    pub(super) fn fill_in(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, schema) in &self.properties {
                    let Some(default) = &schema.default else { continue };
                    if fields.get(name).is_none_or(|field| schema.refuses_null(field)) {
                        fields.insert(name.clone(), default.clone());
                    }
                }
                for (key, field) in fields.iter_mut() {
                    let is_listed = self.properties.contains_key(key);
                    let Some(schema) = self.property(key) else { continue };
                    if !is_listed {
                        schema.replace_null(field);
                    }
                    schema.fill_in(field);
                }
            }
            Value::Array(items) => {
                let Some(schema) = &self.items else { return };
                for item in items {
                    schema.replace_null(item);
                    schema.fill_in(item);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Drops fields that are null, may not be null, and have no default to be replaced by.
    pub(super) fn drop_nulls(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|key, field| {
                    let Some(schema) = self.property(key) else { return true };
                    schema.default.is_some() || !schema.refuses_null(field)
                });
                for (key, field) in fields.iter_mut() {
                    if let Some(schema) = self.property(key) {
                        schema.drop_nulls(field);
                    }
                }
            }
            Value::Array(items) => {
                let Some(schema) = &self.items else { return };
                items.iter_mut().for_each(|item| schema.drop_nulls(item));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Reports defaults that this schema would not accept as values. `at` is the schema's own path.
    pub(super) fn check_defaults(&self, at: &FieldPath, errors: &mut Vec<FieldError>) {
        if let Some(default) = &self.default {
            let path = at.key("default");
            if !self.unknown_fields(default, &path).is_empty() {
                errors.push(FieldError::invalid(path.clone(), default, "must not have unknown fields"));
            }
            errors.extend(self.validate(default, &path));
        }
        if let Some(items) = &self.items {
            items.check_defaults(&at.key("items"), errors);
        }
        if let AdditionalProperties::Matching(schema) = &self.additional_properties {
            schema.check_defaults(&at.key("additionalProperties"), errors);
        }
        for (name, property) in &self.properties {
            property.check_defaults(&at.key("properties").key(name), errors);
        }
    }

    fn refuses_null(&self, value: &Value) -> bool {
        value.is_null() && !self.nullable
    }

    fn replace_null(&self, value: &mut Value) {
        if let Some(default) = self.default.as_ref().filter(|_| self.refuses_null(value)) {
            *value = default.clone();
        }
    }
}
