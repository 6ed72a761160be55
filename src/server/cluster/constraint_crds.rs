//! Templates to CRDs: each template in force has the CRD of its constraints in the cluster, as we would write it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::Value;
use tokio::sync::watch;
use tracing::info;

use super::feed::KnownCrds;
use super::troubles::{Rests, Trouble, Troubles};
use super::watches::resource;
use super::{Clients, FIELD_MANAGER};
use crate::model::api::constraint_crd;
use crate::policy::snapshot::{CompiledTemplate, SnapshotHandle};
use crate::server::writer::Report;

/// Rest while there is nothing to try again.
const REST: Duration = Duration::from_secs(3_600);

/// Applies CRDs as templates come and change, and again when somebody removed one.
pub(super) async fn run(
    Clients { hasty, troubles, .. }: Clients,
    snapshots: Arc<SnapshotHandle>,
    mut reports: watch::Receiver<Report>,
    mut known: watch::Receiver<KnownCrds>,
) {
    let api: Api<DynamicObject> = Api::all_with(
        hasty,
        &resource("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions"),
    );
    let mut generator = Generator { api, applied: BTreeMap::new(), troubles };
    let mut rests = Rests::default();
    loop {
        let is_complete = reports.borrow_and_update().is_complete;
        let crds = known.borrow_and_update().clone();
        // Before the first lists are in, a CRD that is there looks as if it were not.
        let trouble = if is_complete { generator.apply_all(&snapshots, &crds).await } else { None };
        let rest = trouble.map_or(REST, |trouble| rests.next(trouble, Instant::now()));
        tokio::select! {
            changed = reports.changed() => if changed.is_err() { std::future::pending().await },
            changed = known.changed() => if changed.is_err() { std::future::pending().await },
            () = tokio::time::sleep(rest) => {}
        }
    }
}

struct Generator {
    api: Api<DynamicObject>,
    /// What was applied, by name.
    applied: BTreeMap<String, Value>,
    troubles: Arc<Troubles>,
}

impl Generator {
    /// What was in the way of one of them.
    async fn apply_all(&mut self, snapshots: &SnapshotHandle, known: &KnownCrds) -> Option<Trouble> {
        let snapshot = snapshots.load();
        let mut trouble = None;
        for template in snapshot.templates() {
            trouble = self.apply(template, known).await.err().or(trouble);
        }
        trouble
    }

    async fn apply(&mut self, compiled: &CompiledTemplate, known: &KnownCrds) -> Result<(), Trouble> {
        let template = &compiled.template;
        let crd = constraint_crd(template);
        let name = crd.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        if self.applied.get(&name) == Some(&crd) && known.contains_key(&name) {
            return Ok(());
        }
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        match self.api.patch(&name, &parameters, &Patch::Apply(&crd)).await {
            Ok(_) => {
                info!(template_name = template.object.name(), crd = name, "constraint CRD applied");
                self.applied.insert(name, crd);
                Ok(())
            }
            Err(error) => {
                let trouble = Trouble::of_request(&error);
                self.troubles.failed("applying the constraint CRD", &name, trouble, &error);
                Err(trouble)
            }
        }
    }
}
