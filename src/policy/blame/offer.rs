//! Values that are shown to people as ones that pass.
//!
//! That a violation goes away with a value is not enough to write it: a policy that wants images of one registry is content
//! with the registry's name alone, and one that forbids some values is content with any other.

use std::mem::discriminant;

use serde_json::Value as Json;

use super::edit;
use super::guesses::{ANYTHING, Guesses, is_quantity};
use super::trials::{Effect, Trials};
use crate::model::object::FieldPath;
use crate::model::value::Value;

/// A value with which the violation has gone away, in this object, if people may take it as it is. `is_list` says that the
/// policy goes through what is missing here.
pub(super) fn offer(
    trials: &mut Trials<'_>,
    guesses: &Guesses,
    object: &Value,
    (path, new): (&FieldPath, &Value),
    is_list: bool,
) -> Option<Json> {
    let offered = guesses.offered(path, new)?;
    let is_of_its_type = match edit::at(object, path) {
        Some(old) if *old != Value::Null => discriminant(old) == discriminant(new),
        _ => is_list || !matches!(new, Value::Array(_)),
    };
    (is_of_its_type && !is_only_a_beginning(trials, guesses, object, path, new)).then_some(offered)
}

/// Whether any text that begins like this would do as well.
fn is_only_a_beginning(
    trials: &mut Trials<'_>,
    guesses: &Guesses,
    object: &Value,
    path: &FieldPath,
    new: &Value,
) -> bool {
    // Something behind an amount makes it unreadable, and rules that read it do not apply.
    let text = new.as_str().filter(|text| !is_quantity(text));
    let Some(text) = text.filter(|_| guesses.before(path).as_ref() != Some(new)) else { return false };
    let longer = Value::string(format!("{text}{ANYTHING}"));
    trials.effect(edit::with(object, path, longer)) == Effect::Gone
}
