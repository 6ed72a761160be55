//! Parts that many objects have: kept once.
//!
//! Keys and short texts, and small collections (`status: {loadBalancer: {}}`, a list of ports), are looked up before they
//! are made. What no object has any more is let go whenever the pool has doubled since the last time.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value as Json;

use super::{Number, NumberMode, Value};

/// Longer texts are rarely the same.
const LONGEST_TEXT: usize = 64;
/// Collections of more values within each other are rarely the same.
const MOST_VALUES: usize = 8;
/// Below this, nothing is looked at again.
const SMALLEST_SWEEP: usize = 1024;
/// Deeper values are not shared, which keeps the native stack small.
const DEEPEST: usize = 32;

/// The shared parts of the objects of an inventory.
#[derive(Debug, Default)]
pub struct Pool {
    texts: HashSet<Arc<str>>,
    collections: HashSet<Value>,
    sweep_at: usize,
}

impl Pool {
    /// An object without `metadata.managedFields`, every number a 64-bit float.
    pub(crate) fn compact(&mut self, json: &Json) -> Value {
        self.sweep_if_due();
        let Json::Object(fields) = json else { return self.value(json, 0).0 };
        let entries = fields.iter().map(|(key, field)| {
            let value = match field {
                Json::Object(metadata) if key == "metadata" => {
                    let kept = metadata.iter().filter(|(key, _)| *key != "managedFields");
                    let entries = kept.map(|(key, value)| (Value::String(self.text(key)), self.value(value, 2).0));
                    Value::object(entries.collect())
                }
                field => self.value(field, 1).0,
            };
            (Value::String(self.text(key)), value)
        });
        Value::object(entries.collect())
    }

    /// The value, and how many values it is made of.
    fn value(&mut self, json: &Json, depth: usize) -> (Value, usize) {
        let (value, count) = match json {
            Json::String(text) => return (Value::String(self.text(text)), 1),
            Json::Array(items) if depth < DEEPEST => {
                let (mut values, mut count) = (Vec::with_capacity(items.len()), 1);
                for item in items {
                    let (value, inner) = self.value(item, depth + 1);
                    values.push(value);
                    count += inner;
                }
                (Value::array(values), count)
            }
            Json::Object(fields) if depth < DEEPEST => {
                let (mut entries, mut count) = (Vec::with_capacity(fields.len()), 1);
                for (key, item) in fields {
                    let (value, inner) = self.value(item, depth + 1);
                    entries.push((Value::String(self.text(key)), value));
                    count += inner;
                }
                (Value::object(entries), count)
            }
            other => {
                let value = Value::from_json(other, NumberMode::Float);
                // Floats that are equal may still print differently: 0 and -0.
                let is_shareable = !value.is_collection() && !matches!(value, Value::Number(Number::Float(_)));
                return (value, if is_shareable { 1 } else { MOST_VALUES });
            }
        };
        (if count <= MOST_VALUES { self.collection(value) } else { value }, count)
    }

    fn text(&mut self, text: &str) -> Arc<str> {
        if text.len() > LONGEST_TEXT {
            return Arc::from(text);
        }
        match self.texts.get(text) {
            Some(known) => Arc::clone(known),
            None => {
                let shared: Arc<str> = Arc::from(text);
                self.texts.insert(Arc::clone(&shared));
                shared
            }
        }
    }

    fn collection(&mut self, value: Value) -> Value {
        match self.collections.get(&value) {
            Some(known) => known.clone(),
            None => {
                self.collections.insert(value.clone());
                value
            }
        }
    }

    fn sweep_if_due(&mut self) {
        let size = self.texts.len() + self.collections.len();
        if size < self.sweep_at.max(SMALLEST_SWEEP) {
            return;
        }
        self.collections.retain(|value| match value {
            Value::Array(array) => Arc::strong_count(array) > 1,
            Value::Object(object) => Arc::strong_count(object) > 1,
            _ => false,
        });
        self.texts.retain(|text| Arc::strong_count(text) > 1);
        self.sweep_at = 2 * (self.texts.len() + self.collections.len());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn shares_equal_parts_and_forgets_what_is_gone() {
        let mut pool = Pool::default();
        let object = |name: &str| json!({"metadata": {"name": name, "managedFields": [{"manager": "x"}]}, "status": {"loadBalancer": {}}});
        let (one, other) = (pool.compact(&object("a")), pool.compact(&object("b")));
        let status = |value: &Value| value.get(&Value::string("status")).unwrap().clone();
        assert!(status(&one).is_identical(&status(&other)));
        assert_eq!(one.to_json(), json!({"metadata": {"name": "a"}, "status": {"loadBalancer": {}}}));
        for number in 0..20_000 {
            pool.compact(&object(&format!("name-{number}")));
        }
        assert!(pool.texts.len() < 4_000, "{}", pool.texts.len());
    }
}
