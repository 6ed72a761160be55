//! Between values and `serde_json::Value`. Sets become sorted arrays, keys that are no strings their JSON.

use std::sync::Arc;

use serde_json::Value as Json;

use super::{Entries, Number, NumberMode, Value, write_json};

impl Value {
    /// With [`NumberMode::Float`] for reviews and inventory, [`NumberMode::AsWritten`] for parameters: there integers stay
    /// integers. (Decimals are doubles in a `serde_json::Value` and print in their shortest form in both.)
    pub fn from_json(json: &Json, mode: NumberMode) -> Self {
        let mut done: Vec<Value> = Vec::new();
        let mut pending = vec![Step::Convert(json)];
        while let Some(step) = pending.pop() {
            match step {
                Step::Convert(Json::Array(items)) => {
                    pending.push(Step::Array(items.len()));
                    pending.extend(items.iter().rev().map(Step::Convert));
                }
                Step::Convert(Json::Object(entries)) => {
                    pending.push(Step::Object(entries));
                    pending.extend(entries.values().rev().map(Step::Convert));
                }
                Step::Convert(scalar) => done.push(scalar_from_json(scalar, mode)),
                Step::Array(length) => {
                    let items = done.split_off(done.len() - length);
                    done.push(Value::array(items));
                }
                Step::Object(entries) => {
                    let values = done.split_off(done.len() - entries.len());
                    let keys = entries.keys().map(|key| Value::String(Arc::from(key.as_str())));
                    done.push(Value::object(keys.zip(values).collect()));
                }
            }
        }
        done.pop().unwrap_or(Value::Null)
    }

    /// As JSON; numbers that JSON or a double cannot hold become their text.
    pub fn to_json(&self) -> Json {
        let mut done: Vec<Json> = Vec::new();
        let mut pending = vec![Out::Convert(self)];
        while let Some(step) = pending.pop() {
            match step {
                Out::Convert(Value::Null) => done.push(Json::Null),
                Out::Convert(Value::Bool(boolean)) => done.push(Json::Bool(*boolean)),
                Out::Convert(Value::Number(number)) => done.push(number_to_json(number)),
                Out::Convert(Value::String(text)) => done.push(Json::String(text.to_string())),
                Out::Convert(Value::Array(array)) => open_array(array, &mut pending),
                Out::Convert(Value::Set(set)) => open_array(set.items(), &mut pending),
                Out::Convert(Value::Object(object)) => {
                    pending.push(Out::Object(object.entries()));
                    pending.extend(object.entries().reversed().map(|(_, value)| Out::Convert(value)));
                }
                Out::Array(length) => {
                    let items = done.split_off(done.len() - length);
                    done.push(Json::Array(items));
                }
                Out::Object(entries) => {
                    let values = done.split_off(done.len() - entries.len());
                    done.push(Json::Object(entries.iter().map(|(key, _)| key_to_json(key)).zip(values).collect()));
                }
            }
        }
        done.pop().unwrap_or(Json::Null)
    }
}

enum Step<'a> {
    Convert(&'a Json),
    /// Takes that many converted values.
    Array(usize),
    Object(&'a serde_json::Map<String, Json>),
}

enum Out<'a> {
    Convert(&'a Value),
    /// Takes that many converted values.
    Array(usize),
    Object(Entries<'a>),
}

fn open_array<'a>(items: &'a [Value], pending: &mut Vec<Out<'a>>) {
    pending.push(Out::Array(items.len()));
    pending.extend(items.iter().rev().map(Out::Convert));
}

fn scalar_from_json(json: &Json, mode: NumberMode) -> Value {
    match json {
        Json::Bool(boolean) => Value::Bool(*boolean),
        Json::String(text) => Value::string(text),
        Json::Number(number) => Value::Number(number_from_json(number, mode)),
        Json::Null | Json::Array(_) | Json::Object(_) => Value::Null,
    }
}

fn number_from_json(number: &serde_json::Number, mode: NumberMode) -> Number {
    let integer = if mode == NumberMode::AsWritten {
        number.as_i64().map(Number::Int).or_else(|| number.as_u64().map(Number::from))
    } else {
        None
    };
    // serde_json has no other numbers than integers of 64 bits and finite floats.
    integer.or_else(|| number.as_f64().and_then(Number::from_f64)).unwrap_or(Number::Int(0))
}

fn number_to_json(number: &Number) -> Json {
    let text = number.text();
    let integer = text.parse::<i64>().map(Json::from).or_else(|_| text.parse::<u64>().map(Json::from));
    integer.unwrap_or_else(|_| match number.to_f64() {
        // Go writes a whole float without a fraction, and so do integers that came as floats.
        Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => Json::from(float as i64),
        Some(float) => Json::from(float),
        None => Json::String(text.into_owned()),
    })
}

fn key_to_json(key: &Value) -> String {
    match key {
        Value::String(text) => text.to_string(),
        other => {
            let mut text = String::new();
            match write_json(other, None, &mut text) {
                Ok(()) => text,
                Err(_) => other.to_string(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_follow_the_mode() {
        let json = json!({"a": [1, 1000740000, 0.5, null, "x", true], "b": {}});
        let as_written = Value::from_json(&json, NumberMode::AsWritten);
        assert_eq!(as_written.to_string(), r#"{"a": [1, 1000740000, 0.5, null, "x", true], "b": {}}"#);
        let floats = Value::from_json(&json, NumberMode::Float);
        assert_eq!(floats.to_string(), r#"{"a": [1, 1.00074e+09, 0.5, null, "x", true], "b": {}}"#);
        assert_eq!(as_written.to_json(), json);
        assert_eq!(floats.to_json(), json);
    }

    #[test]
    fn sets_become_arrays() {
        let set = Value::set(vec![Value::from(2_i64), Value::from(1_i64)]);
        assert_eq!(set.to_json(), json!([1, 2]));
        let object = Value::object(vec![(set, Value::Null)]);
        assert_eq!(object.to_json(), json!({"[1,2]": null}));
    }
}
