//! Which policy costs what: each constraint, and each template, measured with no other beside it.
//!
//! A constraint's time includes the conversion of the object to what policies see. With several constraints a review
//! converts once, so the times of all add up to a little more than a review takes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::BenchError;
use super::measure::{judge, measure};
use super::setup::Prepared;
use crate::model::review::Review;
use crate::policy::snapshot::Snapshot;

/// More iterations change nothing in the order of the constraints.
const MOST_ITERATIONS: usize = 200;

/// What one constraint costs.
#[derive(Clone, Debug, PartialEq)]
pub struct ConstraintCost {
    /// `Kind/name`.
    pub constraint: String,
    /// Mean over all objects, those that it does not match included, of each object's median.
    pub time_per_review: Duration,
    /// Its part of the time of all constraints, 0 to 100.
    pub share: f64,
    /// Objects × violations, once over all objects.
    pub violations: usize,
}

/// One template at work on one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateStats {
    /// The kind of its constraints.
    pub kind: String,
    /// How long its constraints took.
    pub run_time: Duration,
    /// How many of them matched.
    pub constraints: usize,
}

/// The constraints, the dearest first.
pub(super) fn costs(
    prepared: &Prepared,
    reviews: &[Review],
    iterations: usize,
) -> Result<Vec<ConstraintCost>, BenchError> {
    let iterations = iterations.min(MOST_ITERATIONS);
    let mut costs = Vec::new();
    for constraint in &prepared.constraints {
        let alone = prepared.with_constraints(|one| Arc::ptr_eq(one, constraint));
        let measured = measure(&alone, reviews, iterations, 1)?;
        costs.push(ConstraintCost {
            constraint: format!("{}/{}", constraint.gvk().kind, constraint.name()),
            time_per_review: typical(&measured.samples, reviews.len()),
            share: 0.0,
            violations: measured.violations / iterations.max(1),
        });
    }
    let total: f64 = costs.iter().map(|cost| cost.time_per_review.as_secs_f64()).sum();
    for cost in &mut costs {
        cost.share = if total > 0.0 { cost.time_per_review.as_secs_f64() / total * 100.0 } else { 0.0 };
    }
    costs.sort_by(|one, other| {
        other.time_per_review.cmp(&one.time_per_review).then_with(|| one.constraint.cmp(&other.constraint))
    });
    Ok(costs)
}

/// Samples are one round of all objects after the other. Each object counts with its median: a pause of the machine in
/// one round must not change the order of the constraints.
fn typical(samples: &[Duration], objects: usize) -> Duration {
    let median = |object: usize| {
        let mut rounds: Vec<Duration> = samples.iter().skip(object).step_by(objects).copied().collect();
        rounds.sort_unstable();
        rounds.get(rounds.len() / 2).copied().unwrap_or_default()
    };
    let sum: Duration = (0..objects).map(median).sum();
    sum / u32::try_from(objects).unwrap_or(u32::MAX).max(1)
}

/// Every template on every object that one of its constraints matches, once.
pub(super) fn stats(prepared: &Prepared, reviews: &[Review]) -> Result<Vec<TemplateStats>, BenchError> {
    let kinds: Vec<&str> = prepared.snapshot.templates().map(|one| one.template.kind.as_str()).collect();
    let worlds: Vec<(&str, Snapshot)> =
        kinds.into_iter().map(|kind| (kind, prepared.with_constraints(|one| one.gvk().kind == kind))).collect();
    let mut stats = Vec::new();
    for review in reviews {
        for (kind, world) in &worlds {
            let started = Instant::now();
            let evaluation = judge(world, review)?;
            let run_time = started.elapsed();
            if evaluation.matched > 0 {
                stats.push(TemplateStats { kind: (*kind).to_owned(), run_time, constraints: evaluation.matched });
            }
        }
    }
    Ok(stats)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_round_does_not_count() {
        let samples = [1, 10, 900, 12, 3, 11].map(Duration::from_millis);
        assert_eq!(typical(&samples, 2), Duration::from_millis(7));
        assert_eq!(typical(&[], 0), Duration::ZERO);
    }
}
