//! `graphql.*`: queries and schemas of GraphQL parsed, and validated as gqlparser, which OPA has, does.
//!
//! Documents are texts, or the objects that the parsing functions give. What gqlparser gives beyond the specification, or
//! leaves out of it, is kept. Of what is wrong with a document nothing is seen but that something is.
//!
//! Absent on purpose: documents that nest deeper than any that a person wrote, and objects that no parser gave and that
//! make OPA crash, or whose meaning hangs on the innards of Go. They stop the evaluation.

mod ast;
mod fragments;
mod lexer;
mod overlap;
mod parser;
mod prelude;
mod query;
mod read;
mod schema;
mod schema_text;
#[cfg(test)]
mod tests;
mod validate;
mod values;
mod write;

use super::arguments::{charge_text, is_deeper_than, operand, string, undefined};
use super::{Budget, Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::{NumberMode, Value, parse_json, write_json};
use ast::{Query, SchemaDocument};
use schema::Schema;

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "graphql.is_valid", arity: 2, call: is_valid },
    Builtin { name: "graphql.parse", arity: 2, call: parse },
    Builtin { name: "graphql.parse_and_verify", arity: 2, call: parse_and_verify },
    Builtin { name: "graphql.parse_query", arity: 1, call: parse_query },
    Builtin { name: "graphql.parse_schema", arity: 1, call: parse_schema },
    Builtin { name: "graphql.schema_is_valid", arity: 1, call: schema_is_valid },
];

/// Levels of selections, values, types and of objects that are read.
const MAX_DEPTH: usize = 100;
/// Each level of a document is two or three of its object, and there are some around.
const MAX_OBJECT_DEPTH: usize = 4 * MAX_DEPTH;

/// Why there is no document, or none that is valid.
#[derive(Debug)]
enum Refusal {
    /// In a few words, without a location.
    Invalid(&'static str),
    /// Nothing can be said about it.
    Stop(BuiltinError),
}

impl Refusal {
    fn invalid(message: &'static str) -> Self {
        Self::Invalid(message)
    }

    /// For functions that have no answer then.
    fn into_error(self) -> BuiltinError {
        match self {
            Self::Invalid(message) => undefined(format!("GraphQL: {message}")),
            Self::Stop(error) => error,
        }
    }
}

impl From<BuiltinError> for Refusal {
    fn from(error: BuiltinError) -> Self {
        Self::Stop(error)
    }
}

fn stop(message: &str) -> Refusal {
    Refusal::Stop(BuiltinError::Halt(format!("graphql: {message}")))
}

fn too_deep() -> BuiltinError {
    BuiltinError::Halt("graphql: nested too deeply".to_owned())
}

fn is_valid(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    or_invalid(verify(context, operands, |_, _, _| Ok(Value::Bool(true))), || Value::Bool(false))
}

fn schema_is_valid(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let document = schema_document(context, operand(operands, 0));
    let schema = document.and_then(|document| Schema::load(document, context.budget));
    or_invalid(schema.map(|_| Value::Bool(true)), || Value::Bool(false))
}

fn parse(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let verified = verify(context, operands, |query, schema, budget| {
        Ok(Value::array(vec![write::to_value(query, budget)?, write::to_value(schema, budget)?]))
    });
    verified.map_err(Refusal::into_error)
}

fn parse_and_verify(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let verified = verify(context, operands, |query, schema, budget| {
        let (query, schema) = (write::to_value(query, budget)?, write::to_value(schema, budget)?);
        Ok(Value::array(vec![Value::Bool(true), query, schema]))
    });
    or_invalid(verified, || {
        let nothing = Value::object(Vec::new());
        Value::array(vec![Value::Bool(false), nothing.clone(), nothing])
    })
}

fn parse_query(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let query = query::parse(string(operands, 0)?, context.budget).map_err(Refusal::into_error)?;
    write::to_value(&query, context.budget)
}

fn parse_schema(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let schema = schema_text::parse(string(operands, 0)?, context.budget).map_err(Refusal::into_error)?;
    write::to_value(&schema, context.budget)
}

/// The answer, unless the document is not valid.
fn or_invalid(answer: Result<Value, Refusal>, invalid: impl FnOnce() -> Value) -> Result<Value, BuiltinError> {
    match answer {
        Ok(value) => Ok(value),
        Err(Refusal::Invalid(_)) => Ok(invalid()),
        Err(Refusal::Stop(error)) => Err(error),
    }
}

/// What `write` makes of the query and the schema, if the query is valid.
fn verify(
    context: &mut CallContext<'_>,
    operands: &[&Value],
    write: impl FnOnce(&Query, &SchemaDocument, &mut Budget) -> Result<Value, BuiltinError>,
) -> Result<Value, Refusal> {
    let query = query_document(context, operand(operands, 0))?;
    let document = schema_document(context, operand(operands, 1))?;
    let written = write(&query, &document, context.budget)?;
    let schema = Schema::load(document, context.budget)?;
    validate::validate(&schema, &query, context.budget)?;
    Ok(written)
}

fn query_document(context: &mut CallContext<'_>, value: &Value) -> Result<Query, Refusal> {
    match value {
        Value::String(text) => query::parse(text, context.budget),
        Value::Object(_) => read::query(&normal(context, value)?),
        _ => Err(Refusal::invalid("the query is no string or object")),
    }
}

fn schema_document(context: &mut CallContext<'_>, value: &Value) -> Result<SchemaDocument, Refusal> {
    match value {
        Value::String(text) => schema_text::parse(text, context.budget),
        Value::Object(_) => read::schema(&normal(context, value)?),
        _ => Err(Refusal::invalid("the schema is no string or object")),
    }
}

/// The value as JSON has it: sets are lists, and keys are texts.
fn normal(context: &mut CallContext<'_>, value: &Value) -> Result<Value, Refusal> {
    charge_text(context, value, 0)?;
    let mut text = String::new();
    write_json(value, None, &mut text).map_err(|_| Refusal::invalid("the object is no JSON"))?;
    context.budget.allocate(text.len() as u64 * 64)?;
    let value = parse_json(&text, NumberMode::AsWritten).map_err(|_| Refusal::invalid("the object is no JSON"))?;
    if is_deeper_than(&value, MAX_OBJECT_DEPTH) { Err(too_deep().into()) } else { Ok(value) }
}
