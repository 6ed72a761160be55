//! Names of PodStatus objects, and the labels by which Gatekeeper finds them.

use serde_json::{Value, json};

use super::Subject;
use crate::model::object::Object;

pub(super) const POD_LABEL: &str = "internal.gatekeeper.sh/pod";
/// Tells objects of admit from those that Gatekeeper's own Pods write.
pub(super) const MANAGED_BY_LABEL: (&str, &str) = ("app.kubernetes.io/managed-by", "admit");

/// The name of what the process `pod` says of an object; `None` when there can be none.
pub(super) fn name(pod: &str, object: &Object) -> Option<String> {
    let pod = pod.to_lowercase();
    let kind = object.gvk().kind.to_lowercase();
    match Subject::of(object) {
        Subject::Template | Subject::ExpansionTemplate | Subject::Provider => pack(&[&pod, object.name()]),
        Subject::Constraint | Subject::Mutator => pack(&[&pod, &kind, object.name()]),
        Subject::Config => pack(&[&pod, object.namespace(), object.name()]),
    }
}

/// Parts with a dash between them, and two for each dash inside a part. So no two lists of parts have one name; which is
/// why a part cannot be empty, nor begin or end with a dash.
fn pack(parts: &[&str]) -> Option<String> {
    let is_packable = |part: &&str| !part.is_empty() && !part.starts_with('-') && !part.ends_with('-');
    let all_packable = parts.iter().all(is_packable);
    all_packable.then(|| parts.iter().map(|part| part.replace('-', "--")).collect::<Vec<_>>().join("-"))
}

/// Labels of what the process `pod` says of an object.
pub(super) fn labels(pod: &str, object: &Object) -> Value {
    let name = object.name();
    let mut labels = match Subject::of(object) {
        Subject::Template => json!({"internal.gatekeeper.sh/constrainttemplate-name": name}),
        Subject::Constraint => json!({
            "internal.gatekeeper.sh/constraint-kind": object.gvk().kind,
            "internal.gatekeeper.sh/constraint-name": name,
            "internal.gatekeeper.sh/constrainttemplate-name": object.gvk().kind.to_lowercase(),
        }),
        Subject::Config => json!({"internal.gatekeeper.sh/config-name": name}),
        Subject::Mutator => json!({
            "internal.gatekeeper.sh/mutator-kind": object.gvk().kind,
            "internal.gatekeeper.sh/mutator-name": name,
        }),
        Subject::ExpansionTemplate => json!({"internal.gatekeeper.sh/expansiontemplate-name": name}),
        Subject::Provider => json!({"internal.gatekeeper.sh/provider-name": name}),
    };
    labels[POD_LABEL] = pod.into();
    labels[MANAGED_BY_LABEL.0] = MANAGED_BY_LABEL.1.into();
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(api_version: &str, kind: &str, namespace: &str, name: &str) -> Object {
        let value = json!({"apiVersion": api_version, "kind": kind,
            "metadata": {"name": name, "namespace": namespace}});
        Object::from_value(value).unwrap()
    }

    #[test]
    fn names_are_gatekeepers() {
        let constraint = object("constraints.gatekeeper.sh/v1beta1", "K8sRequiredLabels", "", "ns-must");
        assert_eq!(name("gk-0", &constraint).unwrap(), "gk--0-k8srequiredlabels-ns--must");
        let template = object("templates.gatekeeper.sh/v1", "ConstraintTemplate", "", "k8srequiredlabels");
        assert_eq!(name("gk-0", &template).unwrap(), "gk--0-k8srequiredlabels");
        let config = object("config.gatekeeper.sh/v1alpha1", "Config", "gatekeeper-system", "config");
        let mutator = object("mutations.gatekeeper.sh/v1", "AssignMetadata", "", "add-owner");
        assert_eq!(name("gk-0", &mutator).unwrap(), "gk--0-assignmetadata-add--owner");
        let provider = object("externaldata.gatekeeper.sh/v1beta1", "Provider", "", "images");
        assert_eq!(name("gk-0", &provider).unwrap(), "gk--0-images");
        assert_eq!(name("My.Mac", &config).unwrap(), "my.mac-gatekeeper--system-config");
        for pod in ["", "-a", "a-"] {
            assert_eq!(name(pod, &template), None, "{pod:?}");
        }
    }

    #[test]
    fn labels_are_gatekeepers_and_one_more() {
        let constraint = object("constraints.gatekeeper.sh/v1beta1", "K8sRequiredLabels", "", "ns-must");
        assert_eq!(
            labels("gk-0", &constraint),
            json!({"internal.gatekeeper.sh/constraint-kind": "K8sRequiredLabels",
                "internal.gatekeeper.sh/constraint-name": "ns-must",
                "internal.gatekeeper.sh/constrainttemplate-name": "k8srequiredlabels",
                "internal.gatekeeper.sh/pod": "gk-0", "app.kubernetes.io/managed-by": "admit"})
        );
    }
}
