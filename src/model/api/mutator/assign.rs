//! `spec.parameters.assign`: the value that Assign and AssignMetadata write.

use serde_json::Value;

use super::super::fields::Fields;
use super::{Location, LocationNode, Mutator, report};
use crate::model::object::go_text;

/// A value, or where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum AssignedValue {
    /// `value`: as written.
    Literal(Value),
    /// `fromMetadata`: of the object itself.
    FromMetadata(MetadataField),
    /// `externalData`: a provider's answer.
    ExternalData(ExternalDataReference),
}

/// A field of an object's metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataField {
    /// `metadata.namespace`
    Namespace,
    /// `metadata.name`; empty where the API server is to make it up.
    Name,
}

/// What a provider is asked, and what to do when it has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalDataReference {
    /// Name of the Provider.
    pub provider: String,
    /// What it is asked.
    pub source: DataSource,
    /// What to do when it has no answer.
    pub failure_policy: FailurePolicy,
}

/// The key that a provider is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataSource {
    /// The string that is at the location; empty where nothing is.
    ValueAtLocation,
    /// The name of who makes the request.
    Username,
}

/// What to do when a provider has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailurePolicy {
    /// Refuse the request.
    Fail,
    /// Leave what is there.
    Ignore,
    /// Write this.
    UseDefault(String),
}

/// The texts of Gatekeeper for a value that is not exactly one.
const NONE: &str = "assign must set one of `externalData`, `value` or `fromMetadata`: invalid assign field";
const SEVERAL: &str = "assign must only set one of `externalData`, `value` or `fromMetadata`: invalid assign field";

/// Reads `assign` below the parameters.
pub(super) fn read(parameters: &mut Fields<'_, '_>) -> Option<AssignedValue> {
    let path = parameters.path().key("assign");
    let Some(mut assign) = parameters.nested("assign") else {
        report(parameters, path, NONE.to_owned());
        return None;
    };
    let value = assign.raw("value").cloned();
    let set = ["value", "fromMetadata", "externalData"].map(|key| assign.raw(key).is_some());
    match set.iter().filter(|is_set| **is_set).count() {
        0 => report(&mut assign, path, NONE.to_owned()),
        1 => {}
        _ => report(&mut assign, path, SEVERAL.to_owned()),
    }
    let from_metadata = assign.nested("fromMetadata").and_then(|mut fields| read_from_metadata(&mut fields));
    let external_data = assign.nested("externalData").and_then(|mut fields| read_external_data(&mut fields));
    value
        .map(AssignedValue::Literal)
        .or(from_metadata.map(AssignedValue::FromMetadata))
        .or(external_data.map(AssignedValue::ExternalData))
}

fn read_from_metadata(fields: &mut Fields<'_, '_>) -> Option<MetadataField> {
    match fields.text("field").unwrap_or_default() {
        "namespace" => Some(MetadataField::Namespace),
        "name" => Some(MetadataField::Name),
        other => {
            fields.invalid("field", format!("field {other} is not recognized: invalid fromMetadata field"));
            None
        }
    }
}

fn read_external_data(fields: &mut Fields<'_, '_>) -> Option<ExternalDataReference> {
    let source = match fields.text("dataSource").unwrap_or("ValueAtLocation") {
        "ValueAtLocation" => DataSource::ValueAtLocation,
        "Username" => DataSource::Username,
        other => {
            let text = format!("{other} is not a data source: expected ValueAtLocation or Username");
            fields.invalid("dataSource", text);
            return None;
        }
    };
    let default = fields.text("default").unwrap_or_default();
    let failure_policy = match fields.text("failurePolicy").unwrap_or("Fail") {
        "Fail" => FailurePolicy::Fail,
        "Ignore" => FailurePolicy::Ignore,
        "UseDefault" => FailurePolicy::UseDefault(default.to_owned()),
        other => {
            let text = format!("{other} is not a failure policy: expected Fail, Ignore or UseDefault");
            fields.invalid("failurePolicy", text);
            return None;
        }
    };
    if failure_policy == FailurePolicy::UseDefault(String::new()) {
        fields.invalid("default", "`default` must not be empty when `failurePolicy` is set to `UseDefault`");
    }
    let provider = fields.text("provider").unwrap_or_default().to_owned();
    if provider.is_empty() {
        fields.required("provider", "name the Provider to ask");
    }
    Some(ExternalDataReference { provider, source, failure_policy })
}

/// What is wrong with an Assign's value at its location.
pub(super) fn place_mistake(location: &Location, assigned: &AssignedValue) -> Option<String> {
    let Some(LocationNode::Element { key, value: wanted }) = location.nodes().last() else { return None };
    let value = match assigned {
        AssignedValue::Literal(value) => value,
        AssignedValue::FromMetadata(_) => return Some("cannot assign a metadata field to a list".to_owned()),
        AssignedValue::ExternalData(_) => return Some("cannot assign external data response to a list".to_owned()),
    };
    let Some(wanted) = wanted else { return Some("can't append to a globbed list".to_owned()) };
    let Some(element) = value.as_object() else {
        let shown = go_text::plain(value);
        return Some(format!("invalid value: `{shown}`, only objects can be added to keyed lists"));
    };
    let found = element.get(key).unwrap_or(&Value::Null);
    if wanted.is(found) {
        return None;
    }
    let (wanted, found) = (go_text::plain(&wanted.to_json()), go_text::plain(found));
    Some(format!("adding object to list with different key {key}: list key {wanted}, object key {found}"))
}

impl Mutator {
    /// What it asks a provider, if it does.
    pub fn external_data(&self) -> Option<&ExternalDataReference> {
        match &self.action {
            super::Action::Assign(AssignedValue::ExternalData(reference))
            | super::Action::AssignMetadata(AssignedValue::ExternalData(reference)) => Some(reference),
            _ => None,
        }
    }
}
