//! What a YAML scalar means: the rules of YAML 1.1 as `kubectl` has them, which is `sigs.k8s.io/yaml` over go-yaml v2.
//!
//! They differ from YAML 1.2 where it hurts: `no`, `on` and `y` are booleans, `0777` is octal, `1_000` is a number.
//! Numbers end up as JSON numbers the way the API server sees them: `1.0` and `1e3` are integers, what does not fit
//! 64 bits is a float, what does not fit a float is a string. Dates stay strings. Base 60 numbers do not exist.

use std::borrow::Cow;

use serde_json::{Number, Value};

/// A scalar's meaning.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar<'s> {
    Null,
    Bool(bool),
    /// An integer that fits Go's `int64`.
    Integer(i64),
    /// An integer that fits only Go's `uint64`.
    Unsigned(u64),
    Float(f64),
    Text(Cow<'s, str>),
}

/// The meaning of an unquoted scalar without a tag.
pub(super) fn resolve(text: Cow<'_, str>) -> Scalar<'_> {
    let known = match text.bytes().next() {
        None => return Scalar::Null,
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~') => word(&text),
        Some(b'.') => word(&text).or_else(|| leading_dot_float(&text)),
        Some(b'0'..=b'9' | b'+' | b'-') => word(&text).or_else(|| number(&text)),
        Some(_) => None,
    };
    known.unwrap_or(Scalar::Text(text))
}

/// The meaning of a scalar with an explicit tag such as `tag:yaml.org,2002:int`; the error says what cannot be.
///
/// A tag that YAML 1.1 does not define leaves the text as it is.
pub(super) fn resolve_tagged<'s>(text: Cow<'s, str>, tag: &str) -> Result<Scalar<'s>, String> {
    let Some(kind) = tag.strip_prefix("tag:yaml.org,2002:") else { return Ok(Scalar::Text(text)) };
    match (kind, resolve(text.clone())) {
        ("bool", scalar @ Scalar::Bool(_))
        | ("int", scalar @ (Scalar::Integer(_) | Scalar::Unsigned(_)))
        | ("float", scalar @ Scalar::Float(_))
        | ("null", scalar @ Scalar::Null) => Ok(scalar),
        #[expect(clippy::cast_precision_loss, reason = "a float was asked for")]
        ("float", Scalar::Integer(integer)) => Ok(Scalar::Float(integer as f64)),
        ("bool" | "int" | "float" | "null", _) => Err(format!("{:?} is not a value of type !!{kind}", shorten(&text))),
        ("binary", _) => Err("binary data (!!binary) has no place in a Kubernetes object".to_owned()),
        _ => Ok(Scalar::Text(text)),
    }
}

impl Scalar<'_> {
    /// The JSON value; `None` for infinities and not-a-number.
    pub(super) fn into_value(self) -> Option<Value> {
        Some(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Integer(value) => Value::Number(value.into()),
            Self::Unsigned(value) => Value::Number(value.into()),
            Self::Float(value) => Value::Number(float_number(value)?),
            Self::Text(text) => Value::String(text.into_owned()),
        })
    }

    /// The mapping key that this scalar becomes; `None` for those `kubectl` refuses too.
    pub(super) fn into_key(self) -> Option<String> {
        match self {
            Self::Null | Self::Unsigned(_) => None,
            Self::Bool(value) => Some(value.to_string()),
            Self::Integer(value) => Some(value.to_string()),
            Self::Float(value) => Some(float_key(value)),
            Self::Text(text) => Some(text.into_owned()),
        }
    }
}

/// A float as it reaches the API server: through Go's JSON writer, where a whole number loses its point, and back.
pub(super) fn float_number(value: f64) -> Option<Number> {
    // Both Go and Rust write the shortest digits that read back as the same float and fill up with zeros.
    // Those digits, not the float's exact value, are what is read again.
    if value.fract() == 0.0
        && value.abs() < 1e19
        && let Ok(integer) = format!("{value}").parse::<i64>()
    {
        return Some(integer.into());
    }
    Number::from_f64(value)
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
    let plain = if text.contains('_') { Cow::Owned(text.replace('_', "")) } else { Cow::Borrowed(text) };
    integer(&plain).or_else(|| decimal_float(&plain)).or_else(|| signed_binary(&plain))
}

fn integer(text: &str) -> Option<Scalar<'static>> {
    let (is_negative, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, digits.get(2..)?),
        [b'0', b'o' | b'O', ..] => (8, digits.get(2..)?),
        [b'0', b'b' | b'B', ..] => (2, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    // Rust would take another sign here.
    if !digits.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if is_negative {
        return 0_i64.checked_sub_unsigned(magnitude).map(Scalar::Integer);
    }
    match i64::try_from(magnitude) {
        Ok(value) => Some(Scalar::Integer(value)),
        Err(_) if text.starts_with('+') => None,
        Err(_) => Some(Scalar::Unsigned(magnitude)),
    }
}

/// go-yaml tries `0b` once more with whatever follows it, so `0b-11` is a number too.
fn signed_binary(text: &str) -> Option<Scalar<'static>> {
    i64::from_str_radix(text.strip_prefix("0b")?, 2).ok().map(Scalar::Integer)
}

/// `[-+]? ( . digits | digits [. digits?] ) [ e [-+]? digits ]`; infinite results are no numbers.
fn decimal_float(text: &str) -> Option<Scalar<'static>> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_float = is_digits(whole)
        && is_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && is_digits(exponent));
    if !is_float {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite()).map(Scalar::Float)
}

/// A float with a dot in front goes straight to Go's own parser, which allows `_` only between digits.
fn leading_dot_float(text: &str) -> Option<Scalar<'static>> {
    if !text.contains('_') {
        return decimal_float(text);
    }
    let is_digit_at = |index: usize| text.as_bytes().get(index).is_some_and(u8::is_ascii_digit);
    let is_separated = text
        .match_indices('_')
        .all(|(index, _)| index.checked_sub(1).is_some_and(is_digit_at) && is_digit_at(index + 1));
    if is_separated { decimal_float(&text.replace('_', "")) } else { None }
}

/// The start of a text, for messages.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Go's `%g` of the value as a 32-bit float, which is what `sigs.k8s.io/yaml` makes of a float key.
fn float_key(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "the precision is lost there as well")]
    let single = value as f32;
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
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Value) {
        assert_eq!(resolve(text.into()).into_value(), Some(expected), "{text}");
    }

    #[test]
    fn words_are_those_of_yaml_1_1() {
        for text in ["y", "Yes", "ON", "true", "True"] {
            check(text, json!(true));
        }
        for text in ["n", "no", "Off", "FALSE"] {
            check(text, json!(false));
        }
        for text in ["", "~", "null", "Null", "NULL"] {
            check(text, Value::Null);
        }
        for text in ["yEs", "nULL", "oN", "tRUE", "none", "<<", "2001-01-01", "1:30", "0o8", "0x", "1e999", "+", "_1"] {
            check(text, json!(text));
        }
    }

    #[test]
    fn numbers_are_those_of_go() {
        for (text, expected) in [
            ("0777", json!(511)),
            ("0o17", json!(15)),
            ("0x1F", json!(31)),
            ("-0b11", json!(-3)),
            ("0b-11", json!(-3)),
            ("1_000_", json!(1000)),
            ("08", json!(8)),
            ("1.0", json!(1)),
            ("1e3", json!(1000)),
            ("-0.0", json!(0)),
            (".1_5", json!(0.15)),
            ("1.", json!(1)),
            ("1152921504606846976.0", json!(1_152_921_504_606_847_000_i64)),
            ("9223372036854775808", json!(9_223_372_036_854_775_808_u64)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("99999999999999999999", json!(99_999_999_999_999_999_999_f64)),
        ] {
            check(text, expected);
        }
        assert_eq!(resolve(".nan".into()).into_value(), None);
    }

    #[test]
    fn keys_become_strings() {
        let keys =
            ["1", "0x10", "1.50", "1e30", "yes", "~", "18446744073709551615"].map(|key| resolve(key.into()).into_key());
        assert_eq!(
            keys,
            [Some("1"), Some("16"), Some("1.5"), Some("1e+30"), Some("true"), None, None]
                .map(|key| key.map(str::to_owned))
        );
    }

    #[test]
    fn tags_force_a_type() {
        assert_eq!(resolve_tagged("12".into(), "tag:yaml.org,2002:str"), Ok(Scalar::Text("12".into())));
        assert_eq!(resolve_tagged("1".into(), "tag:yaml.org,2002:float"), Ok(Scalar::Float(1.0)));
        assert_eq!(resolve_tagged("12".into(), "!mine"), Ok(Scalar::Text("12".into())));
        assert!(resolve_tagged("x".into(), "tag:yaml.org,2002:int").is_err());
    }
}
