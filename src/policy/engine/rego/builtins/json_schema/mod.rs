//! `json.verify_schema` and `json.match_schema`: JSON Schema of the drafts 4, 6 and 7, as gojsonschema has it.
//!
//! Its mixture of the drafts, its texts and its choice of the branch whose mistakes are shown are kept; `pattern` is
//! ignored, as in OPA's copy of it. What OPA's answer would leave to the order of a Go map is in the order of the keys.
//!
//! Absent on purpose: schemas from other places. OPA would load them from the network; here they stop the evaluation,
//! and so does what nests deeper than any schema that a person wrote.

mod faults;
mod formats;
mod keywords;
mod numbers;
mod parse;
mod pool;
mod validate;

use super::arguments::{operand, undefined};
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::{NumberMode, Value, parse_json, write_json};
use parse::Schema;

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "json.verify_schema", arity: 1, call: verify },
    Builtin { name: "json.match_schema", arity: 2, call: match_schema },
];

/// Levels of schemas and documents that are followed.
const MAX_DEPTH: usize = 100;

/// Why a schema cannot be used.
#[derive(Debug)]
enum SchemaError {
    /// It is no schema, in gojsonschema's words.
    Invalid(String),
    /// Nothing can be said about it.
    Stop(BuiltinError),
}

impl From<BuiltinError> for SchemaError {
    fn from(error: BuiltinError) -> Self {
        Self::Stop(error)
    }
}

impl From<String> for SchemaError {
    fn from(message: String) -> Self {
        Self::Invalid(message)
    }
}

fn verify(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let checked = load(context, operand(operands, 0)).and_then(|document| Schema::parse(context, &document));
    match checked {
        Ok(_) => Ok(Value::array(vec![Value::Bool(true), Value::Null])),
        Err(SchemaError::Invalid(message)) => {
            Ok(Value::array(vec![Value::Bool(false), Value::from(format!("jsonschema: {message}"))]))
        }
        Err(SchemaError::Stop(error)) => Err(error),
    }
}

fn match_schema(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let as_undefined = |error| match error {
        SchemaError::Invalid(message) => undefined(message),
        SchemaError::Stop(error) => error,
    };
    let document = load(context, operand(operands, 0)).map_err(as_undefined)?;
    let schema = load(context, operand(operands, 1)).and_then(|schema| Schema::parse(context, &schema));
    let faults = validate::validate(context, &schema.map_err(as_undefined)?, &document)?;
    let is_valid = Value::Bool(faults.is_empty());
    Ok(Value::array(vec![is_valid, Value::array(faults.iter().map(faults::Fault::to_value).collect())]))
}

/// The JSON that an operand is: a text of JSON, or an object, whose sets and keys become JSON's.
fn load(context: &mut CallContext<'_>, value: &Value) -> Result<Value, SchemaError> {
    let written;
    let text = match value {
        Value::String(text) => text,
        Value::Object(_) => {
            super::arguments::charge_text(context, value, 0)?;
            let mut text = String::new();
            write_json(value, None, &mut text).map_err(|error| error.message.to_owned())?;
            written = text;
            written.as_str()
        }
        _ => return Err(SchemaError::Invalid("wrong type, expected string or object".to_owned())),
    };
    context.budget.allocate(text.len() as u64 * 32)?;
    let document = parse_json(text, NumberMode::AsWritten).map_err(|_| "invalid JSON string".to_owned())?;
    if is_deeper_than(&document, MAX_DEPTH) {
        return Err(SchemaError::Stop(too_deep()));
    }
    Ok(document)
}

fn is_deeper_than(value: &Value, limit: usize) -> bool {
    let mut pending = vec![(value, 0)];
    while let Some((value, depth)) = pending.pop() {
        if depth > limit {
            return true;
        }
        match value {
            Value::Array(items) => pending.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(object) => pending.extend(object.entries().iter().map(|(_, item)| (item, depth + 1))),
            _ => {}
        }
    }
    false
}

fn too_deep() -> BuiltinError {
    BuiltinError::Halt(format!("json schema: nested deeper than {MAX_DEPTH} levels"))
}
