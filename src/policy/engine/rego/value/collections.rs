//! Arrays, objects and sets. Each owns a vector and takes nested collections apart in a loop when it is dropped, because
//! the compiler's own way would recurse once per level.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::Value;

/// Values in order. Behaves as the vector that it is.
#[derive(Clone, Debug, Default)]
pub struct Array(Vec<Value>);

/// A mapping, sorted by key. Keys are any value; nearly all are strings.
#[derive(Clone, Debug, Default)]
pub struct Object(Vec<(Value, Value)>);

/// Distinct values, sorted.
#[derive(Clone, Debug, Default)]
pub struct Set(Vec<Value>);

impl Array {
    /// The elements, without a copy.
    pub fn into_items(mut self) -> Vec<Value> {
        std::mem::take(&mut self.0)
    }
}

impl From<Vec<Value>> for Array {
    fn from(items: Vec<Value>) -> Self {
        Self(items)
    }
}

impl FromIterator<Value> for Array {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

impl Deref for Array {
    type Target = Vec<Value>;

    fn deref(&self) -> &Vec<Value> {
        &self.0
    }
}

impl DerefMut for Array {
    fn deref_mut(&mut self) -> &mut Vec<Value> {
        &mut self.0
    }
}

impl Object {
    /// Sorts; of equal keys the last one counts.
    pub fn from_entries(mut entries: Vec<(Value, Value)>) -> Self {
        if !entries.is_sorted_by(|(one, _), (other, _)| one < other) {
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            // Stable sort: of equal keys the later one is behind and wins, but the key stays as it was first.
            entries.dedup_by(|later, earlier| {
                let is_equal = later.0 == earlier.0;
                if is_equal {
                    std::mem::swap(&mut later.1, &mut earlier.1);
                }
                is_equal
            });
        }
        Self(entries)
    }

    pub fn get(&self, key: &Value) -> Option<&Value> {
        match key {
            Value::String(text) => self.get_str(text),
            _ => self.found(self.0.binary_search_by(|(one, _)| one.cmp(key)).ok()?),
        }
    }

    pub fn get_str(&self, key: &str) -> Option<&Value> {
        let order = |one: &Value| match one {
            Value::String(text) => (**text).cmp(key),
            other => other.rank().cmp(&3),
        };
        self.found(self.0.binary_search_by(|(one, _)| order(one)).ok()?)
    }

    fn found(&self, index: usize) -> Option<&Value> {
        self.0.get(index).map(|(_, value)| value)
    }

    /// The value of a key, to change in place; a key that is not there gets null first.
    pub(crate) fn entry(&mut self, key: &Value) -> &mut Value {
        let index = match self.0.binary_search_by(|(one, _)| one.cmp(key)) {
            Ok(index) => index,
            Err(index) => {
                self.0.insert(index, (key.clone(), Value::Null));
                index
            }
        };
        #[expect(clippy::indexing_slicing, reason = "found or inserted there just above")]
        &mut self.0[index].1
    }

    /// Takes a key away.
    pub(crate) fn remove(&mut self, key: &Value) {
        if let Ok(index) = self.0.binary_search_by(|(one, _)| one.cmp(key)) {
            self.0.remove(index);
        }
    }

    pub fn entries(&self) -> &[(Value, Value)] {
        &self.0
    }

    pub fn keys(&self) -> impl Iterator<Item = &Value> {
        self.0.iter().map(|(key, _)| key)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Set {
    /// Sorts and drops what is there twice.
    pub fn from_items(mut items: Vec<Value>) -> Self {
        if !items.is_sorted_by(|one, other| one < other) {
            items.sort();
            items.dedup();
        }
        Self(items)
    }

    pub fn get(&self, item: &Value) -> Option<&Value> {
        self.0.binary_search(item).ok().and_then(|index| self.0.get(index))
    }

    pub fn contains(&self, item: &Value) -> bool {
        self.0.binary_search(item).is_ok()
    }

    pub fn items(&self) -> &[Value] {
        &self.0
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Drop for Array {
    fn drop(&mut self) {
        if self.0.iter().any(Value::is_collection) {
            drop_nested(self.0.drain(..).filter(Value::is_collection).collect());
        }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        if self.0.iter().any(|(key, value)| key.is_collection() || value.is_collection()) {
            let parts = self.0.drain(..).flat_map(|(key, value)| [key, value]);
            drop_nested(parts.filter(Value::is_collection).collect());
        }
    }
}

impl Drop for Set {
    fn drop(&mut self) {
        if self.0.iter().any(Value::is_collection) {
            drop_nested(self.0.drain(..).filter(Value::is_collection).collect());
        }
    }
}

/// Empties every collection that nobody else holds before it is dropped, so that no drop reaches further than one level.
fn drop_nested(mut pending: Vec<Value>) {
    while let Some(value) = pending.pop() {
        match value {
            Value::Array(array) => {
                if let Some(mut array) = Arc::into_inner(array) {
                    pending.extend(array.0.drain(..).filter(Value::is_collection));
                }
            }
            Value::Object(object) => {
                if let Some(mut object) = Arc::into_inner(object) {
                    let parts = object.0.drain(..).flat_map(|(key, value)| [key, value]);
                    pending.extend(parts.filter(Value::is_collection));
                }
            }
            Value::Set(set) => {
                if let Some(mut set) = Arc::into_inner(set) {
                    pending.extend(set.0.drain(..).filter(Value::is_collection));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}
