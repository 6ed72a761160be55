//! Keywords with plain values, and gojsonschema's words for those that are wrong.

use std::sync::Arc;

use super::SchemaError;
use super::numbers::Exact;
use super::parse::Draft;
use crate::policy::engine::rego::value::{Number, Object, Value};

const TYPES: [&str; 7] = ["array", "boolean", "integer", "number", "null", "object", "string"];

/// Bounds of numbers, lengths and counts.
#[derive(Debug, Default)]
pub(super) struct Limits {
    pub(super) minimum: Option<Number>,
    pub(super) exclusive_minimum: Option<Number>,
    pub(super) maximum: Option<Number>,
    pub(super) exclusive_maximum: Option<Number>,
    pub(super) length: Range,
    pub(super) properties: Range,
    pub(super) items: Range,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Range {
    pub(super) least: Option<u64>,
    pub(super) most: Option<u64>,
}

impl Limits {
    pub(super) fn of_numbers(object: &Object, draft: Draft) -> Result<Self, SchemaError> {
        let mut limits = Self { minimum: bound(object, "minimum")?, ..Self::default() };
        let names = ("exclusiveMinimum", "minimum");
        (limits.minimum, limits.exclusive_minimum) = exclusive(object, names, limits.minimum, draft)?;
        limits.maximum = bound(object, "maximum")?;
        let names = ("exclusiveMaximum", "maximum");
        (limits.maximum, limits.exclusive_maximum) = exclusive(object, names, limits.maximum, draft)?;
        Ok(limits)
    }

    pub(super) fn read_strings(&mut self, object: &Object) -> Result<(), SchemaError> {
        self.length = range(object, "minLength", "maxLength")?;
        Ok(())
    }

    pub(super) fn read_properties(&mut self, object: &Object) -> Result<(), SchemaError> {
        self.properties = range(object, "minProperties", "maxProperties")?;
        Ok(())
    }

    /// An empty range is no mistake here.
    pub(super) fn read_items(&mut self, object: &Object) -> Result<(), SchemaError> {
        self.items = Range { least: count(object, "minItems")?, most: count(object, "maxItems")? };
        Ok(())
    }
}

pub(super) fn string<'o>(object: &'o Object, key: &str) -> Result<Option<&'o str>, SchemaError> {
    match object.get_str(key) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or_else(|| wrong_type("string", key)),
    }
}

pub(super) fn array<'o>(object: &'o Object, key: &str) -> Result<&'o [Value], SchemaError> {
    match object.get_str(key) {
        None => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(must_be(key, "an array")),
    }
}

pub(super) fn strings(items: &[Value]) -> Option<Vec<Arc<str>>> {
    items.iter().map(|item| item.as_str().map(Arc::from)).collect()
}

pub(super) fn types(object: &Object) -> Result<Vec<String>, SchemaError> {
    let fault = || wrong_type("type", "string/Array Of Strings");
    let names = match object.get_str("type") {
        None => return Ok(Vec::new()),
        Some(Value::String(name)) => std::slice::from_ref(name).iter().map(|name| Some(&**name)).collect(),
        Some(Value::Array(names)) => names.iter().map(Value::as_str).collect::<Vec<_>>(),
        Some(_) => return Err(fault()),
    };
    let mut types: Vec<String> = Vec::new();
    for name in names {
        let name = name.ok_or_else(fault)?;
        if !TYPES.contains(&name) {
            let valid = TYPES.join(" ");
            return Err(SchemaError::Invalid(format!(
                "has a primitive type that is NOT VALID -- given: /{name}/ Expected valid values are:[{valid}]"
            )));
        }
        if types.iter().any(|known| known == name) {
            return Err(SchemaError::Invalid(format!("{name} type is duplicated")));
        }
        types.push(name.to_owned());
    }
    Ok(types)
}

pub(super) fn wrong_type(expected: &str, given: &str) -> SchemaError {
    SchemaError::Invalid(format!("Invalid type. Expected: {expected}, given: {given}"))
}

/// `what` with its article.
pub(super) fn must_be(key: &str, what: &str) -> SchemaError {
    SchemaError::Invalid(format!("{key} must be of {what}"))
}

fn bound(object: &Object, key: &str) -> Result<Option<Number>, SchemaError> {
    match object.get_str(key) {
        None => Ok(None),
        Some(Value::Number(number)) => {
            Exact::new(number)?;
            Ok(Some(number.clone()))
        }
        Some(_) => Err(must_be(key, "a Number")),
    }
}

/// The bound and the exclusive bound: in draft 4 a flag that makes the one the other, later a number.
fn exclusive(
    object: &Object,
    (key, bound): (&str, &str),
    inclusive: Option<Number>,
    draft: Draft,
) -> Result<(Option<Number>, Option<Number>), SchemaError> {
    let Some(value) = object.get_str(key) else { return Ok((inclusive, None)) };
    match (value, draft) {
        (Value::Bool(is_exclusive), Draft::Four | Draft::Mixed) => match (inclusive, is_exclusive) {
            (None, _) => Err(SchemaError::Invalid(format!("{key} cannot be used without {bound}"))),
            (inclusive, true) => Ok((None, inclusive)),
            (inclusive, false) => Ok((inclusive, None)),
        },
        (_, Draft::Four) => Err(wrong_type("boolean", key)),
        (Value::Number(number), _) => {
            Exact::new(number)?;
            Ok((inclusive, Some(number.clone())))
        }
        (_, Draft::Mixed) => Err(wrong_type("boolean/number", key)),
        _ => Err(wrong_type("number", key)),
    }
}

fn range(object: &Object, least: &str, most: &str) -> Result<Range, SchemaError> {
    let range = Range { least: count(object, least)?, most: count(object, most)? };
    if let (Some(from), Some(to)) = (range.least, range.most)
        && from > to
    {
        return Err(SchemaError::Invalid(format!("{least} cannot be greater than {most}")));
    }
    Ok(range)
}

/// An integer, written as one.
fn count(object: &Object, key: &str) -> Result<Option<u64>, SchemaError> {
    let Some(value) = object.get_str(key) else { return Ok(None) };
    let integer = match value {
        Value::Number(number) => number.as_i64(),
        _ => None,
    };
    let integer = integer.ok_or_else(|| must_be(key, "an integer"))?;
    let negative = |_| SchemaError::Invalid(format!("{key} must be greater than or equal to 0"));
    u64::try_from(integer).map(Some).map_err(negative)
}
