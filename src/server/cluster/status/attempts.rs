//! How often one thing is written that does not stay written: at once, then ever more rarely.
//!
//! Why it does not: the API server refuses it, prunes fields that its CRD does not have, or somebody else writes something
//! else. None of this may become an endless exchange.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

/// After the first attempt; doubles with each that follows.
const FIRST_REST: Duration = Duration::from_secs(1);
/// What has stayed written for so long beyond its rest begins anew.
const QUIET: Duration = Duration::from_secs(60);

/// What was written of what, and when.
#[derive(Debug)]
pub(super) struct Attempts<K> {
    longest_rest: Duration,
    of: BTreeMap<K, Attempt>,
}

#[derive(Debug)]
struct Attempt {
    wanted: Value,
    count: u32,
    /// When it may be written again.
    due: Instant,
    /// It is not as wanted.
    is_open: bool,
}

impl<K: Ord + Clone> Attempts<K> {
    pub(super) fn new(longest_rest: Duration) -> Self {
        Self { longest_rest, of: BTreeMap::new() }
    }

    /// It is as wanted.
    pub(super) fn settle(&mut self, key: &K, now: Instant) {
        if let Some(attempt) = self.of.get_mut(key) {
            attempt.is_open = false;
            if now > attempt.due + QUIET {
                self.of.remove(key);
            }
        }
    }

    /// Whether it may be written now; then it counts as written.
    pub(super) fn begin(&mut self, key: &K, wanted: &Value, now: Instant) -> bool {
        let known = self.of.get_mut(key).filter(|attempt| attempt.wanted == *wanted);
        let count = known.as_ref().map_or(0, |attempt| attempt.count);
        if let Some(attempt) = known {
            attempt.is_open = true;
            if now < attempt.due {
                return false;
            }
        }
        let rest = FIRST_REST.saturating_mul(1 << count.min(16)).min(self.longest_rest);
        let attempt = Attempt { wanted: wanted.clone(), count: count + 1, due: now + rest, is_open: true };
        self.of.insert(key.clone(), attempt);
        true
    }

    /// When the next of what is not as wanted may be written again.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.of.values().filter(|attempt| attempt.is_open).map(|attempt| attempt.due).min()
    }

    /// Forgets all others.
    pub(super) fn retain(&mut self, is_there: impl Fn(&K) -> bool) {
        self.of.retain(|key, _| is_there(key));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_same_is_written_ever_more_rarely() {
        let mut attempts = Attempts::new(Duration::from_secs(5));
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let wanted = json!({"a": 1});
        let written: Vec<u64> = (0..20).filter(|second| attempts.begin(&"k", &wanted, at(*second))).collect();
        assert_eq!(written, [0, 1, 3, 7, 12, 17]);
        assert_eq!(attempts.next_due(), Some(at(22)));
        assert!(attempts.begin(&"k", &json!({"a": 2}), at(20)), "another thing");
        assert!(attempts.begin(&"l", &wanted, at(20)), "of another");

        // Somebody else writes it away again and again.
        attempts.settle(&"k", at(20));
        assert_eq!(attempts.next_due(), Some(at(21)), "only the other one is open");
        assert!(!attempts.begin(&"k", &json!({"a": 2}), at(20)));
        assert!(attempts.begin(&"k", &json!({"a": 2}), at(21)));
        assert!(!attempts.begin(&"k", &json!({"a": 2}), at(22)));
        attempts.settle(&"k", at(90));
        assert!(attempts.begin(&"k", &json!({"a": 2}), at(90)), "it had stayed");
        attempts.retain(|_| false);
        assert_eq!(attempts.next_due(), None);
    }
}
