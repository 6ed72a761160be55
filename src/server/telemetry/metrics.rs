//! Metrics under Gatekeeper's names, so that its dashboards and alerts go on working.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::evaluations::Evaluations;
use super::expiry::Expiry;
use super::inventory::Synced;
use super::mutation::MutationMetrics;
use super::providers::ProviderMetrics;
use super::set_aside::SetAside;
use crate::policy::evaluate::{BrokenLimit, Decision};
use crate::policy::snapshot::SnapshotHandle;
use crate::server::certificates::Certificates;

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter<u64, AtomicU64>>,
    request_duration: Family<StatusLabels, Histogram, fn() -> Histogram>,
    templates: Family<StateLabels, Gauge>,
    constraints: Family<ConstraintLabels, Gauge>,
    breaches: Family<BreachLabels, Counter<u64, AtomicU64>>,
    ingestions: Family<StateLabels, Counter<u64, AtomicU64>>,
    ingestion_duration: Family<StateLabels, Histogram, fn() -> Histogram>,
    sync_duration: Histogram,
    last_sync: Gauge<f64, AtomicU64>,
    watched: Gauge,
    intended_watches: Gauge,
    dropped_events: Counter<u64, AtomicU64>,
    mutation: MutationMetrics,
    providers: ProviderMetrics,
}

/// How a request ended, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AdmissionStatus(Decision);

/// Whether a policy is in force as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(
    non_camel_case_types,
    reason = "the derive writes variants as they are, and Gatekeeper's labels are lower case"
)]
pub(crate) enum State {
    active,
    error,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    admission_status: AdmissionStatus,
    admission_dryrun: DryRun,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct DryRun(bool);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabels {
    admission_status: AdmissionStatus,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StateLabels {
    pub(super) status: State,
}

/// As many as there are constraints.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BreachLabels {
    constraint_kind: String,
    constraint_name: String,
    limit: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConstraintLabels {
    enforcement_action: &'static str,
    status: State,
}

/// Values of `enforcement_action`; anything else counts as the last.
pub(crate) const ACTIONS: [&str; 5] = ["deny", "dryrun", "warn", "scoped", "unrecognized"];

impl Metrics {
    /// Registers what every process has.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("gatekeeper"),
            requests: Family::default(),
            request_duration: Family::new_with_constructor(request_buckets),
            templates: Family::default(),
            constraints: Family::default(),
            breaches: Family::default(),
            ingestions: Family::default(),
            ingestion_duration: Family::new_with_constructor(ingestion_buckets),
            sync_duration: sync_buckets(),
            last_sync: Gauge::default(),
            watched: Gauge::default(),
            intended_watches: Gauge::default(),
            dropped_events: Counter::default(),
            mutation: MutationMetrics::default(),
            providers: ProviderMetrics::default(),
        };
        metrics.mutation.register(&mut metrics.registry);
        metrics.register_policies();
        metrics.register_cluster();
        metrics
    }

    fn register_requests(&mut self) {
        self.registry.register(
            "validation_request_count",
            "The number of requests that are routed to validation webhook",
            self.requests.clone(),
        );
        self.registry.register(
            "validation_request_duration_seconds",
            "The response time in seconds of validation requests",
            self.request_duration.clone(),
        );
        self.registry.register(
            "constraint_evaluation_breaches",
            "Evaluations that were stopped because they went beyond a limit",
            self.breaches.clone(),
        );
        self.registry.register(
            "admission_events_dropped",
            "Events on violations that were not written because there were too many",
            self.dropped_events.clone(),
        );
        self.providers.register(&mut self.registry);
    }

    fn register_policies(&mut self) {
        let templates = "Number of observed constraint templates";
        self.registry.register("constraint_templates", templates, self.templates.clone());
        self.registry.register("constraints", "Current number of known constraints", self.constraints.clone());
        self.registry.register(
            "constraint_template_ingestion_count",
            "Total number of constraint template ingestion actions",
            self.ingestions.clone(),
        );
        self.registry.register(
            "constraint_template_ingestion_duration_seconds",
            "How long it took to ingest a constraint template in seconds",
            self.ingestion_duration.clone(),
        );
    }

    fn register_cluster(&mut self) {
        self.registry.register(
            "sync_duration_seconds",
            "How long it took to take changed objects into the inventory",
            self.sync_duration.clone(),
        );
        let last_sync = "When objects in the inventory last changed, in seconds since 1970";
        self.registry.register("sync_last_run_time_seconds", last_sync, self.last_sync.clone());
        self.registry.register("watch_manager_watched_gvk", "Kinds that are watched", self.watched.clone());
        self.registry.register(
            "watch_manager_intended_watch_gvk",
            "Kinds that are to be watched, known to the API server or not",
            self.intended_watches.clone(),
        );
    }

    /// Adds what is read from the current snapshot.
    #[must_use]
    pub(crate) fn watching(mut self, snapshots: Arc<SnapshotHandle>) -> Self {
        self.registry.register_collector(Box::new(Synced(snapshots)));
        self
    }

    /// Adds what only a process has that judges requests.
    #[must_use]
    pub(in crate::server) fn of_webhook(mut self, snapshots: Arc<SnapshotHandle>, certificates: Certificates) -> Self {
        self.register_requests();
        self.mutation.register_requests(&mut self.registry);
        self.registry.register_collector(Box::new(Expiry(certificates)));
        self.registry.register_collector(Box::new(SetAside(Arc::clone(&snapshots))));
        self.registry.register_collector(Box::new(Evaluations(snapshots)));
        self
    }

    /// What is counted of providers.
    pub(in crate::server) fn providers(&self) -> &ProviderMetrics {
        &self.providers
    }

    /// Counts one answered request.
    pub(crate) fn request(&self, decision: Decision, is_dry_run: bool, seconds: f64) {
        let admission_status = AdmissionStatus(decision);
        let labels = RequestLabels { admission_status, admission_dryrun: DryRun(is_dry_run) };
        self.requests.get_or_create(&labels).inc();
        self.request_duration.get_or_create(&StatusLabels { admission_status }).observe(seconds);
    }

    /// What is about mutation, expansion and external data.
    pub(crate) fn mutation(&self) -> &MutationMetrics {
        &self.mutation
    }

    /// Counts one evaluation that was stopped.
    pub(crate) fn breach(&self, kind: &str, name: &str, limit: BrokenLimit) {
        let limit = match limit {
            BrokenLimit::Time => "time",
            BrokenLimit::Resources => "resources",
        };
        let labels = BreachLabels { constraint_kind: kind.to_owned(), constraint_name: name.to_owned(), limit };
        self.breaches.get_or_create(&labels).inc();
    }

    /// Counts one compilation of templates that changed.
    pub(crate) fn ingestion(&self, status: State, seconds: f64) {
        self.ingestions.get_or_create(&StateLabels { status }).inc();
        self.ingestion_duration.get_or_create(&StateLabels { status }).observe(seconds);
    }

    /// Notes that objects in the inventory changed, and how long it took to take them in.
    pub(crate) fn synced(&self, seconds: f64) {
        self.sync_duration.observe(seconds);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_sync.set(now.as_secs_f64());
    }

    /// Sets how many kinds are watched, and how many are to be.
    pub(crate) fn watches(&self, watched: usize, intended: usize) {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.watched.set(count(watched));
        self.intended_watches.set(count(intended));
    }

    /// Counts one Event that is not written.
    pub(crate) fn event_dropped(&self) {
        self.dropped_events.inc();
    }

    /// Sets how many templates there are.
    pub(crate) fn templates(&self, status: State, count: usize) {
        self.templates.get_or_create(&StateLabels { status }).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Sets how many constraints of an action there are.
    pub(crate) fn constraints(&self, action: &'static str, status: State, count: usize) {
        let labels = ConstraintLabels { enforcement_action: action, status };
        self.constraints.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// The exposition in text.
    ///
    /// # Errors
    /// When formatting fails.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl EncodeLabelValue for AdmissionStatus {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.as_str().encode(encoder)
    }
}

impl EncodeLabelValue for DryRun {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        (if self.0 { "true" } else { "false" }).encode(encoder)
    }
}

pub(super) fn request_buckets() -> Histogram {
    let milliseconds = (1..=9).map(|step| f64::from(step) / 1_000.0);
    let hundredths = (1..=9).map(|step| f64::from(step) / 100.0);
    let tenths = (1..=9).map(|step| f64::from(step) / 10.0);
    let seconds = (2..=20).map(|step| f64::from(step) / 2.0);
    Histogram::new(milliseconds.chain(hundredths).chain(tenths).chain(seconds))
}

fn ingestion_buckets() -> Histogram {
    let hundredths = (1..=9).map(|step| f64::from(step) / 100.0);
    let tenths = (1..=5).map(|step| f64::from(step) / 10.0);
    let seconds = (1..=5).map(f64::from);
    Histogram::new(hundredths.chain(tenths).chain(seconds))
}

fn sync_buckets() -> Histogram {
    let tenths = (1..=9).map(|step| f64::from(step) / 10_000.0);
    let milliseconds = (1..=5).map(|step| f64::from(step) / 1_000.0);
    let hundredths = (1..=5).map(|step| f64::from(step) / 100.0);
    Histogram::new(tenths.chain(milliseconds).chain(hundredths))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_webhook() -> Metrics {
        Metrics::new().of_webhook(Arc::default(), Certificates::default())
    }

    #[test]
    fn names_are_gatekeepers() {
        let metrics = of_webhook();
        metrics.request(Decision::Deny, false, 0.002);
        metrics.templates(State::active, 4);
        metrics.constraints("deny", State::error, 1);
        metrics.ingestion(State::active, 0.02);
        metrics.synced(0.000_2);
        metrics.watches(5, 6);
        metrics.event_dropped();
        let text = metrics.encode().unwrap();
        for line in [
            "gatekeeper_validation_request_count_total{admission_status=\"deny\",admission_dryrun=\"false\"} 1",
            "gatekeeper_validation_request_duration_seconds_bucket{le=\"0.002\",admission_status=\"deny\"} 1",
            "gatekeeper_constraint_templates{status=\"active\"} 4",
            "gatekeeper_constraints{enforcement_action=\"deny\",status=\"error\"} 1",
            "gatekeeper_constraint_template_ingestion_count_total{status=\"active\"} 1",
            "gatekeeper_constraint_template_ingestion_duration_seconds_bucket{le=\"0.02\",status=\"active\"} 1",
            "gatekeeper_sync_duration_seconds_bucket{le=\"0.0001\"} 0",
            "gatekeeper_sync_duration_seconds_bucket{le=\"0.0002\"} 1",
            "gatekeeper_sync_last_run_time_seconds 1",
            "gatekeeper_watch_manager_watched_gvk 5",
            "gatekeeper_watch_manager_intended_watch_gvk 6",
            "gatekeeper_admission_events_dropped_total 1",
        ] {
            assert!(text.contains(line), "{line} not in\n{text}");
        }
    }

    /// Upper ends of the buckets of a histogram, as exposed.
    fn bounds(text: &str, name: &str) -> Vec<String> {
        let start = format!("gatekeeper_{name}_bucket{{le=\"");
        text.lines().filter_map(|line| Some(line.strip_prefix(&start)?.split('"').next()?.to_owned())).collect()
    }

    #[test]
    fn buckets_are_gatekeepers() {
        let metrics = of_webhook();
        metrics.request(Decision::Allow, false, 0.002);
        metrics.ingestion(State::active, 0.02);
        let text = metrics.encode().unwrap();
        for (name, count, some) in [
            (
                "validation_request_duration_seconds",
                47,
                ["0.009", "0.01", "0.9", "1.0", "1.5", "10.0", "+Inf"].as_slice(),
            ),
            ("constraint_template_ingestion_duration_seconds", 20, &["0.01", "0.09", "0.1", "0.5", "1.0", "5.0"]),
            ("sync_duration_seconds", 20, &["0.0001", "0.0009", "0.001", "0.005", "0.01", "0.05"]),
        ] {
            let found = bounds(&text, name);
            assert_eq!(found.len(), count, "{name}: {found:?}");
            some.iter().for_each(|bound| assert!(found.iter().any(|one| one == bound), "{name}: {bound} in {found:?}"));
        }
    }
}
