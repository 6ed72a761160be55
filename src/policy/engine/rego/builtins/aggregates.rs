//! Builtins that make one value of many: `count`, `sum`, `max`, `all` …

use super::arguments::{elements, number_error, operand, undefined, wrong_type};
use super::{Builtin, BuiltinError, CallContext, arithmetic};
use crate::policy::engine::rego::value::{Number, Value};

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "count", arity: 1, call: count },
    Builtin { name: "sum", arity: 1, call: sum },
    Builtin { name: "product", arity: 1, call: product },
    Builtin { name: "max", arity: 1, call: max },
    Builtin { name: "min", arity: 1, call: min },
    Builtin { name: "sort", arity: 1, call: sort },
    Builtin { name: "all", arity: 1, call: all },
    Builtin { name: "any", arity: 1, call: any },
];

fn count(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let count = match operand(operands, 0) {
        Value::Array(array) => array.len(),
        Value::Object(object) => object.len(),
        Value::Set(set) => set.len(),
        Value::String(text) => {
            context.budget.charge(text.len() as u64 / 16)?;
            text.chars().count()
        }
        other => return Err(wrong_type(0, other, "one of {array, object, set, string}")),
    };
    Ok(Value::from(count))
}

fn sum(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let elements = elements(operands, 0)?;
    context.budget.charge(elements.len() as u64)?;
    let mut integers = elements.iter().map(|element| match element {
        Value::Number(number) => number.as_i64(),
        _ => None,
    });
    // Sums of integers wrap around in OPA.
    let sum = integers.try_fold(0_i64, |sum, integer| integer.map(|integer| sum.wrapping_add(integer)));
    if let Some(sum) = sum {
        return Ok(Value::from(sum));
    }
    Number::sum(numbers(context, elements)?).map(Value::Number).map_err(|error| number_error(0, error))
}

fn product(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let numbers = numbers(context, elements(operands, 0)?)?;
    Number::product(numbers).map(Value::Number).map_err(|error| number_error(0, error))
}

fn numbers<'a>(context: &mut CallContext<'_>, elements: &'a [Value]) -> Result<Vec<&'a Number>, BuiltinError> {
    let mut numbers = Vec::with_capacity(elements.len());
    for element in elements {
        let Value::Number(number) = element else {
            return Err(wrong_type(0, element, "numbers"));
        };
        context.budget.charge(16)?;
        arithmetic::charge(context, &[number])?;
        numbers.push(number);
    }
    Ok(numbers)
}

/// Of equal values (`1`, `1.0`) the last one.
fn max(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let elements = elements(operands, 0)?;
    context.budget.charge(elements.len() as u64)?;
    elements.iter().max().cloned().ok_or_else(|| undefined("max of nothing"))
}

/// Of equal values the last one. In sets null does not count unless there is nothing else.
fn min(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let elements = elements(operands, 0)?;
    context.budget.charge(elements.len() as u64)?;
    let elements = match (operand(operands, 0), elements) {
        (Value::Set(_), [Value::Null, rest @ ..]) if !rest.is_empty() => rest,
        _ => elements,
    };
    elements.iter().rev().min().cloned().ok_or_else(|| undefined("min of nothing"))
}

fn sort(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let mut sorted = elements(operands, 0)?.to_vec();
    context.budget.allocate(sorted.len() as u64 * 64)?;
    sorted.sort();
    Ok(Value::array(sorted))
}

fn all(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let elements = elements(operands, 0)?;
    context.budget.charge(elements.len() as u64)?;
    Ok(Value::Bool(elements.iter().all(|element| matches!(element, Value::Bool(true)))))
}

fn any(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let elements = elements(operands, 0)?;
    context.budget.charge(elements.len() as u64)?;
    Ok(Value::Bool(elements.iter().any(|element| matches!(element, Value::Bool(true)))))
}
