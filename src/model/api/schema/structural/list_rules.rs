//! The rules about `x-kubernetes-list-type` and `x-kubernetes-map-type`.

use serde_json::Value;

use crate::model::object::FieldError;

use super::Node;

const LIST_TYPE: &str = "x-kubernetes-list-type";
const LIST_KEYS: &str = "x-kubernetes-list-map-keys";
const MAP_TYPE: &str = "x-kubernetes-map-type";

/// Collects what is wrong with a node's list and map types.
pub(super) fn check(node: Node<'_>, errors: &mut Vec<FieldError>) {
    check_kind(node, MAP_TYPE, "object", &["atomic", "granular"], errors);
    check_kind(node, LIST_TYPE, "array", &["atomic", "set", "map"], errors);
    match node.get(LIST_TYPE).and_then(Value::as_str) {
        Some("set") => check_set(node, errors),
        Some("map") => check_map(node, errors),
        Some(other) if node.is_set(LIST_KEYS) => {
            let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
            errors.push(FieldError::invalid(node.at.key(LIST_TYPE), &Value::from(other), detail));
        }
        None if node.is_set(LIST_KEYS) => {
            let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
            errors.push(FieldError::required(node.at.key(LIST_TYPE), detail));
        }
        Some(_) | None => {}
    }
}

/// The keyword's value is one of a few, and the node has the type it is about.
fn check_kind(node: Node<'_>, keyword: &str, wanted: &str, supported: &[&str], errors: &mut Vec<FieldError>) {
    let Some(written) = node.get(keyword) else { return };
    let detail = format!("must be {wanted} if {keyword} is specified");
    match node.type_name() {
        Some(name) if name == wanted => {}
        Some(other) => errors.push(FieldError::invalid(node.at.key("type"), &Value::from(other), detail)),
        None => errors.push(FieldError::required(node.at.key("type"), &detail)),
    }
    if !supported.iter().any(|name| written == name) {
        errors.push(FieldError::not_supported(node.at.key(keyword), written, supported));
    }
}

/// Elements of a set are compared whole, so they must be atomic.
fn check_set(node: Node<'_>, errors: &mut Vec<FieldError>) {
    let Some(items) = node.get("items") else { return };
    check_not_nullable(node, items, "set", errors);
    let keyword = match items.get("type").and_then(Value::as_str) {
        Some("array") if items.get(LIST_TYPE).is_some_and(|kind| kind != "atomic") => LIST_TYPE,
        Some("object") if items.get(MAP_TYPE).is_none_or(|kind| kind != "atomic") => MAP_TYPE,
        Some(_) | None => return,
    };
    let found = items.get(LIST_TYPE).unwrap_or(&Value::Null);
    let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
    errors.push(FieldError::invalid(node.at.key("items").key(keyword), found, detail));
}

/// Elements of a map are objects, and its keys are scalar properties that every element has.
fn check_map(node: Node<'_>, errors: &mut Vec<FieldError>) {
    let keys = node.get(LIST_KEYS).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if keys.is_empty() {
        let detail = "must not be empty if x-kubernetes-list-type is map";
        errors.push(FieldError::required(node.at.key(LIST_KEYS), detail));
    }
    let Some(items) = node.get("items") else {
        let detail = "must have a schema if x-kubernetes-list-type is map";
        errors.push(FieldError::required(node.at.key("items"), detail));
        return;
    };
    check_not_nullable(node, items, "map", errors);
    let kind = items.get("type").cloned().unwrap_or_else(|| Value::from(""));
    if kind != "object" {
        let detail = "must be object if parent array's x-kubernetes-list-type is map";
        errors.push(FieldError::invalid(node.at.key("items").key("type"), &kind, detail));
        return;
    }
    for (position, key) in keys.iter().enumerate() {
        if keys.iter().take(position).any(|earlier| earlier == key) {
            let detail = "must not contain duplicate entries";
            errors.push(FieldError::invalid(node.at.key(LIST_KEYS), &Value::from(keys), detail));
        }
        check_key(node, items, key.as_str().unwrap_or_default(), keys, errors);
    }
}

fn check_key(node: Node<'_>, items: &Value, key: &str, keys: &[Value], errors: &mut Vec<FieldError>) {
    let Some(property) = items.get("properties").and_then(|properties| properties.get(key)) else {
        let detail = "entries must all be names of item properties";
        errors.push(FieldError::invalid(node.at.key(LIST_KEYS), &Value::from(keys), detail));
        return;
    };
    let path = node.at.key("items").key("properties").key(key);
    if property.get("type").is_some_and(|kind| kind == "array" || kind == "object") {
        let detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
        errors.push(FieldError::invalid(path.key("type"), &Value::from("object"), detail));
    }
    let required = items.get("required").and_then(Value::as_array);
    let is_required = required.is_some_and(|names| names.iter().any(|name| name == key));
    if !is_required && property.get("default").is_none_or(Value::is_null) {
        let detail =
            "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
        errors.push(FieldError::required(path.key("default"), detail));
    }
    if property.get("nullable") == Some(&Value::Bool(true)) {
        let detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
        errors.push(FieldError::forbidden(path.key("nullable"), detail));
    }
}

fn check_not_nullable(node: Node<'_>, items: &Value, kind: &str, errors: &mut Vec<FieldError>) {
    if items.get("nullable") == Some(&Value::Bool(true)) {
        let detail = format!("cannot be nullable when x-kubernetes-list-type is {kind}");
        errors.push(FieldError::forbidden(node.at.key("items").key("nullable"), &detail));
    }
}
