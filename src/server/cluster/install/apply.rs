//! One object applied, and what became of it.

use std::time::Duration;

use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use serde_json::Value;

use super::action::{self, Settled};
use super::dropped;
use super::{InstallOptions, InstallOutcome, Installed};
use crate::model::api::CONSTRAINTS_GROUP;
use crate::model::object::{FieldPath, Object};
use crate::server::cluster::FIELD_MANAGER;
use crate::server::cluster::access::{PATIENCE, explain};

/// Webhooks may take part of this, which is all that an API server gives a request by itself.
const APPLY_PATIENCE: Duration = Duration::from_secs(60);
/// What the API server adds to an object.
const OF_SERVER: [&str; 6] = ["managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"];

/// Applies objects to one cluster.
pub(super) struct Applier {
    client: Client,
    is_dry_run: bool,
    is_forced: bool,
    is_action_asked: bool,
}

/// An object that was not applied.
pub(super) struct Failure {
    /// What may make it go by itself.
    pub(super) remedy: Remedy,
    /// Nothing went wrong: what is there was not to be touched.
    pub(super) is_refusal: bool,
    pub(super) message: String,
}

/// What a failure may go with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    None,
    /// The kind of the object is served.
    Kind,
    /// The kind is as its template has it now; until then it may have the schema, or the code, that it had before.
    Template,
}

impl Failure {
    /// Nobody has made the CRD yet.
    pub(super) fn not_served(constraint: &Object) -> Self {
        let name = constraint.gvk().kind.to_lowercase();
        let message = format!(
            "the API server does not serve the kind {}: whoever makes the CRDs of constraints does not run (admit serve with \
             the operation generate, or Gatekeeper's controller), or refuses the template: kubectl get constrainttemplate \
             {name} -o yaml; then install again",
            constraint.gvk().kind
        );
        Self { remedy: Remedy::Kind, is_refusal: false, message }
    }

    /// A dry run makes no CRD.
    pub(super) fn untold(constraint: &Object) -> Installed {
        let note = format!(
            "the API server can tell once the kind {} is served as this template has it, which is after its installation",
            constraint.gvk().kind
        );
        Installed { object: name_of(constraint), outcome: InstallOutcome::Untold, note }
    }

    pub(super) fn of(self, object: &Object) -> Installed {
        let outcome = if self.is_refusal { InstallOutcome::Refused } else { InstallOutcome::Failed };
        Installed { object: name_of(object), outcome, note: self.message }
    }

    fn new(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.code == 409 => {
                let message = format!("{}; --force takes them over", status.message);
                Self { remedy: Remedy::None, is_refusal: true, message }
            }
            kube::Error::Api(status) => {
                let message = status.message.clone();
                let is_of_webhook = message.starts_with("admission webhook");
                let remedy = match status.code {
                    404 => Remedy::Kind,
                    403 if !is_of_webhook => Remedy::None,
                    400 | 403 | 422 | 500 => Remedy::Template,
                    _ => Remedy::None,
                };
                Self { remedy, is_refusal: false, message }
            }
            other => Self::failed(explain(other)),
        }
    }

    fn dropped(path: &FieldPath, kind: &ApiResource) -> Self {
        let message =
            format!("the kind {} has no field {path} in this cluster: its CRD is older or of another make", kind.kind);
        Self { remedy: Remedy::Template, is_refusal: false, message }
    }

    pub(super) fn failed(message: String) -> Self {
        Self { remedy: Remedy::None, is_refusal: false, message }
    }

    fn late(patience: Duration) -> Self {
        Self::failed(format!("no answer within {} seconds", patience.as_secs()))
    }
}

impl Applier {
    pub(super) fn new(client: Client, options: &InstallOptions) -> Self {
        let InstallOptions { is_dry_run, is_forced, is_action_asked, .. } = *options;
        Self { client, is_dry_run, is_forced, is_action_asked }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) async fn apply(&self, object: &Object, kind: &ApiResource) -> Result<Installed, Failure> {
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), kind);
        let before = match tokio::time::timeout(PATIENCE, api.get_opt(object.name())).await {
            Ok(found) => found.map_err(|error| Failure::new(&error))?,
            Err(_) => return Err(Failure::late(PATIENCE)),
        };
        let before = before.map(|found| content(&found));
        let mut wanted = object.value().clone();
        let mut note = String::new();
        if let Some(before) = before.as_ref().filter(|_| object.gvk().group == CONSTRAINTS_GROUP) {
            note = self.settle(&mut wanted, before)?;
        }
        // A field that the kind does not have would be dropped without a word, so nothing is stored before that is known.
        let mut after = self.patch(&api, &wanted, true).await?;
        if let Some(path) = dropped::dropped(&wanted, &after) {
            return Err(Failure::dropped(&path, kind));
        }
        if !self.is_dry_run {
            after = self.patch(&api, &wanted, false).await?;
        }
        let outcome = match before {
            None => InstallOutcome::Created,
            Some(before) if before == after => InstallOutcome::Unchanged,
            Some(_) => InstallOutcome::Configured,
        };
        Ok(Installed { object: name_of(object), outcome, note })
    }

    async fn patch(&self, api: &Api<DynamicObject>, wanted: &Value, is_dry_run: bool) -> Result<Value, Failure> {
        let parameters = PatchParams::apply(FIELD_MANAGER).validation_strict();
        let parameters = PatchParams { dry_run: is_dry_run, force: self.is_forced, ..parameters };
        let name = wanted.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let patch = Patch::Apply(wanted);
        let patched = api.patch(name, &parameters, &patch);
        match tokio::time::timeout(APPLY_PATIENCE, patched).await {
            Ok(patched) => patched.map(|found| content(&found)).map_err(|error| Failure::new(&error)),
            Err(_) => Err(Failure::late(APPLY_PATIENCE)),
        }
    }

    /// The action of a constraint that is there. What is to be told of it is returned.
    fn settle(&self, wanted: &mut Value, before: &Value) -> Result<String, Failure> {
        match action::settle(wanted, before, self.is_action_asked, self.is_forced) {
            Settled::AsAsked => Ok(String::new()),
            Settled::Kept(action) => Ok(format!("keeps enforcementAction {action}")),
            Settled::WouldLower { from, to } => {
                let message = format!("its enforcementAction is {from}, which {to} would lower; --force does");
                Err(Failure { remedy: Remedy::None, is_refusal: true, message })
            }
        }
    }
}

fn name_of(object: &Object) -> String {
    format!("{}/{}", object.gvk().kind, object.name())
}

/// What somebody wrote, without what the API server and controllers keep.
fn content(object: &DynamicObject) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|key, _| !OF_SERVER.contains(&key.as_str()));
    }
    value
}
