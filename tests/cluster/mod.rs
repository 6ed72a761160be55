//! Against a real kube-apiserver and etcd: kubectl applies, the API server asks, admit answers.

mod certificates;
mod containment;
mod controllers;
mod doctor;
mod enforcement;
mod environment;
mod install;
mod inventory;
mod lifecycle;
mod lint;
mod minimal_rights;
mod mutation;
mod namespaces;
mod operation;
mod outage;
mod own_resources;
mod policies;
mod replicas;
mod reports;
mod roles;
mod start;
mod statuses;
mod synced_data;
mod webhook_rules;

use std::time::Duration;

use admit::server::loopback::LoopbackClient;
use environment::{AdmitServer, Environment};
use serde_json::{Value, json};

/// How long a change on the API server may take to count.
const SOON: Duration = Duration::from_secs(1);
/// How long to wait for what has no promise of speed.
const LATER: Duration = Duration::from_secs(20);

/// The shared API server with our CRDs, our rights and the four policies' templates.
fn prepared() -> &'static Environment {
    static PREPARED: std::sync::Once = std::sync::Once::new();
    let environment = Environment::shared();
    PREPARED.call_once(|| {
        environment.apply_file("deploy/manifests/rbac.yaml").checked();
        apply_crds(environment);
        for policy in ["requiredlabels", "containerlimits", "allowedrepos", "uniqueserviceselector"] {
            environment.apply_file(format!("policies/general/{policy}/template.yaml")).checked();
        }
    });
    environment
}

/// Our CRDs, served when it returns.
fn apply_crds(environment: &Environment) {
    environment.apply_file("crds").checked();
    // kubectl refuses to wait for what has no conditions at all yet.
    let wait = || environment.kubectl(&["wait", "--for=condition=Established", "--timeout=20s", "crd", "--all"]);
    assert!(environment::wait_until(LATER, || wait().success), "{}", wait().stderr);
}

fn start(environment: &'static Environment) -> AdmitServer {
    start_with(environment, &["--shutdown-delay=0"])
}

fn start_with(environment: &'static Environment, arguments: &[&str]) -> AdmitServer {
    AdmitServer::start(environment, arguments)
}

/// Waits until the API server serves the kind of a constraint, and applies it.
fn apply_constraint(environment: &'static Environment, constraint: &Value) {
    let text = constraint.to_string();
    assert!(environment::wait_until(LATER, || environment.apply(&text).success), "{}", environment.apply(&text).stderr);
}

/// Images in the namespaces that start with `namespace` come from `registry.example.com/approved`.
fn approved_registries(name: &str, namespace: &str, action: &str) -> Value {
    json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "K8sAllowedRepos", "metadata": {"name": name},
        "spec": {"enforcementAction": action,
            "match": {"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}], "namespaces": [format!("{namespace}*")]},
            "parameters": {"repos": ["registry.example.com/approved"]}}})
}

/// What the webhook says to a ConfigMap in that namespace, asked without the API server.
fn judge(environment: &Environment, admit: &AdmitServer, namespace: &str) -> String {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": namespace}});
    let request = json!({"uid": "u", "kind": {"group": "", "version": "v1", "kind": "ConfigMap"}, "name": "x",
        "namespace": namespace, "operation": "CREATE", "userInfo": {"username": "somebody"}, "object": object});
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(async {
        let address = ([127, 0, 0, 1], admit.port).into();
        let mut client = LoopbackClient::connect(address, &environment.ca_pem()).await.ok()?;
        client.post("/v1/admit?timeout=5s", review.to_string().into_bytes()).await.ok()
    });
    answer.map(|(_, body)| String::from_utf8_lossy(&body).into_owned()).unwrap_or_default()
}
