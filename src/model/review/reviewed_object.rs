//! An object under review, in the form in which policies read it: every number is a 64-bit float, as Gatekeeper's OPA
//! gets it.

use crate::model::object::{FieldError, GroupVersionKind, Labels, Object};
use crate::model::value::{NumberMode, Object as Mapping, Value};

/// An object under review. It names its `apiVersion` and `kind`.
#[derive(Clone, Debug)]
pub struct ReviewedObject {
    value: Value,
    gvk: GroupVersionKind,
}

impl ReviewedObject {
    /// Takes a value as an object.
    ///
    /// # Errors
    /// As [`Object::from_value`].
    pub fn from_value(value: Value) -> Result<Self, FieldError> {
        let text = |key| field(&value, key).and_then(Value::as_str).filter(|text| !text.is_empty());
        if let (Some(api_version), Some(kind)) = (text("apiVersion"), text("kind")) {
            let gvk = GroupVersionKind::from_api_version(api_version, kind);
            return Ok(Self { value, gvk });
        }
        Object::from_value(value.to_json()).map(|object| Self::from(&object))
    }

    /// The whole object.
    pub fn value(&self) -> &Value {
        &self.value
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

    /// `metadata.uid`; empty when absent, as at CREATE before the API server has set it.
    pub fn uid(&self) -> &str {
        self.metadata_text("uid")
    }

    /// `metadata.resourceVersion`; empty when absent, as at CREATE.
    pub fn resource_version(&self) -> &str {
        self.metadata_text("resourceVersion")
    }

    /// `metadata.labels`. As in Gatekeeper, an object with a label that is neither text nor null counts as without labels;
    /// no API server has such objects.
    pub fn labels(&self) -> Labels<'_> {
        let is_label = |(_, value): (&Value, &Value)| matches!(value, Value::String(_) | Value::Null);
        let labels = self.metadata("labels").and_then(mapping);
        labels.filter(|labels| labels.entries().iter().all(is_label)).map_or(Labels::None, Labels::Value)
    }

    /// Whether this is a core `Namespace`.
    pub fn is_namespace(&self) -> bool {
        self.gvk.group.is_empty() && self.gvk.kind == "Namespace"
    }

    fn metadata(&self, key: &str) -> Option<&Value> {
        field(field(&self.value, "metadata")?, key)
    }

    fn metadata_text(&self, key: &str) -> &str {
        self.metadata(key).and_then(Value::as_str).unwrap_or_default()
    }
}

impl From<&Object> for ReviewedObject {
    fn from(object: &Object) -> Self {
        Self { value: Value::from_json(object.value(), NumberMode::Float), gvk: object.gvk().clone() }
    }
}

/// The value of a mapping's key.
pub(super) fn field<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    mapping(value)?.get_str(key)
}

fn mapping(value: &Value) -> Option<&Mapping> {
    match value {
        Value::Object(mapping) => Some(mapping),
        _ => None,
    }
}
