//! The metric of constraints that are set aside, read from the snapshot at each scrape: a rest ends by the clock alone.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::policy::snapshot::SnapshotHandle;

/// One for each constraint that is set aside; no line for any other.
#[derive(Debug)]
pub(super) struct SetAside(pub(super) Arc<SnapshotHandle>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    constraint_kind: String,
    constraint_name: String,
}

impl Collector for SetAside {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let family = Family::<Labels, Gauge>::default();
        for (one, _) in self.0.load().set_aside() {
            let (kind, name) = (one.constraint.kind().to_owned(), one.constraint.name().to_owned());
            family.get_or_create(&Labels { constraint_kind: kind, constraint_name: name }).set(1);
        }
        let help = "Constraints that are not evaluated for now, because their evaluation was stopped again and again";
        let encoder = encoder.encode_descriptor("constraint_set_aside", help, None, family.metric_type())?;
        family.encode(encoder)
    }
}
