//! `base64.*`, `base64url.*`, `hex.*` and `urlquery.*`.

use super::base64::{self, Alphabet};
use super::operands::{any, object, string, text_of_bytes, undefined};
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "base64.decode", arity: 1, call: base64_decode },
    Builtin { name: "base64.encode", arity: 1, call: base64_encode },
    Builtin { name: "base64.is_valid", arity: 1, call: base64_is_valid },
    Builtin { name: "base64url.decode", arity: 1, call: base64url_decode },
    Builtin { name: "base64url.encode", arity: 1, call: base64url_encode },
    Builtin { name: "base64url.encode_no_pad", arity: 1, call: base64url_encode_no_pad },
    Builtin { name: "hex.decode", arity: 1, call: hex_decode },
    Builtin { name: "hex.encode", arity: 1, call: hex_encode },
    Builtin { name: "urlquery.decode", arity: 1, call: urlquery_decode },
    Builtin { name: "urlquery.decode_object", arity: 1, call: urlquery_decode_object },
    Builtin { name: "urlquery.encode", arity: 1, call: urlquery_encode },
    Builtin { name: "urlquery.encode_object", arity: 1, call: urlquery_encode_object },
];

type Answer = Result<Value, BuiltinError>;

fn base64_decode(_: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    base64::decode(string(operands, 0)?, Alphabet::Standard).map(text_of_bytes).map_err(illegal_base64)
}

fn base64_encode(_: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    Ok(Value::string(base64::encode(string(operands, 0)?.as_bytes(), Alphabet::Standard)))
}

fn base64_is_valid(_: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let is_valid = |text| base64::decode(text, Alphabet::Standard).is_ok();
    Ok(Value::Bool(any(operands, 0)?.as_str().is_some_and(is_valid)))
}

fn base64url_decode(_: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    base64::decode_url(string(operands, 0)?).map(text_of_bytes).map_err(illegal_base64)
}

fn base64url_encode(_: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    Ok(Value::string(base64::encode(string(operands, 0)?.as_bytes(), Alphabet::Url)))
}

fn base64url_encode_no_pad(_: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    Ok(Value::string(base64::encode_without_padding(string(operands, 0)?.as_bytes(), Alphabet::Url)))
}

fn illegal_base64(place: usize) -> BuiltinError {
    undefined(format!("illegal base64 data at input byte {place}"))
}

fn hex_decode(_: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    bytes_of_hex(string(operands, 0)?).map(text_of_bytes)
}

fn hex_encode(_: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    Ok(Value::string(hex_of_bytes(string(operands, 0)?.as_bytes())))
}

pub(super) fn hex_of_bytes(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn bytes_of_hex(text: &str) -> Result<Vec<u8>, BuiltinError> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    for pair in text.as_bytes().chunks(2) {
        let &[high, low] = pair else {
            return Err(undefined("encoding/hex: odd length hex string"));
        };
        let (Some(high), Some(low)) = (hex_digit(high), hex_digit(low)) else {
            return Err(undefined("encoding/hex: invalid byte in hex string"));
        };
        bytes.push(high << 4 | low);
    }
    Ok(bytes)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn urlquery_decode(_: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    unescape(string(operands, 0)?).map(text_of_bytes)
}

fn urlquery_decode_object(_: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let mut parameters = Vec::new();
    for pair in string(operands, 0)?.split('&').filter(|pair| !pair.is_empty()) {
        if pair.contains(';') {
            return Err(undefined("invalid semicolon separator in query"));
        }
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        parameters.push((text_of_bytes(unescape(key)?), text_of_bytes(unescape(value)?)));
    }
    // Stable: values of one key stay in the order in which they were given.
    parameters.sort_by(|(one, _), (other, _)| one.cmp(other));
    let groups = parameters.chunk_by(|(one, _), (other, _)| one == other);
    let entries = groups.filter_map(|group| {
        let (key, _) = group.first()?;
        Some((key.clone(), Value::array(group.iter().map(|(_, value)| value.clone()).collect())))
    });
    Ok(Value::object(entries.collect()))
}

fn urlquery_encode(_: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    Ok(Value::string(escape(string(operands, 0)?)))
}

fn urlquery_encode_object(_: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let mut parameters = Vec::new();
    for (key, value) in object(operands, 0)?.entries() {
        let key = parameter_name(key)?;
        match value {
            Value::String(value) => parameters.push((key, &**value)),
            Value::Array(items) => add_each(&mut parameters, &key, items)?,
            Value::Set(items) => add_each(&mut parameters, &key, items.items())?,
            _ => return Err(not_encodable()),
        }
    }
    parameters.sort_by(|(one, _), (other, _)| one.cmp(other));
    let pairs: Vec<_> = parameters.iter().map(|(key, value)| format!("{}={}", escape(key), escape(value))).collect();
    Ok(Value::string(pairs.join("&")))
}

fn add_each<'a>(parameters: &mut Vec<(String, &'a str)>, key: &str, values: &'a [Value]) -> Result<(), BuiltinError> {
    for value in values {
        parameters.push((key.to_owned(), value.as_str().ok_or_else(not_encodable)?));
    }
    Ok(())
}

/// Keys that are no strings become the text that they have in JSON.
fn parameter_name(key: &Value) -> Result<String, BuiltinError> {
    Ok(match key {
        Value::String(text) => text.to_string(),
        Value::Null => "null".to_owned(),
        Value::Bool(boolean) => boolean.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Array(_) | Value::Object(_) | Value::Set(_) => return Err(not_encodable()),
    })
}

fn not_encodable() -> BuiltinError {
    undefined("operand 1 values must be string, array[string], or set[string]")
}

pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(char::from(byte)),
            b' ' => escaped.push('+'),
            _ => {
                let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default().to_ascii_uppercase();
                escaped.extend(['%', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
    escaped
}

fn unescape(text: &str) -> Result<Vec<u8>, BuiltinError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(hex_digit).ok_or_else(|| undefined("invalid URL escape"));
                digit()? << 4 | digit()?
            }
            other => other,
        });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_signs_need_two_digits() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(unescape(text).ok().as_deref(), expected.map(str::as_bytes), "{text:?}");
        };
        check("a+b%20c", Some("a b c"));
        check("%e4%BD%a0", Some("你"));
        check("%", None);
        check("%4", None);
        check("%zz", None);
        check("", Some(""));
    }

    #[test]
    fn reserved_characters_are_escaped() {
        assert_eq!(escape("a b&c=~é"), "a+b%26c%3D~%C3%A9");
    }

    #[test]
    fn hex_needs_pairs_of_digits() {
        assert_eq!(bytes_of_hex("00fF").ok(), Some(vec![0, 255]));
        assert!(bytes_of_hex("0").is_err());
        assert!(bytes_of_hex("0g").is_err());
        assert_eq!(hex_of_bytes(&[0, 255, 16]), "00ff10");
    }
}
