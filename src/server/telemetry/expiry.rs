//! The metric of when certificates end, read from what is in force at each scrape.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::server::certificates::Certificates;

/// One for the certificate that is served, one for the authority that has signed it, as far as it is known; none before
/// there is a certificate.
#[derive(Debug)]
pub(super) struct Expiry(pub(super) Certificates);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    certificate: &'static str,
}

impl Collector for Expiry {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let (serving, authority) = self.0.ends();
        let family = Family::<Labels, Gauge>::default();
        for (certificate, ends) in [("serving", serving), ("authority", authority)] {
            if let Some(ends) = ends {
                family.get_or_create(&Labels { certificate }).set(ends.0);
            }
        }
        let (name, help) =
            ("certificate_expiration_timestamp_seconds", "When a certificate ends, in seconds since 1970");
        let encoder = encoder.encode_descriptor(name, help, None, family.metric_type())?;
        family.encode(encoder)
    }
}
