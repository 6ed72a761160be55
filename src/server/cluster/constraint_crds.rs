//! Templates to CRDs: each template in force has the CRD of its constraints in the cluster, as we would write it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::Value;
use tokio::sync::watch;
use tracing::{error, info};

use super::FIELD_MANAGER;
use super::feed::KnownCrds;
use super::watches::resource;
use crate::model::api::constraint_crd;
use crate::policy::snapshot::{CompiledTemplate, SnapshotHandle};
use crate::server::writer::Report;

/// Rest before trying again what the API server refused.
const RETRY: Duration = Duration::from_secs(1);

/// Applies CRDs as templates come and change, and again when somebody removed one.
pub(super) async fn run(
    client: Client,
    snapshots: Arc<SnapshotHandle>,
    mut reports: watch::Receiver<Report>,
    mut known: watch::Receiver<KnownCrds>,
) {
    let api: Api<DynamicObject> = Api::all_with(
        client,
        &resource("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions"),
    );
    let mut generator = Generator { api, applied: BTreeMap::new() };
    loop {
        let is_complete = reports.borrow_and_update().is_complete;
        let crds = known.borrow_and_update().clone();
        // Before the first lists are in, a CRD that is there looks as if it were not.
        let all_applied = !is_complete || generator.apply_all(&snapshots, &crds).await;
        let retry = if all_applied { Duration::MAX } else { RETRY };
        tokio::select! {
            changed = reports.changed() => if changed.is_err() { std::future::pending().await },
            changed = known.changed() => if changed.is_err() { std::future::pending().await },
            () = tokio::time::sleep(retry.min(Duration::from_secs(3_600))) => {}
        }
    }
}

struct Generator {
    api: Api<DynamicObject>,
    /// What was applied, by name.
    applied: BTreeMap<String, Value>,
}

impl Generator {
    async fn apply_all(&mut self, snapshots: &SnapshotHandle, known: &KnownCrds) -> bool {
        let snapshot = snapshots.load();
        let mut all_applied = true;
        for template in snapshot.templates() {
            all_applied &= self.apply(template, known).await;
        }
        all_applied
    }

    async fn apply(&mut self, compiled: &CompiledTemplate, known: &KnownCrds) -> bool {
        let template = &compiled.template;
        let crd = constraint_crd(template);
        let name = crd.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        if self.applied.get(&name) == Some(&crd) && known.contains_key(&name) {
            return true;
        }
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        match self.api.patch(&name, &parameters, &Patch::Apply(&crd)).await {
            Ok(_) => {
                info!(template_name = template.object.name(), crd = name, "constraint CRD applied");
                self.applied.insert(name, crd);
                true
            }
            Err(error) => {
                error!(template_name = template.object.name(), crd = name, %error, "failed to apply the constraint CRD");
                false
            }
        }
    }
}
