//! The metrics of asking providers of external data. Gatekeeper has none of these.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Clones count together.
#[derive(Clone, Debug)]
pub(in crate::server) struct ProviderMetrics {
    calls: Family<CallLabels, Counter<u64, AtomicU64>>,
    durations: Family<ProviderLabels, Histogram, fn() -> Histogram>,
    keys: Family<KeyLabels, Counter<u64, AtomicU64>>,
    left_alone: Family<ProviderLabels, Gauge>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Outcome {
    Answered,
    /// The provider says of itself that it failed.
    SystemError,
    /// Nothing came that could be understood.
    Failed,
    TimedOut,
    /// It was not made, because too many failed or are under way.
    Refused,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    provider: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProviderLabels {
    provider: String,
}

/// Where an answer about a key is from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeyLabels {
    provider: String,
    source: &'static str,
}

const OUTCOMES: [Outcome; 5] =
    [Outcome::Answered, Outcome::SystemError, Outcome::Failed, Outcome::TimedOut, Outcome::Refused];
const SOURCES: [&str; 3] = ["cache", "joined", "asked"];

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::SystemError => "system_error",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Refused => "refused",
        }
    }
}

impl Default for ProviderMetrics {
    fn default() -> Self {
        let durations: fn() -> Histogram = || Histogram::new(exponential_buckets(0.001, 2.0, 15));
        Self {
            calls: Family::default(),
            durations: Family::new_with_constructor(durations),
            keys: Family::default(),
            left_alone: Family::default(),
        }
    }
}

impl ProviderMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let calls = "Calls to providers of external data, by how they ended";
        registry.register("external_data_calls", calls, self.calls.clone());
        let durations = "How long calls to providers of external data took in seconds";
        registry.register("external_data_call_duration_seconds", durations, self.durations.clone());
        let keys = "Keys that policies and mutators asked providers about, by where the answer is from";
        registry.register("external_data_keys", keys, self.keys.clone());
        let left_alone = "1 for a provider of external data that is left alone because it keeps failing";
        registry.register("external_data_provider_left_alone", left_alone, self.left_alone.clone());
    }

    /// Counts a call; one that was not made took no time.
    pub(in crate::server) fn call(&self, provider: &str, outcome: Outcome, took: Option<Duration>) {
        self.calls.get_or_create(&CallLabels { provider: provider.to_owned(), outcome: outcome.as_str() }).inc();
        if let Some(took) = took {
            self.durations.get_or_create(&of(provider)).observe(took.as_secs_f64());
        }
    }

    /// Counts keys: answered from memory, asked for by others already, and asked for now.
    pub(in crate::server) fn keys(&self, provider: &str, cached: usize, joined: usize, asked: usize) {
        for (source, count) in SOURCES.into_iter().zip([cached, joined, asked]) {
            if count > 0 {
                let count = u64::try_from(count).unwrap_or(u64::MAX);
                self.keys.get_or_create(&KeyLabels { provider: provider.to_owned(), source }).inc_by(count);
            }
        }
    }

    pub(in crate::server) fn leave_alone(&self, provider: &str, is_left_alone: bool) {
        self.left_alone.get_or_create(&of(provider)).set(i64::from(is_left_alone));
    }

    /// A provider is gone.
    pub(in crate::server) fn forget(&self, provider: &str) {
        for outcome in OUTCOMES {
            self.calls.remove(&CallLabels { provider: provider.to_owned(), outcome: outcome.as_str() });
        }
        for source in SOURCES {
            self.keys.remove(&KeyLabels { provider: provider.to_owned(), source });
        }
        self.durations.remove(&of(provider));
        self.left_alone.remove(&of(provider));
    }
}

fn of(provider: &str) -> ProviderLabels {
    ProviderLabels { provider: provider.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_exposed_until_the_provider_is_gone() {
        let (metrics, mut registry) = (ProviderMetrics::default(), Registry::with_prefix("gatekeeper"));
        metrics.register(&mut registry);
        metrics.call("images", Outcome::TimedOut, Some(Duration::from_millis(3)));
        metrics.keys("images", 2, 0, 5);
        metrics.leave_alone("images", true);
        let text = || {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
            text
        };
        for line in [
            "gatekeeper_external_data_calls_total{provider=\"images\",outcome=\"timed_out\"} 1",
            "gatekeeper_external_data_call_duration_seconds_count{provider=\"images\"} 1",
            "gatekeeper_external_data_keys_total{provider=\"images\",source=\"cache\"} 2",
            "gatekeeper_external_data_keys_total{provider=\"images\",source=\"asked\"} 5",
            "gatekeeper_external_data_provider_left_alone{provider=\"images\"} 1",
        ] {
            assert!(text().contains(line), "{line} not in\n{}", text());
        }
        metrics.forget("images");
        assert!(!text().contains("images"), "{}", text());
    }
}
