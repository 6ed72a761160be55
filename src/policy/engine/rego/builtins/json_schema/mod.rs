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
mod url;
mod validate;

use super::arguments::{is_deeper_than, operand, undefined};
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

fn too_deep() -> BuiltinError {
    BuiltinError::Halt(format!("json schema: nested deeper than {MAX_DEPTH} levels"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::engine::rego::builtins::{Budget, Caches};
    use crate::policy::engine::rego::evaluate::budget::Limits;

    #[test]
    fn tells_what_is_wrong_with_a_schema() {
        for (schema, expected) in [
            ("{}", r#"[true, null]"#),
            ("{", r#"[false, "jsonschema: invalid JSON string"]"#),
            ("1", r#"[false, "jsonschema: schema is invalid"]"#),
            (
                r#"{"type": 1}"#,
                r#"[false, "jsonschema: Invalid type. Expected: type, given: string/Array Of Strings"]"#,
            ),
            (r##"{"$ref": "#/a"}"##, r#"[false, "jsonschema: Object has no key 'a'"]"#),
            (r#"{"$ref": "a.json"}"#, r#"[false, "jsonschema: Reference /a.json must be canonical"]"#),
            (r#"{"$ref": "http://a/b.json"}"#, "halt"),
            (r#"{"maximum": 1e99999}"#, "halt"),
            (r#"{"minLength": 1.0}"#, r#"[false, "jsonschema: minLength must be of an integer"]"#),
            (r#"{"enum": [1, 1.0]}"#, r#"[false, "jsonschema: enum items must be unique"]"#),
        ] {
            assert_eq!(call(verify, &[schema]), expected, "{schema}");
        }
    }

    #[test]
    fn tells_what_is_wrong_with_a_document() {
        let schema = r##"{"required": ["a"], "properties": {"b": {"$ref": "#/definitions/n"}},
            "definitions": {"n": {"anyOf": [{"type": "string"}, {"type": "number", "maximum": 1000000}]}}}"##;
        assert_eq!(call(match_schema, &[r#"{"a": 1, "b": 5}"#, schema]), "[true, []]");
        let fault = |kind: &str, field: &str, text: &str| {
            format!(r#"{{"desc": "{text}", "error": "{field}: {text}", "field": "{field}", "type": "{kind}"}}"#)
        };
        let expected = [
            fault("required", "(Root)", "a is required"),
            fault("number_any_of", "b", "Must validate at least one schema (anyOf)"),
            fault("number_lte", "b", "Must be less than or equal to 1e+06"),
        ];
        assert_eq!(call(match_schema, &[r#"{"b": 2e6}"#, schema]), format!("[false, [{}]]", expected.join(", ")));
        assert_eq!(call(match_schema, &["{}", "["]), "undefined");
    }

    #[test]
    fn stops_where_schemas_or_documents_have_no_end() {
        let endless = r##"{"properties": {"a": {"$ref": "#"}}, "allOf": [{"$ref": "#"}]}"##;
        assert_eq!(call(match_schema, &["{}", endless]), "halt");
        let recursive = r##"{"type": "object", "properties": {"a": {"$ref": "#"}}}"##;
        let nested = |depth| format!("{}{{}}{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
        assert_eq!(call(match_schema, &[&nested(90), recursive]), "[true, []]");
        assert_eq!(call(match_schema, &[&nested(120), recursive]), "halt");
    }

    fn call(function: fn(&mut CallContext<'_>, &[&Value]) -> Result<Value, BuiltinError>, operands: &[&str]) -> String {
        let operands: Vec<Value> = operands.iter().map(|text| Value::from(*text)).collect();
        let (mut caches, mut budget) = (Caches::default(), Budget::new(&Limits::default()));
        let mut context =
            CallContext { caches: &mut caches, budget: &mut budget, now_ns: 0, prints: None, outside: None };
        match function(&mut context, &operands.iter().collect::<Vec<_>>()) {
            Ok(value) => value.to_string(),
            Err(BuiltinError::Undefined(_)) => "undefined".to_owned(),
            Err(BuiltinError::Halt(_) | BuiltinError::Refused(_)) => "halt".to_owned(),
        }
    }
}
