//! `kind: List` taken apart, as `kubectl` does before it looks at anything.

use serde_json::Value;

use super::document::Document;
use super::error::{Fault, ManifestError};
use crate::model::object::{FieldPath, Segment};

/// A document, or the items of a list of objects as documents of their own, lists in lists included.
///
/// A list is `v1` `List`, whatever its items, or any kind ending in `List` whose `items` all have `apiVersion` and
/// `kind`. A policy's own kind may end in `List` as well; it stays whole.
pub fn flatten(document: Document) -> (Vec<Document>, Vec<ManifestError>) {
    let (mut documents, mut errors) = (Vec::new(), Vec::new());
    let mut waiting = vec![document];
    while let Some(mut document) = waiting.pop() {
        if !is_list(document.value()) {
            documents.push(document);
            continue;
        }
        match document.value_mut().get_mut("items").map(Value::take) {
            None | Some(Value::Null) => {}
            Some(Value::Array(items)) => {
                let parts = items.into_iter().enumerate().filter_map(|(index, item)| {
                    document.with_part(item, &[Segment::Key("items".to_owned()), Segment::Index(index)])
                });
                // The last in is the first out, and the order of the file has to stay.
                let mut parts: Vec<_> = parts.collect();
                parts.reverse();
                waiting.append(&mut parts);
            }
            Some(other) => errors.push(items_error(&document, &other)),
        }
    }
    (documents, errors)
}

fn is_list(value: &Value) -> bool {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let (Some(kind), Some(version)) = (text(value, "kind"), text(value, "apiVersion")) else { return false };
    if kind == "List" && version == "v1" {
        return true;
    }
    let Some(items) = value.get("items").and_then(Value::as_array) else { return false };
    let is_object = |item: &Value| text(item, "apiVersion").is_some() && text(item, "kind").is_some();
    kind.ends_with("List") && !items.is_empty() && items.iter().all(is_object)
}

fn items_error(document: &Document, found: &Value) -> ManifestError {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    };
    let span = document.span_of(&FieldPath::from(["items"]));
    Fault::new(span, format!("the `items` of a List must be a list, found {found}"))
        .with_help("start every item with `- `")
        .in_source(document.source())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::manifest::{Source, parse};

    /// The place of every part's `name`, and the errors.
    #[track_caller]
    fn check(text: &str, names: &[&str], errors: &[&str]) {
        let (documents, problems) = parse(&Arc::new(Source::new("f", text.to_owned())));
        assert_eq!(problems, []);
        let (mut parts, mut problems) = (Vec::new(), Vec::new());
        for (mut more, mut wrong) in documents.into_iter().map(flatten) {
            parts.append(&mut more);
            problems.append(&mut wrong);
        }
        let name = FieldPath::from(["name"]);
        assert_eq!(parts.iter().map(|part| part.locate(&name).location.to_string()).collect::<Vec<_>>(), names);
        assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), errors);
    }

    #[test]
    fn items_become_documents() {
        check(
            "apiVersion: v1\nkind: List\nitems:\n- &a {name: a}\n- *a\n\
             - apiVersion: v1\n  kind: List\n  items: [name: b]\n- name: c",
            &["f:4:13", "f:4:13", "f:8:17", "f:9:9"],
            &[],
        );
        check("{apiVersion: v1, kind: PodList, items: [{apiVersion: v1, kind: Pod, name: x}]}", &["f:1:75"], &[]);
        check("{apiVersion: v1, kind: List}", &[], &[]);
    }

    #[test]
    fn other_kinds_stay_whole() {
        check("{apiVersion: a/v1, kind: AllowList, items: [{name: x}], name: y}", &["f:1:63"], &[]);
        check("{apiVersion: a/v1, kind: AllowList, items: [], name: y}", &["f:1:54"], &[]);
    }

    #[test]
    fn items_must_be_a_list() {
        check(
            "apiVersion: v1\nkind: List\nitems: x",
            &[],
            &["f:3:8: the `items` of a List must be a list, found a string"],
        );
    }
}
