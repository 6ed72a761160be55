//! Fields that a schema does not know: finding them and pruning them.
//!
//! Where `x-kubernetes-preserve-unknown-fields` stands nothing is unknown; a property listed there decides anew for itself,
//! while the elements of a list inherit it.

use serde_json::{Map, Value};

use crate::model::object::FieldPath;

use super::{AdditionalProperties, Role, Schema};

/// Known without being listed, in every Kubernetes object.
const OBJECT_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// What the schema says of one field.
enum Standing<'a> {
    /// Known, and judged by this schema.
    Known(&'a Schema),
    /// Known, and not looked into.
    Kept,
    /// Known, but nothing inside it is.
    Hollow,
    /// Unknown.
    Unknown,
}

impl Schema {
    /// Lists the unknown fields in a value. `preserve` says whether those of this level count as known.
    pub(super) fn collect_unknown(&self, value: &Value, at: &FieldPath, preserve: bool, unknown: &mut Vec<FieldPath>) {
        match value {
            Value::Object(fields) => {
                for (key, field) in fields {
                    match self.standing(key, preserve) {
                        Standing::Known(schema) => {
                            schema.collect_unknown(field, &at.key(key), schema.preserve_unknown, unknown);
                        }
                        Standing::Kept => {}
                        Standing::Hollow => collect_all(field, &at.key(key), unknown),
                        Standing::Unknown => unknown.push(at.key(key)),
                    }
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    match &self.items {
                        Some(schema) => {
                            let preserve = preserve || schema.preserve_unknown;
                            schema.collect_unknown(item, &at.index(index), preserve, unknown);
                        }
                        None if preserve => {}
                        None => collect_all(item, &at.index(index), unknown),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Removes the unknown fields from a value; `preserve` as above.
    pub(super) fn prune_inside(&self, value: &mut Value, preserve: bool) {
        match value {
            Value::Object(fields) => {
                fields.retain(|key, _| !matches!(self.standing(key, preserve), Standing::Unknown));
                for (key, field) in fields.iter_mut() {
                    match self.standing(key, preserve) {
                        Standing::Known(schema) => schema.prune_inside(field, schema.preserve_unknown),
                        Standing::Hollow => hollow_out(field),
                        Standing::Kept | Standing::Unknown => {}
                    }
                }
            }
            Value::Array(items) => {
                for item in items {
                    match &self.items {
                        Some(schema) => schema.prune_inside(item, preserve || schema.preserve_unknown),
                        None if preserve => {}
                        None => hollow_out(item),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn standing(&self, key: &str, preserve: bool) -> Standing<'_> {
        if self.role != Role::Plain && OBJECT_FIELDS.contains(&key) {
            return Standing::Kept;
        }
        match (self.property(key), &self.additional_properties) {
            (Some(schema), _) => Standing::Known(schema),
            (None, AdditionalProperties::Unmentioned) if preserve => Standing::Kept,
            (None, AdditionalProperties::Unmentioned) => Standing::Unknown,
            // `Refused` is no slip: the API server keeps such keys, so that validation can refuse them.
            (None, _) => Standing::Hollow,
        }
    }
}

/// Every key of a mapping, or of the mappings in nested lists, is unknown. No recursion: values may nest at will.
fn collect_all(value: &Value, at: &FieldPath, unknown: &mut Vec<FieldPath>) {
    let mut pending = vec![(at.clone(), value)];
    while let Some((at, value)) = pending.pop() {
        match value {
            Value::Object(fields) => unknown.extend(fields.keys().map(|key| at.key(key))),
            Value::Array(items) => {
                pending.extend(items.iter().enumerate().map(|(index, item)| (at.index(index), item)));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// Empties mappings, also those in nested lists.
fn hollow_out(value: &mut Value) {
    let mut pending = vec![value];
    while let Some(value) = pending.pop() {
        match value {
            Value::Object(fields) => *fields = Map::new(),
            Value::Array(items) => pending.extend(items.iter_mut()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}
