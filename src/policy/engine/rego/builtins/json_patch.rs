//! `json.patch`: RFC 6902 on values, sets included: an element of a set is its own key.
//!
//! Any fault in any operation leaves the whole call undefined. Values are shared, so an operation copies the
//! collections along its path and nothing else.

use super::operands::{any, array, undefined};
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::{Object, Value, owned};

pub(super) const TABLE: &[Builtin] = &[Builtin { name: "json.patch", arity: 2, call: patch }];

fn patch(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    // Absent between the removal of the whole and what is put in its place.
    let mut document = Some(any(operands, 0)?.clone());
    for operation in array(operands, 1)? {
        let Value::Object(operation) = operation else {
            return Err(undefined("must be an array of JSON-Patch objects, but at least one element is not an object"));
        };
        document = apply(document, operation, context)?;
    }
    document.ok_or_else(|| undefined("nothing is left"))
}

fn apply(
    document: Option<Value>,
    operation: &Object,
    context: &mut CallContext<'_>,
) -> Result<Option<Value>, BuiltinError> {
    let attribute =
        |name: &str| operation.get_str(name).ok_or_else(|| undefined(format!("missing '{name}' attribute")));
    let name = attribute("op")?.as_str().ok_or_else(|| undefined("attribute 'op' must be a string"))?;
    let path = parse_path(attribute("path")?)?;
    let from = || parse_path(attribute("from")?);
    match name {
        "add" => insert(document, &path, attribute("value")?, context).map(Some),
        "remove" => delete(document, &path, context),
        "replace" => {
            let value = attribute("value")?;
            insert(delete(document, &path, context)?, &path, value, context).map(Some)
        }
        "move" => {
            let from = from()?;
            let value = find(document.as_ref(), &from)?.clone();
            insert(delete(document, &from, context)?, &path, &value, context).map(Some)
        }
        "copy" => {
            let value = find(document.as_ref(), &from()?)?.clone();
            insert(document, &path, &value, context).map(Some)
        }
        "test" if find(document.as_ref(), &path)? == attribute("value")? => Ok(document),
        "test" => Err(undefined("value found is not the one expected")),
        other => Err(undefined(format!("unrecognized op '{other}'"))),
    }
}

/// Steps of a JSON pointer, whose leading slashes may be missing or many, or of an array of keys.
fn parse_path(path: &Value) -> Result<Vec<Value>, BuiltinError> {
    match path {
        Value::String(pointer) if pointer.is_empty() => Ok(Vec::new()),
        Value::String(pointer) => {
            let steps = pointer.trim_start_matches('/').split('/');
            Ok(steps.map(|step| Value::string(step.replace("~1", "/").replace("~0", "~"))).collect())
        }
        Value::Array(steps) => Ok(steps.to_vec()),
        other => Err(undefined(format!(
            "operand 2 must be one of {{set, array}} containing string paths or array of path segments but got {}",
            other.type_name()
        ))),
    }
}

fn find<'a>(document: Option<&'a Value>, path: &[Value]) -> Result<&'a Value, BuiltinError> {
    path.iter().try_fold(document.ok_or_else(missing)?, |node, step| child(node, step))
}

fn insert(
    document: Option<Value>,
    path: &[Value],
    value: &Value,
    context: &mut CallContext<'_>,
) -> Result<Value, BuiltinError> {
    let Some((last, path)) = path.split_last() else { return Ok(value.clone()) };
    edit(document, path, context, |parent| match parent {
        Value::Object(_) => with_child(parent, last, value.clone()),
        Value::Set(set) if last == value => Ok(Value::set(set.items().iter().chain([value]).cloned().collect())),
        Value::Array(items) => {
            let index = index(last, items.len())?;
            let (before, after) = items.split_at_checked(index).ok_or_else(missing)?;
            Ok(Value::array([before, std::slice::from_ref(value), after].concat()))
        }
        _ => Err(missing()),
    })
}

fn delete(
    document: Option<Value>,
    path: &[Value],
    context: &mut CallContext<'_>,
) -> Result<Option<Value>, BuiltinError> {
    let Some((last, path)) = path.split_last() else { return document.ok_or_else(missing).map(|_| None) };
    edit(document, path, context, |parent| {
        child(parent, last)?;
        Ok(match parent {
            Value::Array(items) => {
                let index = index(last, items.len())?;
                let kept = items.iter().enumerate().filter(|(position, _)| *position != index);
                Value::array(kept.map(|(_, item)| item.clone()).collect())
            }
            Value::Object(object) => {
                Value::object(object.entries().iter().filter(|(key, _)| *key != last).map(owned).collect())
            }
            Value::Set(set) => Value::set(set.items().iter().filter(|item| *item != last).cloned().collect()),
            _ => return Err(missing()),
        })
    })
    .map(Some)
}

/// Changes the collection at `path`, and all that it is in. In a loop, as reviews nest as deep as their author likes.
fn edit(
    document: Option<Value>,
    path: &[Value],
    context: &mut CallContext<'_>,
    change: impl FnOnce(&Value) -> Result<Value, BuiltinError>,
) -> Result<Value, BuiltinError> {
    let document = document.ok_or_else(missing)?;
    let mut node = &document;
    let mut parents = Vec::with_capacity(path.len());
    for step in path {
        context.budget.charge(1 + length(node))?;
        parents.push((node, step));
        node = child(node, step)?;
    }
    context.budget.charge(1 + length(node))?;
    let mut changed = change(node)?;
    for (parent, step) in parents.into_iter().rev() {
        changed = with_child(parent, step, changed)?;
    }
    Ok(changed)
}

fn child<'a>(node: &'a Value, step: &Value) -> Result<&'a Value, BuiltinError> {
    match node {
        Value::Array(items) => items.get(index(step, items.len())?),
        Value::Object(object) => object.get(step),
        Value::Set(set) => set.get(step),
        _ => None,
    }
    .ok_or_else(missing)
}

/// The collection with something else in the place of what `step` leads to.
fn with_child(node: &Value, step: &Value, new: Value) -> Result<Value, BuiltinError> {
    match node {
        Value::Array(items) => {
            let index = index(step, items.len())?;
            let mut items = items.to_vec();
            *items.get_mut(index).ok_or_else(missing)? = new;
            Ok(Value::array(items))
        }
        Value::Object(object) => {
            let mut entries = object.entries().to_vec();
            entries.push((step.clone(), new));
            Ok(Value::object(entries))
        }
        Value::Set(set) => {
            let kept = set.items().iter().filter(|item| *item != step).cloned();
            Ok(Value::set(kept.chain([new]).collect()))
        }
        _ => Err(missing()),
    }
}

/// The place in an array that a step names; `-` is the one behind its end.
fn index(step: &Value, length: usize) -> Result<usize, BuiltinError> {
    let index = match step {
        Value::Number(number) => number.as_i64(),
        Value::String(text) if &**text == "-" => return Ok(length),
        Value::String(text) if text.len() > 1 && text.starts_with('0') => None,
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    index.and_then(|index| usize::try_from(index).ok()).ok_or_else(|| undefined("invalid index of an array"))
}

fn length(value: &Value) -> u64 {
    (match value {
        Value::Array(items) => items.len(),
        Value::Object(object) => object.len(),
        Value::Set(set) => set.len(),
        _ => 0,
    }) as u64
}

fn missing() -> BuiltinError {
    undefined("path does not exist")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_split() {
        let check = |pointer: &str, expected: &[&str]| {
            let expected: Vec<_> = expected.iter().map(Value::string).collect();
            assert_eq!(parse_path(&Value::string(pointer)).unwrap(), expected, "{pointer:?}");
        };
        check("", &[]);
        check("/", &[""]);
        check("//a/b", &["a", "b"]);
        check("a/~0~1/", &["a", "~/", ""]);
        check("/~01", &["~1"]);
    }

    #[test]
    fn indices_have_no_leading_zeros() {
        let check = |step: &str, expected: Option<usize>| {
            assert_eq!(index(&Value::string(step), 3).ok(), expected, "{step:?}");
        };
        check("0", Some(0));
        check("-", Some(3));
        check("10", Some(10));
        check("01", None);
        check("-1", None);
        check("", None);
    }
}
