//! How long an evaluation may take, and how deep its threads may go. The only place in the core that reads a clock.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Stack of every thread that compiles or evaluates: both recurse with the depth of documents and policies.
pub const THREAD_STACK_BYTES: usize = 32 << 20;

/// The instant by which an answer must be ready; none for offline runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// No bound: for the command line, where a person can interrupt.
    pub fn none() -> Self {
        Self(None)
    }

    /// So long from now.
    pub fn after(duration: Duration) -> Self {
        Self(Instant::now().checked_add(duration))
    }

    /// The deadline of one evaluation among several: so long from now, and at most half of what is left for all, so that
    /// no evaluation takes the time of those behind it.
    pub fn share(self, limit: Duration) -> Self {
        let share = self.remaining().map_or(limit, |remaining| limit.min(remaining / 2));
        Self::after(share)
    }

    /// Most of what is left, for waiting on others: an answer to all is still to be made when that is over.
    pub fn most(self) -> Self {
        self.remaining().map_or(self, |remaining| Self::after(remaining.mul_f64(0.75)))
    }

    /// The instant itself; `None` when there is no bound.
    pub fn instant(self) -> Option<Instant> {
        self.0
    }

    /// What is left; `None` when there is no bound, zero when it has passed.
    pub fn remaining(self) -> Option<Duration> {
        self.0.map(|instant| instant.saturating_duration_since(Instant::now()))
    }

    /// Whether the instant has passed.
    pub fn has_passed(self) -> bool {
        self.remaining().is_some_and(|remaining| remaining.is_zero())
    }
}

/// How long the process has been running, about: since this was first asked.
pub fn uptime() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

/// The time of day, for policies that ask: nanoseconds since 1970, in UTC.
pub fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
