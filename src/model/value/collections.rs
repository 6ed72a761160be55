//! Arrays, objects and sets. Each owns a vector and takes nested collections apart in a loop when it is dropped, because
//! the compiler's own way would recurse once per level.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::Value;
use super::entries::Entries;
use super::keys::Sought;
use super::tree::Tree;

/// Mappings that grow beyond so many entries one by one are kept as a tree.
const LARGEST_FLAT: usize = 64;
/// Most entries that are looked at one after the other for a key. Nearly all differ in length already, which is seen without a
/// look at the text; where each step of a search goes is known only when texts have been compared.
const LARGEST_SCANNED: usize = 16;

/// Values in order. Behaves as the vector that it is.
#[derive(Clone, Debug, Default)]
pub struct Array(Vec<Value>);

/// A mapping, sorted by key. Keys are any value; nearly all are strings.
#[derive(Clone, Debug)]
pub struct Object(Mapping);

/// How a mapping is kept; what it means does not depend on that.
#[derive(Clone, Debug)]
enum Mapping {
    Flat(Vec<(Value, Value)>),
    /// For large mappings that change: their versions share all but the entries around a change.
    Tree(Tree<Value, Value>),
}

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

impl Default for Object {
    fn default() -> Self {
        Self(Mapping::Flat(Vec::new()))
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
        Self(Mapping::Flat(entries))
    }

    pub fn get(&self, key: &Value) -> Option<&Value> {
        match (key, &self.0) {
            (Value::String(text), _) => self.get_str(text),
            (_, Mapping::Flat(entries)) => {
                let index = entries.binary_search_by(|(one, _)| one.cmp(key)).ok()?;
                entries.get(index).map(|(_, value)| value)
            }
            (_, Mapping::Tree(tree)) => tree.get(key).map(|(_, value)| value),
        }
    }

    pub fn get_str(&self, key: &str) -> Option<&Value> {
        match &self.0 {
            Mapping::Flat(entries) if entries.len() <= LARGEST_SCANNED => {
                let is_it = |one: &&(Value, Value)| matches!(&one.0, Value::String(text) if **text == *key);
                entries.iter().find(is_it).map(|(_, value)| value)
            }
            Mapping::Flat(entries) => {
                let index = entries.binary_search_by(|(one, _)| key.order_of(one)).ok()?;
                entries.get(index).map(|(_, value)| value)
            }
            Mapping::Tree(tree) => tree.get(key).map(|(_, value)| value),
        }
    }

    /// The key itself and its value.
    pub(crate) fn get_entry(&self, key: &str) -> Option<(&Value, &Value)> {
        match &self.0 {
            Mapping::Flat(entries) => {
                let index = entries.binary_search_by(|(one, _)| key.order_of(one)).ok()?;
                entries.get(index).map(|(key, value)| (key, value))
            }
            Mapping::Tree(tree) => tree.get(key),
        }
    }

    /// The value of a key that is there, to change in place.
    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        match &mut self.0 {
            Mapping::Flat(entries) => {
                let index = entries.binary_search_by(|(one, _)| key.order_of(one)).ok()?;
                entries.get_mut(index).map(|(_, value)| value)
            }
            Mapping::Tree(tree) => tree.get_mut(key),
        }
    }

    /// The value of a key, to change in place; a key that is not there gets null first.
    pub(crate) fn entry(&mut self, key: &Value) -> Option<&mut Value> {
        if let Mapping::Flat(entries) = &mut self.0
            && entries.len() >= LARGEST_FLAT
            && entries.binary_search_by(|(one, _)| one.cmp(key)).is_err()
        {
            self.0 = Mapping::Tree(Tree::from_sorted(std::mem::take(entries)));
        }
        match &mut self.0 {
            Mapping::Flat(entries) => {
                let index = match entries.binary_search_by(|(one, _)| one.cmp(key)) {
                    Ok(index) => index,
                    Err(index) => {
                        // Room for one more: these mappings stay, and most of them small.
                        entries.reserve_exact(1);
                        entries.insert(index, (key.clone(), Value::Null));
                        index
                    }
                };
                entries.get_mut(index).map(|(_, value)| value)
            }
            Mapping::Tree(tree) => {
                if tree.get(key).is_none() {
                    tree.insert(key.clone(), Value::Null);
                }
                tree.get_mut(key)
            }
        }
    }

    /// Takes a key away.
    pub(crate) fn remove(&mut self, key: &Value) {
        match &mut self.0 {
            Mapping::Flat(entries) => {
                if let Ok(index) = entries.binary_search_by(|(one, _)| one.cmp(key)) {
                    entries.remove(index);
                }
            }
            Mapping::Tree(tree) => {
                tree.remove(key);
            }
        }
    }

    pub fn entries(&self) -> Entries<'_> {
        match &self.0 {
            Mapping::Flat(entries) => Entries::Flat(entries),
            Mapping::Tree(tree) => Entries::Tree(tree),
        }
    }

    pub fn keys(&self) -> impl Iterator<Item = &Value> {
        self.entries().iter().map(|(key, _)| key)
    }

    pub fn len(&self) -> usize {
        match &self.0 {
            Mapping::Flat(entries) => entries.len(),
            Mapping::Tree(tree) => tree.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries, to take apart; none of a tree, whose nodes others may hold.
    fn drain_flat(&mut self) -> Vec<(Value, Value)> {
        match &mut self.0 {
            Mapping::Flat(entries) => std::mem::take(entries),
            Mapping::Tree(_) => Vec::new(),
        }
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
        // Trees hold each other only as deep as an inventory has levels.
        let Mapping::Flat(entries) = &self.0 else { return };
        if entries.iter().any(|(key, value)| key.is_collection() || value.is_collection()) {
            let parts = self.drain_flat().into_iter().flat_map(|(key, value)| [key, value]);
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
                    let parts = object.drain_flat().into_iter().flat_map(|(key, value)| [key, value]);
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
