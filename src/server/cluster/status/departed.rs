//! Which PodStatus objects are of processes that are gone, so that their entries go from `status.byPod`, too.
//!
//! The garbage collector of Kubernetes removes those whose Pod is gone; here they are removed sooner, and where there is no
//! garbage collector. Those of processes outside of a cluster belong to no Pod: they are removed when the process has not
//! renewed any of them for long. Those that say of no Pod and are not of admit are left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::{Api, ListParams};
use serde_json::Value;

use super::entry::id;
use super::names::MANAGED_BY_LABEL;
use super::pod_statuses::RENEWED;
use super::{KnownPodStatuses, PodStatusKey};
use crate::model::object::Object;

/// A process that has not said for so long that it is there is gone. It says so every minute.
const LIFETIME: Duration = Duration::from_secs(300);

/// A Pod that has ended, evicted for example, stays listed for long; it never says anything again.
const NOT_ENDED: &str = "status.phase!=Failed,status.phase!=Succeeded";

/// Pods that there are, and have not ended.
#[derive(Debug, Default)]
pub(super) struct Pods {
    names: BTreeSet<String>,
    uids: BTreeSet<String>,
}

impl Pods {
    /// Asks the API server.
    pub(super) async fn list(api: &Api<Pod>) -> Result<Self, kube::Error> {
        let list = api.list_metadata(&ListParams::default().fields(NOT_ENDED)).await?;
        let mut pods = Self::default();
        for pod in list.items {
            pods.names.extend(pod.metadata.name);
            pods.uids.extend(pod.metadata.uid);
        }
        Ok(pods)
    }
}

/// When each process outside of a cluster was last seen to renew.
#[derive(Debug, Default)]
pub(super) struct Renewals(BTreeMap<String, (String, Option<Instant>)>);

impl Renewals {
    /// Takes note of what processes say. A clock that is wrong does no harm: to be seen renewing is enough.
    fn note(&mut self, process: &str, said: &str, now: Instant) {
        match self.0.get_mut(process) {
            Some((before, seen)) if before.as_str() < said => {
                *seen = Some(now);
                said.clone_into(before);
            }
            Some(_) => {}
            None => drop(self.0.insert(process.to_owned(), (said.to_owned(), None))),
        }
    }

    fn is_gone(&self, process: &str, now: Instant, clock: Timestamp) -> bool {
        let Some((said, seen)) = self.0.get(process) else { return true };
        if let Some(seen) = seen {
            return now.duration_since(*seen) > LIFETIME;
        }
        let lifetime = SignedDuration::try_from(LIFETIME).unwrap_or(SignedDuration::MAX);
        said.parse::<Timestamp>().map_or(true, |said| clock.duration_since(said) > lifetime)
    }

    /// Which of these objects in this namespace are to be removed.
    pub(super) fn departed(
        &mut self,
        known: &KnownPodStatuses,
        namespace: &str,
        pods: &Pods,
        (now, clock): (Instant, Timestamp),
    ) -> Vec<PodStatusKey> {
        let here = || known.objects.iter().filter(|(key, _)| key.1 == namespace);
        for (_, object) in here() {
            if let Some(said) = object.annotations().value(RENEWED) {
                self.note(process(object), said, now);
            }
        }
        let is_departed = |object: &Object| match owners(object) {
            owners if !owners.is_empty() => owners.iter().all(|uid| !pods.uids.contains(*uid)),
            _ if object.labels().value(MANAGED_BY_LABEL.0) != Some(MANAGED_BY_LABEL.1) => false,
            _ => !pods.names.contains(process(object)) && self.is_gone(process(object), now, clock),
        };
        here().filter(|(_, object)| is_departed(object)).map(|(key, _)| key.clone()).collect()
    }
}

/// Whether anybody but this process has said something in this namespace.
pub(super) fn has_others(known: &KnownPodStatuses, namespace: &str, own: &str) -> bool {
    known.objects.iter().any(|(key, object)| key.1 == namespace && process(object) != own)
}

fn process(object: &Object) -> &str {
    object.field(&["status"]).map(id).unwrap_or_default()
}

/// UIDs of the Pods that it belongs to.
fn owners(object: &Object) -> Vec<&str> {
    let references = object.field(&["metadata", "ownerReferences"]).and_then(Value::as_array);
    let is_pod = |reference: &&Value| reference.get("kind").and_then(Value::as_str) == Some("Pod");
    let pods = references.into_iter().flatten().filter(is_pod);
    pods.filter_map(|reference| reference.get("uid").and_then(Value::as_str)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Subject;
    use super::*;
    use crate::server::cluster::watches::Watched;

    fn object(process: &str, owner: Option<&str>, is_ours: bool, renewed: &str) -> Object {
        let owners: Vec<Value> = owner.iter().map(|uid| json!({"kind": "Pod", "uid": uid})).collect();
        let managed = if is_ours { "admit" } else { "somebody" };
        let mut metadata = json!({"name": process, "namespace": "own", "ownerReferences": owners,
            "labels": {"app.kubernetes.io/managed-by": managed}});
        if !renewed.is_empty() {
            metadata["annotations"] = json!({RENEWED: renewed});
        }
        Object::from_value(json!({"apiVersion": "status.gatekeeper.sh/v1beta1", "kind": "ConfigPodStatus",
            "metadata": metadata, "status": {"id": process}}))
        .unwrap()
    }

    fn departed(renewals: &mut Renewals, objects: Vec<Object>, now: Instant) -> Vec<String> {
        let mut known = KnownPodStatuses::default();
        known.take(Subject::Config, Ok(Watched::All(objects)));
        let set = |text: &str| BTreeSet::from([text.to_owned()]);
        let pods = Pods { names: set("lives"), uids: set("u1") };
        let clock = "2026-01-01T12:00:00Z".parse().unwrap();
        assert!(renewals.departed(&known, "elsewhere", &pods, (now, clock)).is_empty());
        let departed = renewals.departed(&known, "own", &pods, (now, clock));
        departed.into_iter().map(|(_, _, name)| name).collect()
    }

    #[test]
    fn those_whose_pod_or_process_is_gone() {
        let objects = vec![
            object("lives", Some("u1"), true, ""),
            object("another-of-that-name", Some("u2"), true, ""),
            object("of-gatekeeper", Some("u3"), false, ""),
            object("unknown", None, false, ""),
            object("never-renewed", None, true, ""),
            object("just-renewed", None, true, "2026-01-01T11:56:00Z"),
            object("not-renewed", None, true, "2026-01-01T11:54:00Z"),
            object("of-tomorrow", None, true, "2026-01-02T11:54:00Z"),
        ];
        let mut found = departed(&mut Renewals::default(), objects, Instant::now());
        found.sort();
        assert_eq!(found, ["another-of-that-name", "never-renewed", "not-renewed", "of-gatekeeper"]);
    }

    #[test]
    fn who_is_seen_to_renew_is_there_whatever_its_clock_says() {
        let (mut renewals, start) = (Renewals::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let said = |text: &str| vec![object("slow", None, true, text)];
        assert_eq!(departed(&mut renewals, said("2026-01-01T09:00:00Z"), at(0)), ["slow"]);
        assert!(departed(&mut renewals, said("2026-01-01T09:01:00Z"), at(60)).is_empty());
        assert!(departed(&mut renewals, said("2026-01-01T09:01:00Z"), at(360)).is_empty());
        assert_eq!(departed(&mut renewals, said("2026-01-01T09:01:00Z"), at(361)), ["slow"]);
    }
}
