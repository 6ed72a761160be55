//! Policies into a cluster: each object applied on the server's side, templates before the constraints of their kinds.
//!
//! Promises: a field that somebody else owns and has set otherwise is not touched, unless forced: the API server tells who
//! owns it. An `enforcementAction` is never lowered, unless forced. Every object is told of, whatever became of the others.

mod action;
mod apply;
mod dropped;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use kube::Client;
use kube::api::ApiResource;
use thiserror::Error;

use super::access::{self, AccessError, PATIENCE, explain};
use super::watches::resource;
use crate::model::api::{CONSTRAINTS_GROUP, SYNC_SET_GROUP, TEMPLATES_GROUP};
use crate::model::object::Object;
use apply::{Applier, Failure, Remedy};

/// How often it is looked whether the kind of a constraint is served.
const POLL: Duration = Duration::from_millis(200);

/// Which cluster, and how.
#[derive(Clone, Debug)]
pub struct InstallOptions {
    /// `--kubeconfig`; as kubectl finds it when absent.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`; the current one when absent.
    pub context: Option<String>,
    /// Nothing is stored.
    pub is_dry_run: bool,
    /// What somebody else owns is taken over, and an `enforcementAction` may be lowered.
    pub is_forced: bool,
    /// Whether the action of a constraint that is there may not be kept: it was asked for one.
    pub is_action_asked: bool,
    /// The longest to wait until a template's kind is served.
    pub patience: Duration,
}

/// What is installed, each part as it is applied: all of one before the next.
#[derive(Clone, Debug, Default)]
pub struct InstallObjects {
    /// ConstraintTemplates.
    pub templates: Vec<Object>,
    /// SyncSets.
    pub sync_sets: Vec<Object>,
    /// Constraints.
    pub constraints: Vec<Object>,
}

/// What became of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// `Kind/name`
    pub object: String,
    /// What became of it.
    pub outcome: InstallOutcome,
    /// What else there is to say; empty when there is nothing.
    pub note: String,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstallOutcome {
    /// It was not there.
    Created,
    /// It was, and is another now.
    Configured,
    /// It is as it was.
    Unchanged,
    /// As a dry run it cannot be told; nothing is wrong.
    Untold,
    /// It is as it was: what keeps it so was found.
    Refused,
    /// The API server did not take it.
    Failed,
}

/// Why nothing was installed.
#[derive(Debug, Error)]
pub enum InstallError {
    /// The cluster cannot be asked.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// It has no CRDs.
    #[error(
        "the API server at {server} does not know the kind {kind} ({group}); apply the CRDs of admit first (kubectl apply \
         -f crds/), or install Gatekeeper's"
    )]
    NoCrd {
        /// Its URL.
        server: String,
        /// The kind.
        kind: &'static str,
        /// Its group and version.
        group: String,
    },
}

impl InstallOutcome {
    /// Whether the object is not as it was asked for.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Refused | Self::Failed)
    }

    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
            Self::Untold => "not checked",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// Applies them all; each is told of as soon as it is known what became of it.
///
/// # Errors
/// When nothing can be installed at all.
pub async fn install(
    options: &InstallOptions,
    objects: &InstallObjects,
    tell: &mut dyn FnMut(Installed),
) -> Result<(), InstallError> {
    let config = access::configure(options.kubeconfig.as_ref(), options.context.as_ref()).await?;
    let server = config.cluster_url.to_string();
    let client = Client::try_from(config).map_err(|error| AccessError::Client(explain(&error)))?;
    let installation = Installation { applier: Applier::new(client, options), options, server };
    let templates = installation.kind(TEMPLATES_GROUP, "v1", "ConstraintTemplate").await?;
    let sync_sets = match objects.sync_sets.as_slice() {
        [] => None,
        _ => Some(installation.kind(SYNC_SET_GROUP, "v1alpha1", "SyncSet").await?),
    };
    let mut states = BTreeMap::new();
    for template in &objects.templates {
        let told =
            installation.applier.apply(template, &templates).await.unwrap_or_else(|failure| failure.of(template));
        states.insert(template.name().to_owned(), told.outcome);
        tell(told);
    }
    for (sync_set, kind) in objects.sync_sets.iter().zip(sync_sets.iter().cycle()) {
        tell(installation.applier.apply(sync_set, kind).await.unwrap_or_else(|failure| failure.of(sync_set)));
    }
    let deadline = Instant::now() + options.patience;
    for constraint in &objects.constraints {
        let template = states.get(&constraint.gvk().kind.to_lowercase()).copied();
        tell(installation.constraint(constraint, template, deadline).await);
    }
    Ok(())
}

struct Installation<'a> {
    applier: Applier,
    options: &'a InstallOptions,
    server: String,
}

impl Installation<'_> {
    /// A kind that has to be there before anything is applied.
    async fn kind(&self, group: &str, version: &str, kind: &'static str) -> Result<ApiResource, InstallError> {
        let server = self.server.clone();
        match self.served(group, version, kind).await {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(InstallError::NoCrd { server, kind, group: format!("{group}/{version}") }),
            Err((401, cause)) => Err(AccessError::Unauthorized { server, cause }.into()),
            Err((_, cause)) => Err(AccessError::Unreachable { server, cause }.into()),
        }
    }

    /// A kind, if the API server has it. The error has the status that it answered with, 0 when it gave none.
    async fn served(&self, group: &str, version: &str, kind: &str) -> Result<Option<ApiResource>, (u16, String)> {
        let group_version = format!("{group}/{version}");
        let asked = self.applier.client().list_api_group_resources(&group_version);
        let listed = match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(listed)) => listed.resources,
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => return Ok(None),
            Ok(Err(kube::Error::Api(status))) => return Err((status.code, status.message.clone())),
            Ok(Err(error)) => return Err((0, explain(&error))),
            Err(_) => return Err((0, format!("no answer within {} seconds", PATIENCE.as_secs()))),
        };
        let found = listed.into_iter().find(|one| one.kind == kind && !one.name.contains('/'));
        Ok(found.map(|one| resource(group, version, kind, &one.name)))
    }

    /// Waits for its kind, for as long as it may come by what became of the template.
    async fn constraint(&self, constraint: &Object, template: Option<InstallOutcome>, deadline: Instant) -> Installed {
        let is_new = matches!(template, Some(InstallOutcome::Created | InstallOutcome::Configured));
        let is_bad = template.is_some_and(InstallOutcome::is_bad);
        loop {
            let failure = match self.try_constraint(constraint).await {
                Ok(told) => return told,
                Err(failure) => failure,
            };
            let may_pass = match failure.remedy {
                Remedy::None => false,
                Remedy::Kind => !is_bad,
                Remedy::Template => is_new,
            };
            if self.options.is_dry_run && may_pass && is_new {
                return Failure::untold(constraint);
            }
            if !may_pass || self.options.is_dry_run || Instant::now() >= deadline {
                return failure.of(constraint);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn try_constraint(&self, constraint: &Object) -> Result<Installed, Failure> {
        let gvk = constraint.gvk();
        match self.served(CONSTRAINTS_GROUP, &gvk.version, &gvk.kind).await {
            Ok(Some(kind)) => self.applier.apply(constraint, &kind).await,
            Ok(None) => Err(Failure::not_served(constraint)),
            Err((_, cause)) => Err(Failure::failed(cause)),
        }
    }
}
