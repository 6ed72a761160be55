//! `bits.*`: integers of any length, in two's complement as far as signs go.

use num_bigint::{BigInt, Sign};

use super::arguments::{big_integer, number, undefined};
use super::{Builtin, BuiltinError, CallContext, arithmetic};
use crate::policy::engine::rego::value::{Number, Value};

/// Longest result of a shift, as long as the longest number that is calculated with.
const MAX_BITS: u64 = 1 << 17;

pub(super) const TABLE: &[Builtin] = &[
    Builtin {
        name: "bits.and",
        arity: 2,
        call: |context, operands| binary(context, operands, |one, other| Ok(one & other)),
    },
    Builtin {
        name: "bits.or",
        arity: 2,
        call: |context, operands| binary(context, operands, |one, other| Ok(one | other)),
    },
    Builtin {
        name: "bits.xor",
        arity: 2,
        call: |context, operands| binary(context, operands, |one, other| Ok(one ^ other)),
    },
    Builtin { name: "bits.lsh", arity: 2, call: |context, operands| binary(context, operands, shift_left) },
    Builtin { name: "bits.rsh", arity: 2, call: |context, operands| binary(context, operands, shift_right) },
    Builtin { name: "bits.negate", arity: 1, call: negate },
];

fn binary(
    context: &mut CallContext<'_>,
    operands: &[&Value],
    calculate: fn(BigInt, BigInt) -> Result<BigInt, BuiltinError>,
) -> Result<Value, BuiltinError> {
    arithmetic::charge(context, &[number(operands, 0)?, number(operands, 1)?])?;
    let result = calculate(big_integer(operands, 0)?, big_integer(operands, 1)?)?;
    context.budget.allocate(result.bits())?;
    Ok(Value::Number(Number::from_big_integer(&result)))
}

fn negate(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    arithmetic::charge(context, &[number(operands, 0)?])?;
    Ok(Value::Number(Number::from_big_integer(&!big_integer(operands, 0)?)))
}

fn shift_left(integer: BigInt, count: BigInt) -> Result<BigInt, BuiltinError> {
    let count = shift_count(&count)?;
    if integer.sign() == Sign::NoSign {
        return Ok(integer);
    }
    match integer.bits().checked_add(count) {
        Some(bits) if bits <= MAX_BITS => Ok(integer << count),
        _ => Err(BuiltinError::Halt(format!("bits.lsh: result has more than {MAX_BITS} bits"))),
    }
}

fn shift_right(integer: BigInt, count: BigInt) -> Result<BigInt, BuiltinError> {
    let count = shift_count(&count)?;
    Ok(integer >> count.min(MAX_BITS * 2))
}

/// The low 64 bits count, as in OPA.
fn shift_count(count: &BigInt) -> Result<u64, BuiltinError> {
    if count.sign() == Sign::Minus {
        return Err(undefined("operand 2 must be an unsigned integer number but got a negative integer"));
    }
    Ok(count.magnitude().iter_u64_digits().next().unwrap_or(0))
}
