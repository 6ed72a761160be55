//! The flags of `admit serve` about traces of requests. Builds without the feature `otlp` read them to refuse them.

use clap::Args;

use crate::server::TraceOptions;

/// Where traces go.
#[derive(Clone, Debug, Args)]
pub(super) struct TraceArguments {
    /// OpenTelemetry collector that traces of requests are sent to over HTTP: HOST:PORT without TLS, or a URL. Without it
    /// the OTEL_EXPORTER_OTLP_* variables decide
    #[arg(long, value_name = "URL", default_value = "", hide_default_value = true, hide = !cfg!(feature = "otlp"))]
    otlp_endpoint: String,
    /// Part of the requests to trace, where the caller has not decided about its own
    #[arg(long, value_name = "RATIO", value_parser = parse_ratio, hide = !cfg!(feature = "otlp"))]
    otlp_sample_ratio: Option<f64>,
}

fn parse_ratio(text: &str) -> Result<f64, String> {
    let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| format!("expected a number from 0 to 1, found {text:?}"))
}

impl TraceArguments {
    /// What the server needs to know of it. Gatekeeper sends metrics to this endpoint when it is told to, and its chart
    /// then gives it: where there are no traces, that is a flag without effect, and no reason not to start.
    pub(super) fn options(&self, is_for_metrics: bool) -> TraceOptions {
        let is_ours = !self.has_no_effect(is_for_metrics) && !self.otlp_endpoint.is_empty();
        let endpoint = is_ours.then(|| self.otlp_endpoint.clone());
        TraceOptions { endpoint, sample_ratio: self.otlp_sample_ratio }
    }

    /// Whether an endpoint was given that nothing is sent to.
    pub(super) fn has_no_effect(&self, is_for_metrics: bool) -> bool {
        !cfg!(feature = "otlp") && is_for_metrics && !self.otlp_endpoint.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_for_metrics_is_no_endpoint_for_traces() {
        let given = |text: &str| TraceArguments { otlp_endpoint: text.to_owned(), otlp_sample_ratio: None };
        let endpoint = |text: &str, is_for_metrics| given(text).options(is_for_metrics).endpoint;
        assert_eq!(endpoint("", false), None);
        assert_eq!(endpoint("collector:4318", false).as_deref(), Some("collector:4318"));
        assert_eq!(endpoint("collector:4318", true).is_some(), cfg!(feature = "otlp"));
    }

    #[test]
    fn ratios_are_parts() {
        assert_eq!(parse_ratio("0.25"), Ok(0.25));
        for text in ["-0.1", "1.5", "NaN", "half"] {
            assert_eq!(parse_ratio(text), Err(format!("expected a number from 0 to 1, found {text:?}")));
        }
    }
}
