//! Mutators that could not act as written are refused, with Gatekeeper's texts. Whether two of them contradict each other is
//! no question here: both are taken, and their statuses say so.

use super::{Refusal, join, user};
use crate::model::object::{FieldError, FieldErrorKind, Object, Segment};
use crate::policy::snapshot::{BuildOptions, check_mutator};

/// Checks a mutator as it is sent.
pub(super) fn check(object: &Object, options: BuildOptions) -> Result<(), Refusal> {
    let Err(errors) = check_mutator(object, options) else { return Ok(()) };
    let lines: Vec<String> = errors.iter().map(line).collect();
    Err(user(join(lines.iter().map(String::as_str))))
}

/// Gatekeeper's texts name their field themselves; those in the words of the API server need its path.
fn line(error: &FieldError) -> String {
    let is_of_match = matches!(error.path.segments(), [Segment::Key(spec), Segment::Key(key), ..] if spec == "spec" && key == "match");
    let is_free = error.kind == FieldErrorKind::Invalid && !error.message.starts_with("Invalid value:");
    if is_free && !is_of_match { error.message.clone() } else { error.to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn refusal(api_version: &str, kind: &str, name: &str, spec: Value) -> String {
        let object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec});
        let refused = check(&Object::from_value(object).unwrap(), BuildOptions::default());
        assert!(refused.as_ref().err().is_none_or(|refusal| refusal.code == 422), "{refused:?}");
        refused.err().map(|refusal| refusal.message).unwrap_or_default()
    }

    fn spec(location: &str, parameters: Value) -> Value {
        json!({"applyTo": [{"groups": [""], "versions": ["v1"], "kinds": ["Pod"]}], "location": location,
            "parameters": parameters})
    }

    #[test]
    fn texts_are_gatekeepers() {
        let value = json!({"assign": {"value": "x"}});
        for (kind, version, spec, expected) in [
            ("Assign", "v1", spec("spec.a", value.clone()), ""),
            ("Assign", "v1beta1", spec("metadata.labels.a", value.clone()), "assign bad can't change metadata"),
            (
                "Assign",
                "v1alpha1",
                json!({"location": "spec.a", "parameters": value}),
                "applyTo required for Assign mutator bad",
            ),
            ("AssignMetadata", "v1", json!({"location": "metadata.labels.a", "parameters": value}), ""),
            (
                "AssignMetadata",
                "v1",
                json!({"location": "spec.a", "parameters": value}),
                "invalid location for assignmetadata bad: spec.a",
            ),
            (
                "ModifySet",
                "v1",
                spec("spec.containers[name: a]", json!({"values": {"fromList": ["x"]}})),
                "final node in a modifyset location cannot be a keyed list",
            ),
            (
                "AssignImage",
                "v1alpha1",
                spec("spec.containers[name: *].image", json!({"assignDomain": "not a domain"})),
                "assignImage bad has invalid parameters: assignDomain \"not a domain\" must be a fully-qualified domain name or localhost",
            ),
        ] {
            let found = refusal(&format!("mutations.gatekeeper.sh/{version}"), kind, "bad", spec.clone());
            assert_eq!(found, expected, "{kind} {spec}");
        }
    }

    #[test]
    fn what_the_api_server_would_say_is_said_of_a_field() {
        let wrong = json!({"location": "metadata.labels.a", "parameters": {"assign": {"value": "x"}},
            "match": {"labelSelector": {"matchExpressions": [{"key": "a", "operator": "Near"}]}}});
        let found = refusal("mutations.gatekeeper.sh/v1", "AssignMetadata", "bad", wrong);
        assert!(found.starts_with("spec.match.labelSelector.matchExpressions[0].operator: "), "{found}");
    }
}
