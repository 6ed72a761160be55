//! The HTTP client that traces are sent with. It blocks: the thread that calls it does nothing else.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tracing::warn;
use ureq::Agent;

use crate::server::trust::system_trust;

/// The most that is read of a collector's answer.
const LONGEST_ANSWER: u64 = 64 << 10;
/// The least time between two complaints.
const QUIET: Duration = Duration::from_secs(60);
/// How long a collector may take, unless one of these says otherwise in milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
const PATIENCE_VARIABLES: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];

#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    complaints: Mutex<Complaints>,
}

/// Failures in a row are one matter.
#[derive(Debug, Default)]
struct Complaints {
    last: Option<Instant>,
    failures: u64,
}

impl Client {
    /// Trusts whom the system trusts.
    pub(super) fn new() -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(patience()))
            .tls_config(system_trust().0)
            .build();
        Self { agent: config.into(), complaints: Mutex::default() }
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ureq::Error> {
        let mut response = self.agent.run(request.map(Vec::from))?;
        let body = response.body_mut().with_config().limit(LONGEST_ANSWER).read_to_vec()?;
        Ok(response.map(|_| Bytes::from(body)))
    }

    fn complain(&self, endpoint: &str, error: &str) {
        let Some(failures) = self.complaints.lock().unwrap_or_else(PoisonError::into_inner).count(Instant::now())
        else {
            return;
        };
        warn!(endpoint, error, failures, "traces cannot be sent; they are lost while the collector does not take them");
    }
}

impl Complaints {
    /// How many failures there were since the last complaint, if it is time for the next.
    fn count(&mut self, now: Instant) -> Option<u64> {
        self.failures += 1;
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < QUIET) {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.failures))
    }
}

impl HttpClient for Client {
    fn send_bytes<'life, 'future>(
        &'life self,
        request: Request<Bytes>,
    ) -> BoxFuture<'future, Result<Response<Bytes>, HttpError>>
    where
        'life: 'future,
        Self: 'future,
    {
        Box::pin(async move {
            let endpoint = request.uri().to_string();
            let sent = self.send(request);
            match &sent {
                Ok(response) if response.status().is_success() => {}
                Ok(response) => self.complain(&endpoint, &format!("it answers {}", response.status())),
                Err(error) => self.complain(&endpoint, &error.to_string()),
            }
            Ok(sent?)
        })
    }
}

fn patience() -> Duration {
    let given = PATIENCE_VARIABLES.iter().find_map(|name| std::env::var(name).ok()?.parse().ok());
    given.map_or(PATIENCE, Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_a_minute_apart() {
        let begun = Instant::now();
        let mut complaints = Complaints::default();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let counted: Vec<_> = [0, 1, 59, 60, 61, 200].map(|seconds| complaints.count(at(seconds))).into();
        assert_eq!(counted, [Some(1), None, None, Some(3), None, Some(2)]);
    }
}
