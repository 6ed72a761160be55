//! One thing that lint found: what, how bad, where, and what to do.

use std::sync::Arc;

use serde_json::Value as Json;

use super::fix::Fix;
use crate::manifest::{Document, Location, Source};
use crate::model::object::{FieldPath, ObjectKey};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nobody is stopped by it: `dryrun`, and actions that no enforcement point knows.
    Note,
    /// The API server would let it pass with a warning.
    Warning,
    /// The API server would refuse it.
    Error,
}

impl Severity {
    /// One word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// How well the place is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// The value that is wrong.
    Value,
    /// The closest node around something that is missing.
    Enclosing,
    /// Only the object is known.
    Object,
}

impl Precision {
    /// One word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Enclosing => "enclosing",
            Self::Object => "object",
        }
    }
}

/// What is known of a rule: a constraint with its template, or a rule of lint's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// What people name it by, in suppressions too: the kind of constraint, or a code.
    pub id: String,
    /// The constraint's name; empty for rules of lint's own.
    pub constraint: String,
    /// A few words.
    pub title: Option<String>,
    /// A sentence or more.
    pub description: Option<String>,
    /// Where to read on.
    pub docs: Option<String>,
    /// As its author rates it: `low`, `medium`, `high` or `critical`.
    pub severity: Option<String>,
    /// Its group.
    pub category: Option<String>,
}

/// A place in a text.
#[derive(Clone, Debug)]
pub struct Place {
    /// The text itself, for excerpts.
    pub source: Arc<Source>,
    /// Where in it.
    pub location: Location,
}

/// One finding.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule that it breaks.
    pub rule: Arc<Rule>,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in the policy's words.
    pub message: String,
    /// With which object.
    pub object: ObjectKey,
    /// Where.
    pub place: Place,
    /// How well that is known.
    pub precision: Precision,
    /// The field at the place; the root when only the object is known.
    pub field: FieldPath,
    /// The field that is missing.
    pub missing: Option<FieldPath>,
    /// A value with which this finding goes away.
    pub passing: Option<Json>,
    /// A change that is known to mend it.
    pub fix: Option<Arc<Fix>>,
    /// What to do, in the words of a rule of lint's own.
    pub advice: Option<String>,
    /// Other fields that have part in it.
    pub related: Vec<Place>,
    /// What the object would create, when that is what breaks the rule: `Pod`.
    pub implied: Option<String>,
    /// The file that a tool made the text from, whose lines are not known.
    pub rendered_from: Option<String>,
    /// Stays the same when lines move.
    pub fingerprint: String,
}

impl Place {
    /// A place of a document.
    pub fn of(document: &Document, location: Location) -> Self {
        Self { source: Arc::clone(document.source()), location }
    }
}

impl Finding {
    /// In the order of places, then of rules and words.
    pub fn order(&self) -> (&str, u32, u32, &str, &str, &str) {
        let Location { file, line, column, .. } = &self.place.location;
        (file, *line, *column, &self.rule.id, &self.rule.constraint, &self.message)
    }

    /// What to do, as far as it is known.
    pub fn help(&self) -> Option<String> {
        if let Some(advice) = &self.advice {
            return Some(advice.clone());
        }
        match (&self.missing, &self.passing) {
            (Some(missing), Some(value)) => Some(format!("add {missing}, for example {}", shown(value))),
            (Some(missing), None) => Some(format!("add {missing}")),
            (None, Some(value)) => Some(format!("{} would pass", shown(value))),
            (None, None) => None,
        }
    }
}

/// As one would write it in YAML: texts as they are, unless they would be read as something else.
fn shown(value: &Json) -> String {
    match value {
        Json::String(text) if is_plain(text) => text.clone(),
        other => other.to_string(),
    }
}

fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "~", "y"];
    let is_word = WORDS.contains(&text.to_lowercase().as_str());
    !text.is_empty() && text.trim() == text && !is_word && text.parse::<f64>().is_err()
}
