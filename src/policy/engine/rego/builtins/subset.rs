//! `object.subset`.

use super::arguments::{operand, undefined};
use super::objects::{MAX_DEPTH, too_deep};
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::{Array, Object, Set, Value};

pub(super) const TABLE: &[Builtin] = &[Builtin { name: "object.subset", arity: 2, call: is_subset }];

fn is_subset(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let (greater, smaller) = (operand(operands, 0), operand(operands, 1));
    if let (Value::Array(array), Value::Set(set)) = (greater, smaller) {
        context.budget.charge((array.len() + set.len()) as u64)?;
        return Ok(Value::Bool(has_all(array, set)));
    }
    match nested(context, greater, smaller, MAX_DEPTH)? {
        Some(is_subset) => Ok(Value::Bool(is_subset)),
        None => Err(undefined("both arguments object.subset must be of the same type or array and set")),
    }
}

/// None unless both are collections of one type.
fn nested(
    context: &mut CallContext<'_>,
    greater: &Value,
    smaller: &Value,
    depth: usize,
) -> Result<Option<bool>, BuiltinError> {
    Ok(match (greater, smaller) {
        (Value::Object(greater), Value::Object(smaller)) => Some(object_has(context, greater, smaller, depth)?),
        (Value::Set(greater), Value::Set(smaller)) => {
            context.budget.charge(smaller.len() as u64)?;
            Some(smaller.items().iter().all(|item| greater.contains(item)))
        }
        (Value::Array(greater), Value::Array(smaller)) => Some(has_run(context, greater, smaller)?),
        _ => None,
    })
}

/// Every entry must be there and equal, or collections must be subsets in turn.
fn object_has(
    context: &mut CallContext<'_>,
    greater: &Object,
    smaller: &Object,
    depth: usize,
) -> Result<bool, BuiltinError> {
    let depth = depth.checked_sub(1).ok_or_else(too_deep)?;
    context.budget.charge(smaller.len() as u64 + 1)?;
    for (key, wanted) in smaller.entries() {
        let Some(value) = greater.get(key) else {
            return Ok(false);
        };
        if value != wanted && nested(context, value, wanted, depth)? != Some(true) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the smaller array stands in the greater one in one piece.
fn has_run(context: &mut CallContext<'_>, greater: &Array, smaller: &Array) -> Result<bool, BuiltinError> {
    if smaller.len() > greater.len() {
        return Ok(false);
    }
    for start in 0..=greater.len() - smaller.len() {
        context.budget.charge(smaller.len() as u64 + 1)?;
        let window = greater.get(start..start + smaller.len()).unwrap_or_default();
        if window == smaller.as_slice() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// OPA counts matching elements of the array, equal ones twice: `[1, 1]` has "all" of `{1, 2}`. An empty array has nothing.
fn has_all(array: &Array, set: &Set) -> bool {
    let matches = array.iter().filter(|item| set.contains(item)).take(set.len()).count();
    !array.is_empty() && matches == set.len()
}
