//! `walk`: every value within a value, with its path.
//!
//! To OPA `walk` is a relation that yields one `[path, value]` at a time. The evaluator iterates over [`Walk`]; the
//! builtin of that name gives all of them as an array.

use super::arguments::operand;
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[Builtin { name: "walk", arity: 1, call: walk }];

/// Yields `(path, value)` for `root` and everything in it: a collection before what it contains, that in order. Steps of
/// a path are what [`Value::get`] takes: indices, keys, elements of sets.
///
/// Each path is as long as the value is deep; who does not need paths asks for [`Walk::next_value`].
#[derive(Debug)]
pub struct Walk<'a> {
    /// What is to come, the next one last: length of its path without its own step, the step, the value.
    pending: Vec<(usize, Option<Value>, &'a Value)>,
    path: Vec<Value>,
}

impl<'a> Walk<'a> {
    pub fn new(root: &'a Value) -> Self {
        Self { pending: vec![(0, None, root)], path: Vec::new() }
    }

    /// The next value, whose path is [`Walk::path`] until the next call.
    pub fn next_value(&mut self) -> Option<&'a Value> {
        let (depth, step, value) = self.pending.pop()?;
        self.path.truncate(depth);
        self.path.extend(step);
        let depth = self.path.len();
        match value {
            Value::Array(array) => {
                let parts = array.iter().enumerate().rev();
                self.pending.extend(parts.map(|(index, item)| (depth, Some(Value::from(index)), item)));
            }
            Value::Object(object) => {
                let parts = object.entries().reversed();
                self.pending.extend(parts.map(|(key, item)| (depth, Some(key.clone()), item)));
            }
            Value::Set(set) => {
                let parts = set.items().iter().rev();
                self.pending.extend(parts.map(|item| (depth, Some(item.clone()), item)));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        Some(value)
    }

    /// The path of the value that came last.
    pub fn path(&self) -> &[Value] {
        &self.path
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = (Vec<Value>, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        let value = self.next_value()?;
        Some((self.path.clone(), value))
    }
}

fn walk(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let mut walk = Walk::new(operand(operands, 0));
    let mut pairs = Vec::new();
    while let Some(value) = walk.next_value() {
        context.budget.allocate(160 + walk.path().len() as u64 * 24)?;
        pairs.push(Value::array(vec![Value::array(walk.path().to_vec()), value.clone()]));
    }
    Ok(Value::array(pairs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::engine::rego::value::{NumberMode, parse_json};

    #[test]
    fn yields_every_value_once() {
        let value = parse_json(r#"{"a": [1, {"b": null}], "c": "x"}"#, NumberMode::AsWritten).unwrap();
        let paths: Vec<String> =
            Walk::new(&value).map(|(path, value)| format!("{} {value}", Value::array(path))).collect();
        let expected = [
            r#"[] {"a": [1, {"b": null}], "c": "x"}"#,
            r#"["a"] [1, {"b": null}]"#,
            r#"["a", 0] 1"#,
            r#"["a", 1] {"b": null}"#,
            r#"["a", 1, "b"] null"#,
            r#"["c"] "x""#,
        ];
        assert_eq!(paths, expected);
    }
}
