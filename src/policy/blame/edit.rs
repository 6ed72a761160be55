//! Values with one place changed. All the rest is shared with the original.

use std::sync::Arc;

use crate::model::object::{FieldPath, Segment};
use crate::model::value::{Array, Number, Value};

/// The value at a path.
pub(super) fn at<'v>(value: &'v Value, path: &FieldPath) -> Option<&'v Value> {
    path.segments().iter().try_fold(value, step)
}

fn step<'v>(value: &'v Value, segment: &Segment) -> Option<&'v Value> {
    match (value, segment) {
        (Value::Object(object), Segment::Key(key)) => object.get_str(key),
        (Value::Array(items), Segment::Index(index)) => items.get(*index),
        _ => None,
    }
}

/// The same without what is at the path; nothing when it is not there, or is all of it.
pub(super) fn without(value: &Value, path: &FieldPath) -> Option<Value> {
    let mut changed = value.clone();
    let (last, way) = path.segments().split_last()?;
    let parent = way.iter().try_fold(&mut changed, step_mut)?;
    step(parent, last)?;
    match (parent, last) {
        (Value::Object(object), Segment::Key(key)) => Arc::make_mut(object).remove(&Value::string(key)),
        (Value::Array(items), Segment::Index(index)) => {
            Arc::<Array>::make_mut(items).remove(*index);
        }
        _ => return None,
    }
    Some(changed)
}

/// The same with another value at the path. Only its last step may be new, and mappings on the way are not made.
pub(super) fn with(value: &Value, path: &FieldPath, new: Value) -> Option<Value> {
    let mut changed = value.clone();
    let (last, way) = path.segments().split_last()?;
    let parent = way.iter().try_fold(&mut changed, step_mut)?;
    *match (parent, last) {
        (Value::Object(object), Segment::Key(key)) => Arc::make_mut(object).entry(&Value::string(key))?,
        (parent, last) => step_mut(parent, last)?,
    } = new;
    Some(changed)
}

fn step_mut<'v>(value: &'v mut Value, segment: &Segment) -> Option<&'v mut Value> {
    step(value, segment)?;
    match (value, segment) {
        (Value::Object(object), Segment::Key(key)) => Arc::make_mut(object).entry(&Value::string(key)),
        (Value::Array(items), Segment::Index(index)) => Arc::<Array>::make_mut(items).get_mut(*index),
        _ => None,
    }
}

/// A number as policies see it in an object: a 64-bit float.
pub(super) fn float(number: f64) -> Value {
    Value::Number(Number::Float(number))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::value::NumberMode;

    #[test]
    fn changes_one_place() {
        let value = Value::from_json(&json!({"a": [{"b": 1}, {"c": 2}]}), NumberMode::Float);
        let path = FieldPath::from(["a"]).index(1);
        assert_eq!(without(&value, &path).unwrap().to_json(), json!({"a": [{"b": 1}]}));
        assert_eq!(without(&value, &path.key("x")), None);
        let put = with(&value, &path.key("d"), Value::Bool(true)).unwrap();
        assert_eq!(put.to_json(), json!({"a": [{"b": 1}, {"c": 2, "d": true}]}));
        assert_eq!(with(&value, &path.key("d").key("e"), Value::Null), None);
        assert_eq!(at(&value, &path.key("c")), Some(&float(2.0)));
    }
}
