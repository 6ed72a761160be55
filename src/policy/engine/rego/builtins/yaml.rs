//! `yaml.*`.

use super::operands::{any, string, undefined};
use super::yaml_read::{Fault, read};
use super::yaml_write::write;
use super::{Budget, Builtin, BuiltinError, Caches, CallContext};
use crate::policy::engine::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "yaml.is_valid", arity: 1, call: is_valid },
    Builtin { name: "yaml.marshal", arity: 1, call: marshal },
    Builtin { name: "yaml.unmarshal", arity: 1, call: unmarshal },
];

/// A value as programs in Go write it in YAML; an error for one that is too large or nested too deeply.
pub fn go_yaml(value: &Value) -> Result<String, String> {
    let (mut caches, mut budget) = (Caches::default(), Budget::default());
    let mut context = CallContext { caches: &mut caches, budget: &mut budget, now_ns: 0, prints: None, outside: None };
    write(value, &mut context).map_err(|error| match error {
        BuiltinError::Undefined(text) | BuiltinError::Halt(text) | BuiltinError::Refused(text) => text,
    })
}

fn is_valid(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let Some(text) = any(operands, 0)?.as_str() else { return Ok(Value::Bool(false)) };
    match read(text, context) {
        Ok(_) => Ok(Value::Bool(true)),
        Err(Fault::Text(_)) => Ok(Value::Bool(false)),
        Err(Fault::Stop(error)) => Err(error),
    }
}

fn marshal(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    write(any(operands, 0)?, context).map(Value::string)
}

fn unmarshal(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    read(string(operands, 0)?, context).map_err(|fault| match fault {
        Fault::Text(text) => undefined(text),
        Fault::Stop(error) => error,
    })
}
