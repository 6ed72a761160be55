//! What YAML's tags make of scalars for `kubectl`, and how scalars become JSON.
//!
//! Numbers end up as JSON numbers the way the API server sees them: `1.0` and `1e3` are integers.

use std::borrow::Cow;

use serde_json::{Number, Value};

use crate::model::value::yaml_scalar::{Scalar, resolve_plain};

/// The meaning of a scalar with an explicit tag such as `tag:yaml.org,2002:int`; the error says what cannot be.
///
/// A tag that YAML 1.1 does not define leaves the text as it is.
pub(super) fn resolve_tagged<'s>(text: Cow<'s, str>, tag: &str) -> Result<Scalar<'s>, String> {
    let Some(kind) = tag.strip_prefix("tag:yaml.org,2002:") else { return Ok(Scalar::Text(text)) };
    match (kind, resolve_plain(text.clone())) {
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

/// The JSON value; `None` for infinities and not-a-number.
pub(super) fn into_json(scalar: Scalar<'_>) -> Option<Value> {
    Some(match scalar {
        Scalar::Null => Value::Null,
        Scalar::Bool(value) => Value::Bool(value),
        Scalar::Integer(value) => Value::Number(value.into()),
        Scalar::Unsigned(value) => Value::Number(value.into()),
        Scalar::Float(value) => Value::Number(float_number(value)?),
        Scalar::Text(text) => Value::String(text.into_owned()),
    })
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

/// The start of a text, for messages.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Value) {
        assert_eq!(into_json(resolve_plain(text.into())), Some(expected), "{text}");
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
        assert_eq!(into_json(resolve_plain(".nan".into())), None);
    }

    #[test]
    fn tags_force_a_type() {
        assert_eq!(resolve_tagged("12".into(), "tag:yaml.org,2002:str"), Ok(Scalar::Text("12".into())));
        assert_eq!(resolve_tagged("1".into(), "tag:yaml.org,2002:float"), Ok(Scalar::Float(1.0)));
        assert_eq!(resolve_tagged("12".into(), "!mine"), Ok(Scalar::Text("12".into())));
        assert!(resolve_tagged("x".into(), "tag:yaml.org,2002:int").is_err());
    }
}
