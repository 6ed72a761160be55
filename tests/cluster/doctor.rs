//! `admit doctor` on a cluster that is well, and on clusters that are broken one way at a time.
//!
//! It looks at the cluster as a whole, so these tests have an API server of their own, and take turns.

use std::net::TcpListener;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};
use serde_json::{Value, json};

use super::environment::scope::RegisteredWebhook;
use super::environment::{AdmitServer, Environment, User, wait_until};
use super::{LATER, apply_constraint, approved_registries};

const OWN: &str = "gatekeeper-validating-webhook-configuration";

/// One test's turn: a cluster with admit and one policy, and no webhooks yet.
struct Turn {
    environment: &'static Environment,
    admit: &'static AdmitServer,
    _others: MutexGuard<'static, ()>,
}

impl Turn {
    fn begin() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        static STARTED: OnceLock<(&'static Environment, AdmitServer)> = OnceLock::new();
        let others = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let (environment, admit) = STARTED.get_or_init(|| {
            let environment: &'static Environment = Box::leak(Box::new(Environment::own()));
            environment.apply_file("deploy/manifests/rbac.yaml").checked();
            super::apply_crds(environment);
            environment.apply_file("policies/general/allowedrepos/template.yaml").checked();
            let admit = AdmitServer::start(environment, &["--shutdown-delay=0"]);
            apply_constraint(environment, &approved_registries("doctor", "doctor", "deny"));
            (environment, admit)
        });
        let turn = Self { environment, admit, _others: others };
        // Until the statuses say so, the policies are not in force.
        let is_well = || turn.examine(User::Admin).of("not-in-force").is_empty();
        assert!(wait_until(LATER, is_well), "{:#?}", turn.examine(User::Admin).document);
        turn
    }

    /// Of admit's own webhook, after a change.
    fn register(&self, change: impl FnOnce(&mut Value)) -> RegisteredWebhook {
        self.register_as("Validating", OWN, "validation.gatekeeper.sh", change)
    }

    fn register_as(
        &self,
        kind: &str,
        configuration: &str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> RegisteredWebhook {
        self.environment.register(&self.configuration(kind, configuration, name, change))
    }

    fn configuration(&self, kind: &str, configuration: &str, name: &str, change: impl FnOnce(&mut Value)) -> Value {
        let url = format!("https://127.0.0.1:{}/v1/admit", self.admit.port);
        let mut webhook = json!({"name": name,
            "clientConfig": {"url": url, "caBundle": base64(&self.environment.ca_pem())},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "doctor"}},
            "failurePolicy": "Fail", "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 5});
        change(&mut webhook);
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": format!("{kind}WebhookConfiguration"),
            "metadata": {"name": configuration}, "webhooks": [webhook]})
    }

    fn examine(&self, user: User) -> Examined {
        let kubeconfig = self.environment.kubeconfig(user);
        let (code, stdout, stderr) = run(&["--kubeconfig", kubeconfig.to_str().unwrap(), "-o", "json"]);
        let document = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}"));
        Examined { code, document }
    }
}

struct Examined {
    code: i32,
    document: Value,
}

impl Examined {
    /// Findings of one check.
    fn of(&self, check: &str) -> Vec<&Value> {
        let findings = self.document["findings"].as_array().unwrap();
        findings.iter().filter(|finding| finding["check"] == check).collect()
    }

    /// The one error of that check, which has these texts in its parts, and decides the exit code.
    #[track_caller]
    fn check_error(&self, check: &str, field: &str, found: &str, help: &str) {
        let errors: Vec<_> = self.of(check).into_iter().filter(|finding| finding["severity"] == "error").collect();
        let [error] = errors.as_slice() else { panic!("{check}: {:#}", self.document) };
        for (part, text) in [("field", field), ("found", found), ("help", help)] {
            assert!(error[part].as_str().unwrap().contains(text), "{text:?} is not in {part} of {error:#}");
        }
        assert_eq!(self.code, 1);
    }
}

/// Exit code, stdout, stderr.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_admit"));
    command.args(["doctor", "--namespace=admit-system"]).args(arguments).env("KUBECONFIG", "/nowhere");
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn base64(text: &str) -> Value {
    serde_json::to_value(k8s_openapi::ByteString(text.as_bytes().to_vec())).unwrap()
}

/// An authority that has signed nothing of ours.
fn authority(last_year: i32) -> Value {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "somebody else");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = rcgen::date_time_ymd(2010, 1, 1);
    params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
    base64(&params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem())
}

#[test]
fn a_healthy_cluster_has_no_errors() {
    let turn = Turn::begin();
    let _webhook = turn.register(|_| {});
    let examined = turn.examine(User::Admin);
    assert_eq!(examined.document["summary"]["error"], 0, "{:#}", examined.document);
    assert_eq!(examined.document["summary"]["not-checked"], 0, "{:#}", examined.document);
    assert_eq!(examined.code, 0);
    assert!(examined.of("canary")[0]["found"].as_str().unwrap().contains(" ms"));
    let (code, table, _) = run(&["--kubeconfig", turn.environment.kubeconfig(User::Admin).to_str().unwrap()]);
    assert!(code == 0 && table.contains("\n0 errors, "), "{table}");
}

#[test]
fn certificates_that_are_not_trusted_are_found() {
    let turn = Turn::begin();
    {
        let _webhook = turn.register(|webhook| webhook["clientConfig"]["caBundle"] = authority(2020));
        let examined = turn.examine(User::Admin);
        let found = "the authority in caBundle has expired at 2020-01-01";
        examined.check_error("ca-expiry", "webhooks[0].clientConfig.caBundle", found, "let admit serve renew it");
    }
    {
        let _webhook = turn.register(|webhook| webhook["clientConfig"]["caBundle"] = authority(2090));
        let found = "leads to no authority in caBundle";
        turn.examine(User::Admin).check_error("wrong-authority", "clientConfig", found, "put ca.crt of what is served");
    }
    let elsewhere = format!("https://127.0.0.2:{}/v1/admit", turn.admit.port);
    let _webhook = turn.register(|webhook| webhook["clientConfig"]["url"] = elsewhere.into());
    // Nothing listens there: the server under test is on 127.0.0.1 alone.
    turn.examine(User::Admin).check_error("unreachable", "clientConfig.url", "127.0.0.2", "failurePolicy");
}

#[test]
fn webhooks_that_cannot_be_reached_are_found() {
    let turn = Turn::begin();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    {
        let _webhook = turn.register(|webhook| {
            webhook["clientConfig"]["url"] = format!("https://127.0.0.1:{port}/v1/admit").into();
            webhook["rules"][0]["resources"] = json!(["configmaps"]);
            webhook["namespaceSelector"] = json!({"matchLabels": {"kubernetes.io/metadata.name": "default"}});
        });
        // The API server takes notice in its own time.
        let is_asked = || turn.examine(User::Admin).of("canary")[0]["severity"] == "error";
        assert!(wait_until(LATER, is_asked), "{:#}", turn.examine(User::Admin).document);
        let examined = turn.examine(User::Admin);
        let help = r#"kubectl patch validatingwebhookconfiguration gatekeeper-validating-webhook-configuration --type=json -p '[{"op":"add","path":"/webhooks/0/failurePolicy","value":"Ignore"}]'"#;
        examined.check_error("unreachable", "webhooks[0].clientConfig.url", "onnection refused", help);
        examined.check_error("canary", "", "failed calling webhook \"validation.gatekeeper.sh\"", "failurePolicy");
    }
    let _webhook = turn.register(|webhook| {
        let service = json!({"namespace": "admit-system", "name": "nobody"});
        webhook["clientConfig"] = json!({"service": service, "caBundle": base64(&turn.environment.ca_pem())});
    });
    let examined = turn.examine(User::Admin);
    let found = "Service admit-system/nobody does not exist";
    examined.check_error("unreachable", "clientConfig.service", found, "kubectl get service");
    assert_eq!(examined.of("serving-secret")[0]["severity"], "warning");
}

#[test]
fn webhooks_in_their_own_way_are_found() {
    let turn = Turn::begin();
    // Nothing here is created while it stands: it would be asked about everything.
    let _webhook = turn.register(|webhook| {
        let star = json!(["*"]);
        webhook["rules"] =
            json!([{"apiGroups": star, "apiVersions": star, "resources": star, "operations": ["CREATE", "UPDATE"]}]);
        webhook["namespaceSelector"] = json!({});
    });
    let examined = turn.examine(User::Admin);
    let found = "pods, replicasets, endpointslices in the webhook's own namespace admit-system";
    let help = r#"[{"key":"kubernetes.io/metadata.name","operator":"NotIn","values":["admit-system"]}]"#;
    examined.check_error("own-namespace", "webhooks[0].namespaceSelector", found, help);
    let found = "leases in kube-node-lease, leases in kube-system, nodes, pods in kube-system, tokenreviews";
    examined.check_error("system-resources", "webhooks[0].rules", found, "--narrow-webhook-rules");
}

#[test]
fn timeouts_that_add_up_are_found() {
    let turn = Turn::begin();
    let _own = turn.register(|_| {});
    let slow = |name: &str| {
        let configuration = format!("slow-{name}");
        turn.register_as("Mutating", &configuration, &format!("{name}.example.com"), |webhook| {
            webhook["timeoutSeconds"] = 15.into();
            webhook["namespaceSelector"] = json!({"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}});
        })
    };
    let _first = slow("a");
    turn.environment.kubectl(&["get", "namespace", "kube-system"]).checked();
    assert!(turn.examine(User::Admin).of("sum-of-timeouts").is_empty());
    let _second = slow("b");
    let _third = slow("c");
    let found = "a CREATE of pods in namespace kube-system may wait 45 s for webhooks, over the 30 s of a request: \
                 a.example.com (15 s), b.example.com (15 s), c.example.com (15 s)";
    let examined = turn.examine(User::Admin);
    examined.check_error("sum-of-timeouts", "webhooks[0].timeoutSeconds", found, "\"value\":3");
}

#[test]
fn side_effects_that_nobody_knows_are_found() {
    let turn = Turn::begin();
    let configuration = turn.configuration("Validating", OWN, "validation.gatekeeper.sh", |webhook| {
        webhook["sideEffects"] = "Unknown".into();
    });
    // An API server of today stores no such thing; one of old has.
    let refused = turn.environment.apply(&configuration.to_string());
    assert!(refused.stderr.contains("sideEffects"), "{}", refused.stderr);
    let webhook = turn.register(|_| {});
    store(turn.environment, &configuration);
    let is_stored = || !turn.examine(User::Admin).of("side-effects").is_empty();
    assert!(wait_until(LATER, is_stored), "{:#}", turn.examine(User::Admin).document);
    let examined = turn.examine(User::Admin);
    examined.check_error("side-effects", "webhooks[0].sideEffects", "sideEffects is Unknown", "\"value\":\"None\"");
    drop(webhook);
}

/// Puts an object straight into etcd.
fn store(environment: &Environment, object: &Value) {
    use std::io::{Read, Write};
    let (port, prefix) = environment.etcd();
    let key = format!("{prefix}/validatingwebhookconfigurations/{}", object["metadata"]["name"].as_str().unwrap());
    let mut object = object.clone();
    object["metadata"]["uid"] = "11111111-2222-3333-4444-555555555555".into();
    object["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z".into();
    let body = json!({"key": base64(&key), "value": base64(&object.to_string())}).to_string();
    let mut connection = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let length = body.len();
    write!(
        connection,
        "POST /v3/kv/put HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn policies_not_in_force_and_what_may_not_be_read_are_told() {
    let turn = Turn::begin();
    let _webhook = turn.register(|_| {});
    let template = json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
        "metadata": {"name": "k8sbrokendoctor"}, "spec": {"crd": {"spec": {"names": {"kind": "K8sBrokenDoctor"}}},
        "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": "package a\nviolation[{"}]}});
    turn.environment.apply(&template.to_string()).checked();
    let is_told = || {
        turn.examine(User::Admin)
            .of("not-in-force")
            .iter()
            .any(|one| one["found"] != "no process says that it is in force")
    };
    assert!(wait_until(LATER, is_told), "{:#}", turn.examine(User::Admin).document);
    let object = "Could not ingest Rego";
    turn.examine(User::Admin).check_error("not-in-force", "status.byPod", object, "kubectl get constrainttemplate");
    turn.environment.kubectl(&["delete", "constrainttemplate", "k8sbrokendoctor"]).checked();

    // Who may see nothing learns nothing; who may see some is told what was left out.
    let developer = turn.environment.kubeconfig(User::Developer);
    let (code, stdout, stderr) = run(&["--kubeconfig", developer.to_str().unwrap()]);
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(stderr.contains("shows no webhook configurations"), "{stderr}");
    let role = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "sees-webhooks"},
            "rules": [{"apiGroups": ["admissionregistration.k8s.io"], "resources": ["*"], "verbs": ["list"]}]},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "sees-webhooks"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "sees-webhooks"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "developer"}]}]});
    turn.environment.apply(&role.to_string()).checked();
    let is_seen = || run(&["--kubeconfig", developer.to_str().unwrap()]).0 == 0;
    assert!(wait_until(LATER, is_seen), "{:?}", run(&["--kubeconfig", developer.to_str().unwrap()]));
    let examined = turn.examine(User::Developer);
    let unread: Vec<_> = examined.of("unreadable").into_iter().map(|one| one["object"].as_str().unwrap()).collect();
    assert!(unread.contains(&"constrainttemplates"), "{unread:?}");
    assert!(examined.of("unreadable").iter().all(|one| one["severity"] == "not-checked"));
}

#[test]
fn an_api_server_that_does_not_answer_is_told_soon() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config");
    let examine = |port: u16| {
        let config = json!({"apiVersion": "v1", "kind": "Config",
            "clusters": [{"name": "a", "cluster": {"server": format!("https://127.0.0.1:{port}")}}],
            "users": [{"name": "a", "user": {"token": "x"}}], "current-context": "a",
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}]});
        std::fs::write(&path, config.to_string()).unwrap();
        let began = Instant::now();
        let (code, stdout, stderr) = run(&["--kubeconfig", path.to_str().unwrap()]);
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(
            stderr.starts_with(&format!("error: the API server at https://127.0.0.1:{port}/ cannot be reached: ")),
            "{stderr}"
        );
        (stderr, began.elapsed())
    };
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (stderr, took) = examine(silent.local_addr().unwrap().port());
    assert!(took < Duration::from_secs(20), "{took:?}: {stderr}");
    let port = silent.local_addr().unwrap().port();
    drop(silent);
    let (stderr, took) = examine(port);
    assert!(stderr.contains("onnection refused") && took < Duration::from_secs(5), "{took:?}: {stderr}");
    let (code, _, stderr) = run(&["--kubeconfig", "/nowhere"]);
    assert!(code == 2 && stderr.contains("--kubeconfig /nowhere: "), "{stderr}");
}
