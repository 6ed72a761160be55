//! What is wrong with a document: gojsonschema's types of errors and their words, and how well a branch matched.

use std::sync::Arc;

use crate::policy::engine::rego::value::Value;

/// One mistake.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    kind: &'static str,
    field: Arc<str>,
    description: String,
}

impl Fault {
    pub(super) fn to_value(&self) -> Value {
        let field = |key: &str, text: &str| (Value::from(key), Value::from(text));
        Value::object(vec![
            field("desc", &self.description),
            field("error", &format!("{}: {}", self.field, self.description)),
            field("field", &self.field),
            field("type", self.kind),
        ])
    }
}

/// The mistakes of one branch, and the score that decides which branch's are shown.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) faults: Vec<Fault>,
    pub(super) score: i64,
}

impl Outcome {
    pub(super) fn is_valid(&self) -> bool {
        self.faults.is_empty()
    }

    pub(super) fn passed(&mut self) {
        self.score += 1;
    }

    pub(super) fn add(&mut self, kind: &'static str, place: &Place<'_>, description: impl Into<String>) {
        self.faults.push(Fault { kind, field: place.field(), description: description.into() });
        self.score -= 2;
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.faults.extend(other.faults);
        self.score += other.score;
    }
}

/// Where in the document, and how deep in the schema.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'p> {
    step: &'p str,
    parent: Option<&'p Place<'p>>,
}

impl<'p> Place<'p> {
    pub(super) const ROOT: Place<'static> = Place { step: "(Root)", parent: None };

    pub(super) fn below(&'p self, step: &'p str) -> Self {
        Place { step, parent: Some(self) }
    }

    /// The path with dots, without the root unless it is all.
    pub(super) fn field(&self) -> Arc<str> {
        let mut steps = vec![self.step];
        let mut place = self;
        while let Some(parent) = place.parent {
            steps.push(parent.step);
            place = parent;
        }
        if steps.len() > 1 {
            steps.pop();
        }
        steps.reverse();
        Arc::from(steps.join("."))
    }
}
