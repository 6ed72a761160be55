//! The field that a violation's details name: `details.field` or `details.path`.

use serde_json::Value as Json;

use super::edit;
use crate::model::object::FieldPath;
use crate::model::value::Value;

/// The path, if it is one in the object, or of something missing in one of its mappings.
pub(super) fn path(details: &Json, object: &Value) -> Option<FieldPath> {
    let stated = ["field", "path"].iter().find_map(|key| details.get(*key))?;
    let path = match stated {
        Json::String(text) => parse(text)?,
        Json::Array(steps) => steps.iter().try_fold(FieldPath::root(), |path, step| match step {
            Json::String(key) => Some(path.key(key)),
            Json::Number(index) => Some(path.index(usize::try_from(index.as_u64()?).ok()?)),
            _ => None,
        })?,
        _ => return None,
    };
    let parent = path.parent()?;
    (edit::at(object, &path).is_some() || matches!(edit::at(object, &parent), Some(Value::Object(_)))).then_some(path)
}

/// `spec.containers[0].image`, `$.spec["x.y/z"]` or `/spec/containers/0/image`.
fn parse(text: &str) -> Option<FieldPath> {
    if let Some(pointer) = text.strip_prefix('/') {
        return Some(pointer.split('/').fold(FieldPath::root(), |path, step| match step.parse() {
            Ok(index) => path.index(index),
            Err(_) => path.key(step.replace("~1", "/").replace("~0", "~")),
        }));
    }
    let mut rest = text.strip_prefix('$').unwrap_or(text);
    rest = rest.strip_prefix('.').unwrap_or(rest);
    let mut path = FieldPath::root();
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (step, behind) = inner.split_once(']')?;
            let key = step.trim_matches(['"', '\'']);
            path = match step.parse() {
                Ok(index) => path.index(index),
                Err(_) => path.key(key),
            };
            rest = behind.strip_prefix('.').unwrap_or(behind);
            continue;
        }
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (key, behind) = rest.split_at_checked(end)?;
        path = path.key(key);
        rest = behind.strip_prefix('.').unwrap_or(behind);
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::value::NumberMode;

    #[track_caller]
    fn check(details: Json, expected: Option<&str>) {
        let object = json!({"spec": {"containers": [{"image": "a"}]}, "metadata": {"labels": {"a.b/c": "x"}}});
        let object = Value::from_json(&object, NumberMode::Float);
        assert_eq!(path(&details, &object).map(|path| path.to_string()).as_deref(), expected);
    }

    #[test]
    fn a_path_must_lead_somewhere() {
        check(json!({"field": "spec.containers[0].image"}), Some("spec.containers[0].image"));
        check(json!({"path": "$.metadata.labels[\"a.b/c\"]"}), Some("metadata.labels[a.b/c]"));
        check(json!({"path": "/metadata/labels/a.b~1c"}), Some("metadata.labels[a.b/c]"));
        check(json!({"path": ["spec", "containers", 0, "tty"]}), Some("spec.containers[0].tty"));
        check(json!({"field": "spec.containers[7].image"}), None);
        check(json!({"field": "owner"}), Some("owner"));
        check(json!({"field": ""}), None);
        check(json!({"missing_labels": ["a"]}), None);
    }
}
