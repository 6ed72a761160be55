//! The keys of `gator bench -o json`, and `constraints` besides.

use serde::Serialize;
use serde_json::{Value, json};

use crate::workbench::bench::baseline::stats_entries;
use crate::workbench::bench::go_duration::exact;
use crate::workbench::bench::{ConstraintCost, ENGINE, Latencies, Measurement, SetupBreakdown};

pub(super) fn render(measurement: &Measurement) -> String {
    // Numbers, strings and lists: serialising them cannot fail.
    let text = serde_json::to_string_pretty(&[Fields::new(measurement)]).unwrap_or_default();
    format!("{text}\n")
}

/// A measurement under its keys, in their order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fields {
    engine: &'static str,
    template_count: usize,
    constraint_count: usize,
    object_count: usize,
    iterations: usize,
    concurrency: usize,
    total_reviews: usize,
    setup_duration: String,
    setup_breakdown: SetupFields,
    total_duration: String,
    latencies: LatencyFields,
    violation_count: usize,
    reviews_per_second: f64,
    constraints: Vec<CostFields>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stats_entries: Vec<Value>,
    referential_data_supported: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SetupFields {
    client_creation: String,
    template_compilation: String,
    constraint_loading: String,
    data_loading: String,
}

#[derive(Serialize)]
struct LatencyFields {
    min: String,
    max: String,
    mean: String,
    p50: String,
    p95: String,
    p99: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CostFields {
    constraint: String,
    time_per_review: String,
    share_percent: f64,
    violations: usize,
}

impl Fields {
    pub(super) fn new(measurement: &Measurement) -> Self {
        Self {
            engine: ENGINE,
            template_count: measurement.templates,
            constraint_count: measurement.constraints,
            object_count: measurement.objects,
            iterations: measurement.options.iterations,
            concurrency: measurement.options.concurrency,
            total_reviews: measurement.reviews(),
            setup_duration: exact(measurement.setup.total()),
            setup_breakdown: SetupFields::from(&measurement.setup),
            total_duration: exact(measurement.total),
            latencies: LatencyFields::from(&measurement.latencies),
            violation_count: measurement.violations,
            reviews_per_second: measurement.reviews_per_second(),
            constraints: measurement.costs.iter().map(CostFields::from).collect(),
            stats_entries: stats_entries(measurement, &json!("engine/Rego")),
            referential_data_supported: true,
        }
    }
}

impl From<&SetupBreakdown> for SetupFields {
    fn from(setup: &SetupBreakdown) -> Self {
        Self {
            client_creation: exact(setup.client_creation),
            template_compilation: exact(setup.template_compilation),
            constraint_loading: exact(setup.constraint_loading),
            data_loading: exact(setup.data_loading),
        }
    }
}

impl From<&Latencies> for LatencyFields {
    fn from(latencies: &Latencies) -> Self {
        Self {
            min: exact(latencies.min),
            max: exact(latencies.max),
            mean: exact(latencies.mean),
            p50: exact(latencies.p50),
            p95: exact(latencies.p95),
            p99: exact(latencies.p99),
        }
    }
}

impl From<&ConstraintCost> for CostFields {
    fn from(cost: &ConstraintCost) -> Self {
        Self {
            constraint: cost.constraint.clone(),
            time_per_review: exact(cost.time_per_review),
            share_percent: cost.share,
            violations: cost.violations,
        }
    }
}
