//! What YAML's tags make of scalars in OPA, and how scalars become values and moments.

use std::borrow::Cow;

use crate::model::value::yaml_scalar::{Scalar, resolve_plain};
use crate::policy::engine::rego::value::{Number, Value, format_float};

use super::base64::{self, Alphabet};
use super::operands::text_of_bytes;

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

/// The value as it is after a way through JSON; None for what JSON has no number for.
pub(super) fn into_value(scalar: Scalar<'_>) -> Option<Value> {
    Some(match scalar {
        Scalar::Null => Value::Null,
        Scalar::Bool(boolean) => Value::Bool(boolean),
        Scalar::Integer(integer) => Value::Number(Number::Int(integer)),
        Scalar::Unsigned(integer) => Value::Number(Number::from(integer)),
        Scalar::Float(float) => Value::Number(Number::parse(&json_float(float)?)?),
        Scalar::Text(text) => Value::string(text),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

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
