//! `uuid.*`.

use ring::rand::{SecureRandom, SystemRandom};

use super::encoding::hex_of_bytes;
use super::operands::{any, integer, string, undefined};
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "uuid.parse", arity: 1, call: parse },
    Builtin { name: "uuid.rfc4122", arity: 1, call: generate },
];

/// 100 ns steps from the start of the Gregorian calendar to 1970.
const GREGORIAN_EPOCH: i64 = 0x01b2_1dd2_1381_4000;

/// Within an evaluation the same operand always gets the same identifier.
fn generate(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    // Only a string: a value that repeats itself a thousand times over takes ages to compare.
    string(operands, 0)?;
    let key = any(operands, 0)?;
    if let Some(known) = context.caches.recall("uuid.rfc4122", key) {
        return Ok(known);
    }
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| undefined("no randomness available"))?;
    // Version 4, variant 10.
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = hex_of_bytes(&bytes);
    let groups = [text.get(..8), text.get(8..12), text.get(12..16), text.get(16..20), text.get(20..)];
    let identifier = Value::string(groups.map(Option::unwrap_or_default).join("-"));
    context.caches.remember("uuid.rfc4122", key, identifier.clone());
    Ok(identifier)
}

fn parse(_: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let bytes = read(string(operands, 0)?).ok_or_else(|| undefined("invalid UUID"))?;
    let [a, b, c, d, e, f, g, h, clock_high, clock_low, node @ ..] = bytes;
    let version = g >> 4;
    let mut fields = vec![("version", integer(version.into())), ("variant", Value::string(variant(clock_high)))];
    if matches!(version, 1 | 2) {
        let low = u32::from_be_bytes([a, b, c, d]);
        let steps = i64::from(u16::from_be_bytes([g & 0x0f, h])) << 48
            | i64::from(u16::from_be_bytes([e, f])) << 32
            | i64::from(low);
        let mac: Vec<_> = node.iter().map(|byte| hex_of_bytes(&[*byte])).collect();
        fields.extend([
            ("time", integer((steps - GREGORIAN_EPOCH).wrapping_mul(100))),
            ("nodeid", Value::string(mac.join("-"))),
            ("macvariables", Value::string(mac_kind(node[0]))),
            ("clocksequence", integer(u16::from_be_bytes([clock_high & 0x3f, clock_low]).into())),
        ]);
        if version == 2 {
            fields.push(("id", integer(low.into())));
            fields.push(("domain", domain(clock_low)));
        }
    }
    Ok(Value::object(fields.into_iter().map(|(name, value)| (Value::string(name), value)).collect()))
}

/// The bytes of an identifier in any of its four spellings.
fn read(text: &str) -> Option<[u8; 16]> {
    const URN: usize = "urn:uuid:".len();
    let text = text.as_bytes();
    let dashed = match text.len() {
        32 => return read_digits(text.iter().copied()),
        36 => text,
        45 if text.get(..URN)?.eq_ignore_ascii_case(b"urn:uuid:") => text.get(URN..)?,
        // Whatever surrounds it passes for braces.
        38 => text.get(1..37)?,
        _ => return None,
    };
    let is_dash = |index: usize| matches!(index, 8 | 13 | 18 | 23);
    if dashed.iter().enumerate().any(|(index, byte)| is_dash(index) && *byte != b'-') {
        return None;
    }
    read_digits(dashed.iter().enumerate().filter(|(index, _)| !is_dash(*index)).map(|(_, byte)| *byte))
}

fn read_digits(digits: impl Iterator<Item = u8>) -> Option<[u8; 16]> {
    let mut number = 0_u128;
    for digit in digits {
        number = number << 4 | u128::from(char::from(digit).to_digit(16)?);
    }
    Some(number.to_be_bytes())
}

fn variant(byte: u8) -> &'static str {
    match byte >> 5 {
        0b100 | 0b101 => "RFC4122",
        0b110 => "Microsoft",
        0b111 => "Future",
        _ => "Reserved",
    }
}

fn mac_kind(byte: u8) -> &'static str {
    match byte & 0b11 {
        0b11 => "local:multicast",
        0b01 => "global:multicast",
        0b10 => "local:unicast",
        _ => "global:unicast",
    }
}

fn domain(byte: u8) -> Value {
    match byte {
        0 => Value::string("Person"),
        1 => Value::string("Group"),
        2 => Value::string("Org"),
        other => Value::string(format!("Domain{other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_spellings_are_read() {
        let check = |text: &str, is_read: bool| assert_eq!(read(text).is_some(), is_read, "{text:?}");
        check("00112233-4455-6677-8899-aabbccddeeff", true);
        check("00112233445566778899aabbccddeeff", true);
        check("{00112233-4455-6677-8899-aabbccddeeff}", true);
        check("URN:uuid:00112233-4455-6677-8899-aabbccddeeff", true);
        check("00112233-4455-6677-8899_aabbccddeeff", false);
        check("00112233-4455-6677-8899-aabbccddeefg", false);
        check("é0112233-4455-6677-8899-aabbccddeeff", false);
        check("", false);
    }
}
