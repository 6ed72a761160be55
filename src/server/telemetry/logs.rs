//! Logs: JSON lines on stderr, with the keys that Gatekeeper's readers know (`level`, `ts`, `logger`, `msg`).

use std::fmt;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, registry};

/// Starts logging at a level for this process. A second call changes nothing.
pub fn initialize(level: Level) {
    // Libraries are noisy about what is normal to them (lost watches, closed connections).
    let libraries = level.min(Level::WARN);
    let filter = Targets::new().with_target("admit", level).with_default(libraries);
    // Another subscriber may be there already, in tests.
    let _ = registry().with(JsonLines.with_filter(filter)).try_init();
}

struct JsonLines;

impl<S: Subscriber> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Map::new();
        let level = event.metadata().level().as_str().to_lowercase();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        line.insert("level".to_owned(), level.into());
        line.insert("ts".to_owned(), now.as_secs_f64().into());
        line.insert("logger".to_owned(), event.metadata().target().replace("::", ".").into());
        event.record(&mut Fields(&mut line));
        let mut text = Value::Object(line).to_string();
        text.push('\n');
        // Nobody to tell when stderr is gone.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}

struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: Value) {
        let key = if field.name() == "message" { "msg" } else { field.name() };
        self.0.insert(key.to_owned(), value);
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
}
