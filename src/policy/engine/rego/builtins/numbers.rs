//! `numbers.range`, `numbers.range_step`, `rand.intn`.

use std::hash::{BuildHasher, RandomState};

use num_bigint::{BigInt, Sign};

use super::arguments::{big_integer, integer, number, operand, string, undefined};
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::{Number, Value};

/// The largest number that OPA keeps ready-made.
const SMALL: i64 = 512;

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "numbers.range", arity: 2, call: |context, operands| range(context, operands, &BigInt::from(1)) },
    Builtin { name: "numbers.range_step", arity: 3, call: range_step },
    Builtin { name: "rand.intn", arity: 2, call: random },
];

fn range_step(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    // For small ranges OPA looks at the step's text: `1.0` is no integer then.
    let is_small =
        |index| number(operands, index).ok().and_then(Number::as_i64).is_some_and(|end| (-1..=SMALL).contains(&end));
    let step = if is_small(0) && is_small(1) { BigInt::from(integer(operands, 2)?) } else { big_integer(operands, 2)? };
    if step.sign() != Sign::Plus {
        return Err(undefined("numbers.range_step: step must be a positive integer"));
    }
    range(context, operands, &step)
}

/// Both ends included; downwards when the first one is greater.
fn range(context: &mut CallContext<'_>, operands: &[&Value], step: &BigInt) -> Result<Value, BuiltinError> {
    let (first, last) = (big_integer(operands, 0)?, big_integer(operands, 1)?);
    let distance = if first <= last { &last - &first } else { &first - &last };
    let count = u64::try_from(distance / step).ok().and_then(|steps| steps.checked_add(1));
    let count = count.ok_or_else(|| BuiltinError::Halt("numbers.range: range is too long".to_owned()))?;
    context.budget.allocate(count.saturating_mul(24))?;
    let step = if first <= last { step.clone() } else { -step };
    let numbers: Vec<Value> = match (i64::try_from(&first), i64::try_from(&last), i64::try_from(&step)) {
        (Ok(first), Ok(_), Ok(step)) => {
            let next = |number: &i64| number.checked_add(step);
            let numbers = std::iter::successors(Some(first), next).take(usize::try_from(count).unwrap_or(usize::MAX));
            numbers.map(Value::from).collect()
        }
        _ => {
            context.budget.allocate(count.saturating_mul(40 + first.bits().max(last.bits()) / 2))?;
            let numbers = std::iter::successors(Some(first), |number| Some(number + &step));
            let numbers = numbers.take(usize::try_from(count).unwrap_or(usize::MAX));
            numbers.map(|number| Value::Number(Number::from_big_integer(&number))).collect()
        }
    };
    Ok(Value::array(numbers))
}

/// From 0 up to the second operand without it; the same for the same operands as long as the evaluation lasts.
fn random(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    string(operands, 0)?;
    let limit = integer(operands, 1)?.unsigned_abs();
    if limit == 0 {
        return Ok(Value::from(0_i64));
    }
    let key = Value::array(vec![operand(operands, 0).clone(), Value::Number(Number::from(limit))]);
    if let Some(known) = context.caches.recall("rand.intn", &key) {
        return Ok(known);
    }
    context.budget.allocate(128)?;
    let state = *context.caches.random.get_or_insert_with(|| RandomState::new().hash_one(context.now_ns));
    // SplitMix64: enough for sampling, which is what this builtin is for. Not for secrets.
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    context.caches.random = Some(state);
    let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    let result = Value::Number(Number::from((mixed ^ mixed >> 31) % limit));
    context.caches.remember("rand.intn", &key, result.clone());
    Ok(result)
}
