//! Namespaces that a Config takes out of a process' sight.

use crate::model::api::{ExcludedNamespaces, Process};
use crate::model::object::{GroupVersionKind, Wildcard};
use crate::model::review::Review;

/// Patterns of namespaces, by the process that leaves them alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exclusions {
    /// In the order of [`Process::ALL`], sorted.
    patterns: [Vec<Wildcard>; Process::ALL.len()],
}

impl Exclusions {
    /// The entries of a Config, taken together.
    pub fn new(entries: &[ExcludedNamespaces]) -> Self {
        let patterns = Process::ALL.map(|process| {
            let is_meant = |entry: &&ExcludedNamespaces| entry.processes.iter().any(|name| process.is_meant_by(name));
            let of_process = entries.iter().filter(is_meant);
            let mut patterns: Vec<Wildcard> = of_process.flat_map(|entry| entry.namespaces.clone()).collect();
            patterns.sort();
            patterns.dedup();
            patterns
        });
        Self { patterns }
    }

    /// The patterns of a process.
    pub fn of(&self, process: Process) -> &[Wildcard] {
        let position = Process::ALL.iter().position(|one| *one == process);
        position.and_then(|position| self.patterns.get(position)).map_or(&[], Vec::as_slice)
    }

    /// Whether a process leaves a namespace alone. Nothing is in the namespace without a name.
    pub fn excludes(&self, process: Process, namespace: &str) -> bool {
        !namespace.is_empty() && self.of(process).iter().any(|pattern| pattern.matches(namespace))
    }

    /// Whether a process leaves an object alone: one in a namespace, or the Namespace itself.
    pub fn excludes_object(&self, process: Process, gvk: &GroupVersionKind, namespace: &str, name: &str) -> bool {
        let is_namespace = gvk.group.is_empty() && gvk.kind == "Namespace";
        self.excludes(process, if is_namespace { name } else { namespace })
    }

    /// Whether a process leaves a request alone. The request's namespace counts, not what its object says of itself.
    pub fn excludes_review(&self, process: Process, review: &Review) -> bool {
        let Some(object) = &review.object else { return false };
        self.excludes_object(process, object.gvk(), &review.namespace, object.name())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::object::Object;

    fn exclusions(entries: &[(&[&str], &[&str])]) -> Exclusions {
        let entry = |(namespaces, processes): &(&[&str], &[&str])| ExcludedNamespaces {
            namespaces: namespaces.iter().map(|pattern| Wildcard::new(*pattern)).collect(),
            processes: processes.iter().map(|name| (*name).to_owned()).collect(),
        };
        Exclusions::new(&entries.iter().map(entry).collect::<Vec<_>>())
    }

    #[test]
    fn each_process_has_its_own() {
        let exclusions = exclusions(&[
            (&["kube-*", "shop"], &["webhook", "audit"]),
            (&["*-system"], &["*"]),
            (&["lab"], &["no-such-process"]),
        ]);
        for (process, namespace, expected) in [
            (Process::Webhook, "kube-system", true),
            (Process::Webhook, "shop", true),
            (Process::Webhook, "shop-2", false),
            (Process::Audit, "shop", true),
            (Process::Sync, "shop", false),
            (Process::Sync, "admit-system", true),
            (Process::MutationWebhook, "admit-system", true),
            (Process::MutationWebhook, "kube-public", false),
            (Process::Webhook, "lab", false),
        ] {
            assert_eq!(exclusions.excludes(process, namespace), expected, "{process:?} {namespace}");
        }
        assert_eq!(exclusions.of(Process::Sync), [Wildcard::new("*-system")]);
    }

    #[test]
    fn a_namespace_counts_by_its_own_name_and_what_is_in_none_never() {
        let exclusions = exclusions(&[(&["*"], &["webhook"]), (&["shop"], &["audit"])]);
        let review = |kind: &str, name: &str, namespace: &str, in_request: &str| {
            let object = Object::from_value(json!({"apiVersion": "v1", "kind": kind,
                "metadata": {"name": name, "namespace": namespace}}))
            .unwrap();
            Review { namespace: in_request.to_owned(), ..Review::of_object(&object, None) }
        };
        for (process, review, expected) in [
            (Process::Webhook, review("Pod", "a", "lab", "lab"), true),
            (Process::Audit, review("Pod", "a", "lab", "lab"), false),
            (Process::Audit, review("Pod", "a", "lab", "shop"), true),
            (Process::Audit, review("Pod", "a", "shop", "lab"), false),
            (Process::Audit, review("Pod", "shop", "", "lab"), false),
            (Process::Audit, review("Namespace", "shop", "", ""), true),
            (Process::Audit, review("Namespace", "lab", "", ""), false),
            (Process::Webhook, review("Node", "a", "", ""), false),
        ] {
            let found = exclusions.excludes_review(process, &review);
            assert_eq!(found, expected, "{process:?} {} {}", review.kind, review.namespace);
        }
    }
}
