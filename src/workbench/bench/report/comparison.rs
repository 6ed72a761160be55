//! Then and now, side by side.

use crate::workbench::bench::{Comparison, ENGINE, Metric};
use crate::workbench::text::columns;

pub(super) fn render(comparison: &Comparison) -> String {
    let header = ["Metric", "Baseline", "Current", "Delta", "Status"];
    let mut rows = vec![header.map(str::to_owned), header.map(|title| "-".repeat(title.len()))];
    rows.extend(comparison.metrics.iter().map(row));
    let regressions = comparison.regressions();
    let percent = comparison.threshold.percent;
    let conclusion = if regressions.is_empty() {
        format!("✓ No significant regressions (threshold: {percent:.1}%)")
    } else {
        format!("✗ Regressions detected in: {} (threshold: {percent:.1}%)", regressions.join(", "))
    };
    let engine = ENGINE.to_uppercase();
    format!("\n=== Baseline Comparison: {engine} Engine ===\n\n{}\n{conclusion}\n", columns(&rows))
}

fn row(metric: &Metric) -> [String; 5] {
    let status = if metric.is_regression { "✗ REGRESSION" } else { "✓" };
    let delta = format!("{:+.1}%", metric.delta);
    [metric.name.to_owned(), metric.baseline.clone(), metric.current.clone(), delta, status.to_owned()]
}
