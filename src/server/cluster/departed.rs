//! Entries of Pods that are gone, removed from `status.byPod`: otherwise every rollout would leave as many as it has
//! replicas.
//!
//! Assumption: the Pods of one Deployment differ in the last two parts of their names, and run in this process's
//! namespace. Entries of others (of Gatekeeper, of a process outside of the cluster) are left alone.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};
use tokio::sync::watch;
use tracing::{info, warn};

use super::ClusterOptions;
use super::status::{entries, id, patch};
use crate::model::object::Object;
use crate::server::writer::Report;

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(60);
/// How soon after something was found.
const AGAIN: Duration = Duration::from_secs(2);

/// Removes entries for ever.
pub(super) async fn run(client: Client, options: ClusterOptions, mut reports: watch::Receiver<Report>) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &options.pod_namespace);
    loop {
        let Ok(report) = reports.wait_for(|report| report.is_complete).await.map(|report| report.clone()) else {
            return std::future::pending().await;
        };
        let living = living(&pods).await.unwrap_or_default();
        let mut found = 0;
        for state in &report.resources {
            if let Some(status) = without_departed(&state.object, &living) {
                found += 1;
                patch(&client, &state.object, &status).await;
            }
        }
        if found > 0 {
            info!(resources = found, "removing entries of Pods that are gone from statuses");
        }
        // Others write the same statuses: what was not removed, because it changed meanwhile, is by then known anew.
        tokio::time::sleep(if found > 0 { AGAIN } else { LOOK }).await;
    }
}

async fn living(pods: &Api<Pod>) -> Option<BTreeSet<String>> {
    match pods.list_metadata(&ListParams::default()).await {
        Ok(list) => Some(list.items.into_iter().filter_map(|pod| pod.metadata.name).collect()),
        Err(error) => {
            warn!(%error, "failed to list Pods; entries of those that are gone stay in statuses");
            None
        }
    }
}

/// The status without entries of Pods that are gone; `None` when there are none.
fn without_departed(object: &Object, living: &BTreeSet<String>) -> Option<Value> {
    let current = entries(object);
    let is_departed = |id: &str| !living.contains(id) && living.iter().any(|other| stem(other) == stem(id));
    let kept: Vec<&Value> = current.iter().filter(|entry| !is_departed(id(entry))).collect();
    (kept.len() < current.len()).then(|| json!({"byPod": kept}))
}

/// What the Pods of one Deployment or StatefulSet have in common.
fn stem(pod: &str) -> &str {
    pod.rsplitn(3, '-').last().unwrap_or(pod)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_entries_of_pods_that_are_gone_are_removed() {
        let object = |ids: &[&str]| {
            let entries: Vec<Value> = ids.iter().map(|id| json!({"id": id, "errors": []})).collect();
            Object::from_value(json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
                "metadata": {"name": "a"}, "status": {"byPod": entries}}))
            .unwrap()
        };
        let living: BTreeSet<String> = ["admit-5f-a", "admit-5f-b", "audit-0"].map(str::to_owned).into();
        let all = ["admit-4e-a", "admit-5f-a", "audit-0", "audit-1", "gatekeeper-audit-5f-a", "laptop"];
        let kept = without_departed(&object(&all), &living).unwrap();
        let ids: Vec<&str> = kept["byPod"].as_array().unwrap().iter().map(id).collect();
        assert_eq!(ids, ["admit-5f-a", "audit-0", "gatekeeper-audit-5f-a", "laptop"]);
        assert_eq!(without_departed(&object(&["admit-5f-b", "laptop"]), &living), None);
    }
}
