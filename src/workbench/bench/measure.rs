//! The loop that is timed, and the distribution of what it took.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::BenchError;
use crate::model::review::Review;
use crate::policy::engine::limits::THREAD_STACK_BYTES;
use crate::policy::evaluate::{EvalContext, Evaluation, validate};
use crate::policy::snapshot::Snapshot;

/// All reviews of one run.
pub(super) struct Measured {
    pub(super) total: Duration,
    /// One for each review; with one thread, one round of all objects after the other.
    pub(super) samples: Vec<Duration>,
    pub(super) violations: usize,
}

/// How long single reviews took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// The fastest.
    pub min: Duration,
    /// The slowest.
    pub max: Duration,
    /// The arithmetic mean.
    pub mean: Duration,
    /// The median.
    pub p50: Duration,
    /// 95 of 100 are faster.
    pub p95: Duration,
    /// 99 of 100 are faster.
    pub p99: Duration,
}

/// Judges each review so often; the threads take whichever comes next.
pub(super) fn measure(
    snapshot: &Snapshot,
    reviews: &[Review],
    iterations: usize,
    concurrency: usize,
) -> Result<Measured, BenchError> {
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    let work = || -> Result<(Vec<Duration>, usize), BenchError> {
        let (mut samples, mut violations) = (Vec::new(), 0);
        let turn = || next.fetch_add(1, Ordering::Relaxed);
        while let Some(review) = review_at(reviews, iterations, turn()) {
            let started = Instant::now();
            let evaluation = judge(snapshot, review)?;
            samples.push(started.elapsed());
            violations += evaluation.violations.len();
        }
        Ok((samples, violations))
    };
    let results: Vec<Result<(Vec<Duration>, usize), BenchError>> = if concurrency <= 1 {
        vec![work()]
    } else {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..concurrency)
                .filter_map(|_| {
                    std::thread::Builder::new().stack_size(THREAD_STACK_BYTES).spawn_scoped(scope, work).ok()
                })
                .collect();
            // A thread that panicked has said why; its samples are missing from the result.
            threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
        })
    };
    let mut measured = Measured { total: started.elapsed(), samples: Vec::new(), violations: 0 };
    for result in results {
        let (mut samples, violations) = result?;
        measured.samples.append(&mut samples);
        measured.violations += violations;
    }
    Ok(measured)
}

/// One review, as the command line judges it.
pub(super) fn judge(snapshot: &Snapshot, review: &Review) -> Result<Evaluation, BenchError> {
    let context = EvalContext::offline();
    validate(snapshot, review, context)
        .map_err(|failure| BenchError::Review { object: review.display_name().to_owned(), failure })
}

fn review_at(reviews: &[Review], iterations: usize, turn: usize) -> Option<&Review> {
    if turn / reviews.len().max(1) >= iterations { None } else { reviews.get(turn % reviews.len().max(1)) }
}

impl Latencies {
    /// The distribution of samples; all zero when there are none.
    pub fn from_samples(mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        let (Some(min), Some(max)) = (samples.first().copied(), samples.last().copied()) else {
            return Self::default();
        };
        let divisor = u32::try_from(samples.len()).unwrap_or(u32::MAX);
        let mean = samples.iter().sum::<Duration>() / divisor;
        let [p50, p95, p99] = [50, 95, 99].map(|percent| percentile(&samples, percent));
        Self { min, max, mean, p50, p95, p99 }
    }
}

/// Between the two nearest samples, in proportion.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let hundredths = sorted.len().saturating_sub(1) * percent;
    let (index, rest) = (hundredths / 100, hundredths % 100);
    let at = |index: usize| sorted.get(index).or(sorted.last()).copied().unwrap_or_default();
    let (below, above) = (at(index), at(index + 1));
    below + (above - below) * u32::try_from(rest).unwrap_or_default() / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_lie_between_samples() {
        let latencies = Latencies::from_samples((1..=5).rev().map(Duration::from_millis).collect());
        let expected = [1_000, 5_000, 3_000, 3_000, 4_800, 4_960].map(Duration::from_micros);
        let Latencies { min, max, mean, p50, p95, p99 } = latencies;
        assert_eq!([min, max, mean, p50, p95, p99], expected);
        assert_eq!(Latencies::from_samples(Vec::new()), Latencies::default());
    }
}
