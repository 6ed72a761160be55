//! `legacySchema: true`: parameter schemas from the time before CRDs had to be structural.
//!
//! Loosened, they accept fields they do not list. What they do list is still checked.

use serde_json::{Map, Value, json};

use crate::model::object::{FieldError, FieldPath};

use super::MAX_DEPTH;

const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";

/// The schema as a template with `legacySchema: true` means it: every object and every node without a type
/// preserves unknown fields, every list without `items` takes anything. `at` is the schema's path.
///
/// Nodes with `x-kubernetes-int-or-string` stay as they are: they cannot preserve unknown fields.
/// Alternatives (`anyOf` …) stay too. Errors: `items` that is a list of schemas.
pub fn loosen_legacy(mut schema: Value, at: &FieldPath, errors: &mut Vec<FieldError>) -> Value {
    loosen_node(&mut schema, at, 0, errors);
    schema
}

fn loosen_node(schema: &mut Value, at: &FieldPath, depth: usize, errors: &mut Vec<FieldError>) {
    // Deeper nodes are refused when the schema is parsed.
    let Some(keywords) = schema.as_object_mut().filter(|_| depth < MAX_DEPTH) else { return };
    let kind = keywords.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let is_int_or_string = keywords.get("x-kubernetes-int-or-string").and_then(Value::as_bool) == Some(true);
    if matches!(kind.as_str(), "" | "object") && !is_int_or_string && is_absent(keywords, PRESERVE) {
        keywords.insert(PRESERVE.to_owned(), Value::Bool(true));
    }
    if kind == "array" && is_absent(keywords, "items") {
        keywords.insert("items".to_owned(), json!({ PRESERVE: true }));
    }
    if let Some(properties) = keywords.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, property) in properties {
            loosen_node(property, &at.key("properties").key(name), depth + 1, errors);
        }
    }
    match keywords.get_mut("items") {
        Some(Value::Array(_)) => {
            let message = "non-nil JSONSchemas encountered, multiple schemas are not supported";
            errors.push(FieldError::new(at.key("items"), message));
        }
        Some(items) => loosen_node(items, &at.key("items"), depth + 1, errors),
        None => {}
    }
    if let Some(values) = keywords.get_mut("additionalProperties") {
        loosen_node(values, &at.key("additionalProperties"), depth + 1, errors);
    }
}

fn is_absent(keywords: &Map<String, Value>, keyword: &str) -> bool {
    keywords.get(keyword).is_none_or(Value::is_null)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schema: Value, expected: Value) {
        let mut errors = Vec::new();
        let loosened = loosen_legacy(schema, &FieldPath::root(), &mut errors);
        assert_eq!((loosened, errors), (expected, Vec::new()));
    }

    #[test]
    fn loosens_every_level() {
        check(json!({}), json!({ PRESERVE: true }));
        check(json!({"type": "string"}), json!({"type": "string"}));
        check(json!({"type": "array"}), json!({"type": "array", "items": { PRESERVE: true }}));
        check(
            json!({"properties": {"a": {"type": "array", "items": {"type": "object"}}, "b": {"type": "integer"}}}),
            json!({ PRESERVE: true, "properties": {
                "a": {"type": "array", "items": {"type": "object", PRESERVE: true }}, "b": {"type": "integer"},
            }}),
        );
        check(
            json!({"type": "object", "additionalProperties": {"x-kubernetes-int-or-string": true}}),
            json!({"type": "object", PRESERVE: true, "additionalProperties": {"x-kubernetes-int-or-string": true}}),
        );
    }

    #[test]
    fn refuses_lists_of_item_schemas() {
        let mut errors = Vec::new();
        loosen_legacy(json!({"type": "array", "items": [{}, {}]}), &FieldPath::from(["schema"]), &mut errors);
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let expected = "schema.items: non-nil JSONSchemas encountered, multiple schemas are not supported";
        assert_eq!(texts, [expected]);
    }
}
