//! What a value takes in memory.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Entries, Number, Value};

/// Counters of an `Arc`.
const COUNTERS: usize = 2 * size_of::<usize>();
/// An allocation is preceded by its size, and its size is a multiple of 16: as the usual allocators do.
const HEADER: usize = size_of::<usize>();
const GRAIN: usize = 16;

/// Heap bytes of a value and all within it. What is there several times in memory as one is counted once.
pub fn footprint(root: &Value) -> usize {
    let (mut bytes, mut seen, mut pending) = (0, HashSet::new(), vec![root]);
    while let Some(value) = pending.pop() {
        let (address, own) = match value {
            Value::Null | Value::Bool(_) | Value::Number(Number::Int(_) | Number::Float(_)) => continue,
            Value::Number(Number::Text(text)) | Value::String(text) => {
                (Arc::as_ptr(text).addr(), allocated(COUNTERS + text.len()))
            }
            Value::Array(items) => {
                (Arc::as_ptr(items).addr(), allocated(COUNTERS + size_of_val(&**items)) + buffer(items))
            }
            Value::Set(set) => {
                (Arc::as_ptr(set).addr(), allocated(COUNTERS + size_of_val(&**set)) + buffer(set.items()))
            }
            Value::Object(object) => {
                let entries = match object.entries() {
                    Entries::Flat(entries) => buffer(entries),
                    // Counted node by node below.
                    Entries::Tree(_) => 0,
                };
                (Arc::as_ptr(object).addr(), allocated(COUNTERS + size_of_val(&**object)) + entries)
            }
        };
        if !seen.insert(address) {
            continue;
        }
        bytes += own;
        match value {
            Value::Array(items) => pending.extend(items.iter()),
            Value::Set(set) => pending.extend(set.items()),
            Value::Object(object) => match object.entries() {
                Entries::Flat(entries) => pending.extend(entries.iter().flat_map(|(key, value)| [key, value])),
                Entries::Tree(tree) => {
                    for (address, own, keys, values) in tree.parts() {
                        if seen.insert(address) {
                            bytes += allocated(COUNTERS + own);
                            pending.extend(keys.iter().chain(values));
                        }
                    }
                }
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    bytes
}

fn buffer<T>(items: &[T]) -> usize {
    if items.is_empty() { 0 } else { allocated(size_of_val(items)) }
}

fn allocated(bytes: usize) -> usize {
    (bytes + HEADER).next_multiple_of(GRAIN)
}
