//! Which field of an object a violation is about, for any policy, without its author's help.
//!
//! Two sources are asked. The evaluator says what the policy touched of the object ([`Observer`]). Then the policy is
//! evaluated again on objects that differ in one of those places: a field is to blame if changing it makes exactly this
//! violation go away, and no other one come. A field whose change only rewords the message is shown by it, not its cause.
//! For something missing, the place is the deepest node around it that exists.
//!
//! ```text
//! violation ─ stated in its details? ─ values ─ missing fields ─ the same field of several elements ─ elements ─ the object
//! ```
//!
//! Guarantees: a place is never invented ([`Basis::Object`] says that none was found); the same input has the same answer,
//! because work is bounded by the number of evaluations, not by time. Deliberately absent: files and lines.

mod edit;
mod guesses;
mod missing;
mod sample;
mod stated;
mod trials;
mod values;

use std::cmp::Reverse;

use serde_json::Value as Json;

use crate::model::object::FieldPath;
use crate::model::review::Review;
use crate::model::value::Value;
use crate::policy::engine::{Deadline, Document};
use crate::policy::evaluate::Violation;
use crate::policy::snapshot::Snapshot;

use guesses::Guesses;
use trials::Trials;

/// How many evaluations one violation is worth.
const MAX_EVALUATIONS: u32 = 400;

/// The field that a violation is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Blame {
    /// The value, or the deepest node around a missing one that exists. The root is the object as a whole.
    pub path: FieldPath,
    /// The field that is missing, when that is what is wrong.
    pub missing: Option<FieldPath>,
    /// How this is known.
    pub basis: Basis,
    /// A value for the field with which this violation goes away. Others may come.
    pub passing: Option<Json>,
    /// Other fields that have part in it.
    pub related: Vec<FieldPath>,
}

/// How it is known what a violation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The policy says so.
    Stated,
    /// Changing the field makes the violation go away.
    Proven,
    /// Nothing is known but the object.
    Object,
}

impl Basis {
    /// One word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stated => "stated",
            Self::Proven => "proven",
            Self::Object => "object",
        }
    }
}

impl Blame {
    fn object() -> Self {
        Self { path: FieldPath::root(), missing: None, basis: Basis::Object, passing: None, related: Vec::new() }
    }
}

/// A field that may be to blame, and what speaks for it.
#[derive(Clone, Debug)]
struct Suspect {
    path: FieldPath,
    /// Whether it is not there.
    is_missing: bool,
    weight: i32,
    passing: Option<Json>,
}

/// What a violation of this review is about. It must be one of this snapshot.
pub fn blame(snapshot: &Snapshot, review: &Review, violation: &Violation, deadline: Deadline) -> Blame {
    let document = Document::from_review(review);
    let Some(object) = document.value().get(&Value::string("object")).filter(|object| object.is_collection()) else {
        return Blame::object();
    };
    if let Some(path) = violation.details.as_ref().and_then(|details| stated::path(details, object)) {
        return settle(
            object,
            Suspect { is_missing: edit::at(object, &path).is_none(), path, weight: 0, passing: None },
        )
        .with_basis(Basis::Stated);
    }
    let mut trials = Trials::new(snapshot, &document, object, violation, deadline);
    let Some(sightings) = trials.observe(object) else { return Blame::object() };
    let guesses = Guesses::new(violation, &sightings);
    let mut suspects = values::suspects(&mut trials, &sightings, &guesses, &violation.message);
    if suspects.iter().all(|suspect| suspect.weight < values::CERTAIN) {
        suspects.extend(missing::suspects(&mut trials, &sightings, &guesses, &violation.message));
    }
    if suspects.iter().all(|suspect| suspect.weight < values::LIKELY) {
        suspects.extend(values::together(&mut trials, &sightings));
    }
    if suspects.iter().all(|suspect| suspect.weight < values::LIKELY) {
        suspects.extend(values::elements(&mut trials, &sightings));
    }
    suspects.retain(|suspect| suspect.weight > 0);
    // The deepest, and of equals the first, so that the answer does not hang on the order of trials.
    suspects
        .sort_by_key(|suspect| (Reverse(suspect.weight), Reverse(suspect.path.segments().len()), suspect.path.clone()));
    let mut suspects = suspects.into_iter();
    let Some(first) = suspects.next() else { return Blame::object() };
    let worst = first.weight - 1;
    let related = suspects.filter(|other| other.weight >= worst && !other.is_missing && other.path != first.path);
    let related = related.map(|other| other.path).collect();
    Blame { related, ..settle(object, first) }
}

/// A missing field has the place of the deepest node around it.
fn settle(object: &Value, suspect: Suspect) -> Blame {
    let Suspect { path, is_missing, passing, .. } = suspect;
    let mut place = path.clone();
    while edit::at(object, &place).is_none() {
        match place.parent() {
            Some(parent) => place = parent,
            None => break,
        }
    }
    let missing = is_missing.then_some(path);
    Blame { path: place, missing, basis: Basis::Proven, passing, related: Vec::new() }
}

impl Blame {
    fn with_basis(self, basis: Basis) -> Self {
        Self { basis, ..self }
    }
}
