//! What builtins of several families ask of their operands. Each error is an undefined result, with a text as OPA's.

use num_bigint::BigInt;

use super::{BuiltinError, CallContext};
use crate::policy::engine::rego::value::{Array, Number, NumberError, Object, Set, Value};

/// The operand at `index`. The compile passes have checked the arity; a missing one is null.
pub(super) fn operand<'a>(operands: &[&'a Value], index: usize) -> &'a Value {
    static NULL: Value = Value::Null;
    operands.get(index).copied().unwrap_or(&NULL)
}

pub(super) fn string<'a>(operands: &[&'a Value], index: usize) -> Result<&'a str, BuiltinError> {
    let value = operand(operands, index);
    value.as_str().ok_or_else(|| wrong_type(index, value, "string"))
}

pub(super) fn number<'a>(operands: &[&'a Value], index: usize) -> Result<&'a Number, BuiltinError> {
    match operand(operands, index) {
        Value::Number(number) => Ok(number),
        other => Err(wrong_type(index, other, "number")),
    }
}

/// A number whose text is an integer of 64 bits.
pub(super) fn integer(operands: &[&Value], index: usize) -> Result<i64, BuiltinError> {
    number(operands, index)?.as_i64().ok_or_else(|| number_error(index, NumberError::NotInteger))
}

pub(super) fn big_integer(operands: &[&Value], index: usize) -> Result<BigInt, BuiltinError> {
    number(operands, index)?.to_big_integer().map_err(|error| number_error(index, error))
}

pub(super) fn array<'a>(operands: &[&'a Value], index: usize) -> Result<&'a Array, BuiltinError> {
    match operand(operands, index) {
        Value::Array(array) => Ok(array),
        other => Err(wrong_type(index, other, "array")),
    }
}

pub(super) fn object<'a>(operands: &[&'a Value], index: usize) -> Result<&'a Object, BuiltinError> {
    match operand(operands, index) {
        Value::Object(object) => Ok(object),
        other => Err(wrong_type(index, other, "object")),
    }
}

pub(super) fn set<'a>(operands: &[&'a Value], index: usize) -> Result<&'a Set, BuiltinError> {
    match operand(operands, index) {
        Value::Set(set) => Ok(set),
        other => Err(wrong_type(index, other, "set")),
    }
}

/// The elements of an array or a set.
pub(super) fn elements<'a>(operands: &[&'a Value], index: usize) -> Result<&'a [Value], BuiltinError> {
    match operand(operands, index) {
        Value::Array(array) => Ok(array),
        Value::Set(set) => Ok(set.items()),
        other => Err(wrong_type(index, other, "one of {set, array}")),
    }
}

/// An array or a set of strings.
pub(super) fn strings<'a>(operands: &[&'a Value], index: usize) -> Result<Vec<&'a str>, BuiltinError> {
    let elements = elements(operands, index)?;
    let texts = elements.iter().map(|element| element.as_str().ok_or_else(|| wrong_type(index, element, "strings")));
    texts.collect()
}

/// Takes what printing `value` costs, and `extra` bytes for each part of it. Shared parts count as often as they are
/// printed: a small policy can build a value whose text has no end.
pub(super) fn charge_text(context: &mut CallContext<'_>, value: &Value, extra: u64) -> Result<(), BuiltinError> {
    let mut pending = vec![value];
    while let Some(value) = pending.pop() {
        let length = match value {
            Value::Null | Value::Bool(_) => 5,
            Value::Number(Number::Text(text)) | Value::String(text) => text.len() as u64 + 2,
            Value::Number(_) => 16,
            Value::Array(_) | Value::Object(_) | Value::Set(_) => 2,
        };
        context.budget.allocate(length + 2 + extra)?;
        match value {
            Value::Array(array) => pending.extend(array.iter()),
            Value::Set(set) => pending.extend(set.items()),
            Value::Object(object) => pending.extend(object.entries().iter().flat_map(|(key, value)| [key, value])),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    Ok(())
}

/// Whether collections are within each other more often than `limit` times. For what was read from JSON: sets and keys
/// are not looked into.
pub(super) fn is_deeper_than(value: &Value, limit: usize) -> bool {
    let mut pending = vec![(value, 0)];
    while let Some((value, depth)) = pending.pop() {
        if depth > limit {
            return true;
        }
        match value {
            Value::Array(items) => pending.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(object) => pending.extend(object.entries().iter().map(|(_, item)| (item, depth + 1))),
            _ => {}
        }
    }
    false
}

pub(super) fn undefined(message: impl Into<String>) -> BuiltinError {
    BuiltinError::Undefined(message.into())
}

/// `index` counts from 0, the message from 1.
pub(super) fn wrong_type(index: usize, value: &Value, expected: &str) -> BuiltinError {
    undefined(format!("operand {} must be {expected} but got {}", index + 1, value.type_name()))
}

/// What cannot be calculated stops the evaluation: OPA would have had a result, so "undefined" could hide a violation.
pub(super) fn number_error(index: usize, error: NumberError) -> BuiltinError {
    match error {
        NumberError::TooLarge => BuiltinError::Halt(error.as_str().to_owned()),
        _ => undefined(format!("operand {} {}", index + 1, error.as_str())),
    }
}
