//! A measurement beside an earlier one: what became worse, and whether by enough to matter.

use std::time::Duration;

use super::Baseline;
use super::go_duration::short;

/// What is worse by more than both is a regression.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// In percent of the baseline.
    pub percent: f64,
    /// As time per review: keeps noise in very fast policies from looking like a regression.
    pub absolute: Duration,
}

/// The metrics, in the order of the report.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// One line each.
    pub metrics: Vec<Metric>,
    /// What they were held against.
    pub threshold: Threshold,
}

/// One number then and now.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Then, to be shown.
    pub baseline: String,
    /// Now, to be shown.
    pub current: String,
    /// The difference in percent of then; positive is more, not better.
    pub delta: f64,
    /// Whether it is worse by more than the threshold.
    pub is_regression: bool,
}

/// Compares two measurements.
pub fn compare(baseline: Baseline, current: Baseline, threshold: Threshold) -> Comparison {
    let latencies = [
        ("P50 Latency", baseline.p50, current.p50),
        ("P95 Latency", baseline.p95, current.p95),
        ("P99 Latency", baseline.p99, current.p99),
        ("Mean Latency", baseline.mean, current.mean),
    ];
    let mut metrics: Vec<Metric> =
        latencies.into_iter().map(|(name, before, now)| latency(name, before, now, threshold)).collect();
    metrics.push(throughput(baseline.reviews_per_second, current.reviews_per_second, threshold));
    Comparison { metrics, threshold }
}

fn latency(name: &'static str, before: Duration, now: Duration, threshold: Threshold) -> Metric {
    let delta = percent(before.as_secs_f64(), now.as_secs_f64());
    let is_slower = delta > threshold.percent && now.saturating_sub(before) > threshold.absolute;
    Metric { name, baseline: short(before), current: short(now), delta, is_regression: is_slower }
}

fn throughput(before: f64, now: f64, threshold: Threshold) -> Metric {
    let delta = percent(before, now);
    let seconds = |rate: f64| if rate > 0.0 { 1.0 / rate } else { 0.0 };
    let is_slower = -delta > threshold.percent && seconds(now) - seconds(before) > threshold.absolute.as_secs_f64();
    let shown = |rate: f64| format!("{rate:.2}/sec");
    Metric { name: "Throughput", baseline: shown(before), current: shown(now), delta, is_regression: is_slower }
}

/// From nothing to something counts as twice as much.
fn percent(before: f64, now: f64) -> f64 {
    match (before > 0.0, now > 0.0) {
        (true, _) => (now - before) / before * 100.0,
        (false, true) => 100.0,
        (false, false) => 0.0,
    }
}

impl Comparison {
    /// What became worse.
    pub fn regressions(&self) -> Vec<&'static str> {
        self.metrics.iter().filter(|metric| metric.is_regression).map(|metric| metric.name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(microseconds: u64, reviews_per_second: f64) -> Baseline {
        let latency = Duration::from_micros(microseconds);
        Baseline { p50: latency, p95: latency, p99: latency, mean: latency, reviews_per_second }
    }

    #[track_caller]
    fn check(now: Baseline, percent: f64, absolute: u64, expected: &[&str]) {
        let threshold = Threshold { percent, absolute: Duration::from_micros(absolute) };
        assert_eq!(compare(baseline(100, 10_000.0), now, threshold).regressions(), expected);
    }

    #[test]
    fn both_thresholds_must_be_passed() {
        let all = ["P50 Latency", "P95 Latency", "P99 Latency", "Mean Latency", "Throughput"];
        let latencies = all.split_last().unwrap().1;
        check(baseline(120, 8_000.0), 10.0, 0, &all);
        check(baseline(120, 8_000.0), 30.0, 0, &[]);
        check(baseline(120, 8_000.0), 10.0, 50, &[]);
        check(baseline(120, 9_500.0), 10.0, 0, latencies);
        check(baseline(80, 20_000.0), 0.0, 0, &[]);
    }

    #[test]
    fn something_is_more_than_nothing() {
        let nothing = Baseline { p50: Duration::ZERO, ..baseline(100, 0.0) };
        let threshold = Threshold { percent: 10.0, absolute: Duration::ZERO };
        let comparison = compare(nothing, baseline(100, 5.0), threshold);
        assert_eq!(comparison.metrics.iter().map(|one| one.delta).collect::<Vec<_>>(), [100.0, 0.0, 0.0, 0.0, 100.0]);
        assert_eq!(comparison.regressions(), ["P50 Latency"]);
    }
}
