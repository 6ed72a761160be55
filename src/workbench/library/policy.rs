//! What a template says of itself: annotations, and the schema of its parameters as a table.

use std::sync::Arc;

use serde_json::Value;

use super::EmbeddedPolicy;
use crate::manifest::{self, Source};
use crate::model::object::Object;

/// A policy, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The kind of its constraints.
    pub kind: String,
    /// The folder of `policies/` that its own folder is in.
    pub set: String,
    /// Its own folder.
    pub folder: String,
    /// A few words.
    pub title: String,
    /// A sentence.
    pub description: String,
    /// The version of the template.
    pub version: String,
    /// What it is about.
    pub category: String,
    /// How bad it is to break it: low, medium, high or critical.
    pub severity: String,
    /// A page that explains the fields.
    pub docs: String,
    /// Whether it looks at other objects of the cluster, so that these have to be synced.
    pub is_referential: bool,
    /// The fields of `spec.parameters`, outer ones before those inside.
    pub parameters: Vec<Parameter>,
}

/// A field of `spec.parameters`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// `ranges[].min`
    pub path: String,
    /// `list of strings`
    pub kind: String,
    /// In the author's words, on one line.
    pub description: String,
}

impl Policy {
    /// Reads the template. What is not there is empty.
    pub fn read(embedded: &EmbeddedPolicy) -> Self {
        let template = first_object(embedded.template);
        let annotation = |name: &str| {
            let value = template.as_ref().and_then(|one| one.annotations().value(name));
            words(value.unwrap_or_default())
        };
        let mut parameters = Vec::new();
        let schema = ["spec", "crd", "spec", "validation", "openAPIV3Schema"];
        if let Some(schema) = template.as_ref().and_then(|one| one.field(&schema)) {
            fields(schema, "", &mut parameters);
        }
        Self {
            kind: embedded.kind.to_owned(),
            set: embedded.set.to_owned(),
            folder: embedded.folder.to_owned(),
            title: annotation("metadata.gatekeeper.sh/title"),
            description: annotation("description"),
            version: annotation("metadata.gatekeeper.sh/version"),
            category: annotation("admit.dev/category"),
            severity: annotation("admit.dev/severity"),
            docs: annotation("admit.dev/docs"),
            is_referential: embedded.sync.is_some(),
            parameters,
        }
    }
}

pub(super) fn first_object(text: &str) -> Option<Object> {
    let (documents, _) = manifest::parse(&Arc::new(Source::new("", text.to_owned())));
    Object::from_shared(documents.first()?.shared_value()).ok()
}

/// Text of several lines as one.
pub(super) fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn fields(schema: &Value, prefix: &str, found: &mut Vec<Parameter>) {
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, field) in properties.into_iter().flatten() {
        let path = format!("{prefix}{name}");
        let description = words(field.get("description").and_then(Value::as_str).unwrap_or_default());
        found.push(Parameter { path: path.clone(), kind: kind(field), description });
        let (inner, step) = match (field.get("items"), field.get("additionalProperties")) {
            (Some(items), _) => (items, "[]."),
            (None, Some(values)) => (values, ".*."),
            (None, None) => (field, "."),
        };
        fields(inner, &format!("{path}{step}"), found);
    }
}

fn kind(schema: &Value) -> String {
    if schema.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
        return "integer or string".to_owned();
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let values: Vec<String> =
            values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect();
        return values.join(" | ");
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("array") => format!("list of {}", schema.get("items").map_or_else(|| "anything".to_owned(), plural)),
        Some("object") => match schema.get("additionalProperties").filter(|values| values.is_object()) {
            Some(values) => format!("map of {}", plural(values)),
            None => "object".to_owned(),
        },
        Some(other) => other.to_owned(),
        None => "anything".to_owned(),
    }
}

fn plural(schema: &Value) -> String {
    let one = kind(schema);
    let is_word = !one.is_empty() && one.chars().all(|letter| letter.is_ascii_lowercase());
    if is_word && one != "anything" { format!("{one}s") } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata:
  name: k8sdemo
  annotations:
    metadata.gatekeeper.sh/title: Demo
    description: >-
      Two
      lines.
spec:
  crd:
    spec:
      validation:
        openAPIV3Schema:
          type: object
          properties:
            ranges:
              description: Which.
              type: array
              items:
                type: object
                properties:
                  min: {x-kubernetes-int-or-string: true}
            mode: {type: string, enum: [all, any]}
            tags: {type: object, additionalProperties: {type: array, items: {type: string}}}
            any: {}
";

    #[test]
    fn a_schema_is_a_table() {
        let embedded =
            EmbeddedPolicy { kind: "K8sDemo", set: "general", folder: "demo", template: TEMPLATE, sync: Some("") };
        let policy = Policy::read(&embedded);
        let rows: Vec<_> = policy.parameters.iter().map(|one| (one.path.as_str(), one.kind.as_str())).collect();
        let expected = [
            ("any", "anything"),
            ("mode", "all | any"),
            ("ranges", "list of objects"),
            ("ranges[].min", "integer or string"),
            ("tags", "map of list of strings"),
        ];
        assert_eq!(rows, expected);
        assert_eq!((policy.title.as_str(), policy.description.as_str()), ("Demo", "Two lines."));
        assert!(policy.is_referential && policy.severity.is_empty());
    }
}
