//! The policies of a cluster, read once: for somebody who wants to know beforehand what it will say.
//!
//! Beside templates and constraints these are Configs, Namespaces, mutators, ExpansionTemplates, Providers, and the objects
//! that referential policies look at. What may not be read is told, because a verdict without it may be another one.

use std::collections::BTreeSet;
use std::path::PathBuf;

use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};

use super::access::{self, AccessError, PATIENCE, explain};
use super::own_kinds::OwnKind;
use super::to_object;
use super::watches::{core_resource, resource};
use crate::model::api::{CONSTRAINTS_GROUP, Config, TEMPLATES_GROUP, parse_sync_set};
use crate::model::object::{GroupVersionKind, Object};

/// Objects of one answer of the API server.
const PAGE: u32 = 500;

/// What a cluster judges by.
#[derive(Debug, Default)]
pub struct ClusterPolicies {
    /// Templates, constraints, Configs, Namespaces, what is around policies, and the inventory.
    pub objects: Vec<Object>,
    /// What could not be read, and why.
    pub unread: Vec<String>,
}

/// Reads them. Without a kubeconfig the cluster is the one that kubectl talks to.
///
/// # Errors
/// When the cluster cannot be asked, or does not show its templates.
pub async fn read_policies(
    kubeconfig: Option<&PathBuf>,
    context: Option<&String>,
) -> Result<ClusterPolicies, AccessError> {
    let config = access::configure(kubeconfig, context).await?;
    let server = config.cluster_url.to_string();
    let client = Client::try_from(config).map_err(|error| AccessError::Client(explain(&error)))?;
    let mut reader = Reader { client, found: ClusterPolicies::default() };
    let templates = resource(TEMPLATES_GROUP, "v1", "ConstraintTemplate", "constrainttemplates");
    match reader.list(&templates).await {
        Ok(objects) => reader.found.objects.extend(objects),
        Err((401, cause)) => return Err(AccessError::Unauthorized { server, cause }),
        Err((0, cause)) => return Err(AccessError::Unreachable { server, cause }),
        Err((_, cause)) => return Err(AccessError::NoPolicies { server, cause }),
    }
    for kind in reader.constraint_kinds().await {
        reader.take(&kind).await;
    }
    reader.take(&core_resource("Namespace", "namespaces")).await;
    for kind in OwnKind::ALL {
        reader.take(&kind.resource()).await;
    }
    for kind in reader.synced_kinds().await {
        if let Some(kind) = reader.discover(&kind).await {
            reader.take(&kind).await;
        }
    }
    Ok(reader.found)
}

struct Reader {
    client: Client,
    found: ClusterPolicies,
}

impl Reader {
    async fn take(&mut self, kind: &ApiResource) {
        let objects = self.list_or_tell(kind).await;
        self.found.objects.extend(objects);
    }

    async fn list_or_tell(&mut self, kind: &ApiResource) -> Vec<Object> {
        self.list(kind).await.unwrap_or_else(|(_, cause)| {
            self.found.unread.push(format!("{}: {cause}", kind.plural));
            Vec::new()
        })
    }

    async fn constraint_kinds(&mut self) -> Vec<ApiResource> {
        let version = format!("{CONSTRAINTS_GROUP}/v1beta1");
        let kinds = match tokio::time::timeout(PATIENCE, self.client.list_api_group_resources(&version)).await {
            Ok(Ok(kinds)) => kinds.resources,
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => Vec::new(),
            Ok(Err(error)) => {
                self.found.unread.push(format!("{version}: {}", explain(&error)));
                Vec::new()
            }
            Err(_) => {
                self.found.unread.push(format!("{version}: {}", late()));
                Vec::new()
            }
        };
        let kinds = kinds.into_iter().filter(|kind| !kind.name.contains('/'));
        kinds.map(|kind| resource(CONSTRAINTS_GROUP, "v1beta1", &kind.kind, &kind.name)).collect()
    }

    /// What Configs and SyncSets put into the inventory.
    async fn synced_kinds(&mut self) -> BTreeSet<GroupVersionKind> {
        let mut kinds = BTreeSet::new();
        let configs = resource("config.gatekeeper.sh", "v1alpha1", "Config", "configs");
        for config in self.list_or_tell(&configs).await {
            kinds.extend(Config::parse(&config).map(|config| config.sync_only).unwrap_or_default());
            self.found.objects.push(config);
        }
        let sync_sets = resource("syncset.gatekeeper.sh", "v1alpha1", "SyncSet", "syncsets");
        for sync_set in self.list_or_tell(&sync_sets).await {
            kinds.extend(parse_sync_set(&sync_set).0);
        }
        kinds
    }

    async fn discover(&mut self, gvk: &GroupVersionKind) -> Option<ApiResource> {
        let pinned = kube::core::GroupVersionKind::gvk(&gvk.group, &gvk.version, &gvk.kind);
        match tokio::time::timeout(PATIENCE, kube::discovery::pinned_kind(&self.client, &pinned)).await {
            Ok(Ok((found, _))) => Some(found),
            Ok(Err(error)) => {
                self.found.unread.push(format!("{gvk}: {}", explain(&error)));
                None
            }
            Err(_) => {
                self.found.unread.push(format!("{gvk}: {}", late()));
                None
            }
        }
    }

    /// All objects of a kind, page by page; none of a kind that is not installed. The error has the status that the API
    /// server answered with, 0 when it gave none.
    async fn list(&self, kind: &ApiResource) -> Result<Vec<Object>, (u16, String)> {
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), kind);
        let (mut objects, mut parameters) = (Vec::new(), ListParams::default().limit(PAGE));
        loop {
            let page = match tokio::time::timeout(PATIENCE, api.list(&parameters)).await {
                Ok(Ok(page)) => page,
                Ok(Err(kube::Error::Api(status))) if status.code == 404 => return Ok(objects),
                Ok(Err(kube::Error::Api(status))) => return Err((status.code, status.message.clone())),
                Ok(Err(error)) => return Err((0, explain(&error))),
                Err(_) => return Err((0, late())),
            };
            let next = page.metadata.continue_.filter(|token| !token.is_empty());
            for object in page.items {
                objects.push(to_object(object, kind).map_err(|error| (0, error))?);
            }
            match next {
                Some(token) => parameters = ListParams::default().limit(PAGE).continue_token(&token),
                None => return Ok(objects),
            }
        }
    }
}

fn late() -> String {
    format!("no answer within {} seconds", PATIENCE.as_secs())
}
