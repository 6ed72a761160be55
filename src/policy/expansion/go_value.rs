//! What Go says of a value in messages: its `%v` and its `%T`.

use serde_json::Value;

use crate::model::object::go_text;

/// How deep a value is printed.
const MAX_DEPTH: usize = 50;

/// Go's name for the type of a value that was read from JSON.
pub(super) fn go_type(value: &Value) -> &'static str {
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

/// A value as Go prints it; cut short with `…` where it is nested deeply.
pub(super) fn go_value(value: &Value) -> String {
    let mut text = String::new();
    push(&mut text, value, 0);
    text
}

fn push(text: &mut String, value: &Value, depth: usize) {
    if depth > MAX_DEPTH {
        text.push('…');
        return;
    }
    match value {
        Value::Null => text.push_str("<nil>"),
        Value::Bool(boolean) => text.push_str(if *boolean { "true" } else { "false" }),
        Value::Number(number) if number.is_i64() => text.push_str(&number.to_string()),
        Value::Number(number) => {
            text.push_str(&number.as_f64().map_or_else(|| number.to_string(), go_text::float));
        }
        Value::String(string) => text.push_str(string),
        Value::Array(items) => {
            text.push('[');
            for (position, item) in items.iter().enumerate() {
                separate(text, position);
                push(text, item, depth + 1);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            text.push_str("map[");
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by_key(|(key, _)| *key);
            for (position, (key, value)) in sorted.into_iter().enumerate() {
                separate(text, position);
                text.push_str(key);
                text.push(':');
                push(text, value, depth + 1);
            }
            text.push(']');
        }
    }
}

fn separate(text: &mut String, position: usize) {
    if position > 0 {
        text.push(' ');
    }
}
