//! The metric of objects in the inventory, read from the snapshot at each scrape.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::policy::snapshot::SnapshotHandle;

/// One for each kind.
#[derive(Debug)]
pub(super) struct Synced(pub(super) Arc<SnapshotHandle>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    kind: String,
    /// What cannot be taken in is not in the inventory, so this is always `active`.
    status: &'static str,
}

impl Collector for Synced {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let family = Family::<Labels, Gauge>::default();
        for (kind, count) in self.0.load().inventory().count_by_kind() {
            let labels = Labels { kind, status: "active" };
            family.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let encoder = encoder.encode_descriptor("sync", "Objects in the inventory", None, family.metric_type())?;
        family.encode(encoder)
    }
}
