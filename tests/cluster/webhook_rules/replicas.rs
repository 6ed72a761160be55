//! Several replicas keep the same rules: what becomes of them is read back from the API server, version by version.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Cluster, NARROW, PAUSE, wide};
use crate::cluster::environment::{ADMIT_NAMESPACE, AdmitServer, Environment, wait_until};
use crate::cluster::{LATER, apply_constraint};

const CONSTRAINTS: &str = "/apis/constraints.gatekeeper.sh/v1beta1/k8srequiredlabels";
const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
/// For who is contradicted all the time.
const IMPATIENT: [&str; 3] = ["--shutdown-delay=0", "--narrow-webhook-rules", "--narrow-webhook-rules-pause=1"];
const LEASE: &str = "admit-webhook-rules";
/// A replica that was killed holds its Lease for 12 seconds more.
const TAKEN_OVER: Duration = Duration::from_secs(30);

/// One version of an object, in the order of the cluster.
struct Version {
    number: u64,
    /// ADDED, MODIFIED or DELETED.
    change: String,
    object: Value,
}

impl Version {
    fn name(&self) -> &str {
        self.object["metadata"]["name"].as_str().unwrap()
    }

    fn rules(&self) -> &Value {
        &self.object["webhooks"][0]["rules"]
    }

    /// Whether some replica says that it enforces this constraint.
    fn is_enforced(&self) -> bool {
        let said = self.object["status"]["byPod"].as_array();
        said.is_some_and(|said| said.iter().any(|one| one["enforced"] == true))
    }
}

fn number_of(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

/// Where the history of a collection begins that is asked for later.
fn now(environment: &Environment, path: &str) -> u64 {
    number_of(&serde_json::from_str(&environment.kubectl(&["get", "--raw", path]).checked().stdout).unwrap())
}

/// Every version since then of everything in that collection.
fn versions(environment: &Environment, path: &str, since: u64) -> Vec<Version> {
    let path = format!("{path}?watch=true&resourceVersion={since}&timeoutSeconds=1");
    let text = environment.kubectl(&["get", "--raw", &path]).checked().stdout;
    let read = |line: &str| {
        let mut event: Value = serde_json::from_str(line).unwrap();
        assert_ne!(event["type"], "ERROR", "{event}");
        let object = event["object"].take();
        Version { number: number_of(&object), change: event["type"].as_str().unwrap().to_owned(), object }
    };
    text.lines().map(read).collect()
}

/// Whether requests about that resource of the core group are asked about when they create.
fn lets_through(rules: &Value, resource: &str) -> bool {
    let has = |rule: &Value, field: &str, text: &str| {
        rule[field].as_array().unwrap().iter().any(|one| one == text || one == "*")
    };
    rules
        .as_array()
        .unwrap()
        .iter()
        .any(|rule| has(rule, "apiGroups", "") && has(rule, "operations", "CREATE") && has(rule, "resources", resource))
}

fn on(kind: &str) -> Value {
    json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "K8sRequiredLabels",
        "metadata": {"name": format!("{}s", kind.to_lowercase())},
        "spec": {"match": {"kinds": [{"apiGroups": [""], "kinds": [kind]}]},
            "parameters": {"labels": [{"key": "owner"}]}}})
}

impl Cluster {
    /// A constraint on that kind, in force.
    fn add(&self, kind: &str, replicas: &[AdmitServer]) {
        apply_constraint(self.environment, &on(kind));
        let name = format!("{}s", kind.to_lowercase());
        let is_enforced = || self.is_enforced("k8srequiredlabels", &name);
        assert!(wait_until(LATER, is_enforced), "{name}\n{}", logs(replicas));
    }

    fn remove(&self, kind: &str) {
        let name = format!("{}s", kind.to_lowercase());
        self.environment.kubectl(&["delete", "k8srequiredlabels", &name]).checked();
    }

    fn holder(&self) -> String {
        let arguments = ["get", "lease", LEASE, "-n", ADMIT_NAMESPACE, "-o=jsonpath={.spec.holderIdentity}"];
        self.environment.kubectl(&arguments).stdout
    }

    fn generation(&self) -> u64 {
        self.configuration()["metadata"]["generation"].as_u64().unwrap()
    }
}

fn logs(replicas: &[AdmitServer]) -> String {
    replicas.iter().map(AdmitServer::log).collect::<Vec<_>>().join("\n")
}

/// At each moment, what is said to be enforced is let through. How many constraints came and went.
#[track_caller]
fn check_never_too_narrow(configurations: &[Version], constraints: &[Version]) -> usize {
    let mut all: Vec<&Version> = configurations.iter().chain(constraints).collect();
    all.sort_by_key(|version| version.number);
    let (mut rules, mut enforced, mut changes) = (Value::Null, BTreeMap::new(), 0);
    for version in all {
        if version.object["kind"] == "ValidatingWebhookConfiguration" {
            rules = version.rules().clone();
        } else {
            changes += usize::from(version.change != "MODIFIED");
            if version.change == "DELETED" {
                enforced.remove(version.name());
            } else if version.is_enforced() {
                enforced.entry(version.name().to_owned()).or_insert(version.number);
            }
        }
        for (resource, since) in &enforced {
            let is_asked = rules.is_null() || lets_through(&rules, resource);
            assert!(is_asked, "{resource}, enforced since {since}, not at {}: {rules:#}", version.number);
        }
    }
    changes
}

#[test]
fn three_replicas_settle_on_what_all_constraints_need() {
    let cluster = Cluster::start();
    let environment = cluster.environment;
    let mut replicas: Vec<AdmitServer> = (0..3).map(|_| AdmitServer::start(environment, &NARROW)).collect();
    let since = [CONFIGURATIONS, CONSTRAINTS].map(|path| now(environment, path));
    cluster.register(&replicas[0], &wide(&["CREATE", "UPDATE"]));
    assert!(wait_until(LATER, || cluster.core().is_empty()), "{:#}\n{}", cluster.rules(), logs(&replicas));

    cluster.add("Service", &replicas);
    cluster.add("ConfigMap", &replicas);
    cluster.remove("Service");
    let is_only = |expected: &[&str]| cluster.core() == expected;
    assert!(wait_until(LATER, || is_only(&["configmaps"])), "{:#}\n{}", cluster.rules(), logs(&replicas));
    cluster.add("Service", &replicas);
    // Whoever makes rules narrower dies; the others make them wider all the same.
    let holder = cluster.holder();
    let index = replicas.iter().position(|replica| replica.pod_name == holder).expect("one of them holds the Lease");
    replicas[index].kill();
    cluster.add("Secret", &replicas);
    cluster.remove("ConfigMap");
    cluster.remove("Secret");
    cluster.add("Secret", &replicas);
    replicas[index] = AdmitServer::start(environment, &NARROW);

    let union = ["secrets", "services", "services/status"];
    assert!(wait_until(TAKEN_OVER, || is_only(&union)), "{:#}\n{}", cluster.rules(), logs(&replicas));
    let settled = cluster.generation();
    std::thread::sleep(PAUSE * 2);
    assert_eq!(cluster.generation(), settled, "nothing has changed\n{}", logs(&replicas));

    let [configurations, constraints] =
        [(CONFIGURATIONS, since[0]), (CONSTRAINTS, since[1])].map(|(path, since)| versions(environment, path, since));
    let changes = check_never_too_narrow(&configurations, &constraints);
    let written = configurations.len() - 1;
    println!("{changes} changes of constraints, {written} of rules");
    assert_eq!(changes, 8, "five came, three went");
    // Narrow at first; then wider for each that came, and in other words or narrower after it, at most.
    assert!(written <= 1 + 2 * changes, "{written}\n{}", logs(&replicas));
}

/// A template whose code is broken since, and that is about fewer operations: in force where it was whole before.
fn start_before_it_broke(cluster: &Cluster) -> AdmitServer {
    let template = |rego: &str, operations: &Value| {
        let text = json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
            "metadata": {"name": "k8scontested"}, "spec": {"crd": {"spec": {"names": {"kind": "K8sContested"}}},
                "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": rego, "operations": operations}]}});
        cluster.environment.apply(&text.to_string()).checked();
    };
    let constraint = json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "K8sContested",
        "metadata": {"name": "contested"},
        "spec": {"match": {"kinds": [{"apiGroups": [""], "kinds": ["Service"]}]}}});
    template("package a\nviolation[{\"msg\": \"x\"}] { false }\n", &json!(["CREATE", "UPDATE", "DELETE"]));
    let knows = AdmitServer::start(cluster.environment, &IMPATIENT);
    apply_constraint(cluster.environment, &constraint);
    let is_enforced = || cluster.is_enforced("k8scontested", "contested");
    assert!(wait_until(LATER, is_enforced), "{}", knows.log());
    template("package a\nviolation[{\"msg\": msg}] { msg = = 1 }\n", &json!(["CREATE"]));
    knows
}

#[test]
fn who_needs_less_gives_way_to_who_needs_more() {
    let cluster = Cluster::start();
    let environment = cluster.environment;
    let knows = start_before_it_broke(&cluster);
    let new = AdmitServer::start(environment, &IMPATIENT);
    // The new one, which never had that template whole, is to make rules narrower.
    let patch = json!({"spec": {"holderIdentity": new.pod_name}}).to_string();
    let arguments = ["patch", "lease", LEASE, "-n", ADMIT_NAMESPACE, "--type=merge", "-p", &patch];
    environment.kubectl(&arguments).checked();
    cluster.register(&new, &wide(&["CREATE", "UPDATE", "DELETE"]));

    let narrowed = || new.log().matches("webhook rules narrowed").count();
    assert!(wait_until(LATER, || narrowed() > 0), "{}\n{}", cluster.rules(), new.log());
    std::thread::sleep(Duration::from_secs(9));
    let count = narrowed();
    println!("narrowed {count} times in 10 pauses");
    assert!((1..=4).contains(&count), "after 1, 3 and 7 pauses: {count}\n{}\n{}", new.log(), knows.log());
    let is_whole = || {
        let rules = cluster.rules();
        let has = |rule: &Value, field: &str, text: &str| rule[field].as_array().unwrap().iter().any(|one| one == text);
        let mut all = rules.as_array().unwrap().iter();
        all.any(|rule| has(rule, "resources", "services") && has(rule, "operations", "DELETE"))
    };
    assert!(wait_until(Duration::from_secs(2), is_whole), "{:#}\n{}", cluster.rules(), knows.log());
}
