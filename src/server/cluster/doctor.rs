//! What `admit doctor` looks at, read from the cluster. Nothing is written: the canary is a dry run.
//!
//! Promises: an answer, or an error, within bounded time; each thing that may not be read is told as unread.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use futures::future::{BoxFuture, FutureExt, join_all};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, ObjectMeta, PostParams};
use serde_json::{Value, json};

use super::access::{self, AccessError, PATIENCE, explain};
use super::own_kinds::OwnKind;
use super::to_object;
use super::watches::{core_resource, resource};
use crate::model::api::{CONSTRAINTS_GROUP, TEMPLATES_GROUP};
use crate::model::object::Object;
use crate::server::certificates::SECRET;
use crate::server::doctor::{
    Asked, Canary, Diagnosis, DoctorNames, Facts, Served, ServiceFacts, ServiceName, Target, Unread, Webhook, diagnose,
    dial, webhooks,
};

/// The canary may wait for webhooks, which an API server itself ends after 30 seconds and a few.
const CANARY_PATIENCE: Duration = Duration::from_secs(40);
const REGISTRATION: &str = "admissionregistration.k8s.io";

/// Which cluster, and what is called how there.
#[derive(Clone, Debug)]
pub struct DoctorOptions {
    /// `--kubeconfig`; as kubectl finds it when absent, and the configuration of the Pod after that.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`; the current one when absent.
    pub context: Option<String>,
    /// Names in the cluster.
    pub names: DoctorNames,
}

/// Reads what there is, and judges it.
///
/// # Errors
/// When the cluster cannot be asked at all.
pub async fn examine(options: DoctorOptions) -> Result<Diagnosis, AccessError> {
    let config = access::configure(options.kubeconfig.as_ref(), options.context.as_ref()).await?;
    let server = config.cluster_url.to_string();
    let client = Client::try_from(config).map_err(|error| AccessError::Client(explain(&error)))?;
    let cluster = Cluster { client };
    let version =
        cluster.version().await.map_err(|cause| AccessError::Unreachable { server: server.clone(), cause })?;
    let validating = resource(REGISTRATION, "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations");
    let validating = match cluster.list_or_code(&validating, None, None).await {
        Err((401, cause)) => return Err(AccessError::Unauthorized { server, cause: cause.why }),
        answered => answered.map_err(|(_, unread)| unread),
    };
    let facts = cluster.facts(options.names, version, validating).await;
    match (&facts.validating, &facts.mutating) {
        (Err(unread), Err(_)) => Err(AccessError::Forbidden { server, cause: unread.why.clone() }),
        _ => Ok(diagnose(&facts)),
    }
}

struct Cluster {
    client: Client,
}

impl Cluster {
    /// The error tells that it does not answer; whoever refuses has answered.
    async fn version(&self) -> Result<String, String> {
        match tokio::time::timeout(PATIENCE, self.client.apiserver_version()).await {
            Ok(Ok(version)) => Ok(version.git_version),
            Ok(Err(kube::Error::Api(_))) => Ok(String::new()),
            Ok(Err(error)) => Err(explain(&error)),
            Err(_) => Err(format!("no answer within {} seconds", PATIENCE.as_secs())),
        }
    }

    async fn facts(&self, names: DoctorNames, version: String, validating: Asked<Vec<Object>>) -> Facts {
        let mutating = resource(REGISTRATION, "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations");
        let (namespaces, nodes) = (core_resource("Namespace", "namespaces"), core_resource("Node", "nodes"));
        let (mutating, namespaces, nodes, policies, canary) = futures::join!(
            self.list(&mutating, None, None),
            self.list_metadata(&namespaces),
            self.list_metadata(&nodes),
            self.policies(),
            self.canary(&names.canary_namespace),
        );
        let mut facts = Facts {
            now: now(),
            names,
            validating,
            mutating,
            namespaces,
            nodes,
            version,
            services: BTreeMap::new(),
            secret: None,
            served: BTreeMap::new(),
            policies,
            canary,
        };
        let all = webhooks(&facts);
        (facts.services, facts.served, facts.secret) =
            futures::join!(self.services(&all), dial_all(&all), self.secret(&all));
        facts
    }

    async fn services(&self, all: &[Webhook]) -> BTreeMap<ServiceName, ServiceFacts> {
        let names: BTreeSet<ServiceName> = all.iter().filter_map(service_of).collect();
        let known = names.into_iter().map(|name| async move { (name.clone(), self.service(&name).await) });
        join_all(known).await.into_iter().collect()
    }

    async fn service(&self, (namespace, name): &ServiceName) -> ServiceFacts {
        let service = self.get(&core_resource("Service", "services"), namespace, name).await;
        let selector = service.as_ref().ok().and_then(Option::as_ref).and_then(selector);
        let slices = resource("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices");
        let label = format!("kubernetes.io/service-name={name}");
        let budgets = resource("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets");
        let pods = core_resource("Pod", "pods");
        let pods: BoxFuture<'_, Asked<Vec<Object>>> = match &selector {
            Some(labels) => self.list(&pods, Some(namespace), Some(labels)).boxed(),
            None => std::future::ready(Ok(Vec::new())).boxed(),
        };
        let (slices, pods, budgets) = futures::join!(
            self.list(&slices, Some(namespace), Some(&label)),
            pods,
            self.list(&budgets, Some(namespace), None),
        );
        ServiceFacts { service, slices, pods, budgets }
    }

    /// Of the namespace that admit's own webhook names.
    async fn secret(&self, all: &[Webhook]) -> Option<Asked<Option<Object>>> {
        let own = all.iter().filter(|webhook| webhook.is_own);
        let (namespace, _) = own.filter_map(service_of).next()?;
        Some(self.get(&core_resource("Secret", "secrets"), &namespace, SECRET).await)
    }

    async fn policies(&self) -> Vec<Asked<Vec<Object>>> {
        let templates = resource(TEMPLATES_GROUP, "v1", "ConstraintTemplate", "constrainttemplates");
        let version = format!("{CONSTRAINTS_GROUP}/v1beta1");
        let kinds = self.client.list_api_group_resources(&version);
        let kinds = match tokio::time::timeout(PATIENCE, kinds).await {
            Ok(Ok(kinds)) => kinds.resources,
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => Vec::new(),
            Ok(Err(error)) => return vec![Err(unread(version, explain(&error)))],
            Err(_) => return vec![Err(unread(version, late()))],
        };
        let kinds = kinds.into_iter().filter(|kind| !kind.name.contains('/'));
        let kinds = kinds.map(|kind| resource(CONSTRAINTS_GROUP, "v1beta1", &kind.kind, &kind.name));
        let all: Vec<ApiResource> = std::iter::once(templates).chain(kinds).collect();
        let (mut found, others) = futures::join!(
            join_all(all.iter().map(|one| self.list(one, None, None))),
            join_all(OwnKind::ALL.map(|kind| self.list_if_there(kind.resource()))),
        );
        found.extend(others);
        found
    }

    /// Nothing of a kind that has no CRD.
    async fn list_if_there(&self, resource: ApiResource) -> Asked<Vec<Object>> {
        match self.list_or_code(&resource, None, None).await {
            Err((404, _)) => Ok(Vec::new()),
            answered => answered.map_err(|(_, unread)| unread),
        }
    }

    async fn canary(&self, namespace: &str) -> Canary {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        let metadata = ObjectMeta { name: Some("admit-doctor-canary".to_owned()), ..ObjectMeta::default() };
        let canary = ConfigMap { metadata, ..ConfigMap::default() };
        let parameters = PostParams { dry_run: true, ..PostParams::default() };
        let began = Instant::now();
        let outcome = match tokio::time::timeout(CANARY_PATIENCE, api.create(&parameters, &canary)).await {
            Ok(Ok(_)) => Ok(()),
            // Somebody has one of that name: webhooks were asked all the same.
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => Ok(()),
            Ok(Err(kube::Error::Api(status))) => Err((status.code, status.message.clone())),
            Ok(Err(error)) => Err((0, explain(&error))),
            Err(_) => Err((0, format!("no answer within {} seconds", CANARY_PATIENCE.as_secs()))),
        };
        Canary { took: began.elapsed(), outcome }
    }

    async fn get(&self, resource: &ApiResource, namespace: &str, name: &str) -> Asked<Option<Object>> {
        let what = format!("{} {namespace}/{name}", resource.kind);
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, resource);
        let found = match tokio::time::timeout(PATIENCE, api.get_opt(name)).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return Err(unread(what, message(&error))),
            Err(_) => return Err(unread(what, late())),
        };
        found.map(|found| to_object(found, resource)).transpose().map_err(|error| unread(what, error))
    }

    async fn list(&self, of: &ApiResource, namespace: Option<&str>, labels: Option<&str>) -> Asked<Vec<Object>> {
        self.list_or_code(of, namespace, labels).await.map_err(|(_, unread)| unread)
    }

    /// A kind that is not installed has no objects.
    async fn list_or_code(
        &self,
        of: &ApiResource,
        namespace: Option<&str>,
        labels: Option<&str>,
    ) -> Result<Vec<Object>, (u16, Unread)> {
        let place = namespace.map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
        let what = format!("{}{place}", of.plural);
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, of),
            None => Api::all_with(self.client.clone(), of),
        };
        let parameters = labels.map_or_else(ListParams::default, |labels| ListParams::default().labels(labels));
        match tokio::time::timeout(PATIENCE, api.list(&parameters)).await {
            Ok(Ok(found)) => found
                .items
                .into_iter()
                .map(|one| to_object(one, of).map_err(|error| (0, unread(what.clone(), error))))
                .collect(),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => Ok(Vec::new()),
            Ok(Err(kube::Error::Api(status))) => Err((status.code, unread(what, status.message.clone()))),
            Ok(Err(error)) => Err((0, unread(what, explain(&error)))),
            Err(_) => Err((0, unread(what, late()))),
        }
    }

    /// Names and labels alone: a cluster may have thousands.
    async fn list_metadata(&self, of: &ApiResource) -> Asked<Vec<Object>> {
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), of);
        let found = match tokio::time::timeout(PATIENCE, api.list_metadata(&ListParams::default())).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return Err(unread(of.plural.clone(), message(&error))),
            Err(_) => return Err(unread(of.plural.clone(), late())),
        };
        let object = |metadata: ObjectMeta| {
            Object::from_value(json!({"apiVersion": of.api_version, "kind": of.kind, "metadata": metadata}))
        };
        let objects = found.items.into_iter().map(|one| object(one.metadata));
        objects.collect::<Result<_, _>>().map_err(|error| unread(of.plural.clone(), error.to_string()))
    }
}

fn unread(what: String, why: String) -> Unread {
    Unread { what, why }
}

fn late() -> String {
    format!("no answer within {} seconds", PATIENCE.as_secs())
}

fn message(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => explain(other),
    }
}

fn service_of(webhook: &Webhook) -> Option<ServiceName> {
    match &webhook.target {
        Target::Service { namespace, name, .. } => Some((namespace.clone(), name.clone())),
        Target::Url(_) | Target::Unclear => None,
    }
}

/// `None` for a Service that selects nothing.
fn selector(service: &Object) -> Option<String> {
    let labels = service.field(&["spec", "selector"]).and_then(Value::as_object)?;
    let pairs = labels.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    Some(pairs.collect::<Vec<_>>().join(",")).filter(|text| !text.is_empty())
}

async fn dial_all(all: &[Webhook]) -> BTreeMap<String, Served> {
    let places: BTreeSet<(String, u16)> = all.iter().filter_map(Webhook::address).collect();
    let dialled =
        places.into_iter().map(|(host, port)| async move { (format!("{host}:{port}"), dial(&host, port).await) });
    join_all(dialled).await.into_iter().collect()
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}
