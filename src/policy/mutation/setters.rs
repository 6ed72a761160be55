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
    /// Set when something becomes something else.
    pub(super) is_changed: &'a mut bool,
}

/// Of the object that is changed, as it was before.
#[derive(Default)]
pub(super) struct Metadata {
    name: String,
    namespace: String,
}

impl Metadata {
    /// Looked up for who writes it.
    pub(super) fn for_action(action: &Action, object: &Value) -> Self {
        let (Action::Assign(assigned) | Action::AssignMetadata(assigned)) = action else { return Self::default() };
        if !matches!(assigned, AssignedValue::FromMetadata(_)) {
            return Self::default();
        }
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
        let is_changed = match self.action {
            Action::Assign(assigned) | Action::AssignMetadata(assigned) => match assigned {
                AssignedValue::ExternalData(reference) => return self.ask(fields, name, place, reference),
                AssignedValue::Literal(value) => put(fields, name, value),
                AssignedValue::FromMetadata(MetadataField::Name) => put_text(fields, name, &self.metadata.name),
                AssignedValue::FromMetadata(MetadataField::Namespace) => {
                    put_text(fields, name, &self.metadata.namespace)
                }
            },
            Action::ModifySet(operation, values) => modify(fields, name, *operation, values)?,
            Action::AssignImage(parts) => {
                let waits = place.as_ref().is_some_and(|place| self.placeholders.at(place).is_some());
                set_image(fields, name, parts, waits)?
            }
        };
        *self.is_changed |= is_changed;
        if let Some(place) = place {
            *self.is_changed |= self.placeholders.forget(&place);
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
        *self.is_changed |= put_text(fields, name, &original);
        *self.is_changed |= self.placeholders.put(place, Placeholder { reference: reference.clone(), key, original });
        Ok(())
    }
}

/// Most of what is written is there already; whether this was not.
fn put(fields: &mut Map<String, Value>, name: &str, value: &Value) -> bool {
    match fields.get_mut(name) {
        Some(before) if before == value => return false,
        Some(before) => *before = value.clone(),
        None => drop(fields.insert(name.to_owned(), value.clone())),
    }
    true
}

fn put_text(fields: &mut Map<String, Value>, name: &str, text: &str) -> bool {
    let is_new = fields.get(name).and_then(Value::as_str) != Some(text);
    if is_new {
        fields.insert(name.to_owned(), text.into());
    }
    is_new
}

/// Whether it changed anything.
fn modify(
    fields: &mut Map<String, Value>,
    name: &str,
    operation: SetOperation,
    values: &[Value],
) -> Result<bool, MutateError> {
    match (fields.get_mut(name), operation) {
        (None, SetOperation::Merge) => {
            fields.insert(name.to_owned(), Value::Array(values.to_vec()));
            Ok(true)
        }
        (None, SetOperation::Prune) => Ok(false),
        (Some(Value::Array(list)), SetOperation::Merge) => {
            let before = list.len();
            for value in values {
                // A value that is given twice is added once: the first is there when the second is looked for.
                if !list.contains(value) {
                    list.push(value.clone());
                }
            }
            Ok(list.len() > before)
        }
        (Some(Value::Array(list)), SetOperation::Prune) => {
            let before = list.len();
            list.retain(|value| !values.contains(value));
            Ok(list.len() < before)
        }
        (Some(other), _) => Err(MutateError::NoSet { value: go_text::plain(other) }),
    }
}

/// Whether that is another image.
fn set_image(
    fields: &mut Map<String, Value>,
    name: &str,
    parts: &ImageParts,
    waits: bool,
) -> Result<bool, MutateError> {
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
    Ok(put_text(fields, name, &image))
}
