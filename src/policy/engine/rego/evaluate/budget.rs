//! What an evaluation may use up: time, steps, memory. Builtins and the evaluator draw on the same account.
//!
//! Nothing in here allocates or reads a clock more often than once per [`CLOCK_INTERVAL`] steps. A refusal is final: the
//! account stays overdrawn, and [`Budget::breach`] says which limit it was.

use std::time::{Duration, Instant};

use crate::policy::engine::rego::builtins::BuiltinError;

/// Steps between two looks at the clock: a few microseconds of work.
const CLOCK_INTERVAL: u32 = 256;
/// Comparisons or copied bytes of a builtin that count as one step.
const UNITS_PER_STEP: u64 = 16;

/// The limits of one evaluation.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// When an answer must be there; absent offline.
    pub deadline: Option<Instant>,
    /// Instructions and elements visited.
    pub steps: u64,
    /// Bytes of values made, freed or not.
    pub bytes: usize,
    /// Rules, functions and iterations within each other. 2,000 fit a stack of 16 MB in a debug build.
    pub depth: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { deadline: None, steps: 200_000_000, bytes: 512 << 20, depth: 2_000 }
    }
}

/// A limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    Deadline,
    Steps,
    Bytes,
    Depth,
}

impl Breach {
    /// What ran out, to follow "evaluation stopped: ".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deadline => "the deadline has passed",
            Self::Steps => "too many steps",
            Self::Bytes => "too much memory",
            Self::Depth => "rules are nested too deeply",
        }
    }
}

/// What is left of the [`Limits`].
#[derive(Clone, Debug)]
pub struct Budget {
    deadline: Option<Instant>,
    steps: u64,
    bytes: usize,
    until_clock: u32,
    breach: Option<Breach>,
}

impl Budget {
    pub fn new(limits: &Limits) -> Self {
        Self {
            deadline: limits.deadline,
            steps: limits.steps,
            bytes: limits.bytes,
            until_clock: CLOCK_INTERVAL,
            breach: None,
        }
    }

    /// Pays for one small piece of work.
    #[inline]
    pub fn step(&mut self) -> Result<(), Breach> {
        self.until_clock -= 1;
        if self.until_clock == 0 { self.settle(CLOCK_INTERVAL) } else { Ok(()) }
    }

    /// Pays for a value of so many bytes, before it is made.
    #[inline]
    pub fn reserve(&mut self, bytes: usize) -> Result<(), Breach> {
        match self.bytes.checked_sub(bytes) {
            Some(left) => {
                self.bytes = left;
                Ok(())
            }
            None => Err(self.refuse(Breach::Bytes)),
        }
    }

    /// For builtins: pays for work in units of roughly one comparison or copied byte, before it is done.
    pub fn charge(&mut self, units: u64) -> Result<(), BuiltinError> {
        self.spend(units.div_ceil(UNITS_PER_STEP)).map_err(|breach| BuiltinError::Halt(breach.as_str().to_owned()))
    }

    /// For builtins: pays for a result of so many bytes, before it is made, and for the work of filling it.
    pub fn allocate(&mut self, bytes: u64) -> Result<(), BuiltinError> {
        self.reserve(usize::try_from(bytes).unwrap_or(usize::MAX))
            .map_err(|breach| BuiltinError::Halt(breach.as_str().to_owned()))?;
        self.charge(bytes)
    }

    /// How long builtins may wait for others; `None` when there is no bound.
    pub fn remaining_time(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// For builtins that waited: looks at the clock now.
    pub fn check_time(&mut self) -> Result<(), BuiltinError> {
        self.charge(u64::from(CLOCK_INTERVAL) * UNITS_PER_STEP)
    }

    /// For builtins that waited for others: that was not the policy's own time, as far as the last instant allows.
    pub fn extend(&mut self, waited: Duration, last: Option<Instant>) {
        let later = self.deadline.and_then(|deadline| deadline.checked_add(waited));
        self.deadline = later.into_iter().chain(last).min().or(self.deadline);
    }

    /// The limit that was reached, if any.
    pub fn breach(&self) -> Option<Breach> {
        self.breach
    }

    fn spend(&mut self, count: u64) -> Result<(), Breach> {
        match u32::try_from(count) {
            Ok(count) if count < self.until_clock => {
                self.until_clock -= count;
                Ok(())
            }
            _ => self.settle_many(count),
        }
    }

    #[cold]
    fn settle_many(&mut self, count: u64) -> Result<(), Breach> {
        match self.steps.checked_sub(count) {
            Some(left) => self.steps = left,
            None => return Err(self.refuse(Breach::Steps)),
        }
        self.settle(CLOCK_INTERVAL - self.until_clock)
    }

    #[cold]
    fn settle(&mut self, steps: u32) -> Result<(), Breach> {
        self.until_clock = CLOCK_INTERVAL;
        if let Some(breach) = self.breach {
            return Err(breach);
        }
        match self.steps.checked_sub(u64::from(steps)) {
            Some(left) => self.steps = left,
            None => return Err(self.refuse(Breach::Steps)),
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(self.refuse(Breach::Deadline));
        }
        Ok(())
    }

    #[cold]
    fn refuse(&mut self, breach: Breach) -> Breach {
        self.breach = Some(breach);
        self.until_clock = 1;
        breach
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(&Limits::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spend_all(limits: &Limits) -> Option<Breach> {
        let mut budget = Budget::new(limits);
        (0..10_000).find_map(|_| budget.step().err())
    }

    #[test]
    fn limits_are_named_when_reached() {
        let wide = Limits::default();
        assert_eq!(spend_all(&wide), None);
        assert_eq!(spend_all(&Limits { steps: 1_000, ..wide }), Some(Breach::Steps));
        let now = Instant::now().checked_sub(Duration::from_secs(1));
        assert_eq!(spend_all(&Limits { deadline: now, ..wide }), Some(Breach::Deadline));
    }

    #[test]
    fn memory_is_refused_before_it_is_used() {
        let mut budget = Budget::new(&Limits { bytes: 1_000, ..Limits::default() });
        assert!(budget.allocate(600).is_ok());
        assert!(budget.allocate(600).is_err());
        assert_eq!(budget.breach(), Some(Breach::Bytes));
        assert_eq!(budget.step(), Err(Breach::Bytes), "a refusal is final");
    }
}
