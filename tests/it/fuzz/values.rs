//! Inputs: small documents whose fields the generated policies ask for, present, absent, or of another type.

use serde_json::{Map, Value, json};

use super::random::Random;

pub(super) const KEYS: [&str; 8] = ["a", "b", "c", "name", "labels", "image", "x-y", "0"];

/// A document with at least one field.
pub(super) fn document(random: &mut Random) -> Value {
    let mut map = Map::new();
    for key in ["a", "b", "c", "labels"] {
        if random.percent(85) {
            map.insert(key.to_owned(), value(random, 3));
        }
    }
    map.insert("items".to_owned(), Value::Array((0..random.below(4)).map(|_| value(random, 2)).collect()));
    Value::Object(map)
}

pub(super) fn value(random: &mut Random, depth: usize) -> Value {
    if depth == 0 || random.percent(35) {
        return scalar(random);
    }
    let size = random.below(4);
    if random.percent(45) {
        return Value::Array((0..size).map(|_| value(random, depth - 1)).collect());
    }
    Value::Object((0..size).map(|_| ((*random.pick(&KEYS)).to_owned(), value(random, depth - 1))).collect())
}

fn scalar(random: &mut Random) -> Value {
    let scalars = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(2),
        json!(-1),
        json!(1.5),
        json!(10),
        json!(""),
        json!("a"),
        json!("b"),
        json!("1"),
        json!("é%d"),
        json!("a/b:c"),
        json!("100m"),
    ];
    random.pick(&scalars).clone()
}

/// The same document with a few places changed.
pub(super) fn changed(random: &mut Random, value: &Value) -> Value {
    if random.percent(12) {
        return self::value(random, 2);
    }
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(|item| changed(random, item)).collect();
            if random.percent(20) {
                items.push(self::value(random, 1));
            }
            Value::Array(items)
        }
        Value::Object(map) => {
            let mut changed_map: Map<String, Value> = Map::new();
            for (key, value) in map {
                if !random.percent(10) {
                    changed_map.insert(key.clone(), changed(random, value));
                }
            }
            Value::Object(changed_map)
        }
        scalar => scalar.clone(),
    }
}

/// Numbers by their value, lists of a set's elements as they come.
pub(super) fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| is_same(value, other)))
        }
        _ => one == other,
    }
}
