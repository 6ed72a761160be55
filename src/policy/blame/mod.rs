//! Which field of an object a violation is about, for any policy, without its author's help.
//!
//! Two sources are asked. The evaluator says what the policy touched of the object ([`Observer`]). Then the policy is
//! evaluated again on objects that differ in one of those places: a field is to blame if changing it makes exactly this
//! violation go away, and no other one come. A field whose change only rewords the message is shown by it, not its cause.
//! For something missing, the place is the deepest node around it that exists.
//!
//! ```text
//! violation ─ stated in its details? ─ values ─ missing fields ─ the same field of several elements ─ several fields
//!           ─ several missing fields ─ elements ─ the one field that the message names ─ the object
//! ```
//!
//! Guarantees: a place is never invented ([`Basis::Object`] says that none was found); the same input has the same answer,
//! because work is bounded by the number of evaluations and by how deep the object is, not by time; a policy that reaches out of the process (`http.send`) is
//! not evaluated again. Deliberately absent: files and lines.

mod chain;
mod edit;
mod guesses;
mod message;
mod missing;
mod offer;
mod sample;
mod stated;
mod trials;
mod values;
mod within;

use std::cmp::Reverse;

use serde_json::Value as Json;

use crate::model::object::{FieldPath, Segment};
use crate::model::review::Review;
use crate::model::value::Value;
use crate::policy::engine::{Deadline, Document, Role};
use crate::policy::evaluate::Violation;
use crate::policy::snapshot::Snapshot;

use guesses::Guesses;
use trials::{Sightings, Trials};

/// How many evaluations one violation is worth.
pub const MAX_EVALUATIONS: u32 = 400;
/// How deep an object may be nested for its fields to be tried out. Four times what people write: further down, every path
/// is so long that trials take minutes.
const MAX_LEVELS: usize = 100;
/// How much less may speak for a field that has part in it.
const RELATED: i32 = 2;
/// How much the order of a policy's looking speaks for a field.
const LAST: i32 = 1;
/// How much less speaks for one that came before and that the message does not speak of.
const BEFORE: i32 = 2;

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
    /// It is the only field that the policy looks at, and the message names it; nothing that was tried passes.
    Named,
    /// Nothing is known but the object.
    Object,
}

impl Basis {
    /// One word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stated => "stated",
            Self::Proven => "proven",
            Self::Named => "named",
            Self::Object => "object",
        }
    }
}

impl Blame {
    /// Nothing but the object.
    pub fn object() -> Self {
        Self { path: FieldPath::root(), missing: None, basis: Basis::Object, passing: None, related: Vec::new() }
    }
}

/// A field that may be to blame, and what speaks for it.
#[derive(Clone, Debug, Default)]
struct Suspect {
    path: FieldPath,
    /// Whether it is not there.
    is_missing: bool,
    weight: i32,
    /// What else speaks for it or against it: when the policy came to it, and whether the message says how it should be.
    favour: i32,
    /// Whether the message shows or names it.
    is_told: bool,
    standing: Standing,
    passing: Option<Json>,
}

/// What a field is to a rule: the last is rather to blame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// It says which objects the rule is for.
    Guard,
    /// An annotation or label that is missing, and that the message does not speak of: it would rather exempt the object.
    Exemption,
    #[default]
    Open,
    /// The rule finds fault with it.
    Check,
}

impl Standing {
    fn of(role: Role) -> Self {
        match role {
            Role::Guard => Self::Guard,
            Role::Open => Self::Open,
            Role::Check => Self::Check,
        }
    }

    /// Of a field that is missing.
    fn of_missing(path: &FieldPath, is_told: bool, role: Role) -> Self {
        let is_exempting = |segment: &Segment| matches!(segment, Segment::Key(key) if ["annotations", "labels"].contains(&key.as_str()));
        match role {
            _ if !is_told && path.segments().iter().any(is_exempting) => Self::Exemption,
            Role::Guard => Self::Open,
            role => Self::of(role),
        }
    }
}

impl Suspect {
    fn total(&self) -> i32 {
        self.weight + self.favour
    }
}

/// What a violation of this review is about. It must be one of this snapshot. If it is in something that the object would
/// create, the field is one of that.
pub fn blame(snapshot: &Snapshot, review: &Review, violation: &Violation, deadline: Deadline) -> Blame {
    blame_counting(snapshot, review, violation, deadline).0
}

/// The same, and how many evaluations it took.
pub fn blame_counting(snapshot: &Snapshot, review: &Review, violation: &Violation, deadline: Deadline) -> (Blame, u32) {
    if deadline.has_passed() {
        return (Blame::object(), 0);
    }
    if let Some(implied) = &violation.implied {
        let message = violation.own_message().to_owned();
        let own = Violation { message, implied: None, ..violation.clone() };
        return blame_counting(snapshot, &implied.review, &own, deadline);
    }
    let document = Document::from_review(review);
    let Some(object) = document.value().get(&Value::string("object")).filter(|object| object.is_collection()) else {
        return (Blame::object(), 0);
    };
    if let Some(path) = violation.details.as_ref().and_then(|details| stated::path(details, object)) {
        let is_missing = edit::at(object, &path).is_none();
        let blame = settle(object, Suspect { is_missing, path, ..Suspect::default() });
        return (Blame { basis: Basis::Stated, ..blame }, 0);
    }
    if violation.constraint.program.reaches_out() || is_deeper_than(MAX_LEVELS, object) {
        return (Blame::object(), 0);
    }
    let mut trials = Trials::new(snapshot, &document, object, violation, deadline);
    let blame = try_out(&mut trials, violation).unwrap_or_else(Blame::object);
    (blame, trials.made())
}

fn is_deeper_than(levels: usize, value: &Value) -> bool {
    match (levels.checked_sub(1), value) {
        (_, value) if !value.is_collection() => false,
        (None, _) => true,
        (Some(levels), Value::Array(items)) => items.iter().any(|item| is_deeper_than(levels, item)),
        (Some(levels), Value::Object(fields)) => {
            fields.entries().iter().any(|(_, value)| is_deeper_than(levels, value))
        }
        (Some(_), _) => false,
    }
}

/// What trials say; nothing when they say nothing.
fn try_out(trials: &mut Trials<'_>, violation: &Violation) -> Option<Blame> {
    let object = trials.object();
    let sightings = trials.observe(object)?;
    let guesses = Guesses::new(violation, &sightings, object, trials.old_object());
    let mut suspects = suspects(trials, &sightings, &guesses, &violation.message);
    prefer_what_is_there(&mut suspects);
    let_conditions_stand_back(&mut suspects);
    suspects.retain(|suspect| suspect.weight > 0);
    // The deepest, and of equals the first, so that the answer does not hang on the order of trials.
    suspects.sort_by_key(|suspect| {
        (Reverse(suspect.total()), Reverse(suspect.path.segments().len()), suspect.path.clone())
    });
    let mut suspects = suspects.into_iter();
    let Some(first) = suspects.next() else {
        let named = values::only_one(object, &sightings, &violation.message);
        return named.map(|path| Blame { path, basis: Basis::Named, ..Blame::object() });
    };
    let worst = first.weight - RELATED;
    let related = suspects.filter(|other| other.weight >= worst && !other.is_missing && other.path != first.path);
    let related = related.map(|other| other.path).collect();
    let first = if first.is_missing { first } else { within::innermost(trials, &sightings, &guesses, first) };
    Some(Blame { related, ..settle(object, first) })
}

/// Looks for suspects, from what is most often to blame to what rarely is, until there is a likely one.
fn suspects(trials: &mut Trials<'_>, sightings: &Sightings, guesses: &Guesses, message: &str) -> Vec<Suspect> {
    let mut suspects = values::suspects(trials, sightings, guesses, message);
    let none_is = |weight: i32, suspects: &[Suspect]| suspects.iter().all(|suspect| suspect.weight < weight);
    // What the message does not speak of may only be why the rule applies.
    let is_condition = |suspect: &Suspect| suspect.standing == Standing::Guard;
    let is_heavy = |suspect: &Suspect| suspect.weight >= values::CERTAIN && !is_condition(suspect);
    let is_certain = |suspect: &Suspect| is_heavy(suspect) && suspect.is_told;
    let is_demanded = message::demands(message);
    if !suspects.iter().any(is_certain) || is_demanded {
        let is_doubt = !is_demanded && suspects.iter().any(is_heavy);
        suspects.extend(missing::suspects(trials, sightings, guesses, message, is_doubt));
    }
    favour_what_came_last(&mut suspects, sightings);
    if none_is(values::LIKELY, &suspects) {
        suspects.extend(values::alike(trials, sightings, guesses, message));
    }
    if none_is(values::LIKELY, &suspects) {
        suspects.extend(values::together(trials, sightings));
    }
    if none_is(values::LIKELY, &suspects) {
        suspects.extend(chain::suspects(trials, sightings, guesses));
    }
    if none_is(values::LIKELY, &suspects) {
        suspects.extend(values::elements(trials, sightings, message));
    }
    suspects
}

/// Rules say first what they are about and then what is wrong with it. So it is rather the last field that a policy came to,
/// and what the message does not speak of is rather one of those before.
fn favour_what_came_last(suspects: &mut Vec<Suspect>, sightings: &Sightings) {
    // Messages show of all objects what they are; if nothing else is to blame, the object is.
    let is_what_it_is = |one: &Suspect| one.path.segments().len() == 1 && values::is_identity(&one.path);
    let is_other = |one: &Suspect| !is_what_it_is(one) && (one.is_told || !values::is_identity(&one.path));
    suspects.retain(|one| one.weight >= values::LIKELY || is_other(one));
    let likely = suspects.iter_mut().filter(|suspect| suspect.weight >= values::LIKELY);
    let mut likely: Vec<(u32, &mut Suspect)> = likely.map(|one| (sightings.order(&one.path), one)).collect();
    let Some(last) = likely.iter().map(|(order, _)| *order).max() else { return };
    for (order, suspect) in &mut likely {
        match (*order == last, suspect.is_told) {
            (true, _) => suspect.favour += LAST,
            (false, false) => suspect.favour -= BEFORE,
            (false, true) => {}
        }
    }
}

/// A field of the same name as a missing one that is there, and is to blame as well: the missing one would override it.
fn prefer_what_is_there(suspects: &mut [Suspect]) {
    let missing: Vec<(FieldPath, i32)> =
        suspects.iter().filter(|one| one.is_missing).map(|one| (one.path.clone(), one.total())).collect();
    for there in suspects
        .iter_mut()
        .filter(|one| !one.is_missing && one.weight >= values::LIKELY && !values::is_identity(&one.path))
    {
        let of_its_name = missing.iter().filter(|(path, _)| values::last_key(path) == values::last_key(&there.path));
        if let Some(most) = of_its_name.map(|(_, weight)| *weight).max() {
            there.weight = there.weight.max(most + 1 - there.favour);
        }
    }
}

/// What a rule finds fault with goes before what says which objects the rule is for, unless the message speaks only of that.
fn let_conditions_stand_back(suspects: &mut [Suspect]) {
    for standing in [Standing::Open, Standing::Exemption, Standing::Guard] {
        let before: Vec<Suspect> = suspects.iter().filter(|one| one.standing > standing).cloned().collect();
        for one in suspects.iter_mut().filter(|one| one.standing == standing) {
            let goes_before = |other: &&Suspect| {
                other.weight >= values::LIKELY
                    && (other.is_told || !one.is_told)
                    && values::last_key(&other.path) != values::last_key(&one.path)
            };
            if let Some(most) = before.iter().filter(goes_before).map(Suspect::total).max() {
                one.favour = one.favour.min(most - 1 - one.weight);
            }
        }
    }
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
