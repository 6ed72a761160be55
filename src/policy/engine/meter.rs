//! What evaluating a constraint costs and comes to, counted where it happens: a few atomic additions, no lock, no search.
//!
//! A constraint has its meter beside its code, so that finding it costs nothing. Only so many constraints have one of
//! their own; all others share one, which bounds what whoever reads them has to show and to keep.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// So many constraints have a meter of their own.
const OWN_METERS: usize = 200;

/// Upper ends of the buckets of times, in microseconds; longer times are in one more.
const BOUNDS: [u64; 13] = [10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000];

/// What an evaluation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The object keeps to the constraint.
    Satisfied,
    /// It does not.
    Violated,
    /// The policy could not judge it.
    Failed,
    /// It was stopped because it went beyond a limit.
    Stopped,
}

/// Counts of one constraint, or of those that share it.
#[derive(Debug, Default)]
pub struct Meter {
    is_shared: bool,
    times: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
    outcomes: [AtomicU64; Outcome::ALL.len()],
}

/// What a meter says.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Upper end of each bucket in seconds, the last one endless, and how many evaluations were in it alone.
    pub buckets: Vec<(f64, u64)>,
    /// Time of all evaluations.
    pub total: Duration,
    /// How many evaluations came to what.
    pub outcomes: [(Outcome, u64); Outcome::ALL.len()],
}

impl Outcome {
    /// All of them, ordered.
    pub const ALL: [Self; 4] = [Self::Satisfied, Self::Violated, Self::Failed, Self::Stopped];
}

impl Meter {
    /// Counts one evaluation.
    pub(crate) fn count(&self, time: Duration, outcome: Outcome) {
        let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < microseconds);
        let add = |counter: Option<&AtomicU64>, value| counter.map(|one| one.fetch_add(value, Ordering::Relaxed));
        add(self.times.get(bucket), 1);
        add(Some(&self.nanoseconds), u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        add(self.outcomes.get(outcome as usize), 1);
    }

    /// Whether it counts for several constraints.
    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// What was counted so far.
    pub fn read(&self) -> Reading {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let ends = BOUNDS.iter().map(|bound| Duration::from_micros(*bound).as_secs_f64()).chain([f64::INFINITY]);
        let outcome = |one: Outcome| (one, self.outcomes.get(one as usize).map_or(0, value));
        Reading {
            buckets: ends.zip(self.times.iter().map(value)).collect(),
            total: Duration::from_nanos(value(&self.nanoseconds)),
            outcomes: Outcome::ALL.map(outcome),
        }
    }
}

/// Who has which meter, by kind and name of constraint. A constraint keeps its own through all its versions.
#[derive(Debug)]
pub struct Meters {
    own: BTreeMap<(String, String), Arc<Meter>>,
    shared: Arc<Meter>,
}

impl Default for Meters {
    fn default() -> Self {
        Self { own: BTreeMap::new(), shared: Arc::new(Meter { is_shared: true, ..Meter::default() }) }
    }
}

impl Meters {
    /// The meter of a constraint: first come, first served.
    pub fn of(&mut self, kind: &str, name: &str) -> Arc<Meter> {
        let key = (kind.to_owned(), name.to_owned());
        if let Some(own) = self.own.get(&key) {
            return Arc::clone(own);
        }
        if self.own.len() >= OWN_METERS {
            return Arc::clone(&self.shared);
        }
        Arc::clone(self.own.entry(key).or_default())
    }

    /// Takes back the meters of all but these constraints.
    pub fn retain<'a>(&mut self, constraints: impl Iterator<Item = (&'a str, &'a str)>) {
        if self.own.is_empty() {
            return;
        }
        let there: BTreeSet<(&str, &str)> = constraints.collect();
        self.own.retain(|(kind, name), _| there.contains(&(kind.as_str(), name.as_str())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evaluations_are_counted_by_time_and_outcome() {
        let meter = Meter::default();
        for (microseconds, outcome) in [(3, Outcome::Satisfied), (10, Outcome::Satisfied), (11, Outcome::Violated)] {
            meter.count(Duration::from_micros(microseconds), outcome);
        }
        meter.count(Duration::from_secs(3), Outcome::Stopped);
        let reading = meter.read();
        assert_eq!(reading.buckets[..3], [(0.000_01, 2), (0.000_025, 1), (0.000_05, 0)]);
        assert_eq!(reading.buckets.last(), Some(&(f64::INFINITY, 1)));
        assert_eq!(reading.total, Duration::from_micros(3_000_024));
        assert_eq!(reading.outcomes.map(|(_, count)| count), [2, 1, 0, 1]);
    }

    #[test]
    fn only_so_many_constraints_have_their_own() {
        let mut meters = Meters::default();
        let names: Vec<String> = (0..=OWN_METERS).map(|number| number.to_string()).collect();
        let first = meters.of("A", &names[0]);
        assert_eq!(names.iter().filter(|name| meters.of("A", name).is_shared()).count(), 1);
        assert!(Arc::ptr_eq(&first, &meters.of("A", &names[0])));
        meters.retain([("A", names[1].as_str())].into_iter());
        assert!(!meters.of("B", "new").is_shared());
        assert!(!Arc::ptr_eq(&first, &meters.of("A", &names[0])), "it was given back");
    }
}
