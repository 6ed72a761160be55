//! `is_*`, `type_name` and `opa.runtime`.

use super::Builtin;
use super::arguments::operand;
use crate::policy::engine::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "is_array", arity: 1, call: |_, operands| Ok(Value::Bool(is("array", operands))) },
    Builtin { name: "is_boolean", arity: 1, call: |_, operands| Ok(Value::Bool(is("boolean", operands))) },
    Builtin { name: "is_null", arity: 1, call: |_, operands| Ok(Value::Bool(is("null", operands))) },
    Builtin { name: "is_number", arity: 1, call: |_, operands| Ok(Value::Bool(is("number", operands))) },
    Builtin { name: "is_object", arity: 1, call: |_, operands| Ok(Value::Bool(is("object", operands))) },
    Builtin { name: "is_set", arity: 1, call: |_, operands| Ok(Value::Bool(is("set", operands))) },
    Builtin { name: "is_string", arity: 1, call: |_, operands| Ok(Value::Bool(is("string", operands))) },
    Builtin { name: "type_name", arity: 1, call: |_, operands| Ok(Value::from(operand(operands, 0).type_name())) },
    // Nothing about the process is policies' business; Gatekeeper gives an empty object, too.
    Builtin { name: "opa.runtime", arity: 0, call: |_, _| Ok(Value::object(Vec::new())) },
];

fn is(type_name: &str, operands: &[&Value]) -> bool {
    operand(operands, 0).type_name() == type_name
}
