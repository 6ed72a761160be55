//! What providers of clusters do that webhooks trip over, by the marks that they leave.

use super::{Facts, Finding, Severity, Webhook};
use crate::model::object::Object;

struct Platform {
    name: &'static str,
    /// In the version of the API server.
    version: &'static str,
    /// A label of its nodes, or the beginning of one.
    label: &'static str,
    found: &'static str,
    why: &'static str,
    help: &'static str,
}

const PLATFORMS: [Platform; 4] = [
    Platform {
        name: "GKE",
        version: "-gke.",
        label: "cloud.google.com/gke-",
        found: "a cluster of Google's (GKE)",
        why: "in private clusters the firewall lets the control plane through to nodes on ports 443 and 10250 only",
        help: "when the webhook cannot be reached: gcloud compute firewall-rules create NAME --allow tcp:PORT \
               --source-ranges CONTROL_PLANE_RANGE, with the port that its Pods listen on (8443 in Gatekeeper's manifests)",
    },
    Platform {
        name: "EKS",
        version: "-eks-",
        label: "eks.amazonaws.com/",
        found: "a cluster of Amazon's (EKS)",
        why: "with another network plugin than Amazon's VPC CNI the control plane cannot reach Pods; and security groups of \
              nodes must let it through",
        help: "with such a plugin set hostNetwork: true in the webhook's Pods; open their port to the security group of the \
               cluster",
    },
    Platform {
        name: "AKS",
        version: "-aks",
        label: "kubernetes.azure.com/",
        found: "a cluster of Microsoft's (AKS)",
        why: "its admissions enforcer adds to every webhook's namespaceSelector that namespaces of the control plane are left \
              alone, and undoes changes of it",
        help: "if kube-system is to be judged, too: label the webhook configuration admissions.enforcer/disabled=true",
    },
    Platform {
        name: "OpenShift",
        version: "openshift",
        label: "node.openshift.io/",
        found: "a cluster with OpenShift",
        why: "Pods run as a user that the namespace's range gives them, and manifests that fix runAsUser are refused; \
              openshift-* namespaces are needed to bring nodes back",
        help: "leave out runAsUser or grant the ServiceAccount the nonroot-v2 constraint; keep openshift-* out by \
               namespaceSelector when failurePolicy is Fail",
    },
];

/// The checks of this theme.
pub(super) fn check(facts: &Facts, _: &[Webhook]) -> Vec<Finding> {
    let has_label = |label: &str| {
        let carries = |node: &Object| node.labels().keys().any(|key| key.starts_with(label));
        facts.nodes.iter().flatten().any(carries)
    };
    let is_here = |one: &&Platform| facts.version.contains(one.version) || has_label(one.label);
    let finding = |one: &Platform| Finding {
        severity: Severity::Info,
        check: "platform",
        object: format!("cluster ({})", one.name),
        field: String::new(),
        found: one.found.to_owned(),
        why: one.why.to_owned(),
        help: one.help.to_owned(),
    };
    PLATFORMS.iter().filter(is_here).map(finding).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixtures::{facts_with, object};
    use super::*;

    #[test]
    fn versions_and_labels_of_nodes_tell() {
        let run = |version: &str, label: &str| {
            let mut facts = facts_with(&[], &[]);
            facts.version = version.to_owned();
            facts.nodes = Ok(vec![object(json!({"apiVersion": "v1", "kind": "Node",
                "metadata": {"name": "n", "labels": {label: "x"}}}))]);
            check(&facts, &[]).into_iter().map(|one| one.object).collect::<Vec<_>>()
        };
        assert_eq!(run("v1.36.0", "kubernetes.io/hostname"), Vec::<String>::new());
        assert_eq!(run("v1.33.5-gke.1080000", "a"), ["cluster (GKE)"]);
        assert_eq!(run("v1.33.4-eks-99d6cc0", "eks.amazonaws.com/nodegroup"), ["cluster (EKS)"]);
        assert_eq!(run("v1.33.3", "kubernetes.azure.com/cluster"), ["cluster (AKS)"]);
        assert_eq!(run("v1.33.3", "node.openshift.io/os_id"), ["cluster (OpenShift)"]);
    }
}
