//! What a YAML scalar means by go-yaml v2, which `sigs.k8s.io/yaml` and so OPA use: YAML 1.1's words and numbers.
//!
//! `no`, `on` and `y` are booleans, `0777` is octal, `1_000` is a number, dates stay text, base 60 does not exist.

use std::borrow::Cow;

use crate::policy::engine::rego::value::{Number, Value, format_float};

use super::base64::{self, Alphabet};
use super::operands::text_of_bytes;

/// A scalar's meaning.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy::engine::rego) enum Scalar<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    /// Fits only an unsigned integer.
    Unsigned(u64),
    Float(f64),
    Text(Cow<'a, str>),
}

const TAGS: &str = "tag:yaml.org,2002:";

/// The meaning of a scalar; None where the tag does not allow it.
pub(super) fn resolve<'a>(text: Cow<'a, str>, tag: Option<&str>, is_plain: bool) -> Option<Scalar<'a>> {
    let kind = match tag {
        None if is_plain => return Some(resolve_plain(text)),
        None | Some("!") => return Some(Scalar::Text(text)),
        Some(tag) => tag.strip_prefix(TAGS).unwrap_or_default(),
    };
    match kind {
        "binary" => {
            let bytes = base64::decode(&text, Alphabet::Standard).ok()?;
            text_of_bytes(bytes).as_str().map(|text| Scalar::Text(text.to_owned().into()))
        }
        "bool" | "int" | "float" | "null" | "timestamp" => match (kind, resolve_plain(text)) {
            ("float", Scalar::Integer(integer)) => Some(Scalar::Float(integer as f64)),
            ("timestamp", Scalar::Text(text)) => is_timestamp(&text).then_some(Scalar::Text(text)),
            ("bool", scalar @ Scalar::Bool(_))
            | ("int", scalar @ (Scalar::Integer(_) | Scalar::Unsigned(_)))
            | ("float", scalar @ Scalar::Float(_))
            | ("null", scalar @ Scalar::Null) => Some(scalar),
            _ => None,
        },
        // Also tags that nobody knows.
        _ => Some(Scalar::Text(text)),
    }
}

/// The meaning of a scalar without quotes and tag.
pub(in crate::policy::engine::rego) fn resolve_plain(text: Cow<'_, str>) -> Scalar<'_> {
    let known = match text.bytes().next() {
        None => Some(Scalar::Null),
        Some(b'.') => word(&text).or_else(|| leading_dot(&text)),
        Some(b'0'..=b'9' | b'+' | b'-') => word(&text).or_else(|| number(&text)),
        Some(_) => word(&text),
    };
    known.unwrap_or(Scalar::Text(text))
}

impl Scalar<'_> {
    /// The value as it is after a way through JSON; None for what JSON has no number for.
    pub(super) fn into_value(self) -> Option<Value> {
        Some(match self {
            Self::Null => Value::Null,
            Self::Bool(boolean) => Value::Bool(boolean),
            Self::Integer(integer) => Value::Number(Number::Int(integer)),
            Self::Unsigned(integer) => Value::Number(Number::from(integer)),
            Self::Float(float) => Value::Number(Number::parse(&json_float(float)?)?),
            Self::Text(text) => Value::string(text),
        })
    }

    /// The key of an object that the scalar becomes; None for what cannot be one.
    pub(super) fn into_key(self) -> Option<Value> {
        Some(match self {
            Self::Null | Self::Unsigned(_) => return None,
            Self::Bool(boolean) => Value::string(boolean.to_string()),
            Self::Integer(integer) => Value::string(integer.to_string()),
            Self::Float(float) => Value::string(float_key(float)),
            Self::Text(text) => Value::string(text),
        })
    }

    /// The scalar's own text, apart from the caller's.
    pub(super) fn into_owned(self) -> Scalar<'static> {
        match self {
            Self::Null => Scalar::Null,
            Self::Bool(boolean) => Scalar::Bool(boolean),
            Self::Integer(integer) => Scalar::Integer(integer),
            Self::Unsigned(integer) => Scalar::Unsigned(integer),
            Self::Float(float) => Scalar::Float(float),
            Self::Text(text) => Scalar::Text(Cow::Owned(text.into_owned())),
        }
    }
}

fn word(text: &str) -> Option<Scalar<'static>> {
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Scalar::Bool(false),
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Scalar::Float(f64::NEG_INFINITY),
        _ => return None,
    })
}

fn number(text: &str) -> Option<Scalar<'static>> {
    let plain = text.replace('_', "");
    integer(&plain).or_else(|| float(&plain)).or_else(|| signed_binary(&plain))
}

/// An integer with Go's prefixes, a leading zero being octal's.
fn integer(text: &str) -> Option<Scalar<'static>> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, digits.get(2..)?),
        [b'0', b'o' | b'O', ..] => (8, digits.get(2..)?),
        [b'0', b'b' | b'B', ..] => (2, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    // Rust would take another sign here.
    let magnitude = u64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+'))?;
    if text.starts_with('-') {
        return 0_i64.checked_sub_unsigned(magnitude).map(Scalar::Integer);
    }
    match i64::try_from(magnitude) {
        Ok(integer) => Some(Scalar::Integer(integer)),
        Err(_) => (!text.starts_with('+')).then_some(Scalar::Unsigned(magnitude)),
    }
}

/// Binary digits are tried once more with whatever sign follows their prefix.
fn signed_binary(text: &str) -> Option<Scalar<'static>> {
    i64::from_str_radix(text.strip_prefix("0b")?, 2).ok().map(Scalar::Integer)
}

/// `[-+]? ( . digits | digits [. digits?] ) [ e [-+]? digits ]`, finite.
fn float(text: &str) -> Option<Scalar<'static>> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let lacks_digits = exponent.is_empty() || (whole.is_empty() && fraction.is_empty());
    if lacks_digits || ![whole, fraction, exponent].into_iter().all(are_digits) {
        return None;
    }
    text.parse().ok().filter(|float: &f64| float.is_finite()).map(Scalar::Float)
}

/// With a dot in front a float goes straight to Go's parser, which allows `_` between digits only.
fn leading_dot(text: &str) -> Option<Scalar<'static>> {
    let is_digit =
        |index: Option<usize>| index.and_then(|index| text.as_bytes().get(index)).is_some_and(u8::is_ascii_digit);
    let is_between = |index: usize| is_digit(index.checked_sub(1)) && is_digit(index.checked_add(1));
    let is_valid = text.match_indices('_').all(|(index, _)| is_between(index));
    is_valid.then(|| float(&text.replace('_', "")))?
}

/// Dates, and times with seconds; go-yaml v2 leaves them text, but a tag can ask for them.
fn is_timestamp(text: &str) -> bool {
    const LAYOUTS: [&str; 4] =
        ["2006-1-2T15:4:5.999999999Z07:00", "2006-1-2t15:4:5.999999999Z07:00", "2006-1-2 15:4:5.999999999", "2006-1-2"];
    text.find(|next: char| !next.is_ascii_digit()) == Some(4)
        && LAYOUTS.iter().any(|layout| super::time_parse::parse(layout, text).is_ok())
}

/// A date or time as RFC 3339 has it, in its own zone; none for other text. Go-yaml v3 takes them for moments.
pub(in crate::policy::engine::rego) fn timestamp(text: &str) -> Option<String> {
    if !is_timestamp(text) {
        return None;
    }
    let (date, time) = text.split_once(['T', 't', ' ']).unwrap_or((text, "0:0:0"));
    let pad = |number: &str| format!("{number:0>2}");
    let date: Vec<String> = date.split('-').map(pad).collect();
    let (clock, zone) = time.split_at(time.find(['Z', '+', '-']).unwrap_or(time.len()));
    let (clock, fraction) = clock.split_once(['.', ',']).unwrap_or((clock, ""));
    let clock: Vec<String> = clock.split(':').map(pad).collect();
    let fraction = fraction.get(..9).unwrap_or(fraction).trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    let zone = if matches!(zone, "" | "+00:00" | "-00:00") { "Z" } else { zone };
    Some(format!("{}T{}{point}{fraction}{zone}", date.join("-"), clock.join(":")))
}

/// Go's JSON form of a float: no point for whole numbers, an exponent for the very large and small.
fn json_float(float: f64) -> Option<String> {
    let magnitude = float.abs();
    if !float.is_finite() {
        return None;
    }
    if magnitude == 0.0 || (1e-6..1e21).contains(&magnitude) {
        return Some(format_float(float, b'f', None));
    }
    // One digit of an exponent's two is dropped again when it is a zero.
    Some(format_float(float, b'e', None).replace("e-0", "e-"))
}

/// A float as a key has the precision of 32 bits.
fn float_key(float: f64) -> String {
    let single = float as f32;
    if single.is_nan() {
        return ".nan".to_owned();
    }
    if single.is_infinite() {
        return if single > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{single:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let sign = if exponent < 0 { '-' } else { '+' };
    if (-4..6).contains(&exponent) { format!("{single}") } else { format!("{digits}e{sign}{:02}", exponent.abs()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_mean_what_go_says() {
        let check = |text: &str, expected: Option<Scalar<'static>>| {
            let expected = expected.unwrap_or_else(|| Scalar::Text(text.to_owned().into()));
            assert_eq!(resolve_plain(text.into()), expected, "{text:?}");
        };
        check("yes", Some(Scalar::Bool(true)));
        check("Off", Some(Scalar::Bool(false)));
        check("", Some(Scalar::Null));
        check("0777", Some(Scalar::Integer(511)));
        check("0x1F", Some(Scalar::Integer(31)));
        check("1_000", Some(Scalar::Integer(1000)));
        check("0b-11", Some(Scalar::Integer(-3)));
        check("18446744073709551615", Some(Scalar::Unsigned(u64::MAX)));
        check("1e3", Some(Scalar::Float(1000.0)));
        check(".5", Some(Scalar::Float(0.5)));
        check("1e999", None);
        check("nULL", None);
        check("1:30", None);
        check("++1", None);
        check("2001-01-01", None);
    }

    #[test]
    fn moments_are_in_rfc_3339() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(timestamp(text).as_deref(), expected, "{text}");
        check("2001-1-2", Some("2001-01-02T00:00:00Z"));
        check("2001-12-14t21:9:43.10-05:00", Some("2001-12-14T21:09:43.1-05:00"));
        check("2001-12-14 21:59:43", Some("2001-12-14T21:59:43Z"));
        check("2001-13-14", None);
        check("20010-1-1", None);
    }

    #[test]
    fn floats_lose_their_point_in_json() {
        let check = |float: f64, expected: Option<&str>| assert_eq!(json_float(float).as_deref(), expected);
        check(1.0, Some("1"));
        check(1e20, Some("100000000000000000000"));
        check(1e21, Some("1e+21"));
        check(1.5e-7, Some("1.5e-7"));
        check(f64::NAN, None);
    }
}
