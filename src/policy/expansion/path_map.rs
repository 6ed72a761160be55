//! From the fields of a resultant to the fields that they were made from.

use std::sync::Arc;

use serde_json::Value;

use crate::model::object::{FieldPath, ObjectKey, Segment};

/// The object in which somebody wrote a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The one that was expanded.
    Generator,
    /// One that it refers to.
    Other(Box<ObjectKey>),
}

/// Where a field of a resultant comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// In which object.
    pub holder: Holder,
    /// The field there. It need not exist: what is missing from the resultant is missing here.
    pub path: FieldPath,
    /// Nobody wrote the field itself: a controller adds it, and this is what it adds it because of.
    pub is_made_up: bool,
}

/// One resultant's fields in terms of its parent's. The closest rule above a path is the one that counts.
#[derive(Clone, Debug)]
pub(super) struct PathMap {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    top: FieldPath,
    holder: Holder,
    target: FieldPath,
    /// Whether what is below the one stands below the other.
    is_copy: bool,
}

impl PathMap {
    /// For a resultant that is made because of one node.
    pub(super) fn new(holder: Holder, template: FieldPath) -> Self {
        Self { rules: vec![Rule { top: FieldPath::root(), holder, target: template, is_copy: false }] }
    }

    /// For a resultant that is a copy of one node, but for what other rules say.
    pub(super) fn of_copy(holder: Holder, template: FieldPath) -> Self {
        Self { rules: vec![Rule { top: FieldPath::root(), holder, target: template, is_copy: true }] }
    }

    /// What is at and below `top` was copied.
    pub(super) fn copied(&mut self, top: FieldPath, holder: Holder, target: FieldPath) {
        self.rules.push(Rule { top, holder, target, is_copy: true });
    }

    /// What is at and below `top` was made up because of one node.
    pub(super) fn made_up(&mut self, top: FieldPath, holder: Holder, target: FieldPath) {
        self.rules.push(Rule { top, holder, target, is_copy: false });
    }

    /// Somebody else changed the resultant afterwards: what differs now was made up because of what was there, or would
    /// have been.
    pub(super) fn changed(&mut self, before: &Value, now: &Value) {
        let mut changes = Vec::new();
        differences(before, now, FieldPath::root(), &mut changes);
        for top in changes {
            if let Some(Origin { holder, path, .. }) = self.translate(&top) {
                self.made_up(top, holder, path);
            }
        }
    }

    fn translate(&self, path: &FieldPath) -> Option<Origin> {
        let above = self.rules.iter().filter_map(|rule| Some((rule, path.below(&rule.top)?)));
        let (rule, rest): (&Rule, &[Segment]) = above.min_by_key(|(_, rest)| rest.len())?;
        let target = if rule.is_copy { rule.target.join(rest) } else { rule.target.clone() };
        // The resultant as a whole is the template as a whole, which somebody wrote.
        let is_made_up = !rule.is_copy && !path.segments().is_empty();
        Some(Origin { holder: rule.holder.clone(), path: target, is_made_up })
    }
}

/// The closest places around all that differs.
fn differences(before: &Value, now: &Value, at: FieldPath, changes: &mut Vec<FieldPath>) {
    match (before, now) {
        (Value::Object(before), Value::Object(now)) => {
            for (key, value) in now {
                let before = before.get(key).unwrap_or(&Value::Null);
                differences(before, value, at.key(key), changes);
            }
        }
        (Value::Array(before), Value::Array(now)) if before.len() == now.len() => {
            for (position, (before, now)) in before.iter().zip(now).enumerate() {
                differences(before, now, at.index(position), changes);
            }
        }
        (before, now) if before == now => {}
        _ => changes.push(at),
    }
}

/// Follows a field through resultants to the object where it was written.
pub(super) fn follow(levels: &[Arc<PathMap>], mut origin: Origin) -> Origin {
    for map in levels {
        // Whatever a generator refers to was written by somebody; no level leads on from there.
        if origin.holder != Holder::Generator {
            break;
        }
        let Some(next) = map.translate(&origin.path) else { break };
        origin = Origin { is_made_up: origin.is_made_up || next.is_made_up, ..next };
    }
    origin
}
