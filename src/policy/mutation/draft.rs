//! An object under change: its JSON, and the places in it that wait for external data.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::model::api::mutator::ExternalDataReference;
use crate::model::object::{FieldPath, Segment};

/// An object under change.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// The object. Where external data is waited for, the string that was there, or an empty one.
    pub(crate) object: Value,
    /// By place.
    pub(super) placeholders: Placeholders,
    /// Whether something in it became something else since somebody last looked.
    pub(super) is_changed: bool,
}

/// Places that wait for external data. They are fields of mappings, never elements of lists.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Placeholders(BTreeMap<FieldPath, Placeholder>);

/// A value to come.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placeholder {
    pub(super) reference: ExternalDataReference,
    /// What the provider is asked.
    pub(super) key: String,
    /// What is written when it does not matter that there is no answer.
    pub(super) original: String,
}

impl Draft {
    /// An object as it came, in the namespace of the request: a namespaced object need not say its own.
    pub(crate) fn new(object: &Value, namespace: &str) -> Self {
        let mut object = object.clone();
        if let Some(fields) = object.as_object_mut() {
            match fields.get_mut("metadata") {
                Some(Value::Object(metadata)) if namespace.is_empty() => drop(metadata.remove("namespace")),
                Some(Value::Object(metadata)) => drop(metadata.insert("namespace".to_owned(), namespace.into())),
                None if !namespace.is_empty() => {
                    let metadata = Map::from_iter([("namespace".to_owned(), namespace.into())]);
                    fields.insert("metadata".to_owned(), metadata.into());
                }
                _ => {}
            }
        }
        Self { object, placeholders: Placeholders::default(), is_changed: false }
    }

    /// Whether something in it became something else since this was last asked. In the end all may be as it was.
    pub(crate) fn take_is_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    /// Whether both came to the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.object == other.object && self.placeholders == other.placeholders
    }

    /// The object with the namespace that it came with.
    pub(crate) fn into_object(mut self, original: &Value) -> Value {
        let Some(fields) = self.object.as_object_mut() else { return self.object };
        let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) else { return self.object };
        match original.pointer("/metadata/namespace") {
            Some(namespace) => drop(metadata.insert("namespace".to_owned(), namespace.clone())),
            None => drop(metadata.remove("namespace")),
        }
        if metadata.is_empty() && original.get("metadata").is_none() {
            fields.remove("metadata");
        }
        self.object
    }
}

impl Placeholders {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn at(&self, path: &FieldPath) -> Option<&Placeholder> {
        self.0.get(path)
    }

    /// Whether that is another one than before.
    pub(super) fn put(&mut self, path: FieldPath, placeholder: Placeholder) -> bool {
        let is_new = self.0.get(&path) != Some(&placeholder);
        self.0.insert(path, placeholder);
        is_new
    }

    /// Drops those at a place and below it: something else is written there. Whether there were any.
    pub(super) fn forget(&mut self, place: &FieldPath) -> bool {
        let before = self.0.len();
        self.0.retain(|path, _| path.below(place).is_none());
        self.0.len() < before
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&FieldPath, &Placeholder)> {
        self.0.iter()
    }
}

/// Writes a field that is there.
pub(super) fn write(object: &mut Value, path: &FieldPath, value: Value) {
    let mut place = Some(object);
    for segment in path.segments() {
        place = match segment {
            Segment::Key(key) => place.and_then(|value| value.get_mut(key.as_str())),
            Segment::Index(index) => place.and_then(|value| value.get_mut(*index)),
        };
    }
    if let Some(place) = place {
        *place = value;
    }
}
