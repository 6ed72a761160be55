//! What an unquoted YAML scalar means by go-yaml v2, which `sigs.k8s.io/yaml`, and so `kubectl` and OPA, stand on.
//!
//! YAML 1.1's words and numbers differ from 1.2's where it hurts: `no`, `on` and `y` are booleans, `0777` is octal, `1_000`
//! is a number. What does not fit 64 bits is a float, what does not fit a float is text. Dates stay text, base 60 does not
//! exist. How a scalar becomes a JSON value is left to its readers, who differ.

use std::borrow::Cow;

/// A scalar's meaning.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// An integer that fits Go's `int64`.
    Integer(i64),
    /// An integer that fits only Go's `uint64`.
    Unsigned(u64),
    /// Any other number, infinities and not-a-number among them.
    Float(f64),
    /// Anything else, as it is written.
    Text(Cow<'a, str>),
}

/// The meaning of a scalar without quotes and tag.
pub fn resolve_plain(text: Cow<'_, str>) -> Scalar<'_> {
    let known = match text.bytes().next() {
        None => Some(Scalar::Null),
        Some(b'.') => word(&text).or_else(|| leading_dot(&text)),
        Some(b'0'..=b'9' | b'+' | b'-') => word(&text).or_else(|| number(&text)),
        Some(_) => word(&text),
    };
    known.unwrap_or(Scalar::Text(text))
}

impl Scalar<'_> {
    /// The key of a JSON object that the scalar becomes; none for what `kubectl` refuses, too.
    pub fn into_key(self) -> Option<String> {
        Some(match self {
            Self::Null | Self::Unsigned(_) => return None,
            Self::Bool(boolean) => boolean.to_string(),
            Self::Integer(integer) => integer.to_string(),
            Self::Float(float) => float_key(float),
            Self::Text(text) => text.into_owned(),
        })
    }

    /// The scalar's own text, apart from the caller's.
    pub fn into_owned(self) -> Scalar<'static> {
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
    fn keys_become_strings() {
        let keys = ["1", "0x10", "1.50", "1e30", "yes", "~", "18446744073709551615"]
            .map(|key| resolve_plain(key.into()).into_key());
        assert_eq!(
            keys,
            [Some("1"), Some("16"), Some("1.5"), Some("1e+30"), Some("true"), None, None]
                .map(|key| key.map(str::to_owned))
        );
    }
}
