//! Measurements kept in a file to compare with later. The layout is that of `gator bench --save`, so that either tool
//! can compare with the other's baseline: durations are whole nanoseconds.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::{ENGINE, Measurement};
use crate::manifest;
use crate::model::api::ADMISSION_TARGET;
use crate::workbench::diagnostic::Diagnostic;

/// What a comparison needs of an earlier measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Baseline {
    pub(super) p50: Duration,
    pub(super) p95: Duration,
    pub(super) p99: Duration,
    pub(super) mean: Duration,
    pub(super) reviews_per_second: f64,
}

impl Baseline {
    /// Reads a file; `None` when it has no measurement of this engine.
    ///
    /// # Errors
    /// When it cannot be read, or is something else.
    pub fn load(path: &Path) -> Result<Option<Self>, Vec<Diagnostic>> {
        let (documents, errors) = manifest::read_file(path);
        if !errors.is_empty() {
            return Err(errors.into_iter().map(Diagnostic::from).collect());
        }
        let not_a_baseline = || {
            let help = "write one with `admit bench --save FILE`".to_owned();
            let message = "this is no baseline: expected a list of measurements".to_owned();
            vec![Diagnostic { place: path.display().to_string(), message, excerpt: None, help: Some(help) }]
        };
        let document = documents.first().ok_or_else(not_a_baseline)?;
        let measurements = document.value().as_array().ok_or_else(not_a_baseline)?;
        let same = measurements.iter().find(|one| one.get("engine").and_then(Value::as_str) == Some(ENGINE));
        same.map(|one| Self::from_value(one).ok_or_else(not_a_baseline)).transpose()
    }

    fn from_value(value: &Value) -> Option<Self> {
        let latency = |key: &str| value.get("latencies")?.get(key)?.as_u64().map(Duration::from_nanos);
        Some(Self {
            p50: latency("p50")?,
            p95: latency("p95")?,
            p99: latency("p99")?,
            mean: latency("mean")?,
            reviews_per_second: value.get("reviewsPerSecond")?.as_f64()?,
        })
    }
}

impl From<&Measurement> for Baseline {
    fn from(measurement: &Measurement) -> Self {
        let latencies = measurement.latencies;
        Self {
            p50: latencies.p50,
            p95: latencies.p95,
            p99: latencies.p99,
            mean: latencies.mean,
            reviews_per_second: measurement.reviews_per_second(),
        }
    }
}

/// The file's content: YAML when its name says so, else JSON.
pub fn render(measurement: &Measurement, path: &Path) -> String {
    let saved = [Saved::new(measurement)];
    let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    // Numbers, strings and lists: serialising them cannot fail.
    if is_yaml {
        serde_saphyr::to_string(&saved).unwrap_or_default()
    } else {
        serde_json::to_string_pretty(&saved).unwrap_or_default()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Saved {
    engine: &'static str,
    template_count: usize,
    constraint_count: usize,
    referential_data_supported: bool,
    object_count: usize,
    iterations: usize,
    concurrency: usize,
    setup_duration: u64,
    setup_breakdown: Value,
    total_duration: u64,
    latencies: Value,
    violation_count: usize,
    reviews_per_second: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stats_entries: Vec<Value>,
}

impl Saved {
    fn new(measurement: &Measurement) -> Self {
        let (setup, latencies) = (&measurement.setup, &measurement.latencies);
        Self {
            engine: ENGINE,
            template_count: measurement.templates,
            constraint_count: measurement.constraints,
            referential_data_supported: true,
            object_count: measurement.objects,
            iterations: measurement.options.iterations,
            concurrency: measurement.options.concurrency,
            setup_duration: nanoseconds(setup.total()),
            setup_breakdown: json!({
                "clientCreation": nanoseconds(setup.client_creation),
                "templateCompilation": nanoseconds(setup.template_compilation),
                "constraintLoading": nanoseconds(setup.constraint_loading),
                "dataLoading": nanoseconds(setup.data_loading),
            }),
            total_duration: nanoseconds(measurement.total),
            latencies: json!({
                "min": nanoseconds(latencies.min), "max": nanoseconds(latencies.max),
                "mean": nanoseconds(latencies.mean), "p50": nanoseconds(latencies.p50),
                "p95": nanoseconds(latencies.p95), "p99": nanoseconds(latencies.p99),
            }),
            violation_count: measurement.violations,
            reviews_per_second: measurement.reviews_per_second(),
            stats_entries: stats_entries(measurement, &json!({"type": "engine", "value": "Rego"})),
        }
    }
}

/// Statistics in Gatekeeper's shape; how it writes their source depends on the format.
pub(super) fn stats_entries(measurement: &Measurement, source: &Value) -> Vec<Value> {
    let entry = |one: &super::TemplateStats| {
        json!({
            "scope": "template",
            "statsFor": one.kind,
            "stats": [
                {"name": "templateRunTimeNS", "value": nanoseconds(one.run_time), "source": source},
                {"name": "constraintCount", "value": one.constraints, "source": source},
            ],
            "labels": [
                {"name": "TracingEnabled", "value": false},
                {"name": "PrintEnabled", "value": false},
                {"name": "target", "value": ADMISSION_TARGET},
            ],
        })
    };
    measurement.stats.iter().map(entry).collect()
}

pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
