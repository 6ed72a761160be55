//! Logs: JSON lines on stderr, with the keys that Gatekeeper's readers know (`level`, `ts`, `logger`, `msg`).

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, registry};

/// Fields whose text is JSON; written as what it says.
const STRUCTURED: [&str; 4] = ["constraint_enforcement_actions", "details", "execution_stats", "resource_labels"];
/// The field whose text is a JSON object with fields of the line: names of fields are fixed, and there is one for each pass.
const SPREAD: &str = "iterations";

/// How lines are written.
#[derive(Clone, Debug)]
pub struct LogFormat {
    /// The key of the level.
    pub level_key: String,
    /// How the level itself is written.
    pub style: LevelStyle,
}

/// How a level is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct LevelStyle {
    /// In capital letters.
    pub is_capital: bool,
    /// In the colours of zap, which Gatekeeper logs with.
    pub is_colored: bool,
}

impl Default for LogFormat {
    fn default() -> Self {
        Self { level_key: "level".to_owned(), style: LevelStyle::default() }
    }
}

/// Starts logging at a level for this process, on stderr or to a file. A second call changes nothing.
pub fn initialize(level: Level, format: LogFormat, file: Option<File>) {
    // Libraries are noisy about what is normal to them (lost watches, closed connections).
    let libraries = level.min(Level::WARN);
    let filter = Targets::new().with_target("admit", level).with_default(libraries);
    // Lines for every request that failed; whoever asked says what there is to say, once.
    let filter = filter.with_target("kube_client", LevelFilter::OFF).with_target("kube_runtime", LevelFilter::OFF);
    // Another subscriber may be there already, in tests.
    let _ = registry().with(JsonLines { format, file }.with_filter(filter)).try_init();
}

struct JsonLines {
    format: LogFormat,
    file: Option<File>,
}

impl<S: Subscriber> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Map::new();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        line.insert(self.format.level_key.clone(), self.format.style.write(*event.metadata().level()).into());
        line.insert("ts".to_owned(), now.as_secs_f64().into());
        line.insert("logger".to_owned(), event.metadata().target().replace("::", ".").into());
        event.record(&mut Fields(&mut line));
        let mut text = Value::Object(line).to_string();
        text.push('\n');
        // Nobody to tell when the log is gone.
        let _ = match &self.file {
            // One write a line: lines of several threads do not mix.
            Some(file) => (&mut &*file).write_all(text.as_bytes()),
            None => std::io::stderr().lock().write_all(text.as_bytes()),
        };
    }
}

impl LevelStyle {
    fn write(self, level: Level) -> String {
        let capital = level.as_str();
        let name = if self.is_capital { capital.to_owned() } else { capital.to_lowercase() };
        let color = match level {
            Level::ERROR => 31,
            Level::WARN => 33,
            Level::INFO => 34,
            Level::DEBUG | Level::TRACE => 35,
        };
        if self.is_colored { format!("\u{1b}[{color}m{name}\u{1b}[0m") } else { name }
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
        let text = format!("{value:?}");
        if let (SPREAD, Ok(Value::Object(fields))) = (field.name(), serde_json::from_str(&text)) {
            return self.0.extend(fields);
        }
        let parsed = STRUCTURED.contains(&field.name()).then(|| serde_json::from_str(&text).ok()).flatten();
        self.put(field, parsed.unwrap_or_else(|| text.into()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_written_as_zap_writes_them() {
        let write = |is_capital, is_colored, level| LevelStyle { is_capital, is_colored }.write(level);
        assert_eq!(write(false, false, Level::WARN), "warn");
        assert_eq!(write(true, false, Level::INFO), "INFO");
        assert_eq!(write(false, true, Level::ERROR), "\u{1b}[31merror\u{1b}[0m");
        assert_eq!(write(true, true, Level::DEBUG), "\u{1b}[35mDEBUG\u{1b}[0m");
    }
}
