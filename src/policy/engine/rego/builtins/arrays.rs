//! `array.*`.

use super::arguments::{array, integer, operand};
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "array.concat", arity: 2, call: concat },
    Builtin { name: "array.reverse", arity: 1, call: reverse },
    Builtin { name: "array.slice", arity: 3, call: slice },
];

fn concat(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let (one, other) = (array(operands, 0)?, array(operands, 1)?);
    if one.is_empty() {
        return Ok(operand(operands, 1).clone());
    }
    if other.is_empty() {
        return Ok(operand(operands, 0).clone());
    }
    context.budget.allocate((one.len() + other.len()) as u64 * 24)?;
    Ok(Value::array(one.iter().chain(other.iter()).cloned().collect()))
}

fn reverse(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let array = array(operands, 0)?;
    context.budget.allocate(array.len() as u64 * 24)?;
    Ok(Value::array(array.iter().rev().cloned().collect()))
}

/// Indices outside of the array mean its ends.
fn slice(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let array = array(operands, 0)?;
    let (start, stop) = (integer(operands, 1)?, integer(operands, 2)?);
    let stop = usize::try_from(stop.max(0)).unwrap_or(usize::MAX).min(array.len());
    let start = usize::try_from(start.max(0)).unwrap_or(usize::MAX).min(stop);
    let slice = array.get(start..stop).unwrap_or_default();
    context.budget.allocate(slice.len() as u64 * 24)?;
    Ok(Value::array(slice.to_vec()))
}
