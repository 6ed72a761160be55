//! What constraints cost and come to, read from their meters at each scrape. Constraints that share a meter are shown as
//! one, `other`, so that the number of series is bounded however many constraints there are.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::MetricType;

use crate::policy::engine::{Outcome, Reading};
use crate::policy::snapshot::SnapshotHandle;

/// A histogram and counters for each meter.
#[derive(Debug)]
pub(super) struct Evaluations(pub(super) Arc<SnapshotHandle>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    constraint_kind: String,
    constraint_name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerdictLabels {
    constraint_kind: String,
    constraint_name: String,
    verdict: &'static str,
}

impl Evaluations {
    /// Each meter once, with whose it is.
    fn readings(&self) -> Vec<(Labels, Reading)> {
        let snapshot = self.0.load();
        let (shared, own): (Vec<_>, Vec<_>) = snapshot.constraints().iter().partition(|one| one.meter.is_shared());
        let named = own.into_iter().map(|one| {
            let (constraint_kind, constraint_name) =
                (one.constraint.kind().to_owned(), one.constraint.name().to_owned());
            (Labels { constraint_kind, constraint_name }, one.meter.read())
        });
        let other = Labels { constraint_kind: "other".to_owned(), constraint_name: "other".to_owned() };
        named.chain(shared.first().map(|one| (other, one.meter.read()))).collect()
    }
}

impl Collector for Evaluations {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let readings = self.readings();
        if readings.is_empty() {
            return Ok(());
        }
        let (name, help) = ("constraint_evaluation_duration_seconds", "How long evaluating a constraint took");
        let mut histograms = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, reading) in &readings {
            let count = reading.buckets.iter().map(|(_, count)| count).sum();
            let total = reading.total.as_secs_f64();
            histograms.encode_family(labels)?.encode_histogram::<Labels>(total, count, &reading.buckets, None)?;
        }
        let (name, help) = ("constraint_verdicts", "What evaluations of a constraint came to");
        let mut counters = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (Labels { constraint_kind, constraint_name }, reading) in readings {
            for (outcome, count) in reading.outcomes {
                let labels = VerdictLabels {
                    constraint_kind: constraint_kind.clone(),
                    constraint_name: constraint_name.clone(),
                    verdict: verdict(outcome),
                };
                counters.encode_family(&labels)?.encode_counter::<Labels, u64, u64>(&count, None)?;
            }
        }
        Ok(())
    }
}

/// The word for an outcome.
pub(super) fn verdict(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Satisfied => "satisfied",
        Outcome::Violated => "violated",
        Outcome::Failed => "error",
        Outcome::Stopped => "stopped",
    }
}
