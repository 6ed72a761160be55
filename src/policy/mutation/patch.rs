//! What makes one object of another, as a JSON Patch (RFC 6902).
//!
//! Small where it matters: what is added to a list, or taken out of it, does not touch the elements beside it. `json-patch`
//! compares lists by position, which would replace all that is behind.

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation};
use serde_json::{Map, Value};

/// The most pairs of elements that are compared to find those that two lists share; beyond, lists are compared by position.
const MOST_PAIRS: usize = 1 << 16;

/// The patch; empty when both are equal.
pub fn patch(before: &Value, after: &Value) -> Patch {
    let mut writer = Writer { operations: Vec::new(), place: PointerBuf::new() };
    writer.values(before, after);
    Patch(writer.operations)
}

struct Writer {
    operations: Vec<PatchOperation>,
    place: PointerBuf,
}

impl Writer {
    fn values(&mut self, before: &Value, after: &Value) {
        match (before, after) {
            (Value::Object(before), Value::Object(after)) => self.mappings(before, after),
            (Value::Array(before), Value::Array(after)) => self.lists(before, after),
            _ if before == after => {}
            _ => {
                let operation = ReplaceOperation { path: self.place.clone(), value: after.clone() };
                self.operations.push(PatchOperation::Replace(operation));
            }
        }
    }

    fn mappings(&mut self, before: &Map<String, Value>, after: &Map<String, Value>) {
        for key in before.keys().filter(|key| !after.contains_key(*key)) {
            self.at(key, Writer::remove);
        }
        for (key, value) in after {
            match before.get(key) {
                Some(before) if before == value => {}
                Some(before) => self.at(key, |writer| writer.values(before, value)),
                None => self.at(key, |writer| writer.add(value)),
            }
        }
    }

    fn lists(&mut self, before: &[Value], after: &[Value]) {
        let start = before.iter().zip(after).take_while(|(one, other)| one == other).count();
        let (before, after) = (before.get(start..).unwrap_or_default(), after.get(start..).unwrap_or_default());
        let end = before.iter().rev().zip(after.iter().rev()).take_while(|(one, other)| one == other).count();
        let before = before.get(..before.len() - end).unwrap_or_default();
        let after = after.get(..after.len() - end).unwrap_or_default();
        // Where in the list as it is while the patch is being applied.
        let mut index = start;
        let (mut one, mut other) = (0, 0);
        for (in_before, in_after) in shared(before, after).into_iter().chain([(before.len(), after.len())]) {
            let old = before.get(one..in_before).unwrap_or_default();
            let new = after.get(other..in_after).unwrap_or_default();
            index = self.elements(old, new, index) + 1;
            (one, other) = (in_before + 1, in_after + 1);
        }
    }

    /// Elements of which none is in both; the index behind them.
    fn elements(&mut self, before: &[Value], after: &[Value], start: usize) -> usize {
        let mut index = start;
        for (before, after) in before.iter().zip(after) {
            self.at(index, |writer| writer.values(before, after));
            index += 1;
        }
        for value in after.iter().skip(before.len()) {
            self.at(index, |writer| writer.add(value));
            index += 1;
        }
        // Each removal moves up what is behind it.
        before.iter().skip(after.len()).for_each(|_| self.at(index, Writer::remove));
        index
    }

    fn add(&mut self, value: &Value) {
        let operation = AddOperation { path: self.place.clone(), value: value.clone() };
        self.operations.push(PatchOperation::Add(operation));
    }

    fn remove(&mut self) {
        self.operations.push(PatchOperation::Remove(RemoveOperation { path: self.place.clone() }));
    }

    fn at<'t>(&mut self, step: impl Into<json_patch::jsonptr::Token<'t>>, write: impl FnOnce(&mut Self)) {
        self.place.push_back(step);
        write(self);
        self.place.pop_back();
    }
}

/// Positions of a longest run of elements that both lists have, in order.
fn shared(before: &[Value], after: &[Value]) -> Vec<(usize, usize)> {
    let width = after.len() + 1;
    if before.len().saturating_mul(after.len()) > MOST_PAIRS {
        return Vec::new();
    }
    // How long a run is at most from each pair of positions on, line by line.
    let mut longest = vec![0_usize; (before.len() + 1) * width];
    let at =
        |longest: &[usize], one: usize, other: usize| longest.get(one * width + other).copied().unwrap_or_default();
    for (one, value) in before.iter().enumerate().rev() {
        for (other, candidate) in after.iter().enumerate().rev() {
            let length = if value == candidate {
                at(&longest, one + 1, other + 1) + 1
            } else {
                at(&longest, one + 1, other).max(at(&longest, one, other + 1))
            };
            if let Some(place) = longest.get_mut(one * width + other) {
                *place = length;
            }
        }
    }
    let (mut one, mut other, mut pairs) = (0, 0, Vec::new());
    while let (Some(value), Some(candidate)) = (before.get(one), after.get(other)) {
        if value == candidate {
            pairs.push((one, other));
            (one, other) = (one + 1, other + 1);
        } else if at(&longest, one + 1, other) >= at(&longest, one, other + 1) {
            one += 1;
        } else {
            other += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn check(before: &Value, after: &Value, expected: &Value) {
        let found = patch(before, after);
        assert_eq!(serde_json::to_value(&found).unwrap(), *expected, "{before} -> {after}");
        let mut patched = before.clone();
        json_patch::patch(&mut patched, &found).unwrap();
        assert_eq!(patched, *after);
    }

    #[test]
    fn says_what_changed_and_no_more() {
        check(&json!({"a": [1, {"b": 2}]}), &json!({"a": [1, {"b": 2}]}), &json!([]));
        check(
            &json!({"a/b": 1, "c~": {"x": 1}, "": 0, "gone": []}),
            &json!({"a/b": 2, "c~": {"x": 1, "y": null}, "": 1}),
            &json!([
                {"op": "remove", "path": "/gone"},
                {"op": "replace", "path": "/", "value": 1},
                {"op": "replace", "path": "/a~1b", "value": 2},
                {"op": "add", "path": "/c~0/y", "value": null}
            ]),
        );
        check(&json!([1, 2, 3, 4]), &json!([2, 3, 4]), &json!([{"op": "remove", "path": "/0"}]));
        check(&json!([1, 2]), &json!([1, 2, 3]), &json!([{"op": "add", "path": "/2", "value": 3}]));
        check(
            &json!([1, 2, 3, 4, 5]),
            &json!([9, 1, 3, 5]),
            &json!([
                {"op": "add", "path": "/0", "value": 9},
                {"op": "remove", "path": "/2"},
                {"op": "remove", "path": "/3"}
            ]),
        );
        check(
            &json!([{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]),
            &json!([{"name": "a", "image": "z"}, {"name": "b", "image": "y"}, {"name": "c"}]),
            &json!([
                {"op": "replace", "path": "/0/image", "value": "z"},
                {"op": "add", "path": "/2", "value": {"name": "c"}}
            ]),
        );
        check(&json!([]), &json!({}), &json!([{"op": "replace", "path": "", "value": {}}]));
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop::sample::select(vec![json!(null), json!(1), json!(2), json!("a"), json!(true)]);
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[ab/~]{0,2}", inner, 0..4)
                    .prop_map(|fields| fields.into_iter().collect::<Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn makes_the_one_of_the_other(before in values(), after in values()) {
            let mut patched = before.clone();
            json_patch::patch(&mut patched, &patch(&before, &after)).unwrap();
            prop_assert_eq!(patched, after);
        }
    }
}
