//! Operands of builtins: the checks and the wording that all functions share.
//!
//! Positions count from 0 here and from 1 in messages, as OPA counts them.

use super::BuiltinError;
use crate::policy::engine::rego::value::{Number, Object, Value};

/// The expression that called is undefined, for this reason.
pub(super) fn undefined(reason: impl Into<String>) -> BuiltinError {
    BuiltinError::Undefined(reason.into())
}

/// The operand at `position`, whatever it is.
pub(super) fn any<'a>(operands: &[&'a Value], position: usize) -> Result<&'a Value, BuiltinError> {
    operands.get(position).copied().ok_or_else(|| undefined(format!("operand {} is missing", position + 1)))
}

pub(super) fn string<'a>(operands: &[&'a Value], position: usize) -> Result<&'a str, BuiltinError> {
    let value = any(operands, position)?;
    value.as_str().ok_or_else(|| wrong_type(position, value, "string"))
}

pub(super) fn object<'a>(operands: &[&'a Value], position: usize) -> Result<&'a Object, BuiltinError> {
    match any(operands, position)? {
        Value::Object(object) => Ok(object),
        other => Err(wrong_type(position, other, "object")),
    }
}

pub(super) fn array<'a>(operands: &[&'a Value], position: usize) -> Result<&'a [Value], BuiltinError> {
    match any(operands, position)? {
        Value::Array(items) => Ok(items),
        other => Err(wrong_type(position, other, "array")),
    }
}

/// Elements of an array or a set.
pub(super) fn elements<'a>(operands: &[&'a Value], position: usize) -> Result<&'a [Value], BuiltinError> {
    match any(operands, position)? {
        Value::Array(items) => Ok(items),
        Value::Set(set) => Ok(set.items()),
        other => Err(undefined(format!(
            "operand {} must be one of {{array, set}} but got {}",
            position + 1,
            other.type_name()
        ))),
    }
}

pub(super) fn wrong_type(position: usize, found: &Value, expected: &str) -> BuiltinError {
    undefined(format!("operand {} must be {expected} but got {}", position + 1, found.type_name()))
}

pub(super) fn integer(integer: i64) -> Value {
    Value::Number(Number::Int(integer))
}

/// A number by its decimal text; null for text that is none.
pub(super) fn number(text: &str) -> Value {
    Number::parse(text).map_or(Value::Null, Value::Number)
}

/// The number's exact value, when it is an integer of at most 64 bits however it is written.
pub(super) fn exact_integer(number: &Number) -> Option<i64> {
    match number {
        Number::Int(integer) => Some(*integer),
        Number::Float(float) => integer_of_float(*float),
        Number::Text(text) => text.parse().ok().or_else(|| integer_of_float(text.parse().ok()?)),
    }
}

fn integer_of_float(float: f64) -> Option<i64> {
    // 2^63 is the first float above the range; -2^63 is in it.
    const END: f64 = 9_223_372_036_854_775_808.0;
    (float.fract() == 0.0 && (-END..END).contains(&float)).then_some(float as i64)
}

/// Bytes as a string value. Strings are text here, bytes in OPA; what is no UTF-8 becomes U+FFFD byte by byte, which is
/// what OPA shows of it as soon as it leaves as JSON.
pub(super) fn text_of_bytes(bytes: Vec<u8>) -> Value {
    match String::from_utf8(bytes) {
        Ok(text) => Value::string(text),
        Err(error) => {
            let mut text = String::new();
            for chunk in error.as_bytes().utf8_chunks() {
                text.push_str(chunk.valid());
                text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
            }
            Value::string(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_recognised_however_they_are_written() {
        let check = |number: Number, expected: Option<i64>| assert_eq!(exact_integer(&number), expected, "{number:?}");
        check(Number::Int(7), Some(7));
        check(Number::Float(7.0), Some(7));
        check(Number::Float(1e6), Some(1_000_000));
        check(Number::Float(7.5), None);
        check(Number::Float(9_223_372_036_854_775_808.0), None);
        check(Number::Text("1.0".into()), Some(1));
        check(Number::Text("99999999999999999999".into()), None);
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_one_by_one() {
        assert_eq!(text_of_bytes(vec![b'a', 0xe2, 0x82, b'b']), Value::string("a\u{fffd}\u{fffd}b"));
        assert_eq!(text_of_bytes(b"plain".to_vec()), Value::string("plain"));
    }
}
