//! What each kind of mutator writes at the end of its location.

use serde_json::{Map, Value};

use super::draft::{Placeholder, Placeholders};
use super::image;
use super::walk::MutateError;
use crate::model::api::mutator::{
    Action, AssignedValue, DataSource, ExternalDataReference, ImageParts, MetadataField, SetOperation,
};
use crate::model::object::{FieldPath, go_text};

/// What a mutator writes, and what it has to know for that.
pub(super) struct Setter<'a> {
    pub(super) action: &'a Action,
    pub(super) metadata: Metadata,
    pub(super) username: &'a str,
    pub(super) placeholders: &'a mut Placeholders,
}

/// Of the object that is changed, as it was before.
pub(super) struct Metadata {
    name: String,
    namespace: String,
}

impl Metadata {
    pub(super) fn of(object: &Value) -> Self {
        let text = |key: &str| {
            let value = object.get("metadata").and_then(|metadata| metadata.get(key));
            value.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        Self { name: text("name"), namespace: text("namespace") }
    }
}

impl<'a> Setter<'a> {
    pub(super) fn is_of_external_data(&self) -> bool {
        matches!(
            self.action,
            Action::Assign(AssignedValue::ExternalData(_)) | Action::AssignMetadata(AssignedValue::ExternalData(_))
        )
    }

    /// The element to put into a list as a whole. Only an Assign has one.
    pub(super) fn element(&self) -> Option<&'a Value> {
        match self.action {
            Action::Assign(AssignedValue::Literal(value)) => Some(value),
            _ => None,
        }
    }

    /// Writes a field. Its place is given when it, or another, waits for external data.
    pub(super) fn set(
        &mut self,
        fields: &mut Map<String, Value>,
        name: &str,
        place: Option<FieldPath>,
    ) -> Result<(), MutateError> {
        match self.action {
            Action::Assign(assigned) | Action::AssignMetadata(assigned) => match assigned {
                AssignedValue::ExternalData(reference) => return self.ask(fields, name, place, reference),
                AssignedValue::Literal(value) => put(fields, name, value),
                AssignedValue::FromMetadata(MetadataField::Name) => put_text(fields, name, &self.metadata.name),
                AssignedValue::FromMetadata(MetadataField::Namespace) => {
                    put_text(fields, name, &self.metadata.namespace);
                }
            },
            Action::ModifySet(operation, values) => modify(fields, name, *operation, values)?,
            Action::AssignImage(parts) => {
                let waits = place.as_ref().is_some_and(|place| self.placeholders.at(place).is_some());
                set_image(fields, name, parts, waits)?;
            }
        }
        if let Some(place) = place {
            self.placeholders.forget(&place);
        }
        Ok(())
    }

    /// Leaves word that a provider is to be asked.
    fn ask(
        &mut self,
        fields: &mut Map<String, Value>,
        name: &str,
        place: Option<FieldPath>,
        reference: &ExternalDataReference,
    ) -> Result<(), MutateError> {
        let Some(place) = place else { return Ok(()) };
        let before = self.placeholders.at(&place).map(|placeholder| placeholder.original.clone());
        let original = match (before, fields.get(name)) {
            (Some(original), _) => Some(original),
            (None, Some(Value::String(text))) => Some(text.clone()),
            (None, Some(other)) => {
                return Err(MutateError::NoKey { value: go_text::plain(other), found: go_text::type_name(other) });
            }
            (None, None) => None,
        };
        let key = match reference.source {
            DataSource::ValueAtLocation => original.clone().unwrap_or_default(),
            DataSource::Username => self.username.to_owned(),
        };
        // Where nothing was, Gatekeeper writes what it asked.
        let original = original.unwrap_or_else(|| key.clone());
        put_text(fields, name, &original);
        self.placeholders.put(place, Placeholder { reference: reference.clone(), key, original });
        Ok(())
    }
}

/// Most of what is written is there already.
fn put(fields: &mut Map<String, Value>, name: &str, value: &Value) {
    match fields.get_mut(name) {
        Some(before) if before == value => {}
        Some(before) => *before = value.clone(),
        None => drop(fields.insert(name.to_owned(), value.clone())),
    }
}

fn put_text(fields: &mut Map<String, Value>, name: &str, text: &str) {
    if fields.get(name).and_then(Value::as_str) != Some(text) {
        fields.insert(name.to_owned(), text.into());
    }
}

fn modify(
    fields: &mut Map<String, Value>,
    name: &str,
    operation: SetOperation,
    values: &[Value],
) -> Result<(), MutateError> {
    match (fields.get_mut(name), operation) {
        (None, SetOperation::Merge) => drop(fields.insert(name.to_owned(), Value::Array(values.to_vec()))),
        (None, SetOperation::Prune) => {}
        (Some(Value::Array(list)), SetOperation::Merge) => {
            for value in values {
                // A value that is given twice is added once: the first is there when the second is looked for.
                if !list.contains(value) {
                    list.push(value.clone());
                }
            }
        }
        (Some(Value::Array(list)), SetOperation::Prune) => list.retain(|value| !values.contains(value)),
        (Some(other), _) => return Err(MutateError::NoSet { value: go_text::plain(other) }),
    }
    Ok(())
}

fn set_image(fields: &mut Map<String, Value>, name: &str, parts: &ImageParts, waits: bool) -> Result<(), MutateError> {
    if waits {
        return Err(MutateError::NoImage { value: "external data".to_owned(), found: "placeholder" });
    }
    let image = match fields.get(name) {
        Some(Value::String(image)) => image::with_parts(image, parts),
        None => image::with_parts("", parts),
        Some(other) => {
            return Err(MutateError::NoImage { value: go_text::plain(other), found: go_text::type_name(other) });
        }
    };
    put_text(fields, name, &image);
    Ok(())
}
