//! Order, equality and hashes of values, as OPA compares: arrays and sets element by element, objects pair by pair (key,
//! then value, then the next key), what is a prefix of the other first.
//!
//! Recursion ends at [`MAX_RECURSION`]; below, a stack on the heap takes over.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::{Entries, Value};

/// Deep enough for nearly all values, shallow enough for any thread.
const MAX_RECURSION: usize = 64;

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self, other, MAX_RECURSION)
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::String(one), Self::String(other)) => one == other,
            (Self::Object(one), Self::Object(other)) if one.len() != other.len() => false,
            (Self::Array(one), Self::Array(other)) if one.len() != other.len() => false,
            (Self::Set(one), Self::Set(other)) if one.len() != other.len() => false,
            _ => self.cmp(other) == Ordering::Equal,
        }
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut pending = vec![self];
        while let Some(value) = pending.pop() {
            value.rank().hash(state);
            match value {
                Value::Null => {}
                Value::Bool(boolean) => boolean.hash(state),
                Value::Number(number) => number.hash(state),
                Value::String(text) => text.hash(state),
                Value::Array(_) | Value::Object(_) | Value::Set(_) => {
                    let parts = Parts::of(value);
                    parts.len().hash(state);
                    pending.extend((0..parts.len()).filter_map(|index| parts.get(index)));
                }
            }
        }
    }
}

fn compare(one: &Value, other: &Value, depth: usize) -> Ordering {
    match (one, other) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
        (Value::Number(one), Value::Number(other)) => one.cmp(other),
        (Value::String(one), Value::String(other)) => one.cmp(other),
        (Value::Array(one), Value::Array(other)) if Arc::ptr_eq(one, other) => Ordering::Equal,
        (Value::Object(one), Value::Object(other)) if Arc::ptr_eq(one, other) => Ordering::Equal,
        (Value::Set(one), Value::Set(other)) if Arc::ptr_eq(one, other) => Ordering::Equal,
        _ if one.rank() != other.rank() => one.rank().cmp(&other.rank()),
        _ if depth == 0 => compare_in_loop(one, other),
        _ => {
            let (one, other) = (Parts::of(one), Parts::of(other));
            let parts = (0..one.len()).map_while(|index| Some((one.get(index)?, other.get(index)?)));
            let mut orders = parts.map(|(one, other)| compare(one, other, depth - 1));
            orders.find(|order| order.is_ne()).unwrap_or_else(|| one.len().cmp(&other.len()))
        }
    }
}

/// The same with a stack of its own; both are collections of one type.
fn compare_in_loop(one: &Value, other: &Value) -> Ordering {
    let mut stack = vec![(Parts::of(one), Parts::of(other), 0)];
    while let Some((one, other, index)) = stack.last_mut() {
        let (Some(one_part), Some(other_part)) = (one.get(*index), other.get(*index)) else {
            let order = one.len().cmp(&other.len());
            if order.is_ne() {
                return order;
            }
            stack.pop();
            continue;
        };
        *index += 1;
        if one_part.is_collection() && one_part.rank() == other_part.rank() {
            stack.push((Parts::of(one_part), Parts::of(other_part), 0));
        } else {
            let order = compare(one_part, other_part, 0);
            if order.is_ne() {
                return order;
            }
        }
    }
    Ordering::Equal
}

/// What a collection consists of, in the order in which it counts.
#[derive(Clone, Copy)]
enum Parts<'a> {
    Items(&'a [Value]),
    Entries(Entries<'a>),
}

impl<'a> Parts<'a> {
    fn of(value: &'a Value) -> Self {
        match value {
            Value::Array(array) => Self::Items(array),
            Value::Set(set) => Self::Items(set.items()),
            Value::Object(object) => Self::Entries(object.entries()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Self::Items(&[]),
        }
    }

    fn len(self) -> usize {
        match self {
            Self::Items(items) => items.len(),
            Self::Entries(entries) => entries.len() * 2,
        }
    }

    fn get(self, index: usize) -> Option<&'a Value> {
        match self {
            Self::Items(items) => items.get(index),
            Self::Entries(entries) => {
                entries.get(index / 2).map(|(key, value)| if index.is_multiple_of(2) { key } else { value })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_as_opa_does() {
        let (one, two, text) = (|| Value::from(1_i64), || Value::from(2_i64), || Value::from("a"));
        let object = |entries: &[(&str, i64)]| {
            Value::object(entries.iter().map(|(key, value)| (Value::from(*key), Value::from(*value))).collect())
        };
        let ascending = [
            Value::Null,
            Value::Bool(false),
            Value::Bool(true),
            one(),
            two(),
            text(),
            Value::array(vec![]),
            Value::array(vec![one(), two()]),
            Value::array(vec![two()]),
            object(&[]),
            object(&[("a", 1), ("b", 0)]),
            object(&[("a", 1), ("c", 0)]),
            object(&[("a", 2)]),
            object(&[("b", 0)]),
            Value::set(vec![]),
            Value::set(vec![one(), two()]),
            Value::set(vec![two()]),
        ];
        for (index, one) in ascending.iter().enumerate() {
            for (other_index, other) in ascending.iter().enumerate() {
                assert_eq!(one.cmp(other), index.cmp(&other_index), "{one} {other}");
                assert_eq!(one == other, index == other_index);
            }
        }
    }
}
