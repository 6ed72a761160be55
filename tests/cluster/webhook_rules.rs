//! `--narrow-webhook-rules`: what the API server asks about follows the constraints.
//!
//! Rules follow from all constraints of a cluster, so this test has an API server of its own.

mod replicas;

use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::environment::{AdmitServer, Environment, wait_until};
use super::{LATER, apply_constraint, approved_registries};

const CONFIGURATION: &str = "gatekeeper-validating-webhook-configuration";
const ANNOTATION: &str = "admit.gatekeeper.sh/rules-as-applied";
const PAUSE: Duration = Duration::from_secs(3);
const NARROW: [&str; 3] = ["--shutdown-delay=0", "--narrow-webhook-rules", "--narrow-webhook-rules-pause=3"];
const AT_ONCE: Duration = Duration::from_secs(2);

struct Cluster {
    environment: &'static Environment,
    _turn: MutexGuard<'static, ()>,
}

impl Cluster {
    fn start() -> Self {
        let (turn, environment) = Environment::to_break();
        super::apply_crds(environment);
        for policy in ["requiredlabels", "allowedrepos"] {
            environment.apply_file(format!("policies/general/{policy}/template.yaml")).checked();
        }
        environment.kubectl(&["create", "namespace", "shop"]).checked();
        Self { environment, _turn: turn }
    }

    /// As Gatekeeper's manifests have it, and fewer subresources.
    fn register(&self, admit: &AdmitServer, rules: &Value) {
        use k8s_openapi::ByteString;
        let bundle = serde_json::to_value(ByteString(self.environment.ca_pem().into_bytes())).unwrap();
        let url = format!("https://127.0.0.1:{}/v1/admit", admit.port);
        let configuration = json!({"apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration", "metadata": {"name": CONFIGURATION},
        "webhooks": [
            {"name": "validation.gatekeeper.sh", "clientConfig": {"url": url, "caBundle": bundle}, "rules": rules,
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}},
                "failurePolicy": "Ignore", "matchPolicy": "Exact", "sideEffects": "None",
                "admissionReviewVersions": ["v1"], "timeoutSeconds": 5},
            {"name": "another.example.com", "clientConfig": {"url": "https://127.0.0.1:1/", "caBundle": bundle},
                "rules": rules, "namespaceSelector": {"matchLabels": {"nobody": "has-this"}},
                "objectSelector": {"matchLabels": {"nobody": "has-this"}}, "failurePolicy": "Ignore",
                "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 1},
        ]});
        self.environment.apply(&configuration.to_string()).checked();
    }

    fn configuration(&self) -> Value {
        let arguments = ["get", "validatingwebhookconfiguration", CONFIGURATION, "-o", "json"];
        serde_json::from_str(&self.environment.kubectl(&arguments).checked().stdout).unwrap()
    }

    fn rules(&self) -> Value {
        self.configuration()["webhooks"][0]["rules"].take()
    }

    /// The resources of the core group that the API server asks about.
    fn core(&self) -> Vec<String> {
        let rules = self.rules();
        let of_core = rules
            .as_array()
            .unwrap()
            .iter()
            .filter(|rule| rule["apiGroups"].as_array().unwrap().iter().any(|group| group == "" || group == "*"));
        of_core
            .flat_map(|rule| rule["resources"].as_array().unwrap().clone())
            .map(|one| one.as_str().unwrap().to_owned())
            .collect()
    }

    #[track_caller]
    fn wait_for_core(&self, limit: Duration, expected: &[&str], admit: &AdmitServer) {
        assert!(wait_until(limit, || self.core() == expected), "{:#}\n{}", self.rules(), admit.log());
    }

    fn is_enforced(&self, kind: &str, name: &str) -> bool {
        let output = self.environment.kubectl(&["get", kind, name, "-o", "jsonpath={.status.byPod[*].enforced}"]);
        output.success && output.stdout.contains("true")
    }
}

/// Requests that the webhook was asked about so far.
fn asked(admit: &AdmitServer) -> u64 {
    let metrics = admit.metrics();
    let lines = metrics.lines().filter(|line| line.starts_with("gatekeeper_validation_request_count_total{"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64
}

fn wide(operations: &[&str]) -> Value {
    json!([{"apiGroups": ["*"], "apiVersions": ["*"], "operations": operations, "scope": "*",
        "resources": ["*", "pods/ephemeralcontainers", "pods/exec", "services/status", "deployments/scale"]}])
}

fn on_services() -> Value {
    json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "K8sRequiredLabels",
        "metadata": {"name": "labelled-services"},
        "spec": {"match": {"kinds": [{"apiGroups": [""], "kinds": ["Service"]}]},
            "parameters": {"labels": [{"key": "owner"}]}}})
}

const SERVICE: [&str; 6] = ["create", "service", "clusterip", "web", "--tcp=80", "--namespace=shop"];
const POD: [&str; 5] =
    ["run", "web", "--image=registry.example.com/approved-evil/web:1", "--namespace=shop", "--dry-run=server"];

#[test]
fn rules_follow_constraints() {
    let cluster = Cluster::start();
    let environment = cluster.environment;
    let admit = AdmitServer::start(environment, &NARROW);
    let applied = wide(&["CREATE", "UPDATE"]);
    cluster.register(&admit, &applied);
    apply_constraint(environment, &approved_registries("registries", "shop", "deny"));

    // One constraint on Pods: those, what brings Pods, and what configures admit.
    let pods = ["pods", "pods/ephemeralcontainers"];
    cluster.wait_for_core(LATER, &pods, &admit);
    let rules = cluster.rules();
    let own =
        rules.as_array().unwrap().iter().find(|rule| rule["apiGroups"].to_string().contains("templates.gatekeeper.sh"));
    assert!(own.unwrap()["apiGroups"].to_string().contains("constraints.gatekeeper.sh"), "{rules:#}");
    assert!(
        rules.as_array().unwrap().iter().all(|rule| rule["operations"] == json!(["CREATE", "UPDATE"])),
        "{rules:#}"
    );
    assert_eq!(rules.as_array().unwrap().len(), 2, "{rules:#}");
    let other = &cluster.configuration()["webhooks"][1];
    assert_eq!(other["rules"], applied, "webhooks of others are left alone");

    // API servers take notice in their own time.
    let is_refused = || environment.kubectl(&POD).stderr.contains("[registries]");
    assert!(wait_until(LATER, is_refused), "{}", environment.kubectl(&POD).stderr);
    let is_passed_over = || {
        let before = asked(&admit);
        environment.kubectl(&[&SERVICE[..], &["--dry-run=server"]].concat()).checked();
        asked(&admit) == before
    };
    assert!(wait_until(LATER, is_passed_over), "{}", admit.log());
    let before = asked(&admit);
    environment.kubectl(&[&SERVICE[..], &["--dry-run=server"]].concat()).checked();
    assert_eq!(asked(&admit), before, "a Service reaches the webhook");
    assert!(is_refused());
    assert_eq!(asked(&admit), before + 1);

    widened_at_once(&cluster, &admit);
    put_right(&cluster, &admit);

    // Narrower after a time without changes, and not before.
    environment.kubectl(&["delete", "k8srequiredlabels", "labelled-services"]).checked();
    let deleted = Instant::now();
    cluster.wait_for_core(LATER, &pods, &admit);
    assert!(deleted.elapsed() > PAUSE - Duration::from_secs(1), "{:?}\n{}", deleted.elapsed(), admit.log());

    let everything = json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "K8sRequiredLabels",
        "metadata": {"name": "labelled"}, "spec": {"enforcementAction": "dryrun", "parameters": {"labels": []}}});
    environment.apply(&everything.to_string()).checked();
    assert!(wait_until(AT_ONCE, || cluster.rules() == applied), "{:#}\n{}", cluster.rules(), admit.log());
    environment.kubectl(&["delete", "k8srequiredlabels", "labelled"]).checked();
    cluster.wait_for_core(LATER, &pods, &admit);

    // What is applied later and goes further counts from then on.
    let later = wide(&["CREATE", "UPDATE", "DELETE"]);
    cluster.register(&admit, &later);
    // The template is not for deletions; own resources are looked at then, too.
    let operations = |rules: &Value| [rules[0]["operations"].clone(), rules[1]["operations"].clone()];
    let expected = [json!(["CREATE", "UPDATE"]), json!(["CREATE", "UPDATE", "DELETE"])];
    let has_deletions = || cluster.core() == pods && operations(&cluster.rules()) == expected;
    assert!(wait_until(LATER, has_deletions), "{:#}\n{}", cluster.rules(), admit.log());

    // Without the flag they are again what they were.
    drop(admit);
    assert_eq!(cluster.core(), pods, "a restart changes nothing");
    let admit = AdmitServer::start(environment, &["--shutdown-delay=0"]);
    assert!(wait_until(LATER, || cluster.rules() == later), "{:#}\n{}", cluster.rules(), admit.log());
    assert_eq!(cluster.configuration()["metadata"]["annotations"].get(ANNOTATION), None);
}

/// A constraint on Services: the API server asks about them before the constraint is said to be enforced.
fn widened_at_once(cluster: &Cluster, admit: &AdmitServer) {
    cluster.environment.apply(&on_services().to_string()).checked();
    let applied = Instant::now();
    while !cluster.is_enforced("k8srequiredlabels", "labelled-services") {
        assert!(applied.elapsed() < LATER, "{}", admit.log());
    }
    assert!(cluster.core().contains(&"services".to_owned()), "{:#}\n{}", cluster.rules(), admit.log());
    assert!(applied.elapsed() < AT_ONCE, "{:?}\n{}", applied.elapsed(), admit.log());
    let probe = || cluster.environment.kubectl(&[&SERVICE[..], &["--dry-run=server"]].concat()).stderr;
    assert!(wait_until(LATER, || probe().contains("[labelled-services]")), "{}", probe());
}

/// Somebody takes Services out of the rules.
fn put_right(cluster: &Cluster, admit: &AdmitServer) {
    let patch = json!([{"op": "replace", "path": "/webhooks/0/rules", "value": [{"apiGroups": [""],
        "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["configmaps"], "scope": "*"}]}]);
    let arguments = ["patch", "validatingwebhookconfiguration", CONFIGURATION, "--type=json", "-p", &patch.to_string()];
    cluster.environment.kubectl(&arguments).checked();
    let is_right = || cluster.core().contains(&"services".to_owned()) && cluster.core().contains(&"pods".to_owned());
    assert!(wait_until(AT_ONCE, is_right), "{:#}\n{}", cluster.rules(), admit.log());
    cluster.wait_for_core(LATER, &["pods", "pods/ephemeralcontainers", "services", "services/status"], admit);
}
