//! The CustomResourceDefinition that a ConstraintTemplate stands for, and the schema of its constraints.
//!
//! [`constraint_crd`] is what the server applies to the cluster; [`constraint_schema`] is the same schema for use without one.
//! Both are made from the same text, so offline and in the cluster a constraint gets the same defaults and the same errors.
//! Each template makes one CRD, `<lowercase kind>.constraints.gatekeeper.sh`, which the template owns:
//! deleting the template deletes the CRD and with it all constraints.

mod match_schema;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::model::api::schema::Schema;
use crate::model::api::{CONSTRAINTS_GROUP, ConstraintTemplate};
use crate::model::object::{FieldError, FieldPath, Object};

/// The versions of every constraint, the stored one first. They differ in nothing but the name.
const VERSIONS: [&str; 2] = ["v1beta1", "v1alpha1"];

/// The label of every generated CRD, and its value.
const CRD_LABEL: (&str, &str) = ("gatekeeper.sh/constraint", "yes");

/// The longest name of a constraint, and the longest DNS label.
const LONGEST_NAME: usize = 63;

/// The CRD of a template's constraints, as JSON ready to apply. The template owns it, unless it has no uid, as in files.
///
/// Names and parameter schema are taken as they are: what is wrong with them
/// [`ConstraintTemplate::name_errors`] and [`constraint_schema`] say.
pub fn constraint_crd(template: &ConstraintTemplate) -> Value {
    let schema = constraint_schema_text(template.parameters.as_ref());
    let versions: Vec<Value> =
        VERSIONS.iter().enumerate().map(|(index, name)| version(name, index == 0, &schema)).collect();
    let plural = template.kind.to_lowercase();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": crd_metadata(&template.object, &plural),
        "spec": {
            "group": CONSTRAINTS_GROUP,
            "names": {
                "kind": template.kind,
                "listKind": list_kind(&template.kind),
                "plural": plural,
                "singular": plural,
                "shortNames": template.short_names,
                "categories": ["constraint", "constraints"],
            },
            "scope": "Cluster",
            "versions": versions,
        },
    })
}

/// The schema of a whole constraint, given the one its template has for `spec.parameters` (loosened where it is legacy).
///
/// Without parameters' schema `parameters` is an unknown field, as in the cluster. Errors are what the API server would
/// refuse in the parameters' schema; their paths are the template's, so that they can be found in its file.
pub fn constraint_schema(parameters: Option<&Value>) -> (Schema, Vec<FieldError>) {
    static WITHOUT_PARAMETERS: LazyLock<Schema> =
        LazyLock::new(|| Schema::parse_resource(&constraint_schema_text(None), &FieldPath::root()).0);
    let schema = WITHOUT_PARAMETERS.clone();
    let Some(parameters) = parameters else { return (schema, Vec::new()) };
    let at = FieldPath::from(["spec", "crd", "spec", "validation", "openAPIV3Schema"]);
    let (parameters, errors) = Schema::parse(parameters, &at);
    (schema.with_property(&["spec", "parameters"], parameters), errors)
}

impl ConstraintTemplate {
    /// What the API server would not accept in the names of the template's CRD, reported where the template gives them.
    pub fn name_errors(&self) -> Vec<FieldError> {
        name_errors(&self.kind, &self.short_names)
    }
}

fn name_errors(kind: &str, short_names: &[String]) -> Vec<FieldError> {
    let names = FieldPath::from(["spec", "crd", "spec", "names"]);
    let mut errors = Vec::new();
    // The list kind is the longer one: only when the kind is fine can it be the reason.
    let reason = label_error(&kind.to_lowercase()).or_else(|| label_error(&list_kind(kind).to_lowercase()));
    if let Some(reason) = reason {
        let detail = format!("may have mixed case, but should otherwise match: {reason}");
        errors.push(FieldError::invalid(names.key("kind"), &Value::from(kind), detail));
    }
    for (index, name) in short_names.iter().enumerate() {
        if let Some(reason) = label_error(name) {
            errors.push(FieldError::invalid(names.key("shortNames").index(index), &Value::from(name.as_str()), reason));
        }
    }
    errors
}

fn list_kind(kind: &str) -> String {
    format!("{kind}List")
}

fn crd_metadata(template: &Object, plural: &str) -> Value {
    let mut labels: BTreeMap<&str, &str> = template.labels().iter().collect();
    labels.insert(CRD_LABEL.0, CRD_LABEL.1);
    let mut metadata = json!({ "name": format!("{plural}.{CONSTRAINTS_GROUP}"), "labels": labels });
    if let Some(fields) = metadata.as_object_mut().filter(|_| !template.uid().is_empty()) {
        let owner = json!({
            "apiVersion": template.gvk().api_version(),
            "kind": template.gvk().kind,
            "name": template.name(),
            "uid": template.uid(),
            "controller": true,
            "blockOwnerDeletion": true,
        });
        fields.insert("ownerReferences".to_owned(), json!([owner]));
    }
    metadata
}

fn version(name: &str, is_stored: bool, schema: &Value) -> Value {
    json!({
        "name": name,
        "served": true,
        "storage": is_stored,
        "schema": { "openAPIV3Schema": schema },
        "subresources": { "status": {} },
        "additionalPrinterColumns": [
            {
                "name": "enforcement-action",
                "type": "string",
                "description": "Type of enforcement action",
                "jsonPath": ".spec.enforcementAction",
            },
            {
                "name": "total-violations",
                "type": "integer",
                "description": "Total number of violations",
                "jsonPath": ".status.totalViolations",
            },
        ],
    })
}

fn constraint_schema_text(parameters: Option<&Value>) -> Value {
    let mut spec = json!({
        "match": match_schema::match_schema(),
        "enforcementAction": {
            "type": "string",
            "default": "deny",
            "description": "What happens to a request that violates the constraint: deny, warn, dryrun or scoped. \
                            With scoped, scopedEnforcementActions decides for each enforcement point.",
        },
        "scopedEnforcementActions": scoped_enforcement_actions(),
    });
    if let (Some(parameters), Some(fields)) = (parameters, spec.as_object_mut()) {
        fields.insert("parameters".to_owned(), parameters.clone());
    }
    json!({
        "type": "object",
        "properties": {
            "metadata": {
                "type": "object",
                "properties": { "name": { "type": "string", "maxLength": LONGEST_NAME } },
            },
            "spec": { "type": "object", "properties": spec },
            "status": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
        },
    })
}

fn scoped_enforcement_actions() -> Value {
    json!({
        "type": "array",
        "description": "Actions by enforcement point. Read only when enforcementAction is scoped.",
        "items": {
            "type": "object",
            "properties": {
                "action": { "type": "string", "description": "What happens at these points: deny, warn or dryrun." },
                "enforcementPoints": {
                    "type": "array",
                    "description": "Where the action applies.",
                    "items": {
                        "type": "object",
                        "properties": {
                            "name": {
                                "type": "string",
                                "description": "validation.gatekeeper.sh (admission), audit.gatekeeper.sh, \
                                                gator.gatekeeper.sh (command line), vap.k8s.io, or * for all of them.",
                            },
                        },
                    },
                },
            },
        },
    })
}

/// Why a text is no DNS-1035 label, in the API server's words.
fn label_error(text: &str) -> Option<&'static str> {
    let is_letter = |c: char| c.is_ascii_lowercase();
    let is_inner = |c: char| is_letter(c) || c.is_ascii_digit() || c == '-';
    if text.len() > LONGEST_NAME {
        return Some("must be no more than 63 bytes");
    }
    let is_label = text.starts_with(is_letter) && !text.ends_with('-') && text.chars().all(is_inner);
    (!is_label).then_some(
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, \
         and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', \
         regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
    )
}

#[cfg(test)]
mod tests;
