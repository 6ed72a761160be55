//! `strings.render_template`: Go's `text/template`. A mistake in a template leaves the result undefined, whether what it
//! is in is run or not.
//!
//! Absent on purpose: numbers that are not decimal, and templates that call each other to no end; both stop the
//! evaluation.
//!
//! Values arrive as Go's JSON decoder gives them: numbers are texts there, sets are not JSON at all.

mod check;
mod functions;
mod parse;
mod quoted;
mod run;

use super::arguments::{charge_text, object, operand, string, undefined};
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::{Value, is_json_number, is_printable};

pub(super) const TABLE: &[Builtin] = &[Builtin { name: "strings.render_template", arity: 2, call: render }];

/// Nesting of actions and of parentheses.
const MAX_DEPTH: usize = 100;

fn render(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let template = string(operands, 0)?;
    object(operands, 1)?;
    let data = operand(operands, 1);
    context.budget.allocate(template.len() as u64 * 16)?;
    charge_text(context, data, 0)?;
    check_is_json(data)?;
    let templates = parse::parse(template)?;
    run::run(context, &templates, data).map(Value::from)
}

fn check_is_json(data: &Value) -> Result<(), BuiltinError> {
    let mut pending = vec![data];
    while let Some(value) = pending.pop() {
        match value {
            Value::Set(_) => return Err(undefined("render_template: sets are not JSON")),
            Value::Array(array) => pending.extend(array.iter()),
            Value::Object(object) if object.keys().any(|key| key.as_str().is_none()) => {
                return Err(undefined("render_template: keys must be strings"));
            }
            Value::Object(object) => pending.extend(object.entries().iter().flat_map(|(key, value)| [key, value])),
            Value::Number(number) if !is_json_number(&number.text()) => {
                return Err(undefined("render_template: number is not JSON"));
            }
            // OPA hands the data over in its own text form, whose escapes JSON does not all have.
            Value::String(text) if text.chars().any(has_own_escape) => {
                return Err(undefined("render_template: string is not JSON"));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    Ok(())
}

fn has_own_escape(character: char) -> bool {
    let is_json_escape = matches!(character, '\u{8}' | '\u{c}' | '\n' | '\r' | '\t');
    (character.is_ascii_control() && !is_json_escape) || (character > '\u{ffff}' && !is_printable(character))
}
