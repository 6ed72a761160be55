//! What becomes of admit's objects and of its verdicts in the hands of kube-controller-manager.
//!
//! It acts on everything in a cluster, so these tests have an API server of their own.

use std::sync::MutexGuard;
use std::time::Duration;

use serde_json::{Value, json};

use super::environment::scope::{RegisteredWebhook, webhook_configuration};
use super::environment::{ADMIT_NAMESPACE, AdmitServer, Environment, User, wait_until};
use super::{LATER, apply_constraint, approved_registries};

/// The garbage collector looks at what it deletes twice, with rests in between.
const COLLECTED: Duration = Duration::from_secs(60);
const STATUS_KINDS: [&str; 2] = ["constrainttemplatepodstatuses", "constraintpodstatuses"];

struct Cluster {
    environment: &'static Environment,
    _turn: MutexGuard<'static, ()>,
}

impl Cluster {
    /// With the CRDs, a policy on images, and a namespace `shop`.
    fn start() -> Self {
        let (turn, environment) = Environment::to_break();
        super::apply_crds(environment);
        environment.apply_file("policies/general/allowedrepos/template.yaml").checked();
        environment.kubectl(&["create", "namespace", "shop"]).checked();
        Self { environment, _turn: turn }
    }

    /// All that there is of that kind, as JSON.
    fn list(&self, resource: &str, namespace: &str, more: &[&str]) -> Vec<Value> {
        let arguments = [&["get", resource, "-n", namespace, "-o", "json"], more].concat();
        let mut list: Value = serde_json::from_str(&self.environment.kubectl(&arguments).checked().stdout).unwrap();
        serde_json::from_value(list["items"].take()).unwrap()
    }
}

/// A Pod that nothing runs, by the name of a replica; its uid.
fn apply_pod(environment: &Environment, name: &str) -> String {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": ADMIT_NAMESPACE},
        "spec": {"containers": [{"name": "c", "image": "registry.example.com/approved/web"}]}});
    environment.apply(&pod.to_string()).checked();
    let arguments = ["get", "pod", name, "-n", ADMIT_NAMESPACE, "-o=jsonpath={.metadata.uid}"];
    environment.kubectl(&arguments).checked().stdout
}

/// Names and uids of what a replica has said of templates and constraints.
fn said(cluster: &Cluster, replica: &str) -> Vec<(String, String)> {
    let label = format!("internal.gatekeeper.sh/pod={replica}");
    let all = STATUS_KINDS.iter().flat_map(|kind| cluster.list(kind, ADMIT_NAMESPACE, &["-l", &label]));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    all.map(|one| (text(&one["metadata"]["name"]), text(&one["metadata"]["uid"]))).collect()
}

/// Whether what it has said, of a template and of a constraint, belongs to the Pod with that uid and to nobody else.
fn belongs(cluster: &Cluster, replica: &str, uid: &str) -> bool {
    let label = format!("internal.gatekeeper.sh/pod={replica}");
    STATUS_KINDS.iter().all(|kind| {
        let found = cluster.list(kind, ADMIT_NAMESPACE, &["-l", &label]);
        let owner = json!([{"apiVersion": "v1", "kind": "Pod", "name": replica, "uid": uid}]);
        !found.is_empty() && found.iter().all(|one| one["metadata"]["ownerReferences"] == owner)
    })
}

fn delete_pod(environment: &Environment, name: &str) {
    environment.kubectl(&["delete", "pod", name, "-n", ADMIT_NAMESPACE, "--force", "--grace-period=0"]).checked();
}

#[test]
fn what_a_replica_said_is_collected_with_its_pod() {
    let cluster = Cluster::start();
    let environment = cluster.environment;
    let [early, later, living] = ["admit-early", "admit-later", "admit-living"];
    let uids = [early, later, living].map(|name| (name, apply_pod(environment, name)));
    // None of them removes what others have said: that is for who has the operation `status`.
    let mut replicas = uids.each_ref().map(|(name, _)| {
        let name = format!("--pod-name={name}");
        AdmitServer::start(environment, &["--shutdown-delay=0", "--operation=webhook", "--operation=generate", &name])
    });
    apply_constraint(environment, &approved_registries("registries", "shop", "deny"));
    for ((name, uid), replica) in uids.iter().zip(&replicas) {
        let is_said = || belongs(&cluster, name, uid);
        assert!(wait_until(LATER, is_said), "{name}: {:?}\n{}", said(&cluster, name), replica.log());
    }
    // None takes back what it has said itself.
    replicas.iter_mut().for_each(AdmitServer::kill);
    let before = said(&cluster, living);

    delete_pod(environment, early);
    std::thread::sleep(Duration::from_secs(3));
    assert!(!said(&cluster, early).is_empty(), "nobody collects yet");
    let controllers = environment.start_controllers();
    controllers.wait_until(COLLECTED, "collected at its start", || said(&cluster, early).is_empty());
    assert!(!said(&cluster, later).is_empty(), "its Pod lives");
    delete_pod(environment, later);
    controllers.wait_until(COLLECTED, "collected at work", || said(&cluster, later).is_empty());
    assert_eq!(said(&cluster, living), before, "its Pod lives");
}

/// The webhook for the whole cluster, as it is installed: what it does not answer fails.
fn register(environment: &'static Environment, admit: &AdmitServer) -> RegisteredWebhook {
    let all = json!({"matchExpressions": [{"key": "admission.gatekeeper.sh/ignore", "operator": "DoesNotExist"}]});
    let name = "gatekeeper-validating-webhook-configuration";
    environment.register(&webhook_configuration(name, admit.port, &environment.ca_pem(), "Fail", &all))
}

#[test]
fn deployments_and_namespaces_go_their_way_past_the_webhook() {
    let cluster = Cluster::start();
    let environment = cluster.environment;
    let developer = |arguments: &[&str]| environment.kubectl_as(User::Developer, arguments, None).checked();
    // From before there was a policy.
    developer(&["run", "old", "--image=registry.example.com/elsewhere/old:1", "-n", "shop"]);
    let admit = AdmitServer::start(environment, &["--shutdown-delay=0"]);
    let _webhook = register(environment, &admit);
    apply_constraint(environment, &approved_registries("registries", "shop", "deny"));
    let attempt = ["run", "probe", "--image=registry.example.com/elsewhere/web:1", "-n", "shop", "--dry-run=server"];
    let is_enforced = || environment.kubectl(&attempt).stderr.contains("[registries]");
    assert!(wait_until(LATER, is_enforced), "{}\n{}", environment.kubectl(&attempt).stderr, admit.log());
    let controllers = environment.start_controllers();
    let pods = |name: &str| cluster.list("pods", "shop", &["-l", &format!("app={name}")]).len();

    let create = |name: &str, image: &str| {
        let image = format!("--image=registry.example.com/{image}:1");
        developer(&["create", "deployment", name, &image, "--replicas=2", "-n", "shop"]);
    };
    create("good", "approved/web");
    create("bad", "elsewhere/web");
    controllers.wait_until(LATER, "Pods of the good one", || pods("good") == 2);
    refused_where_people_look(&cluster, &|what, condition| controllers.wait_until(LATER, what, condition));
    assert_eq!(pods("bad"), 0);
    developer(&["set", "image", "deployment/bad", "web=registry.example.com/approved/web:2", "-n", "shop"]);
    // One more than wanted, and the next when that runs, which it never does.
    controllers.wait_until(LATER, "a Pod of the mended one", || pods("bad") == 1);

    // Deletions: by the garbage collector, from the Pods up, and of all that is in a namespace.
    developer(&["delete", "deployment", "good", "-n", "shop", "--cascade=foreground", "--timeout=60s"]);
    assert_eq!(pods("good"), 0);
    developer(&["delete", "namespace", "shop", "--wait=false"]);
    let get = ["get", "namespace", "shop", "--ignore-not-found", "-o", "yaml"];
    controllers
        .wait_until(COLLECTED, "the namespace is gone", || environment.kubectl(&get).checked().stdout.is_empty());
    assert!(admit.is_ready() && is_asked(&admit), "{}", admit.log());
}

/// The policy's message, in the Events of the ReplicaSet and in the status of the Deployment.
fn refused_where_people_look(cluster: &Cluster, wait: &dyn Fn(&str, &mut dyn FnMut() -> bool)) {
    let refusal = r#"admission webhook "validation.gatekeeper.sh" denied the request: [registries] "#;
    let tells = |message: &Value| {
        let message = message.as_str().unwrap_or_default();
        message.contains(refusal) && message.contains("registry.example.com/elsewhere/web:1")
    };
    wait("an Event of the ReplicaSet", &mut || {
        let events = cluster.list("events", "shop", &["--field-selector=reason=FailedCreate"]);
        events.iter().any(|event| event["involvedObject"]["kind"] == "ReplicaSet" && tells(&event["message"]))
    });
    wait("the condition of the Deployment", &mut || {
        let deployments = cluster.list("deployments", "shop", &["-l", "app=bad"]);
        let conditions = deployments[0]["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions
            .iter()
            .any(|one| one["type"] == "ReplicaFailure" && one["status"] == "True" && tells(&one["message"]))
    });
}

/// Whether it was the one who let deletions go through.
fn is_asked(admit: &AdmitServer) -> bool {
    let metrics = admit.metrics();
    let mut lines = metrics.lines().filter(|line| line.starts_with("gatekeeper_validation_request_count_total{"));
    lines.any(|line| line.contains(r#"admission_status="allow""#) && !line.ends_with(" 0"))
}
