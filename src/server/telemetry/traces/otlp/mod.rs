//! Traces over OTLP: HTTP and protobuf, sent by a thread of their own from a bounded queue.
//!
//! Promises: a request never waits for a collector; what does not fit into the queue is lost, and so is what a collector
//! does not take. What is not sampled costs a look at its headers. `OTEL_*` variables count as the OpenTelemetry SDK
//! reads them (queue, batches, limits, headers, resource, sampler); flags come before them.

mod client;
mod request;

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TracerProvider;
use opentelemetry::{Key, KeyValue};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tracing::{info, warn};

use self::client::Client;
pub(in crate::server) use self::request::RequestTrace;
use super::{TraceError, TraceOptions};

/// A shutdown waits no longer than this for a collector.
const FLUSH_LIMIT: Duration = Duration::from_secs(5);
/// Where collectors take traces.
const PATH: &str = "/v1/traces";
/// Either of these names a collector, too.
const ENDPOINT_VARIABLES: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const SERVICE_NAME: &str = "service.name";

/// Makes traces, where a collector is named.
#[derive(Clone, Debug)]
pub(in crate::server) struct Traces(Option<Arc<Collector>>);

#[derive(Debug)]
struct Collector {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    propagator: TraceContextPropagator,
}

impl Traces {
    pub(in crate::server) fn start(options: &TraceOptions) -> Result<Self, TraceError> {
        let is_set = |name: &&str| std::env::var(name).is_ok_and(|value| !value.is_empty());
        let is_disabled = std::env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value.eq_ignore_ascii_case("true"));
        if is_disabled || (options.endpoint.is_none() && !ENDPOINT_VARIABLES.iter().any(is_set)) {
            if options.sample_ratio.is_some() && !is_disabled {
                warn!("--otlp-sample-ratio has no effect without --otlp-endpoint");
            }
            return Ok(Self(None));
        }
        let failed = |error: &dyn std::fmt::Display| TraceError::Configuration(error.to_string());
        let mut exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
        if let Some(endpoint) = &options.endpoint {
            exporter = exporter.with_endpoint(traces_url(endpoint)?);
        }
        let exporter = exporter.with_http_client(Client::new()).build().map_err(|error| failed(&error))?;
        let mut provider = SdkTracerProvider::builder().with_resource(resource()).with_batch_exporter(exporter);
        if let Some(ratio) = options.sample_ratio {
            provider = provider.with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio))));
        }
        let provider = provider.build();
        let tracer = provider.tracer("admit");
        let endpoint = options.endpoint.as_deref().unwrap_or("as the environment says");
        info!(endpoint, "requests are traced");
        Ok(Self(Some(Arc::new(Collector { provider, tracer, propagator: TraceContextPropagator::new() }))))
    }

    /// Begins the trace of a request, as part of the caller's if the headers name one.
    pub(in crate::server) fn begin(&self, path: &str, headers: &HeaderMap) -> RequestTrace {
        let Some(collector) = &self.0 else { return RequestTrace::none() };
        let parent = collector.propagator.extract(&HeaderExtractor(headers));
        RequestTrace::begin(&collector.tracer, &parent, path)
    }

    /// Sends what is still in the queue, but does not wait long for it.
    pub(in crate::server) async fn flush(self) {
        let Some(collector) = self.0 else { return };
        let flushed = tokio::task::spawn_blocking(move || collector.provider.shutdown_with_timeout(FLUSH_LIMIT)).await;
        if let Ok(Err(error)) = flushed {
            warn!(%error, "the last traces were lost");
        }
    }
}

/// `HOST:PORT` is what Gatekeeper takes for its metrics, and sends to without TLS; a URL is a collector's as
/// `OTEL_EXPORTER_OTLP_ENDPOINT` has it, or the whole URL of its traces.
fn traces_url(endpoint: &str) -> Result<String, TraceError> {
    let url = if endpoint.contains("://") { endpoint.to_owned() } else { format!("http://{endpoint}") };
    let parsed = url.parse::<axum::http::Uri>().ok();
    let is_usable =
        parsed.is_some_and(|url| url.host().is_some() && matches!(url.scheme_str(), Some("http" | "https")));
    if !is_usable {
        let text =
            format!("--otlp-endpoint is {endpoint:?}, expected HOST:PORT, http://HOST:PORT or https://HOST:PORT");
        return Err(TraceError::Configuration(text));
    }
    let url = url.trim_end_matches('/');
    Ok(if url.ends_with(PATH) { url.to_owned() } else { format!("{url}{PATH}") })
}

/// As the environment says, and by our own name if it gives none.
fn resource() -> Resource {
    let name = Resource::builder().build().get(&Key::new(SERVICE_NAME)).map(|name| name.to_string());
    let mut resource = Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if name.is_none_or(|name| name.starts_with("unknown_service")) {
        resource = resource.with_service_name("admit");
    }
    resource.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_those_of_gatekeeper_and_of_opentelemetry() {
        for (endpoint, expected) in [
            ("collector:4318", "http://collector:4318/v1/traces"),
            ("http://[::1]:4318/", "http://[::1]:4318/v1/traces"),
            ("https://collector/tenant", "https://collector/tenant/v1/traces"),
            ("https://collector/v1/traces", "https://collector/v1/traces"),
        ] {
            assert_eq!(traces_url(endpoint).unwrap(), expected, "{endpoint}");
        }
        for endpoint in ["grpc://collector:4317", "http://", "a b"] {
            let refused = traces_url(endpoint).unwrap_err().to_string();
            assert!(refused.contains(&format!("--otlp-endpoint is {endpoint:?}, expected HOST:PORT")), "{refused}");
        }
    }
}
