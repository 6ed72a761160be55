//! Which schemas the API server refuses in a CRD, and why.
//!
//! Rules come as tables and small functions over the schema as written, because many of them are about a keyword being there
//! at all. What cannot be read in the first place is `parse`'s business and passed over here.

use serde_json::{Map, Value, json};

use crate::model::object::{FieldError, FieldPath};

use super::MAX_DEPTH;
use super::types::Type;

mod list_rules;

/// Where in a schema a node stands; it decides the wording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Root,
    Item,
    Field,
}

/// Keywords of JSON Schema that a CRD may not use.
const UNSUPPORTED: [&str; 7] =
    ["id", "$schema", "$ref", "additionalItems", "patternProperties", "definitions", "dependencies"];

/// Keywords that describe a value's shape: they have no place in alternatives, which may only judge.
const SHAPE_ONLY: [(&str, &str); 12] = [
    ("type", "must be empty to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    ("x-kubernetes-preserve-unknown-fields", "must be false to be structural"),
    ("x-kubernetes-embedded-resource", "must be false to be structural"),
    ("x-kubernetes-int-or-string", "must be false to be structural"),
    ("x-kubernetes-list-map-keys", "must be empty to be structural"),
    ("x-kubernetes-list-type", "must be undefined to be structural"),
    ("x-kubernetes-map-type", "must be undefined to be structural"),
];

/// The keywords that hold alternatives.
const JUNCTORS: [&str; 3] = ["anyOf", "allOf", "oneOf"];

/// One node of a schema as written.
#[derive(Clone, Copy, Debug)]
struct Node<'a> {
    keywords: &'a Map<String, Value>,
    at: &'a FieldPath,
}

/// Collects what the API server would refuse in the schema at a path.
pub(super) fn check(schema: &Value, at: &FieldPath, level: Level, errors: &mut Vec<FieldError>) {
    check_node(schema, at, level, 0, errors);
}

fn check_node(schema: &Value, at: &FieldPath, level: Level, depth: usize, errors: &mut Vec<FieldError>) {
    let Some(keywords) = schema.as_object().filter(|_| depth < MAX_DEPTH) else { return };
    let node = Node { keywords, at };
    check_supported(node, errors);
    check_type(node, level, errors);
    check_additional_properties(node, level, errors);
    check_extensions(node, errors);
    list_rules::check(node, errors);
    check_object_fields(node, level, errors);
    if let Some(items) = node.get("items").filter(|items| !items.is_array()) {
        check_node(items, &at.key("items"), Level::Item, depth + 1, errors);
    }
    for (name, property) in node.mapping("properties") {
        check_node(property, &at.key("properties").key(name), Level::Field, depth + 1, errors);
    }
    if let Some(values) = node.get("additionalProperties") {
        check_node(values, &at.key("additionalProperties"), Level::Field, depth + 1, errors);
    }
    check_junctors(node, depth, errors);
}

/// A node inside `anyOf`, `allOf`, `oneOf` or `not`, or below one.
fn check_nested(schema: &Value, at: &FieldPath, depth: usize, errors: &mut Vec<FieldError>) {
    let Some(keywords) = schema.as_object().filter(|_| depth < MAX_DEPTH) else { return };
    let node = Node { keywords, at };
    check_supported(node, errors);
    for (keyword, detail) in SHAPE_ONLY.iter().filter(|(keyword, _)| node.is_set(keyword)) {
        errors.push(FieldError::forbidden(at.key(*keyword), detail));
    }
    if let Some(items) = node.get("items") {
        check_nested(items, &at.key("items"), depth + 1, errors);
    }
    for (name, property) in node.mapping("properties") {
        let path = at.key("properties").key(name);
        if name == "metadata" {
            errors.push(FieldError::forbidden(path.clone(), "must not be specified in a nested context"));
        }
        check_nested(property, &path, depth + 1, errors);
    }
    check_junctors(node, depth, errors);
}

fn check_junctors(node: Node<'_>, depth: usize, errors: &mut Vec<FieldError>) {
    for junctor in JUNCTORS {
        let is_exempt = junctor == "anyOf" && node.get(junctor) == Some(&int_or_string());
        let alternatives = node.get(junctor).and_then(Value::as_array).filter(|_| !is_exempt);
        for (index, alternative) in alternatives.into_iter().flatten().enumerate() {
            // Controllers write int-or-string as a bare `anyOf` or as the first of `allOf`; there it may name types.
            let is_exempt = junctor == "allOf" && index == 0 && *alternative == json!({ "anyOf": int_or_string() });
            if !is_exempt {
                check_nested(alternative, &node.at.key(junctor).index(index), depth + 1, errors);
            }
        }
    }
    if let Some(schema) = node.get("not") {
        check_nested(schema, &node.at.key("not"), depth + 1, errors);
    }
}

fn int_or_string() -> Value {
    json!([{"type": "integer"}, {"type": "string"}])
}

fn check_supported(node: Node<'_>, errors: &mut Vec<FieldError>) {
    for keyword in UNSUPPORTED.iter().filter(|keyword| node.is_set(keyword)) {
        errors.push(FieldError::forbidden(node.at.key(*keyword), format!("{keyword} is not supported")));
    }
    if node.flag("uniqueItems") {
        let detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        errors.push(FieldError::forbidden(node.at.key("uniqueItems"), detail));
    }
    if node.get("items").is_some_and(Value::is_array) {
        let detail = "items must be a schema object and not an array";
        errors.push(FieldError::forbidden(node.at.key("items"), detail));
    }
    let Some(kind) = node.get("type").filter(|kind| kind.as_str().is_some_and(|name| !name.is_empty())) else { return };
    if node.type_name().and_then(Type::from_name).is_none() {
        errors.push(FieldError::not_supported(node.at.key("type"), kind, &Type::NAMES));
    }
    if kind == "null" {
        let detail = "type cannot be set to null, use nullable as an alternative";
        errors.push(FieldError::forbidden(node.at.key("type"), detail));
    }
}

fn check_type(node: Node<'_>, level: Level, errors: &mut Vec<FieldError>) {
    let path = node.at.key("type");
    let is_open = node.flag("x-kubernetes-int-or-string") || node.flag("x-kubernetes-preserve-unknown-fields");
    match node.type_name() {
        None if node.flag("x-kubernetes-embedded-resource") => {
            errors.push(FieldError::required(path, "must be object if x-kubernetes-embedded-resource is true"));
        }
        None if is_open => {}
        None => {
            let detail = match level {
                Level::Root => "must not be empty at the root",
                Level::Item => "must not be empty for specified array items",
                Level::Field => "must not be empty for specified object fields",
            };
            errors.push(FieldError::required(path, detail));
        }
        Some("array") if node.get("items").is_none() => {
            errors.push(FieldError::required(node.at.key("items"), "must be specified"));
        }
        Some("object") => {}
        Some(other) if node.flag("x-kubernetes-embedded-resource") => {
            let detail = "must be object if x-kubernetes-embedded-resource is true";
            errors.push(FieldError::invalid(path, &Value::from(other), detail));
        }
        Some(other) if level == Level::Root => {
            errors.push(FieldError::invalid(path, &Value::from(other), "must be object at the root"));
        }
        Some(_) => {}
    }
}

fn check_additional_properties(node: Node<'_>, level: Level, errors: &mut Vec<FieldError>) {
    let Some(written) = node.get("additionalProperties") else { return };
    let has_properties = node.mapping("properties").next().is_some();
    let refusals = [
        (level == Level::Root, "must not be used at the root"),
        (node.flag("x-kubernetes-embedded-resource"), "must not be used if x-kubernetes-embedded-resource is set"),
        (has_properties && *written != Value::Bool(true), "additionalProperties and properties are mutual exclusive"),
    ];
    for (_, detail) in refusals.iter().filter(|(applies, _)| *applies) {
        errors.push(FieldError::forbidden(node.at.key("additionalProperties"), detail));
    }
}

fn check_extensions(node: Node<'_>, errors: &mut Vec<FieldError>) {
    const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
    const EMBEDDED: &str = "x-kubernetes-embedded-resource";
    if node.get(PRESERVE) == Some(&Value::Bool(false)) {
        errors.push(FieldError::invalid(node.at.key(PRESERVE), &Value::Bool(false), "must be true or undefined"));
    }
    for keyword in [PRESERVE, EMBEDDED] {
        if node.flag("x-kubernetes-int-or-string") && node.flag(keyword) {
            let detail = "must be false if x-kubernetes-int-or-string is true";
            errors.push(FieldError::invalid(node.at.key(keyword), &Value::Bool(true), detail));
        }
    }
    let is_empty = node.mapping("properties").next().is_none();
    if node.flag(EMBEDDED) && !node.flag(PRESERVE) && is_empty {
        let detail = format!("must not be empty if {EMBEDDED} is true without {PRESERVE}");
        errors.push(FieldError::required(node.at.key("properties"), &detail));
    }
}

/// `apiVersion`, `kind` and `metadata` of a Kubernetes object are the API server's own; a schema may hardly touch them.
fn check_object_fields(node: Node<'_>, level: Level, errors: &mut Vec<FieldError>) {
    if level != Level::Root && !node.flag("x-kubernetes-embedded-resource") {
        return;
    }
    for (name, wanted) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
        let Some(property) = node.mapping("properties").find_map(|(key, property)| (key == name).then_some(property))
        else {
            continue;
        };
        let path = node.at.key("properties").key(name);
        if property.get("type").and_then(Value::as_str) != Some(wanted) {
            let found = property.get("type").cloned().unwrap_or_else(|| Value::from(""));
            errors.push(FieldError::invalid(path.key("type"), &found, format!("must be {wanted}")));
        }
        if level == Level::Root && property.get("default").is_some_and(|default| !default.is_null()) {
            errors.push(FieldError::forbidden(path.key("default"), format!("must not be set in top-level {name}")));
        }
    }
}

impl<'a> Node<'a> {
    /// A keyword that is there and not null.
    fn get(self, keyword: &str) -> Option<&'a Value> {
        self.keywords.get(keyword).filter(|value| !value.is_null())
    }

    /// Whether a keyword says anything: empty strings, lists and mappings, and `false`, do not.
    fn is_set(self, keyword: &str) -> bool {
        self.get(keyword).is_some_and(|value| match value {
            Value::Null => false,
            Value::Bool(flag) => *flag || keyword == "default" || keyword == "additionalProperties",
            Value::String(text) => !text.is_empty() || keyword == "default",
            Value::Array(items) => !items.is_empty() || keyword == "default",
            Value::Object(fields) => {
                !fields.is_empty() || ["default", "additionalProperties", "additionalItems"].contains(&keyword)
            }
            Value::Number(_) => true,
        })
    }

    fn flag(self, keyword: &str) -> bool {
        self.get(keyword) == Some(&Value::Bool(true))
    }

    fn type_name(self) -> Option<&'a str> {
        self.get("type").and_then(Value::as_str).filter(|name| !name.is_empty())
    }

    fn mapping(self, keyword: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.get(keyword).and_then(Value::as_object).into_iter().flatten()
    }
}
