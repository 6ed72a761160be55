//! `+ - * / %` and rounding. `-` is the difference of sets, too.

use super::arguments::{number, number_error, operand, set, wrong_type};
use super::sets::difference;
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::{Number, NumberError, Value};

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "plus", arity: 2, call: |context, operands| binary(context, operands, Number::plus) },
    Builtin { name: "minus", arity: 2, call: minus },
    Builtin { name: "mul", arity: 2, call: |context, operands| binary(context, operands, Number::times) },
    Builtin { name: "div", arity: 2, call: |context, operands| binary(context, operands, Number::divided_by) },
    Builtin { name: "rem", arity: 2, call: |context, operands| binary(context, operands, Number::remainder) },
    Builtin { name: "abs", arity: 1, call: |context, operands| unary(context, operands, Number::absolute) },
    Builtin { name: "ceil", arity: 1, call: |context, operands| unary(context, operands, Number::ceiling) },
    Builtin { name: "floor", arity: 1, call: |context, operands| unary(context, operands, Number::floor) },
    Builtin { name: "round", arity: 1, call: |context, operands| unary(context, operands, Number::rounded) },
];

fn minus(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    match (operand(operands, 0), operand(operands, 1)) {
        (Value::Set(one), _) => difference(context, one, set(operands, 1)?),
        (Value::Number(_), _) => binary(context, operands, Number::minus),
        (other, _) => Err(wrong_type(0, other, "one of {number, set}")),
    }
}

fn unary(
    context: &mut CallContext<'_>,
    operands: &[&Value],
    calculate: fn(&Number) -> Result<Number, NumberError>,
) -> Result<Value, BuiltinError> {
    let operand = number(operands, 0)?;
    charge(context, &[operand])?;
    calculate(operand).map(Value::Number).map_err(|error| number_error(0, error))
}

fn binary(
    context: &mut CallContext<'_>,
    operands: &[&Value],
    calculate: fn(&Number, &Number) -> Result<Number, NumberError>,
) -> Result<Value, BuiltinError> {
    let (one, other) = (number(operands, 0)?, number(operands, 1)?);
    charge(context, &[one, other])?;
    calculate(one, other).map(Value::Number).map_err(|error| number_error(1, error))
}

/// Long numbers cost the square of their length, and exponents are digits, too.
pub(super) fn charge(context: &mut CallContext<'_>, numbers: &[&Number]) -> Result<(), BuiltinError> {
    for number in numbers {
        if let Number::Text(text) = number {
            let length = text.len() as u64 / 16;
            context.budget.allocate(64 + length * length)?;
        }
    }
    Ok(())
}
