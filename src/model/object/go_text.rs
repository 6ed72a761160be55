//! Values as Go prints them, for messages that must read like the API server's and Gatekeeper's.
//!
//! `%q` of a string, `%v` and `%T` of a value and `json.Marshal` of one. Nothing else of Go's formatting belongs here.
//! A value nested deeper than [`MAX_DEPTH`] is cut short with `…`: these texts go into messages, not onto the wire.

use std::ops::Range;

use serde_json::{Number, Value};

/// How deep a value is printed.
const MAX_DEPTH: usize = 100;

/// The string in double quotes, escaped as Go's `%q` does.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        push_escaped(&mut quoted, character);
    }
    quoted.push('"');
    quoted
}

/// A float as Go's `%v` prints it: `2`, `0.5`, `1e+06`.
pub(crate) fn float(value: f64) -> String {
    layout_float(value, -4..6)
}

/// The value as Go's `%v` prints it: `map[a:1 b:[x y]]`.
pub(crate) fn plain(value: &Value) -> String {
    let mut text = String::new();
    push_plain(&mut text, value, 0);
    text
}

/// The value's type in Go, as `%T` prints it, once Kubernetes has decoded it.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// The value as Go's `json.Marshal` writes it: no spaces, keys sorted, `<`, `>` and `&` escaped.
pub(crate) fn json(value: &Value) -> String {
    let mut text = String::new();
    push_json(&mut text, value, 0);
    text
}

fn push_escaped(quoted: &mut String, character: char) {
    match character {
        '"' => quoted.push_str("\\\""),
        '\\' => quoted.push_str("\\\\"),
        '\u{7}' => quoted.push_str("\\a"),
        '\u{8}' => quoted.push_str("\\b"),
        '\u{c}' => quoted.push_str("\\f"),
        '\n' => quoted.push_str("\\n"),
        '\r' => quoted.push_str("\\r"),
        '\t' => quoted.push_str("\\t"),
        '\u{b}' => quoted.push_str("\\v"),
        _ if character.is_ascii_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(character))),
        _ if character.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(character))),
        _ => quoted.push(character),
    }
}

/// Shortest digits that read back as the same float; with an exponent unless that is within `plain`.
fn layout_float(value: f64, plain: Range<i32>) -> String {
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if value == 0.0 || plain.contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

fn push_plain(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Null => text.push_str("<nil>"),
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) if number.is_i64() => text.push_str(&number.to_string()),
        Value::Number(number) => text.push_str(&number.as_f64().map_or_else(|| number.to_string(), float)),
        Value::String(string) => text.push_str(string),
        Value::Array(_) | Value::Object(_) if depth == MAX_DEPTH => text.push('…'),
        Value::Array(items) => {
            text.push('[');
            for (position, item) in items.iter().enumerate() {
                text.push_str(if position > 0 { " " } else { "" });
                push_plain(text, item, depth + 1);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            text.push_str("map[");
            for (position, (key, field)) in fields.iter().enumerate() {
                text.push_str(if position > 0 { " " } else { "" });
                text.push_str(key);
                text.push(':');
                push_plain(text, field, depth + 1);
            }
            text.push(']');
        }
    }
}

fn push_json(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => text.push_str(&json_number(number)),
        Value::String(string) => push_json_string(text, string),
        Value::Array(_) | Value::Object(_) if depth == MAX_DEPTH => text.push('…'),
        Value::Array(items) => {
            text.push('[');
            for (position, item) in items.iter().enumerate() {
                text.push_str(if position > 0 { "," } else { "" });
                push_json(text, item, depth + 1);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            let mut keys: Vec<_> = fields.iter().collect();
            keys.sort_by_key(|(key, _)| *key);
            text.push('{');
            for (position, (key, field)) in keys.into_iter().enumerate() {
                text.push_str(if position > 0 { "," } else { "" });
                push_json_string(text, key);
                text.push(':');
                push_json(text, field, depth + 1);
            }
            text.push('}');
        }
    }
}

fn json_number(number: &Number) -> String {
    if number.is_i64() {
        return number.to_string();
    }
    // Kubernetes reads every number that is not an int64 as a float64.
    number.as_f64().map_or_else(|| number.to_string(), |value| layout_float(value, -6..21))
}

fn push_json_string(text: &mut String, string: &str) {
    text.push('"');
    for character in string.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => text.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ if u32::from(character) < 0x20 => text.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => text.push(character),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quotes_strings() {
        for (text, expected) in [("a", "\"a\""), ("\"\\\n\0\u{7f}", r#""\"\\\n\x00\x7f""#), ("héé'", "\"héé'\"")] {
            assert_eq!(quote(text), expected);
        }
    }

    #[test]
    fn prints_floats() {
        let floats =
            [(2.0, "2"), (0.5, "0.5"), (123_456.0, "123456"), (1_234_567.0, "1.234567e+06"), (0.00001, "1e-05")];
        for (value, expected) in floats {
            assert_eq!(float(value), expected);
        }
    }

    #[test]
    fn prints_values_and_their_types() {
        let value = json!({"b": [1, 1.5, null], "a": {"x": "y z", "w": true}, "c": 1e6});
        assert_eq!(plain(&value), "map[a:map[w:true x:y z] b:[1 1.5 <nil>] c:1e+06]");
        for (value, expected) in [(json!(1), "int64"), (json!(1.0), "float64"), (json!([]), "[]interface {}")] {
            assert_eq!(type_name(&value), expected);
        }
    }

    #[test]
    fn prints_json() {
        let value = json!({"b": [1, 1.0, 0.00001, "<&>"], "a": {"x": null, "w": true}});
        let expected = "{\"a\":{\"w\":true,\"x\":null},\"b\":[1,1,0.00001,\"\\u003c\\u0026\\u003e\"]}";
        assert_eq!(json(&value), expected);
    }

    #[test]
    fn cuts_short_what_is_too_deep() {
        let deep = (0..500).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        assert!(json(&deep).contains('…'));
    }
}
