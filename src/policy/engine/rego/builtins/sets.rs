//! `& | -` on sets, `intersection` and `union` of sets of sets.

use super::arguments::{set, wrong_type};
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::{Set, Value};

pub(super) const TABLE: &[Builtin] = &[
    Builtin {
        name: "and",
        arity: 2,
        call: |context, operands| intersection(context, &[set(operands, 0)?, set(operands, 1)?]),
    },
    Builtin { name: "or", arity: 2, call: |context, operands| union(context, &[set(operands, 0)?, set(operands, 1)?]) },
    Builtin {
        name: "set_diff",
        arity: 2,
        call: |context, operands| difference(context, set(operands, 0)?, set(operands, 1)?),
    },
    Builtin { name: "intersection", arity: 1, call: |context, operands| intersection(context, &inner_sets(operands)?) },
    Builtin { name: "union", arity: 1, call: |context, operands| union(context, &inner_sets(operands)?) },
];

pub(super) fn difference(context: &mut CallContext<'_>, one: &Set, other: &Set) -> Result<Value, BuiltinError> {
    context.budget.allocate(one.len() as u64 * 24)?;
    Ok(Value::set(one.items().iter().filter(|item| !other.contains(item)).cloned().collect()))
}

/// Of no sets: the empty one.
fn intersection(context: &mut CallContext<'_>, sets: &[&Set]) -> Result<Value, BuiltinError> {
    // Going through the smallest one; OPA keeps the elements of the smaller operand, too (`1` or `1.0`).
    let Some(smallest) = sets.iter().min_by_key(|set| set.len()) else {
        return Ok(Value::set(Vec::new()));
    };
    context.budget.allocate(smallest.len() as u64 * (sets.len() as u64 + 24))?;
    let common = smallest.items().iter().filter(|item| sets.iter().all(|set| set.contains(item)));
    Ok(Value::set(common.cloned().collect()))
}

fn union(context: &mut CallContext<'_>, sets: &[&Set]) -> Result<Value, BuiltinError> {
    let count: usize = sets.iter().map(|set| set.len()).sum();
    context.budget.allocate(count as u64 * 24)?;
    Ok(Value::set(sets.iter().flat_map(|set| set.items()).cloned().collect()))
}

fn inner_sets<'a>(operands: &[&'a Value]) -> Result<Vec<&'a Set>, BuiltinError> {
    let inner = set(operands, 0)?.items().iter().map(|item| match item {
        Value::Set(set) => Ok(&**set),
        other => Err(wrong_type(0, other, "set")),
    });
    inner.collect()
}
