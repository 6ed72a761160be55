//! `json.marshal`, `json.marshal_with_options`, `json.unmarshal`, `json.is_valid`.

use super::arguments::{charge_text, object, operand, string, undefined};
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::{Indentation, JsonError, NumberMode, Value, parse_json, write_json};

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "json.marshal", arity: 1, call: |context, operands| marshal(context, operands, None) },
    Builtin { name: "json.marshal_with_options", arity: 2, call: marshal_with_options },
    Builtin { name: "json.unmarshal", arity: 1, call: unmarshal },
    Builtin { name: "json.is_valid", arity: 1, call: is_valid },
];

fn marshal(
    context: &mut CallContext<'_>,
    operands: &[&Value],
    indentation: Option<Indentation<'_>>,
) -> Result<Value, BuiltinError> {
    let value = operand(operands, 0);
    let line = indentation.map_or(0, |indentation| indentation.prefix.len() + indentation.indent.len() * 8);
    charge_text(context, value, line as u64)?;
    let mut text = indentation.map_or(String::new(), |indentation| indentation.prefix.to_owned());
    write_json(value, indentation, &mut text).map_err(|error| not_json(&error))?;
    Ok(Value::from(text))
}

fn marshal_with_options(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let (mut prefix, mut indent) = ("", "\t");
    let (mut is_pretty, mut is_pretty_by_option) = (None, false);
    for (key, value) in object(operands, 1)?.entries() {
        match (key.as_str(), value) {
            (Some("prefix"), Value::String(text)) => (prefix, is_pretty_by_option) = (text, true),
            (Some("indent"), Value::String(text)) => (indent, is_pretty_by_option) = (text, true),
            (Some("pretty"), Value::Bool(pretty)) => is_pretty = Some(*pretty),
            _ => return Err(undefined(format!("operand 2 has an unknown key or a wrong value: {key}"))),
        }
    }
    let indentation = is_pretty.unwrap_or(is_pretty_by_option).then_some(Indentation { prefix, indent });
    marshal(context, operands, indentation)
}

fn unmarshal(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let text = string(operands, 0)?;
    // `[[[…` makes the most of each byte.
    context.budget.allocate(text.len() as u64 * 32)?;
    parse_json(text, NumberMode::AsWritten).map_err(|error| not_json(&error))
}

fn is_valid(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let Some(text) = operand(operands, 0).as_str() else {
        return Ok(Value::Bool(false));
    };
    context.budget.allocate(text.len() as u64 * 32)?;
    Ok(Value::Bool(parse_json(text, NumberMode::AsWritten).is_ok()))
}

fn not_json(error: &JsonError) -> BuiltinError {
    undefined(format!("json: {} at offset {}", error.message, error.offset))
}
