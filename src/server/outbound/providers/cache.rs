//! What one provider said of keys, for a while. Values and errors of keys are kept, failures of the whole are not.
//!
//! Bounded in bytes: when it is full, the older half goes. The time is given, never read.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::policy::external_data::Item;

/// The most that one provider's answers may take, about.
const MOST_BYTES: usize = 32 << 20;
/// What an entry takes beside its texts, about.
const ENTRY_BYTES: usize = 200;

/// The answers of one provider.
#[derive(Debug)]
pub(super) struct Cache {
    lifetime: Duration,
    entries: HashMap<String, Entry>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    value: Result<Value, String>,
    is_idempotent: bool,
    received: Instant,
    bytes: usize,
}

impl Cache {
    /// Nothing is kept when the lifetime is zero.
    pub(super) fn new(lifetime: Duration) -> Self {
        Self { lifetime, entries: HashMap::new(), bytes: 0 }
    }

    /// What was said of a key, and whether it is idempotent.
    pub(super) fn find(&self, key: &str, now: Instant) -> Option<(Item, bool)> {
        let entry = self.entries.get(key).filter(|entry| self.is_fresh(entry, now))?;
        Some((Item { key: key.to_owned(), value: entry.value.clone() }, entry.is_idempotent))
    }

    pub(super) fn keep(&mut self, item: &Item, is_idempotent: bool, now: Instant) {
        if self.lifetime.is_zero() {
            return;
        }
        let bytes = ENTRY_BYTES + item.key.len() + item.value.as_ref().map_or_else(String::len, size);
        let entry = Entry { value: item.value.clone(), is_idempotent, received: now, bytes };
        self.bytes += bytes;
        if let Some(before) = self.entries.insert(item.key.clone(), entry) {
            self.bytes -= before.bytes;
        }
        if self.bytes > MOST_BYTES {
            self.clean(now);
        }
        if self.bytes > MOST_BYTES {
            self.drop_older_half();
        }
    }

    /// Forgets what is too old to serve.
    pub(super) fn clean(&mut self, now: Instant) {
        let lifetime = self.lifetime;
        self.retain(|entry| now.saturating_duration_since(entry.received) <= lifetime);
    }

    fn is_fresh(&self, entry: &Entry, now: Instant) -> bool {
        now.saturating_duration_since(entry.received) <= self.lifetime
    }

    fn drop_older_half(&mut self) {
        let mut times: Vec<Instant> = self.entries.values().map(|entry| entry.received).collect();
        times.sort_unstable();
        let Some(middle) = times.get(times.len() / 2).copied() else { return };
        self.retain(|entry| entry.received > middle);
    }

    fn retain(&mut self, is_kept: impl Fn(&Entry) -> bool) {
        self.entries.retain(|_, entry| is_kept(entry));
        self.bytes = self.entries.values().map(|entry| entry.bytes).sum();
    }
}

/// Bytes of a value, about.
fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 32,
        Value::String(text) => 32 + text.len(),
        Value::Array(items) => 32 + items.iter().map(size).sum::<usize>(),
        Value::Object(fields) => 32 + fields.iter().map(|(key, value)| 56 + key.len() + size(value)).sum::<usize>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(key: &str, value: Result<&str, &str>) -> Item {
        Item { key: key.to_owned(), value: value.map(Value::from).map_err(str::to_owned) }
    }

    #[test]
    fn answers_serve_for_their_time() {
        let (begun, mut cache) = (Instant::now(), Cache::new(Duration::from_secs(10)));
        let at = |seconds| begun + Duration::from_secs(seconds);
        cache.keep(&item("a", Ok("1")), true, begun);
        cache.keep(&item("b", Err("bad")), false, at(5));
        assert_eq!(cache.find("a", at(10)), Some((item("a", Ok("1")), true)));
        assert_eq!(cache.find("a", at(11)), None);
        assert_eq!(cache.find("b", at(11)), Some((item("b", Err("bad")), false)));
        cache.keep(&item("a", Ok("2")), true, at(12));
        assert_eq!(cache.find("a", at(20)).unwrap().0, item("a", Ok("2")));
        cache.clean(at(20));
        assert_eq!((cache.entries.len(), cache.find("b", at(12))), (1, None));
        let mut none = Cache::new(Duration::ZERO);
        none.keep(&item("a", Ok("1")), true, begun);
        assert_eq!(none.find("a", begun), None);
    }

    #[test]
    fn a_full_cache_forgets_what_is_older() {
        let (begun, mut cache) = (Instant::now(), Cache::new(Duration::from_secs(1_000)));
        let text = "x".repeat(1 << 20);
        for second in 0..100 {
            cache.keep(&item(&format!("k{second}"), Ok(&text)), true, begun + Duration::from_secs(second));
            assert!(cache.bytes <= MOST_BYTES);
        }
        let last = begun + Duration::from_secs(100);
        assert!(cache.find("k99", last).is_some() && cache.find("k0", last).is_none());
        assert_eq!(cache.bytes, cache.entries.values().map(|entry| entry.bytes).sum::<usize>());
    }
}
