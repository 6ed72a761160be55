//! The blocks of `gator bench`, and what each constraint costs.

use crate::workbench::bench::baseline::nanoseconds;
use crate::workbench::bench::go_duration::short;
use crate::workbench::bench::{ConstraintCost, ENGINE, Measurement, TemplateStats};
use crate::workbench::text::columns;

pub(super) fn render(measurement: &Measurement) -> String {
    let mut blocks = vec![
        format!("=== Benchmark Results: {} Engine ===\n", ENGINE.to_uppercase()),
        configuration(measurement),
        timing(measurement),
        latency(measurement),
        block("Results:", &[("Violations Found:", measurement.violations.to_string())]),
        format!("Cost of each constraint, measured alone:\n{}", costs(&measurement.costs)),
    ];
    if !measurement.stats.is_empty() {
        let entries: String = measurement.stats.iter().map(stats).collect();
        blocks.push(format!("Per-Constraint Statistics (from first iteration):\n{entries}"));
    }
    blocks.join("\n")
}

fn configuration(measurement: &Measurement) -> String {
    let options = &measurement.options;
    let mut rows = vec![
        ("Templates:", measurement.templates),
        ("Constraints:", measurement.constraints),
        ("Objects:", measurement.objects),
        ("Iterations:", options.iterations),
    ];
    if options.concurrency > 1 {
        rows.push(("Concurrency:", options.concurrency));
    }
    rows.push(("Total Reviews:", measurement.reviews()));
    let rows: Vec<(&str, String)> = rows.into_iter().map(|(name, number)| (name, number.to_string())).collect();
    block("Configuration:", &rows)
}

fn timing(measurement: &Measurement) -> String {
    let setup = &measurement.setup;
    block(
        "Timing:",
        &[
            ("Setup Duration:", short(setup.total())),
            ("  └─ Client Creation:", short(setup.client_creation)),
            ("  └─ Template Compilation:", short(setup.template_compilation)),
            ("  └─ Constraint Loading:", short(setup.constraint_loading)),
            ("  └─ Data Loading:", short(setup.data_loading)),
            ("Total Duration:", short(measurement.total)),
            ("Throughput:", format!("{:.2} reviews/sec", measurement.reviews_per_second())),
        ],
    )
}

fn latency(measurement: &Measurement) -> String {
    let latencies = &measurement.latencies;
    let rows = [
        ("Min:", latencies.min),
        ("Max:", latencies.max),
        ("Mean:", latencies.mean),
        ("P50:", latencies.p50),
        ("P95:", latencies.p95),
        ("P99:", latencies.p99),
    ];
    block("Latency (per review):", &rows.map(|(name, duration)| (name, short(duration))))
}

fn costs(costs: &[ConstraintCost]) -> String {
    let header = ["  Constraint", "Time/Review", "Share", "Violations"].map(str::to_owned);
    let row = |cost: &ConstraintCost| {
        let (time, share) = (short(cost.time_per_review), format!("{:.1}%", cost.share));
        [format!("  {}", cost.constraint), time, share, cost.violations.to_string()]
    };
    columns(&std::iter::once(header).chain(costs.iter().map(row)).collect::<Vec<_>>())
}

fn stats(stats: &TemplateStats) -> String {
    format!(
        "  Constraint: {} (Scope: template)\n    templateRunTimeNS:  {} engine\n    constraintCount:    {} engine\n",
        stats.kind,
        nanoseconds(stats.run_time),
        stats.constraints
    )
}

fn block(title: &str, rows: &[(&str, String)]) -> String {
    let rows: Vec<[String; 2]> = rows.iter().map(|(name, value)| [format!("  {name}"), value.clone()]).collect();
    format!("{title}\n{}", columns(&rows))
}
