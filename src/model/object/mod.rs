//! A Kubernetes object as it arrived: raw JSON, nothing lost or reordered, with the few fields everyone asks for.

mod field_error;
mod field_path;
pub(crate) mod go_text;
mod gvk;
mod json;
mod label_syntax;
mod labels;
mod wildcard;

pub use field_error::{FieldError, FieldErrorKind};
pub use field_path::{FieldPath, Segment};
pub use go_text::quote;
pub use gvk::{GroupVersionKind, ObjectKey};
pub use json::{JsonError, MAX_DEPTH, parse_json};
pub use labels::{LabelSelector, Labels, Requirement};
pub use wildcard::Wildcard;

use std::sync::Arc;

use serde_json::{Map, Value};

/// A Kubernetes object: a JSON mapping that names its `apiVersion` and `kind`. Cloning shares.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    value: Arc<Value>,
    gvk: GroupVersionKind,
}

impl Object {
    /// Takes a JSON value as an object.
    ///
    /// # Errors
    /// When it is not a mapping, or `apiVersion` or `kind` is missing or not a string.
    pub fn from_value(value: Value) -> Result<Self, FieldError> {
        Self::from_shared(Arc::new(value))
    }

    /// The same for a value that others hold, too.
    ///
    /// # Errors
    /// As [`Object::from_value`].
    pub fn from_shared(value: Arc<Value>) -> Result<Self, FieldError> {
        if !value.is_object() {
            let message = format!("expected a Kubernetes object (a mapping), found {}", describe(&value));
            return Err(FieldError::new(FieldPath::root(), message));
        }
        let api_version = required_text(&value, "apiVersion")?;
        let kind = required_text(&value, "kind")?;
        let gvk = GroupVersionKind::from_api_version(api_version, kind);
        Ok(Self { value, gvk })
    }

    /// The whole object.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The whole object, taken.
    pub fn into_value(self) -> Value {
        Arc::unwrap_or_clone(self.value)
    }

    /// Group, version and kind, as the object itself states them.
    pub fn gvk(&self) -> &GroupVersionKind {
        &self.gvk
    }

    /// `metadata.name`; empty when absent, as at CREATE with `generateName`.
    pub fn name(&self) -> &str {
        self.metadata_text("name")
    }

    /// `metadata.generateName`; empty when absent.
    pub fn generate_name(&self) -> &str {
        self.metadata_text("generateName")
    }

    /// `metadata.namespace`; empty for cluster-scoped objects.
    pub fn namespace(&self) -> &str {
        self.metadata_text("namespace")
    }

    /// `metadata.uid`; empty for objects that no API server has stored.
    pub fn uid(&self) -> &str {
        self.metadata_text("uid")
    }

    /// `metadata.resourceVersion`; empty for objects that no API server has stored.
    pub fn resource_version(&self) -> &str {
        self.metadata_text("resourceVersion")
    }

    /// `metadata.generation`; 0 when absent.
    pub fn generation(&self) -> i64 {
        self.metadata("generation").and_then(Value::as_i64).unwrap_or_default()
    }

    /// Whether the object is being deleted (it has a `metadata.deletionTimestamp`).
    pub fn is_terminating(&self) -> bool {
        self.metadata("deletionTimestamp").is_some_and(|time| !time.is_null())
    }

    /// `metadata.labels`.
    pub fn labels(&self) -> Labels<'_> {
        self.metadata("labels").and_then(Value::as_object).map_or(Labels::None, Labels::Json)
    }

    /// `metadata.annotations`.
    pub fn annotations(&self) -> Labels<'_> {
        self.metadata("annotations").and_then(Value::as_object).map_or(Labels::None, Labels::Json)
    }

    /// Whether this is a core `Namespace`.
    pub fn is_namespace(&self) -> bool {
        self.gvk.group.is_empty() && self.gvk.kind == "Namespace"
    }

    /// What tells this object from all others of a cluster.
    pub fn key(&self) -> ObjectKey {
        ObjectKey { gvk: self.gvk.clone(), namespace: self.namespace().to_owned(), name: self.name().to_owned() }
    }

    /// The value at a route of keys; `None` where a step is missing or not a mapping.
    pub fn field(&self, keys: &[&str]) -> Option<&Value> {
        keys.iter().try_fold(&*self.value, |value, key| value.get(key))
    }

    fn metadata(&self, key: &str) -> Option<&Value> {
        self.value.get("metadata")?.get(key)
    }

    fn metadata_text(&self, key: &str) -> &str {
        self.metadata(key).and_then(Value::as_str).unwrap_or_default()
    }
}

/// What a JSON value is, for messages: `a string ("abc")`, `a list`, `null`.
pub fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(boolean) => format!("a boolean ({boolean})"),
        Value::Number(number) => format!("a number ({number})"),
        Value::String(text) if text.chars().count() <= 40 => format!("a string ({text:?})"),
        Value::String(_) => "a long string".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
    }
}

/// An empty mapping, for places that need one to point at.
pub fn empty_object() -> Value {
    Value::Object(Map::new())
}

fn required_text<'a>(value: &'a Value, key: &str) -> Result<&'a str, FieldError> {
    let path = FieldPath::root().key(key);
    match value.get(key) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        Some(Value::String(_)) | Some(Value::Null) | None => {
            Err(FieldError::required(path, format!("a Kubernetes object must say its {key}")))
        }
        Some(other) => Err(FieldError::new(path, format!("expected a string, found {}", describe(other)))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_identity() {
        let object = Object::from_value(json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}}}))
        .unwrap();
        assert_eq!(object.gvk().group, "apps");
        assert_eq!(object.key().to_string(), "apps/v1/Deployment shop/web");
        assert_eq!(object.labels().value("app"), Some("web"));
        assert!(!object.is_namespace());
    }

    #[test]
    fn refuses_what_is_no_object() {
        for (value, expected) in [
            (json!([]), "expected a Kubernetes object (a mapping), found a list"),
            (json!({"kind": "Pod"}), "apiVersion: Required value: a Kubernetes object must say its apiVersion"),
            (json!({"apiVersion": "v1", "kind": 5}), "kind: expected a string, found a number (5)"),
        ] {
            let error = Object::from_value(value).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
