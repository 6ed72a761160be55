//! What a policy says to objects that differ a little from the one that it objects to.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::object::{FieldPath, GroupVersionKind, ObjectKey, Segment};
use crate::model::value::Value;
use crate::policy::engine::external_data::Outside;
use crate::policy::engine::{Deadline, Document, Input, Notes, Observer, Role, Touch};
use crate::policy::evaluate::Violation;
use crate::policy::snapshot::{CompiledConstraint, Snapshot};

use super::{MAX_EVALUATIONS, edit, message};

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
    /// When each was touched or missed first.
    order: BTreeMap<FieldPath, u32>,
    roles: BTreeMap<FieldPath, Role>,
    wanted: BTreeMap<FieldPath, Vec<Value>>,
}

/// Evaluations of one constraint.
pub(super) struct Trials<'a> {
    snapshot: &'a Snapshot,
    constraint: &'a CompiledConstraint,
    review: &'a Value,
    object: &'a Value,
    message: &'a str,
    /// The object's name in the inventory, where the inventory has it just as it is: changed, it is changed there, too.
    kept_as: Option<ObjectKey>,
    /// All that it says to the object as it is.
    known: BTreeSet<String>,
    deadline: Deadline,
    left: u32,
    /// Trials that were left when time was up.
    unused: u32,
}

impl<'a> Trials<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        review: &'a Document,
        object: &'a Value,
        violation: &'a Violation,
        deadline: Deadline,
    ) -> Self {
        let key = key(object);
        let is_kept =
            |key: &ObjectKey| snapshot.inventory().at(key).is_some_and(|kept| is_part_of(kept.value(), object));
        Self {
            kept_as: key.filter(is_kept),
            snapshot,
            constraint: &violation.constraint,
            review: review.value(),
            object,
            message: &violation.message,
            known: BTreeSet::new(),
            deadline,
            left: MAX_EVALUATIONS,
            unused: 0,
        }
    }

    /// The object that the violation is in.
    pub(super) fn object(&self) -> &'a Value {
        self.object
    }

    /// How many trials there were.
    pub(super) fn made(&self) -> u32 {
        MAX_EVALUATIONS - self.left.max(self.unused)
    }

    /// How many trials are left.
    pub(super) fn left(&self) -> u32 {
        self.left
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
        self.judge(object).0
    }

    /// The same with something put in: if all that becomes of it is that the message shows that, the violation stays.
    pub(super) fn effect_with(&mut self, object: &Value, path: &FieldPath, new: &Value) -> Effect {
        let (effect, messages) = self.judge(edit::with(object, path, new.clone()));
        let shown = match new {
            Value::Number(number) => number.to_string(),
            other => other.to_json().to_string(),
        };
        let shows = |message: &String| message::only_shows(self.message, message, &shown);
        match effect {
            Effect::Reworded if messages.iter().any(shows) => Effect::Stays,
            effect => effect,
        }
    }

    fn judge(&mut self, object: Option<Value>) -> (Effect, BTreeSet<String>) {
        let messages = object.map(|object| self.review_of(object)).and_then(|review| self.evaluate(&review, None));
        let Some(messages) = messages else { return (Effect::Unknown, BTreeSet::new()) };
        let effect = match (messages.contains(self.message), messages.is_subset(&self.known)) {
            (true, _) => Effect::Stays,
            (false, true) => Effect::Gone,
            (false, false) => Effect::Reworded,
        };
        (effect, messages)
    }

    fn review_of(&self, object: Value) -> Document {
        let Value::Object(fields) = self.review else { return Document::of(self.review.clone()) };
        let entries = fields.entries().iter().map(|(key, value)| {
            let is_object = key.as_str() == Some("object");
            (key.clone(), if is_object { object.clone() } else { value.clone() })
        });
        Document::of(Value::object(entries.collect()))
    }

    /// The object as it was, when the review is of a change.
    pub(super) fn old_object(&self) -> Option<&'a Value> {
        self.review.get(&Value::string("oldObject")).filter(|old| old.is_collection())
    }

    fn evaluate(&mut self, review: &Document, notes: Option<&mut Notes>) -> Option<BTreeSet<String>> {
        self.left = self.left.checked_sub(1)?;
        if self.deadline.has_passed() {
            // Nothing more is tried.
            self.unused = self.left + 1;
            self.left = 0;
            return None;
        }
        let CompiledConstraint { program, parameters, constraint, .. } = self.constraint;
        let object = review.value().get(&Value::string("object"));
        let inventory = self.snapshot.inventory();
        let changed = self.kept_as.as_ref().zip(object).filter(|(_, object)| *object != self.object);
        let changed = changed.map(|(key, object)| inventory.with(key, Document::of(object.clone())));
        // Indexes are of the inventory as it is.
        let indexes = if changed.is_none() { self.snapshot.indexes(constraint.kind()) } else { None };
        let inventory = changed.as_ref().unwrap_or(inventory.document());
        let input = Input {
            review,
            parameters,
            inventory,
            indexes,
            outside: Some(Outside::recorded(self.snapshot.providers())),
        };
        let findings = program.evaluate_noting(input, self.deadline, notes).ok()?;
        Some(findings.into_iter().map(|finding| finding.message).collect())
    }
}

impl Sightings {
    fn of(observer: &Observer) -> Self {
        let touched = observer.touched().into_iter().filter_map(|(path, touch)| Some((in_object(&path)?, touch)));
        let missed = observer.missed().into_iter().filter_map(|(path, key)| Some((in_object(&path)?, key)));
        let iterated = observer.iterated().iter().filter_map(in_object).collect();
        let order = observer.order().into_iter().filter_map(|(path, order)| Some((in_object(&path)?, order)));
        let roles = observer.roles().into_iter().filter_map(|(path, role)| Some((in_object(&path)?, role)));
        let wanted = observer.wanted().into_iter().filter_map(|(path, values)| Some((in_object(&path)?, values)));
        Self {
            touched: touched.collect(),
            iterated,
            missed: missed.collect(),
            order: order.collect(),
            roles: roles.collect(),
            wanted: wanted.collect(),
        }
    }

    /// What the policy tests this field for.
    pub(super) fn role(&self, path: &FieldPath) -> Role {
        self.roles.get(path).copied().unwrap_or(Role::Open)
    }

    /// What it compares this field with, alone or as a part of something.
    pub(super) fn wanted(&self, path: &FieldPath) -> Vec<Value> {
        let mut wanted = Vec::new();
        let around = std::iter::successors(Some(path.clone()), FieldPath::parent);
        for (levels, around) in around.enumerate() {
            let (_, rest) = path.segments().split_at(path.segments().len().saturating_sub(levels));
            let rest = rest.iter().fold(FieldPath::root(), join);
            let values = self.wanted.get(&around).into_iter().flatten();
            wanted.extend(values.filter_map(|value| edit::at(value, &rest)).cloned());
        }
        wanted
    }

    /// When the policy came to this field for the first time, or to the deepest of what is around it.
    pub(super) fn order(&self, path: &FieldPath) -> u32 {
        let mut around = std::iter::successors(Some(path.clone()), FieldPath::parent);
        around.find_map(|path| self.order.get(&path).copied()).unwrap_or_default()
    }
}

fn join(path: FieldPath, segment: &Segment) -> FieldPath {
    match segment {
        Segment::Key(key) => path.key(key),
        Segment::Index(index) => path.index(*index),
    }
}

/// The name under which the inventory would have an object.
fn key(object: &Value) -> Option<ObjectKey> {
    let text = |value: Option<&Value>, name: &str| value?.get(&Value::string(name))?.as_str().map(str::to_owned);
    let metadata = object.get(&Value::string("metadata"));
    let gvk = GroupVersionKind::from_api_version(&text(Some(object), "apiVersion")?, &text(Some(object), "kind")?);
    Some(ObjectKey { gvk, namespace: text(metadata, "namespace").unwrap_or_default(), name: text(metadata, "name")? })
}

/// Whether the inventory's copy, which may have fewer fields, is of this very object.
fn is_part_of(kept: &Value, object: &Value) -> bool {
    match (kept, object) {
        (Value::Object(kept), Value::Object(object)) => {
            let has = |(key, value): (&Value, &Value)| object.get(key).is_some_and(|other| is_part_of(value, other));
            kept.entries().iter().all(has)
        }
        (kept, object) => kept == object,
    }
}

/// A path below `object` of a review as one in the object.
fn in_object(path: &FieldPath) -> Option<FieldPath> {
    let (Segment::Key(first), rest) = path.segments().split_first()? else { return None };
    (first == "object").then(|| rest.iter().fold(FieldPath::root(), join))
}
