//! Writes Events on what policies find, at a pace that the API server is sure to bear.
//!
//! An Event that was written before is counted up instead of written again. What comes faster than [`PACE`] after a
//! burst is left out and counted, so that a client that is refused again and again cannot fill the cluster's storage.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::sync::mpsc;
use tracing::warn;

use super::ClusterOptions;
use crate::server::admission_events::AdmissionEvent;
use crate::server::telemetry::metrics::Metrics;

/// Gatekeeper's name for whoever writes these.
const COMPONENT: &str = "gatekeeper-webhook";
/// The longest that the API server is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Events a second, for ever ...
const PACE: f64 = 10.0;
/// ... and at once, after a pause.
const BURST: f64 = 50.0;
/// So many written Events are remembered, to be counted up ...
const REMEMBERED: usize = 2_048;
/// ... for so long.
const MEMORY: Duration = Duration::from_secs(600);
/// A failing API server is complained about this often.
const COMPLAINT: Duration = Duration::from_secs(60);
/// A longer message is cut.
const LONGEST_MESSAGE: usize = 4_096;

/// Writes Events for ever.
pub(super) async fn run(
    client: Client,
    options: ClusterOptions,
    metrics: Arc<Metrics>,
    mut events: mpsc::Receiver<AdmissionEvent>,
) {
    let mut writer = Writer { client, options, written: BTreeMap::new(), complained: None };
    let mut bucket = Bucket { tokens: BURST, filled: Instant::now() };
    while let Some(event) = events.recv().await {
        if bucket.take(Instant::now()) {
            writer.write(event).await;
        } else {
            metrics.event_dropped();
        }
    }
    // Nobody hands in Events; the loop is not missed.
    std::future::pending::<()>().await;
}

/// A pace with bursts.
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    fn take(&mut self, now: Instant) -> bool {
        let gained = now.saturating_duration_since(self.filled).as_secs_f64() * PACE;
        self.filled = now;
        self.tokens = (self.tokens + gained).min(BURST);
        let is_there = self.tokens >= 1.0;
        if is_there {
            self.tokens -= 1.0;
        }
        is_there
    }
}

/// What makes two Events the same.
type Identity = (String, &'static str, String, String, String);

struct Written {
    name: String,
    count: i32,
    at: Instant,
}

struct Writer {
    client: Client,
    options: ClusterOptions,
    written: BTreeMap<Identity, Written>,
    complained: Option<Instant>,
}

impl Writer {
    async fn write(&mut self, event: AdmissionEvent) {
        let namespace = Some(event.namespace.clone()).filter(|namespace| !namespace.is_empty());
        let namespace = namespace.unwrap_or_else(|| self.options.pod_namespace.clone());
        let identity = (namespace.clone(), event.reason, event.uid.clone(), event.name.clone(), event.message.clone());
        self.forget(Instant::now());
        let api: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
        let before = self.written.get(&identity).map(|before| (before.name.clone(), before.count.saturating_add(1)));
        let outcome = tokio::time::timeout(PATIENCE, put(&api, &namespace, &event, before)).await;
        match outcome {
            Ok(Ok((name, count))) => {
                self.written.insert(identity, Written { name, count, at: Instant::now() });
            }
            Ok(Err(error)) => self.complain(&namespace, &error.to_string()),
            Err(_) => self.complain(&namespace, "the API server did not answer in time"),
        }
    }

    /// What is old is forgotten; when there is too much of it, everything is.
    fn forget(&mut self, now: Instant) {
        self.written.retain(|_, written| now.saturating_duration_since(written.at) < MEMORY);
        if self.written.len() >= REMEMBERED {
            self.written.clear();
        }
    }

    fn complain(&mut self, namespace: &str, error: &str) {
        if self.complained.is_none_or(|at| at.elapsed() > COMPLAINT) {
            self.complained = Some(Instant::now());
            warn!(namespace, error, "failed to write Events on violations");
        }
    }
}

/// Counts an Event up that is there, or writes a new one. Its name and count.
async fn put(
    api: &Api<Event>,
    namespace: &str,
    event: &AdmissionEvent,
    before: Option<(String, i32)>,
) -> Result<(String, i32), kube::Error> {
    let now = Timestamp::now();
    if let Some((name, count)) = before {
        let patch = json!({"count": count, "lastTimestamp": Time(now)});
        match api.patch(&name, &PatchParams::default(), &Patch::Merge(&patch)).await {
            // Events expire.
            Err(kube::Error::Api(error)) if error.code == 404 => {}
            patched => return patched.map(|_| (name, count)),
        }
    }
    let event = resource(namespace, event, now);
    let name = event.metadata.name.clone().unwrap_or_default();
    api.create(&PostParams::default(), &event).await.map(|_| (name, 1))
}

fn resource(namespace: &str, event: &AdmissionEvent, now: Timestamp) -> Event {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let end = (0..=LONGEST_MESSAGE).rev().find(|end| event.message.is_char_boundary(*end)).unwrap_or_default();
    let message = event.message.get(..end).unwrap_or(&event.message);
    // Objects that have no name yet have no name here either; nor may a name end in a dot.
    let stem = if event.name.is_empty() { "unnamed".to_owned() } else { event.name.chars().take(200).collect() };
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{stem}.{:x}", now.as_nanosecond())),
            namespace: some(namespace),
            annotations: Some(
                event.annotations.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect(),
            ),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            kind: some(&event.kind),
            name: some(&event.name),
            namespace: some(namespace),
            uid: some(&event.uid),
            resource_version: some(&event.resource_version),
            ..ObjectReference::default()
        },
        reason: some(event.reason),
        message: some(message),
        type_: Some("Warning".to_owned()),
        source: Some(EventSource { component: Some(COMPONENT.to_owned()), host: None }),
        first_timestamp: Some(Time(now)),
        last_timestamp: Some(Time(now)),
        count: Some(1),
        ..Event::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_burst_events_keep_to_the_pace() {
        let start = Instant::now();
        let mut bucket = Bucket { tokens: BURST, filled: start };
        let burst = (0..1_000).filter(|_| bucket.take(start)).count();
        assert_eq!(burst, 50);
        let later = start + Duration::from_secs(1);
        assert_eq!((0..1_000).filter(|_| bucket.take(later)).count(), 10);
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let event = AdmissionEvent {
            reason: "FailedAdmission",
            message: format!("x{}", "é".repeat(LONGEST_MESSAGE)),
            annotations: Vec::new(),
            kind: "Pod".to_owned(),
            name: String::new(),
            namespace: String::new(),
            uid: String::new(),
            resource_version: String::new(),
        };
        let written = resource("a", &event, Timestamp::UNIX_EPOCH);
        assert_eq!(written.message.unwrap().len(), LONGEST_MESSAGE - 1);
        assert_eq!(written.metadata.name.unwrap(), "unnamed.0");
    }
}
