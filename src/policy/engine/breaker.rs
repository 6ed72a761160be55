//! Sets aside a constraint whose evaluations keep going beyond their limits, so that it stops costing others their time.
//!
//! Three breaches within a minute set it aside for half a minute; then it gets a chance, and one more breach doubles the
//! rest, up to ten minutes. A new version of the constraint or its template starts afresh, because it has a breaker of
//! its own. Being asked whether it is set aside costs one atomic read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::limits::uptime;

/// So many breaches ...
const STRIKES: u32 = 3;
/// ... each so soon after the one before set a constraint aside ...
const WINDOW: Duration = Duration::from_secs(60);
/// ... for so long at first ...
const FIRST_REST: Duration = Duration::from_secs(30);
/// ... and for so long at last.
const LONGEST_REST: Duration = Duration::from_secs(600);

/// The record of one constraint.
#[derive(Debug, Default)]
pub struct Breaker {
    /// Milliseconds since the process started; in the past when the constraint is not set aside.
    until: AtomicU64,
    record: Mutex<Record>,
}

#[derive(Debug, Default)]
struct Record {
    strikes: u32,
    rounds: u32,
    forgotten_at: Duration,
    limit: String,
}

impl Breaker {
    /// Whether the constraint is set aside now.
    pub fn is_open(&self) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        until != 0 && milliseconds(uptime()) < until
    }

    /// Notes a breach of a limit; says whether it has set the constraint aside.
    pub fn strike(&self, limit: &str) -> bool {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        let now = uptime();
        // Evaluations that were running when it was set aside do not count twice.
        if self.is_open() {
            return false;
        }
        if now > record.forgotten_at {
            *record = Record::default();
        }
        limit.clone_into(&mut record.limit);
        record.strikes += 1;
        record.forgotten_at = now + WINDOW;
        if record.strikes < STRIKES {
            return false;
        }
        let rest = FIRST_REST.saturating_mul(1 << record.rounds.min(8)).min(LONGEST_REST);
        record.rounds += 1;
        record.strikes = STRIKES - 1;
        record.forgotten_at = now + rest + WINDOW;
        self.until.store(milliseconds(now + rest), Ordering::Relaxed);
        true
    }

    /// What people are told while the constraint is set aside.
    pub fn explanation(&self) -> Option<String> {
        if !self.is_open() {
            return None;
        }
        let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        Some(format!(
            "policy is set aside, because its evaluation was stopped again and again, last because {}; until it is tried \
             again, its enforcement action decides",
            record.limit
        ))
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_breach_sets_aside_once() {
        let breaker = Breaker::default();
        let struck: Vec<bool> = (0..5).map(|_| breaker.strike("it took too long")).collect();
        assert_eq!(struck, [false, false, true, false, false]);
        assert!(breaker.is_open());
        assert!(breaker.explanation().unwrap().contains("last because it took too long;"));
    }

    #[test]
    fn after_a_rest_one_breach_is_enough_and_the_rest_doubles() {
        let breaker = Breaker::default();
        assert!((0..3).any(|_| breaker.strike("x")));
        let first = breaker.until.swap(0, Ordering::Relaxed);
        assert!(!breaker.is_open() && breaker.explanation().is_none());
        assert!(breaker.strike("x"));
        let second = breaker.until.load(Ordering::Relaxed);
        assert!(second >= first + 29_000, "{first} {second}");
    }
}
