//! Metrics on mutators, ExpansionTemplates, Providers, and on requests that are mutated; under Gatekeeper's names.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::metrics::{State, StateLabels, request_buckets};

/// What is counted.
#[derive(Debug)]
pub(crate) struct MutationMetrics {
    requests: Family<RequestLabels, Counter<u64, AtomicU64>>,
    request_duration: Family<RequestLabels, Histogram, fn() -> Histogram>,
    iterations: Family<ConvergenceLabels, Histogram, fn() -> Histogram>,
    ingestions: Family<StateLabels, Counter<u64, AtomicU64>>,
    ingestion_duration: Family<StateLabels, Histogram, fn() -> Histogram>,
    mutators: Family<StateLabels, Gauge>,
    conflicting: Gauge,
    expansion_templates: Family<StateLabels, Gauge>,
    providers: Family<StateLabels, Gauge>,
}

/// How a request ended. As in Gatekeeper, one that failed is a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(
    non_camel_case_types,
    reason = "the derive writes variants as they are, and Gatekeeper's labels are lower case"
)]
pub(crate) enum MutationStatus {
    /// Mutators were asked, whatever came of it.
    success,
    /// Its namespace is left alone.
    skip,
    /// It never came to an end.
    unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    mutation_status: MutationStatus,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConvergenceLabels {
    success: &'static str,
}

impl Default for MutationMetrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            request_duration: Family::new_with_constructor(request_buckets),
            iterations: Family::new_with_constructor(iteration_buckets),
            ingestions: Family::default(),
            ingestion_duration: Family::new_with_constructor(ingestion_buckets),
            mutators: Family::default(),
            conflicting: Gauge::default(),
            expansion_templates: Family::default(),
            providers: Family::default(),
        }
    }
}

impl MutationMetrics {
    /// What every process has.
    pub(super) fn register(&self, registry: &mut Registry) {
        let current = "The current number of Mutator objects";
        registry.register("mutators", current, self.mutators.clone());
        let conflicting = "The current number of conflicting Mutator objects";
        registry.register("mutator_conflicting_count", conflicting, self.conflicting.clone());
        let ingestions = "Total number of Mutator ingestion actions";
        registry.register("mutator_ingestion_count", ingestions, self.ingestions.clone());
        let duration = "The distribution of Mutator ingestion durations";
        registry.register("mutator_ingestion_duration_seconds", duration, self.ingestion_duration.clone());
        let iterations = "The distribution of Mutation System iterations before convergence";
        registry.register("mutation_system_iterations", iterations, self.iterations.clone());
        let templates = "Number of observed expansion templates";
        registry.register("expansion_templates", templates, self.expansion_templates.clone());
        registry.register("providers", "Number of observed providers of external data", self.providers.clone());
    }

    /// What a process has that serves a webhook.
    pub(super) fn register_requests(&self, registry: &mut Registry) {
        let requests = "The number of requests that are routed to mutation webhook";
        registry.register("mutation_request_count", requests, self.requests.clone());
        let duration = "The response time in seconds of mutation requests";
        registry.register("mutation_request_duration_seconds", duration, self.request_duration.clone());
    }

    /// Counts one answered request.
    pub(crate) fn request(&self, status: MutationStatus, seconds: f64) {
        let labels = RequestLabels { mutation_status: status };
        self.requests.get_or_create(&labels).inc();
        self.request_duration.get_or_create(&labels).observe(seconds);
    }

    /// Notes how many passes mutators made over an object, and whether they came to an end.
    pub(crate) fn iterations(&self, has_converged: bool, count: usize) {
        let success = if has_converged { "true" } else { "false" };
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.iterations.get_or_create(&ConvergenceLabels { success }).observe(f64::from(count));
    }

    /// Counts one mutator that is new or was changed.
    pub(crate) fn ingestion(&self, status: State, seconds: f64) {
        self.ingestions.get_or_create(&StateLabels { status }).inc();
        self.ingestion_duration.get_or_create(&StateLabels { status }).observe(seconds);
    }

    /// Sets how many mutators there are.
    pub(crate) fn mutators(&self, status: State, count: usize) {
        set(&self.mutators, status, count);
    }

    /// Sets how many mutators are in conflict with others.
    pub(crate) fn conflicting(&self, count: usize) {
        self.conflicting.set(number(count));
    }

    /// Sets how many ExpansionTemplates there are.
    pub(crate) fn expansion_templates(&self, status: State, count: usize) {
        set(&self.expansion_templates, status, count);
    }

    /// Sets how many Providers there are.
    pub(crate) fn providers(&self, status: State, count: usize) {
        set(&self.providers, status, count);
    }
}

fn set(gauges: &Family<StateLabels, Gauge>, status: State, count: usize) {
    gauges.get_or_create(&StateLabels { status }).set(number(count));
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn iteration_buckets() -> Histogram {
    Histogram::new((1..=10).map(f64::from).chain([20.0, 50.0, 100.0, 200.0, 500.0]))
}

fn ingestion_buckets() -> Histogram {
    let milliseconds = (1..=9).map(|step| f64::from(step) / 1_000.0);
    Histogram::new(milliseconds.chain((1..=5).map(|step| f64::from(step) / 100.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_buckets_are_gatekeepers() {
        let metrics = MutationMetrics::default();
        metrics.request(MutationStatus::skip, 0.002);
        metrics.iterations(true, 2);
        metrics.ingestion(State::error, 0.003);
        metrics.mutators(State::active, 3);
        metrics.conflicting(2);
        metrics.expansion_templates(State::active, 1);
        metrics.providers(State::error, 4);
        let mut registry = Registry::with_prefix("gatekeeper");
        metrics.register(&mut registry);
        metrics.register_requests(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "gatekeeper_mutation_request_count_total{mutation_status=\"skip\"} 1",
            "gatekeeper_mutation_request_duration_seconds_bucket{le=\"0.002\",mutation_status=\"skip\"} 1",
            "gatekeeper_mutation_system_iterations_bucket{le=\"1.0\",success=\"true\"} 0",
            "gatekeeper_mutation_system_iterations_bucket{le=\"2.0\",success=\"true\"} 1",
            "gatekeeper_mutation_system_iterations_bucket{le=\"500.0\",success=\"true\"} 1",
            "gatekeeper_mutator_ingestion_count_total{status=\"error\"} 1",
            "gatekeeper_mutator_ingestion_duration_seconds_bucket{le=\"0.002\",status=\"error\"} 0",
            "gatekeeper_mutator_ingestion_duration_seconds_bucket{le=\"0.05\",status=\"error\"} 1",
            "gatekeeper_mutators{status=\"active\"} 3",
            "gatekeeper_mutator_conflicting_count 2",
            "gatekeeper_expansion_templates{status=\"active\"} 1",
            "gatekeeper_providers{status=\"error\"} 4",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} not in\n{text}");
        }
    }
}
