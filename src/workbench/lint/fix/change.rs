//! What differs between two values, field by field, and the same done to a third one.

use serde_json::{Map, Value};

use crate::model::object::{FieldPath, Segment};

/// Characters of a value that are shown.
const SHOWN: usize = 60;
/// Changes that are told one by one.
const TOLD: usize = 4;

/// A field and its new value; nothing when it is gone.
pub(super) type Change = (FieldPath, Option<Value>);

/// The changes that make one value the other, the topmost of each.
pub(super) fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare(before, after, &FieldPath::root(), &mut found);
    found
}

fn compare(before: &Value, after: &Value, path: &FieldPath, found: &mut Vec<Change>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            found.extend(old.keys().filter(|key| !new.contains_key(*key)).map(|key| (path.key(key), None)));
            for (key, value) in new {
                match old.get(key) {
                    Some(old) => compare(old, value, &path.key(key), found),
                    None => found.push((path.key(key), Some(value.clone()))),
                }
            }
        }
        (Value::Array(old), Value::Array(new)) if new.len() >= old.len() => {
            for (index, value) in new.iter().enumerate() {
                match old.get(index) {
                    Some(old) => compare(old, value, &path.index(index), found),
                    None => found.push((path.index(index), Some(value.clone()))),
                }
            }
        }
        _ => found.push((path.clone(), Some(after.clone()))),
    }
}

/// Does one change to another value. Mappings on the way are made up; `None` where something else is in the way.
pub(super) fn apply(value: &mut Value, path: &FieldPath, new: Option<Value>) -> Option<()> {
    let (last, above) = path.segments().split_last()?;
    let mut at = value;
    for segment in above {
        at = match segment {
            Segment::Key(key) => {
                if at.is_null() {
                    *at = Value::Object(Map::new());
                }
                at.as_object_mut()?.entry(key.as_str()).or_insert_with(|| Value::Object(Map::new()))
            }
            Segment::Index(index) => at.as_array_mut()?.get_mut(*index)?,
        };
    }
    match (last, new) {
        (Segment::Key(key), Some(new)) => {
            if at.is_null() {
                *at = Value::Object(Map::new());
            }
            at.as_object_mut()?.insert(key.clone(), new);
        }
        (Segment::Key(key), None) => drop(at.as_object_mut()?.remove(key)?),
        (Segment::Index(index), Some(new)) => {
            // What is to come behind the last of nothing.
            if at.is_null() || at.as_object().is_some_and(Map::is_empty) {
                *at = Value::Array(Vec::new());
            }
            let list = at.as_array_mut()?;
            let length = list.len();
            match list.get_mut(*index) {
                Some(item) => *item = new,
                None if *index == length => list.push(new),
                None => return None,
            }
        }
        (Segment::Index(index), None) => {
            let list = at.as_array_mut().filter(|list| *index < list.len())?;
            list.remove(*index);
        }
    }
    Some(())
}

/// `set spec.hostNetwork to false, remove spec.hostPID`
pub(super) fn describe(changes: &[Change]) -> String {
    let tell = |(path, new): &Change| match new {
        Some(value) => format!("set {path} to {}", shown(value)),
        None => format!("remove {path}"),
    };
    let mut told: Vec<String> = changes.iter().take(TOLD).map(tell).collect();
    match changes.len().saturating_sub(TOLD) {
        0 => {}
        1 => told.push("and 1 change more".to_owned()),
        more => told.push(format!("and {more} changes more")),
    }
    told.join(", ")
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn tells_the_topmost_of_what_changed() {
        let before = json!({"a": 1, "b": {"c": [1, 2], "d": {}}, "e": 1});
        let after = json!({"a": 1, "b": {"c": [1, 3, 4], "d": {"x": "y"}}});
        assert_eq!(
            describe(&changes(&before, &after)),
            "remove e, set b.c[1] to 3, set b.c[2] to 4, set b.d.x to \"y\""
        );
        let many = json!({"a": [1, 2, 3, 4, 5, 6], "b": 1});
        assert!(describe(&changes(&json!({"a": [0, 0, 0, 0, 0, 0], "b": 0}), &many)).ends_with("and 3 changes more"));
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![any::<bool>().prop_map(Value::Bool), (0..3).prop_map(Value::from), Just(Value::Null)];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[ab]", inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn changes_done_one_by_one_make_the_other(before in value(), after in value()) {
            let (mut changed, after) = (json!({"a": before}), json!({"a": after}));
            for (path, new) in changes(&changed.clone(), &after) {
                prop_assert!(apply(&mut changed, &path, new).is_some());
            }
            prop_assert_eq!(changed, after);
        }
    }
}
