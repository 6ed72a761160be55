//! A value as policies see it: JSON and sets. Cloning shares.
//!
//! Ordered as OPA orders: null < booleans < numbers < strings < arrays < objects < sets. Objects and sets are sorted, so
//! equal values are equal in memory and print alike. Comparing, hashing, printing and dropping do not recurse with the
//! depth of a value: reviews nest as deep as their author likes.

mod arithmetic;
mod big_float;
mod collections;
mod decimal;
mod entries;
mod fields;
mod footprint;
mod go_float;
mod go_quote;
mod json_parse;
mod json_write;
mod keys;
mod number;
mod order;
mod pool;
mod print;
mod serde_value;
mod tree;
pub mod yaml_scalar;

use std::sync::Arc;

pub use arithmetic::NumberError;
pub use collections::{Array, Object, Set};
pub use entries::{Entries, Entry, owned};
pub use fields::{Fields, Step};
pub use footprint::footprint;
pub use go_float::format_float;
pub use go_quote::{is_printable, quote, quote_character, quote_to_ascii};
pub use json_parse::{JsonError, MAX_DEPTH, NumberMode, TOO_DEEP, is_json_number, parse_json, parse_json_within};
pub use json_write::{Indentation, write_json, write_json_string};
pub use keys::{Key, Sought};
pub use number::Number;
pub use pool::Pool;
pub use tree::{Iter, Tree};

/// A value. 24 bytes.
#[derive(Clone, Debug)]
pub enum Value {
    Null,
    Bool(bool),
    Number(Number),
    String(Arc<str>),
    Array(Arc<Array>),
    Object(Arc<Object>),
    Set(Arc<Set>),
}

impl Value {
    pub fn string(text: impl AsRef<str>) -> Self {
        Self::String(Arc::from(text.as_ref()))
    }

    pub fn array(items: Vec<Value>) -> Self {
        Self::Array(Arc::new(Array::from(items)))
    }

    /// Sorts; of equal keys the last one counts.
    pub fn object(entries: Vec<(Value, Value)>) -> Self {
        Self::Object(Arc::new(Object::from_entries(entries)))
    }

    /// Sorts and drops what is there twice.
    pub fn set(items: Vec<Value>) -> Self {
        Self::Set(Arc::new(Set::from_items(items)))
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The step `self[key]`: an element of an array by its index, of an object by its key, of a set by itself.
    pub fn get(&self, key: &Value) -> Option<&Value> {
        match self {
            Self::Array(items) => match key {
                Self::Number(number) => items.get(number.as_index()?),
                _ => None,
            },
            Self::Object(object) => object.get(key),
            Self::Set(set) => set.get(key),
            _ => None,
        }
    }

    /// OPA's name of the type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
            Self::Set(_) => "set",
        }
    }

    /// Whether it is an array, an object or a set.
    pub fn is_collection(&self) -> bool {
        matches!(self, Self::Array(_) | Self::Object(_) | Self::Set(_))
    }

    /// Whether both are one and the same collection in memory. What is not may still be equal.
    pub fn is_identical(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Array(one), Self::Array(other)) => Arc::ptr_eq(one, other),
            (Self::Object(one), Self::Object(other)) => Arc::ptr_eq(one, other),
            (Self::Set(one), Self::Set(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    /// Entries in which two mappings can differ, in the order of their keys; what their trees share is left out. What is
    /// no mapping has no entries.
    pub fn differing<'a>(one: Option<&'a Self>, other: Option<&'a Self>) -> (Vec<Entry<'a>>, Vec<Entry<'a>>) {
        let entries = |value: Option<&'a Self>| match value {
            Some(Self::Object(object)) => object.entries(),
            _ => Entries::Flat(&[]),
        };
        match (entries(one), entries(other)) {
            (Entries::Tree(one), Entries::Tree(other)) => Tree::differing(one, other),
            (one, other) => (one.iter().collect(), other.iter().collect()),
        }
    }

    /// Rank of the type in OPA's order.
    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Number(_) => 2,
            Self::String(_) => 3,
            Self::Array(_) => 4,
            Self::Object(_) => 5,
            Self::Set(_) => 6,
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(integer: i64) -> Self {
        Self::Number(Number::Int(integer))
    }
}

impl From<usize> for Value {
    fn from(integer: usize) -> Self {
        Self::Number(Number::from(integer))
    }
}

impl From<Number> for Value {
    fn from(number: Number) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::string(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(Arc::from(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_small() {
        assert!(size_of::<Value>() <= 24);
    }

    #[test]
    fn very_deep_values_are_no_danger() {
        let nest = |leaf: Value| (0..200_000).fold(leaf, |inner, _| Value::array(vec![inner]));
        let (one, other, greater) = (nest(Value::Null), nest(Value::Null), nest(Value::Bool(true)));
        assert_eq!(one, other);
        assert!(one < greater);
        assert_eq!(one.to_string().len(), 400_004);
        let objects = (0..200_000)
            .fold(Value::Null, |inner, _| Value::object(vec![(Value::string("a"), Value::set(vec![inner]))]));
        assert_eq!(objects, objects.clone());
    }

    #[test]
    fn steps_into_collections() {
        let array = Value::array(vec![Value::from(7_i64)]);
        assert_eq!(array.get(&Value::from(0_i64)), Some(&Value::from(7_i64)));
        assert_eq!(array.get(&Value::from(1_i64)), None);
        let set = Value::set(vec![Value::from("x"), Value::from("x")]);
        assert_eq!(set.get(&Value::from("x")), Some(&Value::from("x")));
        let object = Value::object(vec![(Value::from("k"), Value::Null), (Value::from("k"), Value::Bool(true))]);
        assert_eq!(object.get(&Value::from("k")), Some(&Value::Bool(true)));
    }
}
