//! Traces of admission requests: one span a request, one a stage of it, one a constraint that was evaluated.
//!
//! They are sent to an OpenTelemetry collector by builds with the feature `otlp`. Builds without it have the same
//! interface with nothing behind it, so that a request costs there what it costs without traces.

#[cfg(not(feature = "otlp"))]
mod absent;
#[cfg(feature = "otlp")]
mod otlp;

#[cfg(not(feature = "otlp"))]
pub(in crate::server) use absent::{RequestTrace, Traces};
#[cfg(feature = "otlp")]
pub(in crate::server) use otlp::{RequestTrace, Traces};

use thiserror::Error;

/// Where traces go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TraceOptions {
    /// `--otlp-endpoint`: `http://HOST:PORT`, or `HOST:PORT` as Gatekeeper takes it. Without it the environment decides.
    pub endpoint: Option<String>,
    /// `--otlp-sample-ratio`: the part of the requests that is traced, where the caller has not decided.
    pub sample_ratio: Option<f64>,
}

/// Why there will be no traces.
#[derive(Debug, Error)]
pub enum TraceError {
    /// They were asked for, and this binary has none.
    #[error(
        "--otlp-endpoint and --otlp-sample-ratio need a build of admit with traces: `cargo build --release --features \
         otlp`. Metrics are served to Prometheus on --prometheus-port"
    )]
    NotBuilt,
    /// What is configured cannot be used.
    #[error("failed to set up traces: {0}")]
    Configuration(String),
}
