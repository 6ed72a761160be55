//! Parts that many objects have: kept once.
//!
//! Keys and short texts, and small collections (`status: {loadBalancer: {}}`, a list of ports), are looked up before they
//! are made. A collection is kept from the second time on that it is met within a while: most are met once, and looking
//! among all of those would cost more than everything else that is done for an object. What no object has any more is let
//! go whenever the pool has doubled since the last time.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use serde_json::Value as Json;

use super::{Fields, Number, NumberMode, Value};

/// Longer texts are rarely the same.
const LONGEST_TEXT: usize = 64;
/// Collections of more values within each other are rarely the same.
const MOST_VALUES: usize = 8;
/// Below this, nothing is looked at again.
const SMALLEST_SWEEP: usize = 1024;
/// How many collections that were met once are remembered, by their hashes; a power of two.
const MET: usize = 4096;
/// Deeper values are not shared, which keeps the native stack small.
const DEEPEST: usize = 32;

/// The shared parts of the objects of an inventory.
#[derive(Debug, Default)]
pub struct Pool {
    texts: HashSet<Arc<str>, RandomState>,
    collections: HashSet<Value, RandomState>,
    /// Hashes of collections, each in the place that its lowest bits say; a newer one takes it over.
    met: Vec<u64>,
    sweep_at: usize,
}

impl Pool {
    /// These fields of an object, without `metadata.managedFields`, every number a 64-bit float.
    pub(crate) fn compact(&mut self, json: &Json, fields: &Fields) -> Value {
        self.sweep_if_due();
        let Json::Object(entries) = json else { return self.kept(json, fields, 0).0 };
        let entries = entries.iter().filter_map(|(key, value)| {
            let fields = if fields.is_whole() { fields } else { fields.of(key)? };
            let value = match value {
                Json::Object(metadata) if key == "metadata" => {
                    self.entries(metadata.iter().filter(|(key, _)| *key != "managedFields"), fields, 1).0
                }
                value => self.kept(value, fields, 1).0,
            };
            Some((Value::String(self.text(key)), value))
        });
        Value::object(entries.collect())
    }

    /// These fields of a value, and how many values that is. A mapping stays one, a list keeps its length if its elements
    /// are looked at.
    fn kept(&mut self, json: &Json, fields: &Fields, depth: usize) -> (Value, usize) {
        let (value, count) = match json {
            _ if fields.is_whole() => return self.value(json, depth),
            Json::Array(items) => {
                let each = fields.each();
                let items = items.iter().filter_map(|item| Some(self.kept(item, each?, depth + 1)));
                let (values, counts): (Vec<Value>, Vec<usize>) = items.unzip();
                (Value::array(values), 1 + counts.iter().sum::<usize>())
            }
            Json::Object(entries) => self.entries(entries, fields, depth),
            scalar => return self.value(scalar, depth),
        };
        (if count <= MOST_VALUES { self.collection(value) } else { value }, count)
    }

    fn entries<'j>(
        &mut self,
        entries: impl IntoIterator<Item = (&'j String, &'j Json)>,
        fields: &Fields,
        depth: usize,
    ) -> (Value, usize) {
        let mut count = 1;
        let kept = entries.into_iter().filter_map(|(key, value)| {
            let fields = if fields.is_whole() { fields } else { fields.of(key)? };
            let (value, inner) = self.kept(value, fields, depth + 1);
            count += inner;
            Some((Value::String(self.text(key)), value))
        });
        let entries = kept.collect();
        (Value::object(entries), count)
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
        if let Some(known) = self.collections.get(&value) {
            return known.clone();
        }
        if self.is_met_again(&value) {
            self.collections.insert(value.clone());
        }
        value
    }

    fn is_met_again(&mut self, value: &Value) -> bool {
        let hash = self.collections.hasher().hash_one(value);
        self.met.resize(MET, 0);
        let place = self.met.get_mut(hash as usize % MET);
        place.is_some_and(|place| std::mem::replace(place, hash) == hash)
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
        let whole = |pool: &mut Pool, json: &Json| pool.compact(json, &Fields::whole());
        let object = |name: &str| json!({"metadata": {"name": name, "managedFields": [{"manager": "x"}]}, "status": {"loadBalancer": {}}});
        // Met for the first time, it is only taken note of.
        whole(&mut pool, &object("z"));
        let (one, other) = (whole(&mut pool, &object("a")), whole(&mut pool, &object("b")));
        let status = |value: &Value| value.get(&Value::string("status")).unwrap().clone();
        assert!(status(&one).is_identical(&status(&other)));
        assert_eq!(one.to_json(), json!({"metadata": {"name": "a"}, "status": {"loadBalancer": {}}}));
        for number in 0..20_000 {
            whole(&mut pool, &object(&format!("name-{number}")));
        }
        assert!(pool.texts.len() < 4_000, "{}", pool.texts.len());
    }
}
