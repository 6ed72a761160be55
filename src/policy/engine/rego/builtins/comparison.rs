//! `==` and its kin, and membership (`in`).

use std::cmp::Ordering;

use super::arguments::operand;
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "eq", arity: 2, call: |_, operands| compare(operands, Ordering::is_eq) },
    Builtin { name: "equal", arity: 2, call: |_, operands| compare(operands, Ordering::is_eq) },
    Builtin { name: "neq", arity: 2, call: |_, operands| compare(operands, Ordering::is_ne) },
    Builtin { name: "lt", arity: 2, call: |_, operands| compare(operands, Ordering::is_lt) },
    Builtin { name: "lte", arity: 2, call: |_, operands| compare(operands, Ordering::is_le) },
    Builtin { name: "gt", arity: 2, call: |_, operands| compare(operands, Ordering::is_gt) },
    Builtin { name: "gte", arity: 2, call: |_, operands| compare(operands, Ordering::is_ge) },
    Builtin { name: "internal.member_2", arity: 2, call: is_member },
    Builtin { name: "internal.member_3", arity: 3, call: is_entry },
];

fn compare(operands: &[&Value], holds: fn(Ordering) -> bool) -> Result<Value, BuiltinError> {
    Ok(Value::Bool(holds(operand(operands, 0).cmp(operand(operands, 1)))))
}

/// `x in xs`: false, not undefined, for what is no collection.
fn is_member(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let item = operand(operands, 0);
    let is_member = match operand(operands, 1) {
        Value::Set(set) => set.contains(item),
        Value::Array(array) => {
            context.budget.charge(array.len() as u64)?;
            array.contains(item)
        }
        Value::Object(object) => {
            context.budget.charge(object.len() as u64)?;
            object.entries().iter().any(|(_, value)| value == item)
        }
        _ => false,
    };
    Ok(Value::Bool(is_member))
}

/// `k, v in xs`. Sets have no keys.
fn is_entry(_: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let (key, value, collection) = (operand(operands, 0), operand(operands, 1), operand(operands, 2));
    let is_keyed = matches!(collection, Value::Array(_) | Value::Object(_));
    Ok(Value::Bool(is_keyed && collection.get(key) == Some(value)))
}
