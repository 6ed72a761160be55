//! What is not judged although somebody may think that it is: policies not in force, and namespaces that are left alone.

use serde_json::Value;

use super::{Facts, Finding, Severity, Webhook};
use crate::model::api::{EXPANSION_GROUP, PROVIDERS_GROUP, TEMPLATES_GROUP};
use crate::model::object::Object;

/// Namespaces with this label are kept from the webhooks by their namespaceSelector.
const IGNORE_LABEL: &str = "admission.gatekeeper.sh/ignore";

/// The checks of this theme.
pub(super) fn check(facts: &Facts, _: &[Webhook]) -> Vec<Finding> {
    let policies = facts.policies.iter().flatten().flatten();
    policies.filter_map(not_in_force).chain(ignored(facts)).collect()
}

fn not_in_force(policy: &Object) -> Option<Finding> {
    let gvk = policy.gvk();
    let (severity, found) = fault(policy, &gvk.group)?;
    let resource = gvk.kind.to_lowercase();
    let why = if severity == Severity::Error {
        "it is not enforced"
    } else {
        "not every process enforces its newest version"
    };
    Some(Finding {
        severity,
        check: "not-in-force",
        object: format!("{} {}", gvk.kind, policy.name()),
        field: "status.byPod".to_owned(),
        found,
        why: why.to_owned(),
        help: format!(
            "kubectl get {resource} {} -o jsonpath='{{.status.byPod}}' says the place; mend its spec",
            policy.name()
        ),
    })
}

fn fault(policy: &Object, group: &str) -> Option<(Severity, String)> {
    let entries = policy.field(&["status", "byPod"]).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let errors = entries.iter().filter_map(|entry| entry.get("errors")?.as_array()).flatten();
    let message = errors.filter_map(|error| error.get("message")?.as_str()).next();
    let is_true = |value: Option<&Value>| value.and_then(Value::as_bool) == Some(true);
    let has_no_errors = |entry: &Value| entry.get("errors").and_then(Value::as_array).is_none_or(Vec::is_empty);
    let is_in_force = match group {
        TEMPLATES_GROUP => is_true(policy.field(&["status", "created"])),
        EXPANSION_GROUP => entries.iter().any(has_no_errors),
        PROVIDERS_GROUP => entries.iter().any(|entry| is_true(entry.get("active"))),
        _ => entries.iter().any(|entry| is_true(entry.get("enforced"))),
    };
    match (is_in_force, message) {
        (true, None) => None,
        (true, Some(message)) => Some((Severity::Warning, message.to_owned())),
        (false, Some(message)) => Some((Severity::Error, message.to_owned())),
        (false, None) => Some((Severity::Error, "no process says that it is in force".to_owned())),
    }
}

fn ignored(facts: &Facts) -> Option<Finding> {
    let namespaces = facts.namespaces.iter().flatten().filter(|namespace| namespace.labels().has(IGNORE_LABEL));
    let names: Vec<&str> = namespaces.map(Object::name).collect();
    (!names.is_empty()).then(|| Finding {
        severity: Severity::Info,
        check: "ignored-namespaces",
        object: "Namespace".to_owned(),
        field: format!("metadata.labels[{IGNORE_LABEL}]"),
        found: format!("{} with that label: {}", names.len(), names.join(", ")),
        why: "nothing in them is judged at admission".to_owned(),
        help: format!("kubectl label namespace NAME {IGNORE_LABEL}-"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixtures::{facts_with, object};
    use super::*;
    use crate::model::api::{CONSTRAINTS_GROUP, MUTATIONS_GROUP};

    fn run(group: &str, status: Value) -> Vec<Severity> {
        let mut facts = facts_with(&[], &[]);
        let policy = json!({"apiVersion": format!("{group}/v1"), "kind": "K8sThing", "metadata": {"name": "a"},
            "status": status});
        facts.policies = vec![Ok(vec![object(policy)])];
        check(&facts, &[]).into_iter().map(|one| one.severity).collect()
    }

    #[test]
    fn statuses_tell_what_is_in_force() {
        let error = json!([{"message": "bad"}]);
        for (group, status, expected) in [
            (TEMPLATES_GROUP, json!({"created": true, "byPod": [{"id": "a"}]}), vec![]),
            (TEMPLATES_GROUP, json!({"created": true, "byPod": [{"errors": error}]}), vec![Severity::Warning]),
            (TEMPLATES_GROUP, json!({"created": false, "byPod": [{"errors": error}]}), vec![Severity::Error]),
            (TEMPLATES_GROUP, json!({}), vec![Severity::Error]),
            (CONSTRAINTS_GROUP, json!({"byPod": [{"enforced": true}, {"enforced": false}]}), vec![]),
            (CONSTRAINTS_GROUP, json!({"byPod": [{"enforced": false, "errors": error}]}), vec![Severity::Error]),
            (CONSTRAINTS_GROUP, json!({"byPod": []}), vec![Severity::Error]),
            (MUTATIONS_GROUP, json!({"byPod": [{"enforced": true}]}), vec![]),
            (MUTATIONS_GROUP, json!({"byPod": [{"errors": error}]}), vec![Severity::Error]),
            (EXPANSION_GROUP, json!({"byPod": [{"id": "a"}, {"errors": error}]}), vec![Severity::Warning]),
            (EXPANSION_GROUP, json!({}), vec![Severity::Error]),
            (PROVIDERS_GROUP, json!({"byPod": [{"active": true}]}), vec![]),
            (PROVIDERS_GROUP, json!({"byPod": [{"errors": error}]}), vec![Severity::Error]),
        ] {
            assert_eq!(run(group, status.clone()), expected, "{status}");
        }
    }

    #[test]
    fn namespaces_that_are_left_alone_are_listed() {
        let mut facts = facts_with(&[], &[]);
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "quiet", "labels": {IGNORE_LABEL: "yes"}}});
        facts.namespaces.as_mut().unwrap().push(object(namespace));
        assert_eq!(check(&facts, &[])[0].found, "1 with that label: quiet");
    }
}
