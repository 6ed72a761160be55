//! What a policy says to objects that differ a little from the one that it objects to.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::object::{FieldPath, Segment};
use crate::model::value::Value;
use crate::policy::engine::{Deadline, Document, Input, Notes, Observer, Touch};
use crate::policy::evaluate::Violation;
use crate::policy::snapshot::{CompiledConstraint, Snapshot};

use super::MAX_EVALUATIONS;

/// What became of the violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It is still there.
    Stays,
    /// It went, and another one came: very likely the same in other words.
    Reworded,
    /// It went, and nothing came.
    Gone,
    /// The policy gave no answer, or there were too many trials already.
    Unknown,
}

/// What a policy touched of an object.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    pub(super) touched: BTreeMap<FieldPath, Touch>,
    pub(super) iterated: BTreeSet<FieldPath>,
    pub(super) missed: BTreeSet<(FieldPath, String)>,
}

/// Evaluations of one constraint.
pub(super) struct Trials<'a> {
    snapshot: &'a Snapshot,
    constraint: &'a CompiledConstraint,
    review: &'a Value,
    object: &'a Value,
    message: &'a str,
    /// All that it says to the object as it is.
    known: BTreeSet<String>,
    deadline: Deadline,
    left: u32,
}

impl<'a> Trials<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        review: &'a Document,
        object: &'a Value,
        violation: &'a Violation,
        deadline: Deadline,
    ) -> Self {
        Self {
            snapshot,
            constraint: &violation.constraint,
            review: review.value(),
            object,
            message: &violation.message,
            known: BTreeSet::new(),
            deadline,
            left: MAX_EVALUATIONS,
        }
    }

    /// The object that the violation is in.
    pub(super) fn object(&self) -> &'a Value {
        self.object
    }

    /// Whether more than so many trials are left.
    pub(super) fn has_more_than(&self, trials: u32) -> bool {
        self.left > trials
    }

    /// What the policy touches of an object. The first time, with the object as it is, that it says what it is said to:
    /// if it does not, nothing can be found out.
    pub(super) fn observe(&mut self, object: &Value) -> Option<Sightings> {
        let review = self.review_of(object.clone());
        let mut notes = Notes::observing(&review);
        let messages = self.evaluate(&review, Some(&mut notes))?;
        if self.known.is_empty() {
            if !messages.contains(self.message) {
                return None;
            }
            self.known = messages;
        }
        notes.observer().map(Sightings::of)
    }

    /// What becomes of the violation in this object.
    pub(super) fn effect(&mut self, object: Option<Value>) -> Effect {
        let Some(object) = object else { return Effect::Unknown };
        let review = self.review_of(object);
        let Some(messages) = self.evaluate(&review, None) else { return Effect::Unknown };
        match (messages.contains(self.message), messages.is_subset(&self.known)) {
            (true, _) => Effect::Stays,
            (false, true) => Effect::Gone,
            (false, false) => Effect::Reworded,
        }
    }

    fn review_of(&self, object: Value) -> Document {
        let Value::Object(fields) = self.review else { return Document::of(self.review.clone()) };
        let entries = fields.entries().iter().map(|(key, value)| {
            let is_object = key.as_str() == Some("object");
            (key.clone(), if is_object { object.clone() } else { value.clone() })
        });
        Document::of(Value::object(entries.collect()))
    }

    fn evaluate(&mut self, review: &Document, notes: Option<&mut Notes>) -> Option<BTreeSet<String>> {
        self.left = self.left.checked_sub(1)?;
        let CompiledConstraint { program, parameters, constraint, .. } = self.constraint;
        let inventory = self.snapshot.inventory().document();
        let indexes = self.snapshot.indexes(constraint.kind());
        let input = Input { review, parameters, inventory, indexes };
        let findings = program.evaluate_noting(input, self.deadline, notes).ok()?;
        Some(findings.into_iter().map(|finding| finding.message).collect())
    }
}

impl Sightings {
    fn of(observer: &Observer) -> Self {
        let touched = observer.touched().into_iter().filter_map(|(path, touch)| Some((in_object(&path)?, touch)));
        let missed = observer.missed().into_iter().filter_map(|(path, key)| Some((in_object(&path)?, key)));
        let iterated = observer.iterated().iter().filter_map(in_object).collect();
        Self { touched: touched.collect(), iterated, missed: missed.collect() }
    }
}

/// A path below `object` of a review as one in the object.
fn in_object(path: &FieldPath) -> Option<FieldPath> {
    let (Segment::Key(first), rest) = path.segments().split_first()? else { return None };
    let join = |path: FieldPath, segment: &Segment| match segment {
        Segment::Key(key) => path.key(key),
        Segment::Index(index) => path.index(*index),
    };
    (first == "object").then(|| rest.iter().fold(FieldPath::root(), join))
}
