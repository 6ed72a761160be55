//! Pod templates in custom resources, whose fields nobody here knows: [`pod_templates`].

use serde_json::Value;

use crate::model::object::FieldPath;

/// Levels of nesting above a template. Operators put templates under names and into lists, but not far down.
const MAX_DEPTH: usize = 16;

/// A template and its place.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) path: FieldPath,
    pub(super) template: &'a Value,
    /// It is a Job that is made of it.
    pub(super) is_of_job: bool,
}

/// The values of keys named for templates that look like one, in the order of keys; what is inside one is a part of it.
///
/// Simplifying assumption: what has containers is the template of a Pod that will be created.
pub(super) fn pod_templates(object: &Value) -> Vec<Found<'_>> {
    let mut found = Vec::new();
    let Some(fields) = object.as_object() else { return found };
    for (key, value) in fields.iter().filter(|(key, _)| !["metadata", "status"].contains(&key.as_str())) {
        search(key, value, &FieldPath::root().key(key), &mut found);
    }
    found
}

fn search<'a>(key: &str, value: &'a Value, path: &FieldPath, found: &mut Vec<Found<'a>>) {
    let is_of_job =
        key == "jobTemplate" && value.get("spec").and_then(|spec| spec.get("template")).is_some_and(is_of_pod);
    let is_named_so = ["template", "podTemplate", "jobTemplate"].contains(&key);
    if is_of_job || (is_named_so && is_of_pod(value)) {
        found.push(Found { path: path.clone(), template: value, is_of_job });
        return;
    }
    if path.segments().len() >= MAX_DEPTH {
        return;
    }
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| search(key, value, &path.key(key), found)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| search("", item, &path.index(index), found));
        }
        _ => {}
    }
}

fn is_of_pod(value: &Value) -> bool {
    value.get("spec").and_then(|spec| spec.get("containers")).is_some_and(Value::is_array)
}
