//! `to_number` and the casts of old.

use super::arguments::{elements, operand, undefined, wrong_type};
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::{Number, Value};

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "to_number", arity: 1, call: to_number },
    Builtin { name: "cast_array", arity: 1, call: cast_array },
    Builtin { name: "cast_set", arity: 1, call: cast_set },
    Builtin { name: "cast_boolean", arity: 1, call: |_, operands| same("boolean", operands) },
    Builtin { name: "cast_null", arity: 1, call: |_, operands| same("null", operands) },
    Builtin { name: "cast_object", arity: 1, call: |_, operands| same("object", operands) },
    Builtin { name: "cast_string", arity: 1, call: |_, operands| same("string", operands) },
];

/// Strings by Go's `ParseFloat`, without hexadecimal floats; they keep their text.
fn to_number(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    match operand(operands, 0) {
        Value::Null => Ok(Value::from(0_i64)),
        Value::Bool(boolean) => Ok(Value::from(i64::from(*boolean))),
        Value::Number(number) => Ok(Value::Number(number.clone())),
        Value::String(text) => {
            context.budget.charge(text.len() as u64)?;
            let number = Number::parse(text).filter(|number| number.to_f64().is_some());
            number.map(Value::Number).ok_or_else(|| undefined("operand 1 must be valid number string"))
        }
        other => Err(wrong_type(0, other, "one of {null, boolean, number, string}")),
    }
}

fn cast_array(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    match operand(operands, 0) {
        Value::Set(set) => {
            context.budget.allocate(set.len() as u64 * 24)?;
            Ok(Value::array(set.items().to_vec()))
        }
        _ => same("array", operands),
    }
}

fn cast_set(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let elements = elements(operands, 0)?;
    context.budget.allocate(elements.len() as u64 * 24)?;
    Ok(Value::set(elements.to_vec()))
}

fn same(type_name: &str, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let value = operand(operands, 0);
    if value.type_name() == type_name { Ok(value.clone()) } else { Err(wrong_type(0, value, type_name)) }
}
