//! What the API server leaves out of an object because its kind has no such field.

use serde_json::Value;

use crate::model::object::FieldPath;

/// The first field that was asked for and is not there, or is not what was asked for.
pub(super) fn dropped(wanted: &Value, found: &Value) -> Option<FieldPath> {
    missing(wanted, Some(found), FieldPath::root())
}

fn missing(wanted: &Value, found: Option<&Value>, at: FieldPath) -> Option<FieldPath> {
    match (wanted, found) {
        // Nobody misses it.
        (Value::Null, _) => None,
        (Value::Object(wanted), Some(Value::Object(found))) => {
            wanted.iter().find_map(|(key, value)| missing(value, found.get(key), at.key(key)))
        }
        (Value::Array(wanted), Some(Value::Array(found))) if wanted.len() == found.len() => {
            let mut pairs = wanted.iter().zip(found).enumerate();
            pairs.find_map(|(index, (wanted, found))| missing(wanted, Some(found), at.index(index)))
        }
        (wanted, Some(found)) if wanted == found => None,
        _ => Some(at),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_what_was_dropped() {
        let wanted = json!({"spec": {"parameters": {"repos": ["a"], "none": null}, "list": [{"a": 1}]}});
        let path = |found: Value| dropped(&wanted, &found).map(|path| path.to_string());
        let whole = json!({"spec": {"parameters": {"repos": ["a"]}, "list": [{"a": 1, "b": 2}], "more": true}});
        assert_eq!(path(whole), None);
        let without = json!({"spec": {"parameters": {}, "list": [{"a": 1}]}});
        assert_eq!(path(without).as_deref(), Some("spec.parameters.repos"));
        let inside = json!({"spec": {"parameters": {"repos": ["a"]}, "list": [{}]}});
        assert_eq!(path(inside).as_deref(), Some("spec.list[0].a"));
    }
}
