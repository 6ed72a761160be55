//! `openAPIV3Schema` → [`Schema`]: reads and compiles the keywords, and reports those that cannot be read.
//!
//! Whether a schema that can be read is also one that the API server accepts is `structural`'s question.
//! Unknown keywords are ignored, as the API server does.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::model::object::{FieldError, FieldPath};

use super::format::Format;
use super::keywords::Keywords;
use super::lists::ListKind;
use super::number::NumberLimits;
use super::pattern::Pattern;
use super::types::{Type, type_name};
use super::{AdditionalProperties, Limits, MAX_DEPTH, Role, Schema};

/// Reads one schema node and all below it.
pub(super) fn parse(schema: &Value, at: &FieldPath, depth: usize, errors: &mut Vec<FieldError>) -> Schema {
    if depth == MAX_DEPTH {
        errors.push(FieldError::forbidden(at.clone(), format!("schemas may nest {MAX_DEPTH} levels deep")));
        return unreadable();
    }
    let Some(fields) = schema.as_object() else {
        errors.push(FieldError::type_invalid(at.clone(), type_name(schema), "a schema must be an object"));
        return unreadable();
    };
    let keywords = &mut Keywords::new(fields, at, errors);
    let types = read_types(keywords);
    Schema {
        nullable: keywords.flag("nullable"),
        default: keywords.any("default").cloned(),
        preserve_unknown: keywords.flag("x-kubernetes-preserve-unknown-fields"),
        role: if keywords.flag("x-kubernetes-embedded-resource") { Role::Embedded } else { Role::Plain },
        list: read_list_kind(keywords),
        allowed_values: keywords.list("enum").to_vec(),
        format: keywords.text("format").and_then(|name| Format::parse(name, &types)),
        numbers: read_number_limits(keywords),
        pattern: read_pattern(keywords),
        length: read_limits(keywords, "minLength", "maxLength"),
        item_count: read_limits(keywords, "minItems", "maxItems"),
        unique_items: keywords.flag("uniqueItems"),
        property_count: read_limits(keywords, "minProperties", "maxProperties"),
        required: keywords.texts("required"),
        properties: read_properties(keywords, depth),
        additional_properties: read_additional_properties(keywords, depth),
        items: read_items(keywords, depth),
        all_of: read_alternatives(keywords, "allOf", depth),
        any_of: read_alternatives(keywords, "anyOf", depth),
        one_of: read_alternatives(keywords, "oneOf", depth),
        not: read_child(keywords, "not", depth),
        types,
    }
}

/// Stands for a schema that could not be read: it accepts everything and keeps it.
fn unreadable() -> Schema {
    parse(&json!({ "x-kubernetes-preserve-unknown-fields": true }), &FieldPath::root(), 0, &mut Vec::new())
}

/// `x-kubernetes-int-or-string` overrules `type`.
fn read_types(keywords: &mut Keywords<'_>) -> Vec<Type> {
    let written = keywords.text("type");
    if keywords.flag("x-kubernetes-int-or-string") {
        return vec![Type::Integer, Type::String];
    }
    // An unknown name is reported by `structural`.
    written.and_then(Type::from_name).into_iter().collect()
}

fn read_list_kind(keywords: &mut Keywords<'_>) -> ListKind {
    let keys = keywords.texts("x-kubernetes-list-map-keys");
    match keywords.text("x-kubernetes-list-type") {
        Some("set") => ListKind::Set,
        Some("map") => ListKind::Map(keys),
        Some(_) | None => ListKind::Atomic,
    }
}

fn read_number_limits(keywords: &mut Keywords<'_>) -> NumberLimits {
    NumberLimits {
        minimum: keywords.number("minimum"),
        exclusive_minimum: keywords.flag("exclusiveMinimum"),
        maximum: keywords.number("maximum"),
        exclusive_maximum: keywords.flag("exclusiveMaximum"),
        multiple_of: keywords.number("multipleOf"),
    }
}

fn read_pattern(keywords: &mut Keywords<'_>) -> Option<Pattern> {
    let source = keywords.text("pattern").filter(|source| !source.is_empty())?;
    match Pattern::parse(source) {
        Ok(pattern) => Some(pattern),
        Err(reason) => {
            let detail = format!("must be a valid regular expression, but isn't: {reason}");
            let error = FieldError::invalid(keywords.path("pattern"), &Value::from(source), detail);
            keywords.errors().push(error);
            None
        }
    }
}

fn read_limits(keywords: &mut Keywords<'_>, minimum: &str, maximum: &str) -> Limits {
    Limits { minimum: keywords.integer(minimum), maximum: keywords.integer(maximum) }
}

fn read_properties(keywords: &mut Keywords<'_>, depth: usize) -> BTreeMap<String, Schema> {
    let at = keywords.path("properties");
    keywords
        .mapping("properties")
        .map(|(name, schema)| (name.clone(), parse(schema, &at.key(name), depth + 1, keywords.errors())))
        .collect()
}

fn read_additional_properties(keywords: &mut Keywords<'_>, depth: usize) -> AdditionalProperties {
    match keywords.any("additionalProperties") {
        None => AdditionalProperties::Unmentioned,
        Some(Value::Bool(true)) => AdditionalProperties::Allowed,
        Some(Value::Bool(false)) => AdditionalProperties::Refused,
        Some(schema) => {
            let at = keywords.path("additionalProperties");
            AdditionalProperties::Matching(Box::new(parse(schema, &at, depth + 1, keywords.errors())))
        }
    }
}

fn read_items(keywords: &mut Keywords<'_>, depth: usize) -> Option<Box<Schema>> {
    // A list of schemas is reported by `structural`.
    keywords.any("items").filter(|items| !items.is_array())?;
    read_child(keywords, "items", depth)
}

fn read_alternatives(keywords: &mut Keywords<'_>, keyword: &str, depth: usize) -> Vec<Schema> {
    let at = keywords.path(keyword);
    let alternatives = keywords.list(keyword).iter().enumerate();
    alternatives.map(|(index, schema)| parse(schema, &at.index(index), depth + 1, keywords.errors())).collect()
}

fn read_child(keywords: &mut Keywords<'_>, keyword: &str, depth: usize) -> Option<Box<Schema>> {
    let schema = keywords.any(keyword)?;
    let at = keywords.path(keyword);
    Some(Box::new(parse(schema, &at, depth + 1, keywords.errors())))
}
