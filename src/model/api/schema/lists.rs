//! Lists that are sets or maps (`x-kubernetes-list-type`): no element, no key, may occur twice.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::model::object::go_text::json;
use crate::model::object::{FieldError, FieldPath};

use super::Schema;

/// What a list is, by `x-kubernetes-list-type`.
#[derive(Clone, Debug, Default)]
pub(super) enum ListKind {
    /// A plain list.
    #[default]
    Atomic,
    /// Its elements are unique.
    Set,
    /// The values of these keys identify an element.
    Map(Vec<String>),
}

impl Schema {
    /// Reports every element that is a second one, once per value, in this list and in all below it.
    pub(super) fn check_lists(&self, value: &Value, at: &FieldPath, errors: &mut Vec<FieldError>) {
        match value {
            Value::Object(fields) => {
                for (key, field) in fields {
                    if let Some(schema) = self.property(key) {
                        schema.check_lists(field, &at.key(key), errors);
                    }
                }
            }
            Value::Array(items) => {
                match &self.list {
                    ListKind::Atomic => {}
                    ListKind::Set => check_set(items, at, errors),
                    ListKind::Map(keys) => check_map(items, keys, at, errors),
                }
                let Some(schema) = &self.items else { return };
                for (index, item) in items.iter().enumerate() {
                    schema.check_lists(item, &at.index(index), errors);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// Whether any two values are equal.
pub(super) fn has_duplicate(items: &[Value]) -> bool {
    !second_occurrences(items.iter()).is_empty()
}

fn check_set(items: &[Value], at: &FieldPath, errors: &mut Vec<FieldError>) {
    for (index, item) in second_occurrences(items.iter()) {
        errors.push(FieldError::duplicate(at.index(index), item));
    }
}

fn check_map(items: &[Value], keys: &[String], at: &FieldPath, errors: &mut Vec<FieldError>) {
    if let Some(index) = items.iter().position(|item| !item.is_object() && !item.is_null()) {
        let detail = "must be an object for an array of list-type map";
        errors.extend(items.get(index).map(|item| FieldError::invalid(at.index(index), item, detail)));
        return;
    }
    let identities: Vec<Value> = items.iter().map(|item| identity(item, keys)).collect();
    for (index, identity) in second_occurrences(identities.iter()) {
        errors.push(FieldError::duplicate(at.index(index), identity));
    }
}

/// The part of an element that its list's keys name.
fn identity(item: &Value, keys: &[String]) -> Value {
    let named = keys.iter().filter_map(|key| Some((key.clone(), item.get(key)?.clone())));
    Value::Object(named.collect::<Map<_, _>>())
}

/// The position and value of every second occurrence. A third one of the same value is no news.
fn second_occurrences<'a>(items: impl Iterator<Item = &'a Value>) -> Vec<(usize, &'a Value)> {
    let mut occurrences: HashMap<String, usize> = HashMap::new();
    let mut seconds = Vec::new();
    for (index, item) in items.enumerate() {
        let times = occurrences.entry(json(item)).or_default();
        *times += 1;
        if *times == 2 {
            seconds.push((index, item));
        }
    }
    seconds
}
