//! `trace` and what `print(…)` is compiled to.

use super::arguments::{array, charge_text, string};
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::{Set, Value};

pub(super) const TABLE: &[Builtin] =
    &[Builtin { name: "trace", arity: 1, call: trace }, Builtin { name: "internal.print", arity: 1, call: print }];

fn trace(_: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    string(operands, 0)?;
    Ok(Value::Bool(true))
}

/// One line for each combination of the values that the arguments have: each comes as a set, empty when undefined.
fn print(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    if context.prints.is_none() {
        return Ok(Value::Bool(true));
    }
    let mut arguments = Vec::new();
    let mut lines = 1_u64;
    for argument in array(operands, 0)?.iter() {
        let Value::Set(values) = argument else {
            return Err(BuiltinError::Halt(format!("illegal argument type: {}", argument.type_name())));
        };
        lines = lines.saturating_mul(values.len().max(1) as u64);
        arguments.push(texts(context, values)?);
    }
    let longest: usize = arguments.iter().filter_map(|texts| texts.iter().map(String::len).max()).sum();
    context.budget.allocate(lines.saturating_mul((longest + arguments.len() + 32) as u64))?;
    if let Some(prints) = context.prints.as_deref_mut() {
        // A template's are told apart by their places, which the evaluator adds.
        let place = operands.get(1).and_then(|place| place.as_str());
        let mut combined = vec![place.map(|place| format!("{place}: ")).unwrap_or_default()];
        for (index, texts) in arguments.iter().enumerate() {
            let space = if index > 0 { " " } else { "" };
            let longer = combined.iter().flat_map(|line| texts.iter().map(move |text| format!("{line}{space}{text}")));
            combined = longer.collect();
        }
        prints.append(&mut combined);
    }
    Ok(Value::Bool(true))
}

fn texts(context: &mut CallContext<'_>, values: &Set) -> Result<Vec<String>, BuiltinError> {
    if values.is_empty() {
        return Ok(vec!["<undefined>".to_owned()]);
    }
    for value in values.items() {
        charge_text(context, value, 0)?;
    }
    let texts = values.items().iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    Ok(texts.collect())
}
