//! `external_data`, Gatekeeper's own function: what a provider says of keys.
//!
//! Guarantees: waits for a part of the time that the whole review has left, never for all of it, and what was waited is not
//! counted as the policy's own time; where nobody may be asked the evaluation ends, so that this is no answer. What goes
//! wrong at a provider is in `system_error`, with `responses` and `errors` null, and the policy decides.

use std::time::Instant;

use super::operands::{object, undefined};
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::external_data::{Answer, ProviderFailure, Purpose, Question};
use crate::policy::engine::rego::value::{NumberMode, Object, Value};

pub(in crate::policy::engine::rego) const NAME: &str = "external_data";

pub(super) const TABLE: &[Builtin] = &[Builtin { name: NAME, arity: 1, call: ask }];

fn ask(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let request = object(operands, 0)?;
    let (name, keys) = (provider(request)?, keys(request)?);
    let Some(outside) = context.outside else {
        return Err(BuiltinError::Refused(format!("provider {name:?} is asked, which cannot be done here")));
    };
    let Some(provider) = outside.providers.find(name) else {
        return match outside.source.refusal(name) {
            Some(text) => Err(BuiltinError::Refused(text)),
            None => Ok(failure(400, "key is not found in provider cache")),
        };
    };
    let deadline = outside.deadline.most();
    let begun = Instant::now();
    let question = Question { provider, keys: &keys, purpose: Purpose::Validation, deadline };
    let answer = if keys.is_empty() { Ok(Answer::default()) } else { outside.source.ask(question) };
    context.budget.extend(begun.elapsed(), outside.deadline.instant());
    context.budget.check_time()?;
    let value = match answer {
        Ok(answer) => success(answer),
        Err(ProviderFailure::Failed(text)) => failure(500, &text),
        Err(ProviderFailure::Refused(text)) => return Err(BuiltinError::Refused(text)),
    };
    super::arguments::charge_text(context, &value, 0)?;
    Ok(value)
}

/// Field names are those of Go's JSON, in any case.
fn field<'r>(request: &'r Object, name: &str) -> Option<&'r Value> {
    let is_it = |key: &Value| key.as_str().is_some_and(|key| key.eq_ignore_ascii_case(name));
    let found = request.entries().iter().filter(|(key, _)| is_it(key)).last();
    found.map(|(_, value)| value).filter(|value| **value != Value::Null)
}

fn provider(request: &Object) -> Result<&str, BuiltinError> {
    let Some(value) = field(request, "provider") else { return Ok("") };
    value.as_str().ok_or_else(|| undefined(format!("{NAME}: provider must be a string but got {}", value.type_name())))
}

/// Each key once.
fn keys(request: &Object) -> Result<Vec<String>, BuiltinError> {
    let given = match field(request, "keys") {
        None => return Ok(Vec::new()),
        Some(Value::Array(items)) => items.as_ref(),
        Some(Value::Set(items)) => items.items(),
        Some(other) => return Err(undefined(format!("{NAME}: keys must be an array but got {}", other.type_name()))),
    };
    let mut seen = std::collections::BTreeSet::new();
    let mut keys = Vec::new();
    for value in given {
        let key = match value {
            Value::Null => "",
            value => value.as_str().ok_or_else(|| undefined(format!("{NAME}: a key is {}", value.type_name())))?,
        };
        if seen.insert(key) {
            keys.push(key.to_owned());
        }
    }
    Ok(keys)
}

fn success(answer: Answer) -> Value {
    let (mut responses, mut errors) = (Vec::new(), Vec::new());
    for item in answer.items {
        let key = Value::from(item.key);
        match item.value {
            Ok(value) => responses.push(Value::array(vec![key, Value::from_json(&value, NumberMode::Float)])),
            Err(text) => errors.push(Value::array(vec![key, Value::from(text)])),
        }
    }
    response(Value::array(responses), Value::array(errors), answer.status_code, &answer.system_error)
}

fn failure(status_code: u16, system_error: &str) -> Value {
    response(Value::Null, Value::Null, status_code, system_error)
}

fn response(responses: Value, errors: Value, status_code: u16, system_error: &str) -> Value {
    let fields = [
        ("errors", errors),
        ("responses", responses),
        ("status_code", Value::from(i64::from(status_code))),
        ("system_error", Value::from(system_error)),
    ];
    Value::object(fields.into_iter().map(|(key, value)| (Value::from(key), value)).collect())
}
