//! How often one thing is written that does not stay written: at once, then ever more rarely.
//!
//! Why it does not: the API server refuses it, prunes fields that its CRD does not have, or somebody else writes something
//! else. None of this may become an endless exchange. While the API server does not answer, nothing is written at all, and
//! none of that counts.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::Value;

use crate::server::cluster::troubles::{Rests, Trouble};

/// What has stayed written for so long beyond its rest begins anew.
const QUIET: Duration = Duration::from_secs(60);

/// What was written of what, and when.
#[derive(Debug)]
pub(super) struct Attempts<K> {
    longest_rest: Duration,
    of: BTreeMap<K, Attempt>,
    /// The API server does not answer. Until then, nothing is tried.
    held: Option<Instant>,
    rests: Rests,
}

#[derive(Debug)]
struct Attempt {
    wanted: Value,
    rests: Rests,
    /// When it may be written again.
    due: Instant,
    /// It is not as wanted.
    is_open: bool,
}

impl<K: Ord + Clone> Attempts<K> {
    pub(super) fn new(longest_rest: Duration) -> Self {
        Self { longest_rest, of: BTreeMap::new(), held: None, rests: Rests::default() }
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

    /// It is not as wanted: whether it may be written now.
    pub(super) fn begin(&mut self, key: &K, wanted: &Value, now: Instant) -> bool {
        if self.of.get(key).is_none_or(|known| known.wanted != *wanted) {
            let attempt = Attempt { wanted: wanted.clone(), rests: Rests::default(), due: now, is_open: true };
            self.of.insert(key.clone(), attempt);
        }
        let is_held = self.held.is_some_and(|until| now < until);
        self.of.get_mut(key).is_some_and(|attempt| {
            attempt.is_open = true;
            !is_held && attempt.due <= now
        })
    }

    /// It was written, or something was in the way.
    pub(super) fn end(&mut self, key: &K, trouble: Option<Trouble>, now: Instant) {
        if let Some(trouble) = trouble.filter(|trouble| trouble.is_of_all()) {
            self.held = Some(now + self.rests.next(trouble, now));
        } else if let Some(attempt) = self.of.get_mut(key) {
            attempt.due = now + attempt.rests.next(Trouble::Undone, now).min(self.longest_rest);
        }
    }

    /// When the next of what is not as wanted may be written again.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let due = self.of.values().filter(|attempt| attempt.is_open).map(|attempt| attempt.due).min();
        due.map(|due| self.held.map_or(due, |until| until.max(due)))
    }

    /// Forgets all others.
    pub(super) fn retain(&mut self, is_there: impl Fn(&K) -> bool) {
        self.of.retain(|key, _| is_there(key));
    }
}

/// What came of a request about something.
pub(super) type Outcome<K, T> = (K, Result<T, Trouble>);

/// Makes requests, so many at a time; none any more once the API server does not answer: the others would wait in vain.
pub(super) async fn make<K, T>(
    requests: Vec<impl Future<Output = Outcome<K, T>>>,
    at_once: usize,
) -> Vec<Outcome<K, T>> {
    let mut outcomes = Vec::new();
    let mut made = futures::stream::iter(requests).buffer_unordered(at_once);
    while let Some((key, outcome)) = made.next().await {
        let is_over = outcome.as_ref().is_err_and(|trouble| trouble.is_of_all());
        outcomes.push((key, outcome));
        if is_over {
            break;
        }
    }
    outcomes
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde_json::json;

    use super::*;

    /// When it is written, of so many seconds, to a tenth.
    fn written(attempts: &mut Attempts<&str>, start: Instant, seconds: u64, trouble: Option<Trouble>) -> Vec<Duration> {
        let times = (0..seconds * 10).map(|tenth| Duration::from_millis(tenth * 100));
        let is_written = |time: &Duration| {
            let may = attempts.begin(&"k", &json!({"a": 1}), start + *time);
            if may {
                attempts.end(&"k", trouble, start + *time);
            }
            may
        };
        times.filter(is_written).collect()
    }

    #[test]
    fn the_same_is_written_ever_more_rarely() {
        let start = Instant::now();
        for trouble in [None, Some(Trouble::Refused)] {
            let mut attempts = Attempts::new(Duration::from_secs(5));
            let times = written(&mut attempts, start, 60, trouble);
            assert!((12..=25).contains(&times.len()), "{times:?}");
            let rests: Vec<Duration> = times.windows(2).map(|two| two[1] - two[0]).collect();
            assert!(rests[0] <= Duration::from_millis(1_100), "{rests:?}");
            assert!(rests.iter().all(|rest| *rest <= Duration::from_millis(5_100)), "{rests:?}");
        }
        let times = written(&mut Attempts::new(Duration::from_secs(3_600)), start, 3_600, None);
        assert!((12..=14).contains(&times.len()), "{times:?}");
    }

    #[test]
    fn another_wish_begins_anew_and_what_has_stayed_does() {
        let (mut attempts, start) = (Attempts::new(Duration::from_secs(5)), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let write = |attempts: &mut Attempts<&str>, key, value: Value, second| {
            let may = attempts.begin(&key, &value, at(second));
            if may {
                attempts.end(&key, None, at(second));
            }
            may
        };
        assert!(write(&mut attempts, "k", json!(1), 0));
        assert!(!write(&mut attempts, "k", json!(1), 0));
        assert!(write(&mut attempts, "k", json!(2), 0), "another thing");
        assert!(write(&mut attempts, "l", json!(1), 20), "of another");

        // Somebody else writes it away again and again.
        attempts.settle(&"k", at(20));
        assert!(attempts.next_due().unwrap() > at(20), "only the other one is open");
        assert!(write(&mut attempts, "k", json!(2), 20));
        assert!(!write(&mut attempts, "k", json!(2), 20));
        attempts.settle(&"k", at(90));
        assert!(write(&mut attempts, "k", json!(2), 90), "it had stayed");
        attempts.retain(|_| false);
        assert_eq!(attempts.next_due(), None);
    }

    #[test]
    fn an_outage_holds_everything_for_a_little_and_counts_for_nothing() {
        let (mut attempts, start) = (Attempts::new(Duration::from_secs(3_600)), Instant::now());
        let times = written(&mut attempts, start, 600, Some(Trouble::Unreachable));
        assert!((290..=610).contains(&times.len()), "{}", times.len());
        let over = start + Duration::from_secs(602);
        assert!(attempts.next_due().unwrap() <= over);
        assert!(attempts.begin(&"new", &json!(1), over) && attempts.begin(&"k", &json!({"a": 1}), over));
        attempts.end(&"k", Some(Trouble::Busy), over);
        assert!(!attempts.begin(&"new", &json!(1), over), "the others wait as well");
        assert!(attempts.next_due().unwrap() > over);
    }

    #[tokio::test]
    async fn after_the_first_that_gets_no_answer_no_other_is_made() {
        let made = Cell::new(0);
        let request = |number: u32| {
            let made = &made;
            async move {
                made.set(made.get() + 1);
                (number, if number == 3 { Err(Trouble::Unreachable) } else { Err::<(), _>(Trouble::Refused) })
            }
        };
        let outcomes = make((0..100).map(request).collect(), 2).await;
        assert_eq!((outcomes.len(), outcomes[3].1), (4, Err(Trouble::Unreachable)));
        assert!(made.get() <= 6, "{made:?}");
    }
}
