//! A value as policies see it, made from what the API server sent.
//!
//! Numbers: what came with a review or the inventory is a 64-bit float to Gatekeeper's OPA, parameters keep their
//! integers; both show in messages.

use std::sync::Arc;

use super::value::{self, Entries, Number, NumberMode, Object as Mapping, Pool, Value};
use crate::model::review::{Review, ReviewedObject};
use crate::model::value::Fields;

/// A value that policies read. Cloning shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document(Value);

impl Document {
    /// A value whose integers stay integers: parameters.
    pub fn from_json(value: &serde_json::Value) -> Self {
        Self(Value::from_json(value, NumberMode::AsWritten))
    }

    /// An object as policies see it in a review or in the inventory: every number is a 64-bit float.
    pub fn from_object(value: &serde_json::Value) -> Self {
        Self(Value::from_json(value, NumberMode::Float))
    }

    /// The same for the inventory: these fields, without `metadata.managedFields`, and equal parts shared with other
    /// objects.
    pub fn from_object_compact(value: &serde_json::Value, fields: &Fields, pool: &mut Pool) -> Self {
        Self(pool.compact(value, fields))
    }

    /// An empty mapping.
    pub fn empty() -> Self {
        Self(Value::object(Vec::new()))
    }

    /// The document `input.review`.
    pub fn from_review(review: &Review) -> Self {
        Self(review_value(review))
    }

    /// Equal, and printed alike.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self == other && self.0.to_string() == other.0.to_string()
    }

    /// The value at a path of keys.
    pub(crate) fn at(&self, path: &[&str]) -> Option<Self> {
        let value = path.iter().try_fold(&self.0, |at, key| match at {
            Value::Object(mapping) => mapping.get_str(key),
            _ => None,
        });
        value.cloned().map(Self)
    }

    /// The keys that lead to the value at a path, as they are in the mappings, and the value.
    pub(crate) fn find(&self, path: &[&str]) -> Option<(Vec<Self>, Self)> {
        let (mut keys, mut at) = (Vec::with_capacity(path.len()), &self.0);
        for step in path {
            let Value::Object(mapping) = at else { return None };
            let (key, value) = mapping.get_entry(step)?;
            keys.push(Self(key.clone()));
            at = value;
        }
        Some((keys, Self(at.clone())))
    }

    /// The keys of a mapping that are strings.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        let entries = match &self.0 {
            Value::Object(mapping) => mapping.entries(),
            _ => Entries::Flat(&[]),
        };
        entries.into_iter().filter_map(|(key, _)| key.as_str())
    }

    /// Heap bytes, what is shared counted once.
    pub(crate) fn footprint(&self) -> usize {
        value::footprint(&self.0)
    }

    /// The value itself.
    pub(in crate::policy) fn value(&self) -> &Value {
        &self.0
    }

    /// That value as a document.
    pub(in crate::policy) fn of(value: Value) -> Self {
        Self(value)
    }

    /// Puts a value at a path of keys, making mappings on the way. Copies only mappings that others share.
    pub(crate) fn insert(&mut self, path: &[&str], value: Self) {
        insert_at(&mut self.0, path, value.0);
    }

    /// Puts another value at a path where there is one.
    pub(crate) fn replace(&mut self, path: &[&str], value: Self) {
        let mut at = &mut self.0;
        for step in path {
            let Value::Object(mapping) = at else { return };
            let Some(below) = Arc::make_mut(mapping).get_mut(step) else { return };
            at = below;
        }
        *at = value.0;
    }

    /// Whether both are one and the same.
    pub(crate) fn is_identical(&self, other: &Self) -> bool {
        self.0.is_identical(&other.0)
    }

    /// Takes the value at a path away, and every mapping that this leaves empty but the outermost two.
    pub(crate) fn remove(&mut self, path: &[&str]) {
        remove_at(&mut self.0, path);
    }
}

fn insert_at(target: &mut Value, path: &[&str], value: Value) {
    let Some((key, rest)) = path.split_first() else {
        *target = value;
        return;
    };
    if !matches!(target, Value::Object(_)) {
        *target = Value::object(Vec::new());
    }
    let Value::Object(mapping) = target else { return };
    if let Some(slot) = Arc::make_mut(mapping).entry(&Value::string(key)) {
        insert_at(slot, rest, value);
    }
}

fn remove_at(target: &mut Value, path: &[&str]) {
    let (Some((key, rest)), Value::Object(mapping)) = (path.split_first(), target) else { return };
    let key = Value::string(key);
    if mapping.get(&key).is_none() {
        return;
    }
    let mapping: &mut Mapping = Arc::make_mut(mapping);
    if !rest.is_empty() {
        let Some(inner) = mapping.entry(&key) else { return };
        remove_at(inner, rest);
        if !matches!(inner, Value::Object(inner) if inner.is_empty()) {
            return;
        }
    }
    mapping.remove(&key);
}

/// The request as Gatekeeper hands it to OPA: the keys of an AdmissionRequest, some of them always there.
fn review_value(review: &Review) -> Value {
    let request = &review.request;
    let or = |value: &Option<Value>, absent: Value| value.clone().unwrap_or(absent);
    let body =
        |object: &Option<Arc<ReviewedObject>>| object.as_ref().map_or(Value::Null, |object| object.value().clone());
    let kind = object([
        ("group", Value::string(&review.kind.group)),
        ("version", Value::string(&review.kind.version)),
        ("kind", Value::string(&review.kind.kind)),
    ]);
    let no_resource = object(["group", "version", "resource"].map(|key| (key, Value::string(""))));
    let mut fields = vec![
        ("uid", Value::string(&review.uid)),
        ("kind", kind),
        ("resource", or(&request.resource, no_resource)),
        ("operation", Value::string(review.operation.map_or("", |operation| operation.as_str()))),
        ("userInfo", or(&request.user_info, object([]))),
        ("object", body(&review.object)),
        ("oldObject", body(&review.old_object)),
        ("options", or(&request.options, Value::Null)),
        ("namespaceObject", body(&review.namespace_object)),
    ];
    let named = [("name", &review.name), ("namespace", &review.namespace)];
    fields.extend(named.into_iter().filter(|(_, text)| !text.is_empty()).map(|(key, text)| (key, Value::string(text))));
    fields.extend(request.sub_resource.iter().map(|value| ("subResource", value.clone())));
    fields.extend(request.original.iter().map(|(key, value)| (*key, value.clone())));
    fields.extend(request.dry_run.map(|dry_run| ("dryRun", Value::Bool(dry_run))));
    object(fields)
}

/// The same value with every float that is a whole number as an integer.
pub(super) fn whole_numbers(value: &Value) -> Value {
    match value {
        Value::Number(Number::Float(float)) => {
            let text = format!("{float:.0}");
            let whole = if float.fract() == 0.0 { Number::parse(&text) } else { None };
            Value::Number(whole.unwrap_or(Number::Float(*float)))
        }
        Value::Array(items) => Value::array(items.iter().map(whole_numbers).collect()),
        Value::Object(entries) => {
            let entries = entries.entries().iter().map(|(key, value)| (key.clone(), whole_numbers(value)));
            Value::object(entries.collect())
        }
        other => other.clone(),
    }
}

/// A mapping of named fields.
pub(super) fn object<'a>(fields: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    Value::object(fields.into_iter().map(|(key, value)| (Value::string(key), value)).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_published_version_does_not_change() {
        let mut tree = Document::from_json(&json!({"cluster": {}, "namespace": {}}));
        tree.insert(&["cluster", "v1", "Node", "a"], Document::empty());
        let before = tree.clone();
        tree.insert(&["cluster", "v1", "Node", "b"], Document::empty());
        assert_eq!(before.0.to_json(), json!({"cluster": {"v1": {"Node": {"a": {}}}}, "namespace": {}}));
        tree.remove(&["cluster", "v1", "Node", "a"]);
        tree.remove(&["cluster", "v1", "Node", "nobody"]);
        assert_eq!(tree.0.to_json(), json!({"cluster": {"v1": {"Node": {"b": {}}}}, "namespace": {}}));
    }
}
