//! A constraint: one use of a template, with parameters, criteria and an action.

use serde_json::Value;

use super::{CONSTRAINTS_GROUP, Enforcement, Match};
use crate::model::object::{FieldError, FieldPath, Object, empty_object};

/// A constraint of any kind, parsed. That its kind exists and its parameters fit is checked against the template.
#[derive(Clone, Debug)]
pub struct Constraint {
    /// The constraint as it arrived, with the defaults of its schema filled in.
    pub object: Object,
    /// Which objects it is about.
    pub criteria: Match,
    /// What happens on a violation.
    pub enforcement: Enforcement,
}

impl Constraint {
    /// Reads a constraint, collecting every mistake.
    ///
    /// # Errors
    /// At least one, when the constraint cannot be enforced as written.
    pub fn parse(object: Object) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        if object.name().is_empty() {
            let path = FieldPath::from(["metadata", "name"]);
            errors.push(FieldError::required(path, "invalid Constraint: missing metadata.name"));
        }
        if object.gvk().group != CONSTRAINTS_GROUP {
            let message = format!(
                "wrong API Group for Constraint {:?}, got {:?} but need {CONSTRAINTS_GROUP:?}",
                object.name(),
                object.gvk().group
            );
            errors.push(FieldError::new(FieldPath::from(["apiVersion"]), message));
        }
        let spec_path = FieldPath::from(["spec"]);
        let empty = empty_object();
        let spec = object.field(&["spec"]).unwrap_or(&empty);
        let criteria = match spec.get("match") {
            Some(value) => Match::parse(value, spec_path.key("match"), &mut errors),
            None => Match::default(),
        };
        let enforcement = Enforcement::parse(spec, spec_path, &mut errors);
        if errors.is_empty() { Ok(Self { criteria, enforcement, object }) } else { Err(errors) }
    }

    /// The kind that the template gave it.
    pub fn kind(&self) -> &str {
        &self.object.gvk().kind
    }

    /// `metadata.name`, which messages are prefixed with.
    pub fn name(&self) -> &str {
        self.object.name()
    }

    /// `spec.parameters`; `None` when there are none.
    pub fn parameters(&self) -> Option<&Value> {
        self.object.field(&["spec", "parameters"]).filter(|value| !value.is_null())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_and_collects() {
        let constraint = Constraint::parse(
            Object::from_value(json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "K8sDemo",
                "metadata": {"name": "demo"}, "spec": {"parameters": {"a": 1}, "enforcementAction": "warn"}}))
            .unwrap(),
        )
        .unwrap();
        assert_eq!((constraint.kind(), constraint.name()), ("K8sDemo", "demo"));
        assert_eq!(constraint.parameters(), Some(&json!({"a": 1})));
        let errors = Constraint::parse(
            Object::from_value(json!({"apiVersion": "v1", "kind": "K8sDemo", "spec": {"match": {"kinds": 5},
                "enforcementAction": "block"}}))
            .unwrap(),
        )
        .unwrap_err();
        let paths: Vec<_> = errors.iter().map(|error| error.path.to_string()).collect();
        assert_eq!(paths, ["metadata.name", "apiVersion", "spec.match.kinds", "spec.enforcementAction"]);
    }
}
