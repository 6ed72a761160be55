//! Leaves a provider alone that keeps failing, so that nobody waits for it in vain.
//!
//! So many calls in a row that fail open it; after a rest, one call tries again, and everybody else goes on hearing no until
//! that call has ended. Each try that fails doubles the rest. The time is given, never read.

use std::time::{Duration, Instant};

/// Calls in a row.
const MOST_FAILURES: u32 = 5;
const FIRST_REST: Duration = Duration::from_secs(2);
const LONGEST_REST: Duration = Duration::from_secs(60);

/// The record of one provider.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    /// Rests since the last success.
    rests: u32,
    closed_again_at: Option<Instant>,
    last_failure: String,
}

/// What a failure led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    /// The provider is left alone from now on.
    Opened,
    /// It is asked again.
    Closed,
}

impl Breaker {
    /// Why nothing is sent now.
    pub(super) fn refusal(&self, now: Instant) -> Option<String> {
        let until = self.closed_again_at.filter(|until| now < *until)?;
        let seconds = until.saturating_duration_since(now).as_secs() + 1;
        Some(format!(
            "it failed {} times in a row and is not asked for {seconds} s more; the last failure: {}",
            self.failures, self.last_failure
        ))
    }

    /// Notes that something is sent. While it is on trial, nobody else sends.
    pub(super) fn begin(&mut self, now: Instant, longest: Duration) {
        if self.closed_again_at.is_some() {
            self.closed_again_at = now.checked_add(longest);
        }
    }

    pub(super) fn succeed(&mut self) -> Change {
        let was_open = self.closed_again_at.is_some();
        *self = Self::default();
        if was_open { Change::Closed } else { Change::None }
    }

    pub(super) fn fail(&mut self, why: &str, now: Instant) -> Change {
        self.failures = self.failures.saturating_add(1);
        why.clone_into(&mut self.last_failure);
        if self.failures < MOST_FAILURES {
            return Change::None;
        }
        let was_open = self.closed_again_at.is_some();
        let rest = FIRST_REST.saturating_mul(1 << self.rests.min(10)).min(LONGEST_REST);
        self.rests = self.rests.saturating_add(1);
        self.closed_again_at = now.checked_add(rest);
        if was_open { Change::None } else { Change::Opened }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_after_failures_in_a_row_tries_again_and_closes() {
        let (begun, mut breaker) = (Instant::now(), Breaker::default());
        let at = |seconds| begun + Duration::from_secs(seconds);
        for _ in 0..4 {
            assert_eq!(breaker.fail("down", begun), Change::None);
        }
        breaker.succeed();
        for _ in 0..4 {
            assert_eq!(breaker.fail("down", begun), Change::None);
        }
        assert_eq!(breaker.refusal(begun), None);
        assert_eq!(breaker.fail("down", begun), Change::Opened);
        assert!(breaker.refusal(at(1)).is_some_and(|text| text.contains("5 times") && text.contains("down")));
        assert_eq!(breaker.refusal(at(2)), None);
        breaker.begin(at(2), Duration::from_secs(3));
        assert!(breaker.refusal(at(4)).is_some(), "one tries, the others hear no");
        assert_eq!(breaker.fail("still down", at(4)), Change::None);
        assert!(breaker.refusal(at(7)).is_some_and(|text| text.contains("6 times")), "the second rest is longer");
        assert_eq!(breaker.refusal(at(8)), None);
        breaker.begin(at(8), Duration::from_secs(3));
        assert_eq!(breaker.succeed(), Change::Closed);
        assert_eq!((breaker.refusal(at(8)), breaker.fail("down", at(9))), (None, Change::None));
    }

    #[test]
    fn rests_do_not_grow_for_ever() {
        let (begun, mut breaker) = (Instant::now(), Breaker::default());
        for _ in 0..100 {
            breaker.fail("down", begun);
        }
        assert!(breaker.refusal(begun + Duration::from_secs(59)).is_some());
        assert!(breaker.refusal(begun + Duration::from_secs(61)).is_none());
    }
}
