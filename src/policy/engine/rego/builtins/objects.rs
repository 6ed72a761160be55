//! `object.*` but `object.subset`, and `json.filter` and `json.remove`, which do the same along paths.
//!
//! All of them descend into two values at a time; beyond [`MAX_DEPTH`] levels they halt.

use std::collections::BTreeMap;

use super::arguments::{array, object, operand, undefined, wrong_type};
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::{Entry, Object, Value, owned};

/// Far beyond what Kubernetes objects have, far below what a stack holds.
pub(super) const MAX_DEPTH: usize = 256;

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "object.get", arity: 3, call: get },
    Builtin { name: "object.keys", arity: 1, call: keys },
    Builtin { name: "object.remove", arity: 2, call: remove },
    Builtin { name: "object.filter", arity: 2, call: filter },
    Builtin { name: "object.union", arity: 2, call: union },
    Builtin { name: "object.union_n", arity: 1, call: union_all },
    Builtin { name: "json.filter", arity: 2, call: filter_paths },
    Builtin { name: "json.remove", arity: 2, call: remove_paths },
];

/// A key, or an array of steps; the third operand when there is nothing.
fn get(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let object = object(operands, 0)?;
    let found = match operand(operands, 1) {
        Value::Array(path) => {
            context.budget.charge(path.len() as u64)?;
            path.iter().try_fold(operand(operands, 0), |value, step| value.get(step))
        }
        key => object.get(key),
    };
    Ok(found.unwrap_or(operand(operands, 2)).clone())
}

fn keys(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let object = object(operands, 0)?;
    context.budget.allocate(object.len() as u64 * 24)?;
    Ok(Value::set(object.keys().cloned().collect()))
}

fn remove(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let object = object(operands, 0)?;
    let keys = wanted_keys(context, operands)?;
    context.budget.allocate(object.len() as u64 * 48)?;
    let rest = object.entries().iter().filter(|(key, _)| keys.get(key).is_none());
    Ok(Value::object(rest.map(owned).collect()))
}

fn filter(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let object = object(operands, 0)?;
    let keys = wanted_keys(context, operands)?;
    context.budget.allocate(object.len() as u64 * 48)?;
    let rest = object.entries().iter().filter(|(key, _)| keys.get(key).is_some());
    Ok(Value::object(rest.map(owned).collect()))
}

/// The second operand's elements or keys, as a set or an object.
fn wanted_keys(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    match operand(operands, 1) {
        Value::Array(keys) => {
            context.budget.allocate(keys.len() as u64 * 24)?;
            Ok(Value::set(keys.to_vec()))
        }
        keys @ (Value::Set(_) | Value::Object(_)) => Ok(keys.clone()),
        other => Err(wrong_type(1, other, "one of {object, set, array}")),
    }
}

fn union(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let (one, other) = (object(operands, 0)?, object(operands, 1)?);
    merge(context, &[one, other], MAX_DEPTH)
}

fn union_all(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let objects = array(operands, 0)?.iter().map(|element| match element {
        Value::Object(object) => Ok(&**object),
        other => Err(wrong_type(0, other, "array of objects")),
    });
    let objects: Vec<&Object> = objects.collect::<Result<_, _>>()?;
    merge(context, &objects, MAX_DEPTH)
}

/// Later objects win; objects under the same key are merged, back to the last value there that is none.
fn merge(context: &mut CallContext<'_>, objects: &[&Object], depth: usize) -> Result<Value, BuiltinError> {
    let depth = depth.checked_sub(1).ok_or_else(too_deep)?;
    let mut entries: Vec<Entry<'_>> = objects.iter().flat_map(|object| object.entries()).collect();
    context.budget.allocate(entries.len() as u64 * 64)?;
    entries.sort_by_key(|(key, _)| *key);
    let mut merged = Vec::new();
    for group in entries.chunk_by(|(one, _), (other, _)| one == other) {
        let nested = group.iter().rev().map_while(|(_, value)| match value {
            Value::Object(object) => Some(&**object),
            _ => None,
        });
        let mut nested: Vec<&Object> = nested.collect();
        nested.reverse();
        if let (Some((key, _)), Some((_, last))) = (group.first(), group.last()) {
            let value = if nested.len() > 1 { merge(context, &nested, depth)? } else { (*last).clone() };
            merged.push(((*key).clone(), value));
        }
    }
    Ok(Value::object(merged))
}

/// Paths, as a tree.
#[derive(Debug)]
enum Paths {
    /// A path ends here.
    End,
    Steps(BTreeMap<Value, Paths>),
}

fn filter_paths(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    object(operands, 0)?;
    let paths = read_paths(context, operand(operands, 1))?;
    filter_value(context, operand(operands, 0), &paths)
}

fn filter_value(context: &mut CallContext<'_>, value: &Value, paths: &Paths) -> Result<Value, BuiltinError> {
    let Paths::Steps(steps) = paths else {
        return Ok(value.clone());
    };
    Ok(match value {
        Value::Array(array) => {
            context.budget.allocate(array.len() as u64 * 24)?;
            let mut kept = Vec::new();
            for (index, item) in array.iter().enumerate() {
                if let Some(rest) = steps.get(&Value::from(index.to_string())) {
                    kept.push(filter_value(context, item, rest)?);
                }
            }
            Value::array(kept)
        }
        Value::Set(set) => {
            context.budget.allocate(set.len() as u64 * 24)?;
            let mut kept = Vec::new();
            for item in set.items() {
                if let Some(rest) = steps.get(item) {
                    kept.push(filter_value(context, item, rest)?);
                }
            }
            Value::set(kept)
        }
        Value::Object(object) => {
            context.budget.allocate(object.len() as u64 * 48)?;
            let mut kept = Vec::new();
            for (key, item) in object.entries() {
                if let Some(rest) = steps.get(key) {
                    kept.push((key.clone(), filter_value(context, item, rest)?));
                }
            }
            Value::object(kept)
        }
        scalar => scalar.clone(),
    })
}

fn remove_paths(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    object(operands, 0)?;
    let paths = read_paths(context, operand(operands, 1))?;
    let rest = remove_from(context, operand(operands, 0), Some(&paths))?;
    rest.ok_or_else(|| undefined("everything was removed"))
}

/// None when the value itself is to go.
fn remove_from(
    context: &mut CallContext<'_>,
    value: &Value,
    paths: Option<&Paths>,
) -> Result<Option<Value>, BuiltinError> {
    let steps = match paths {
        None => return Ok(Some(value.clone())),
        Some(Paths::End) => return Ok(None),
        Some(Paths::Steps(steps)) => steps,
    };
    Ok(Some(match value {
        Value::Array(array) => {
            context.budget.allocate(array.len() as u64 * 24)?;
            let mut kept = Vec::new();
            for (index, item) in array.iter().enumerate() {
                kept.extend(remove_from(context, item, steps.get(&Value::from(index.to_string())))?);
            }
            Value::array(kept)
        }
        Value::Set(set) => {
            context.budget.allocate(set.len() as u64 * 24)?;
            let mut kept = Vec::new();
            for item in set.items() {
                kept.extend(remove_from(context, item, steps.get(item))?);
            }
            Value::set(kept)
        }
        Value::Object(object) => {
            context.budget.allocate(object.len() as u64 * 48)?;
            let mut kept = Vec::new();
            for (key, item) in object.entries() {
                kept.extend(remove_from(context, item, steps.get(key))?.map(|rest| (key.clone(), rest)));
            }
            Value::object(kept)
        }
        scalar => scalar.clone(),
    }))
}

fn read_paths(context: &mut CallContext<'_>, operand: &Value) -> Result<Paths, BuiltinError> {
    let paths = match operand {
        Value::Array(array) => array.as_slice(),
        Value::Set(set) => set.items(),
        other => return Err(wrong_type(1, other, "one of {set, array}")),
    };
    let mut root = BTreeMap::new();
    for path in paths {
        let steps = read_path(path)?;
        context.budget.allocate(steps.len() as u64 * 64 + 1)?;
        if steps.len() > MAX_DEPTH {
            return Err(too_deep());
        }
        insert_path(&mut root, steps);
    }
    Ok(Paths::Steps(root))
}

/// An array of steps or a JSON pointer.
fn read_path(path: &Value) -> Result<Vec<Value>, BuiltinError> {
    match path {
        Value::Array(steps) => Ok(steps.to_vec()),
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        Value::String(text) => {
            let steps = text.trim_start_matches('/').split('/');
            Ok(steps.map(|step| Value::from(step.replace("~1", "/").replace("~0", "~"))).collect())
        }
        other => Err(wrong_type(1, other, "one of {set, array} containing string paths or array of path segments")),
    }
}

/// A path that goes on behind the end of another one changes nothing; one that ends earlier cuts the others.
fn insert_path(root: &mut BTreeMap<Value, Paths>, mut steps: Vec<Value>) {
    let Some(last) = steps.pop() else {
        return;
    };
    let mut node = root;
    for step in steps {
        match node.entry(step).or_insert_with(|| Paths::Steps(BTreeMap::new())) {
            Paths::End => return,
            Paths::Steps(next) => node = next,
        }
    }
    node.insert(last, Paths::End);
}

pub(super) fn too_deep() -> BuiltinError {
    BuiltinError::Halt(format!("values are nested deeper than {MAX_DEPTH} levels"))
}
