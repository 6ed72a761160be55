//! The webhook over TLS, fed by hand: what it answers, above all to what it should never be sent.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use admit::policy::snapshot::{BuildOptions, Change};
use admit::server::loopback::{LoopbackClient, is_ready};
use admit::server::{
    BoundAddresses, ClusterOptions, ExemptNamespaces, FeedEvent, ListenAddress, MutationOptions, Operation, Operations,
    PolicySource, ReportOptions, SelfSigned, ServeOptions, TlsVersion, TraceOptions, run, self_signed,
};
use admit::workbench::bundle::{feed_changes, read_texts};
use serde_json::{Value, json};

/// A server; it ends with the process.
pub(super) struct Running {
    addresses: BoundAddresses,
    authority: String,
}

const POLICIES: &str = r#"
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: k8ssays}
spec:
  crd: {spec: {names: {kind: K8sSays}, validation: {openAPIV3Schema: {type: object, properties: {text: {type: string}}}}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package says
        violation[{"msg": msg, "details": {"n": 1}}] { msg := input.parameters.text }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sSays
metadata: {name: denies}
spec:
  match: {kinds: [{apiGroups: [""], kinds: [ConfigMap]}], name: "bad*"}
  parameters: {text: no way}
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sSays
metadata: {name: warns}
spec:
  enforcementAction: warn
  match: {kinds: [{apiGroups: [""], kinds: [ConfigMap]}], name: "*so-so"}
  parameters: {text: careful}
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sSays
metadata: {name: watches}
spec:
  enforcementAction: dryrun
  match: {kinds: [{apiGroups: [""], kinds: [ConfigMap]}]}
  parameters: {text: seen}
"#;

/// One for all tests here.
fn running() -> &'static Running {
    static RUNNING: std::sync::OnceLock<Running> = std::sync::OnceLock::new();
    RUNNING.get_or_init(|| Running::start(super::containment::POLICIES))
}

impl Running {
    /// With the policies above, and more.
    pub(super) fn start(more_policies: &str) -> Self {
        Self::start_from(Policies::Text(format!("{POLICIES}---\n{more_policies}")))
    }

    /// With the policies of a cluster.
    pub(super) fn start_in_cluster(kubeconfig: PathBuf) -> Self {
        Self::start_from(Policies::Cluster(kubeconfig))
    }

    /// With these policies alone, and other options.
    pub(super) fn start_with(policies: &str, change: impl FnOnce(&mut ServeOptions) + Send + 'static) -> Self {
        Self::start_changed(Policies::Text(policies.to_owned()), self_signed().unwrap(), change)
    }

    /// With these policies alone, and this certificate.
    pub(super) fn start_as(certificate: SelfSigned, policies: &str) -> Self {
        Self::start_changed(Policies::Text(policies.to_owned()), certificate, |_| {})
    }

    fn start_from(policies: Policies) -> Self {
        Self::start_changed(policies, self_signed().unwrap(), |_| {})
    }

    fn start_changed(
        policies: Policies,
        certificate: SelfSigned,
        change: impl FnOnce(&mut ServeOptions) + Send + 'static,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("tls.crt"), &certificate.certificate).unwrap();
        std::fs::write(directory.path().join("tls.key"), &certificate.key).unwrap();
        let (sender, addresses) = mpsc::channel();
        std::thread::spawn(move || {
            let mut options = options(directory.path());
            change(&mut options);
            serve(options, policies, &sender);
        });
        Self { addresses: addresses.recv().unwrap(), authority: certificate.authority }
    }

    pub(super) fn addresses(&self) -> (std::net::SocketAddr, &str) {
        (self.addresses.webhook.unwrap(), &self.authority)
    }

    pub(super) fn post(&self, path: &str, body: Vec<u8>) -> (u16, String) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut client = LoopbackClient::connect(self.addresses.webhook.unwrap(), &self.authority).await.unwrap();
            let (status, body) = client.post(path, body).await.unwrap();
            (status, String::from_utf8(body).unwrap())
        })
    }

    /// What is exposed to Prometheus.
    pub(super) fn metrics(&self) -> String {
        let mut stream = std::net::TcpStream::connect(self.addresses.metrics).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    pub(super) fn ask(&self, review: &Value) -> Value {
        let (status, body) = self.post("/v1/admit?timeout=5s", serde_json::to_vec(review).unwrap());
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<Value>(&body).unwrap()
    }
}

/// Where a server has its policies from.
pub(super) enum Policies {
    Text(String),
    Cluster(PathBuf),
}

impl Policies {
    async fn source(self) -> PolicySource {
        let text = match self {
            Self::Text(text) => text,
            Self::Cluster(kubeconfig) => {
                return PolicySource::Cluster(ClusterOptions {
                    kubeconfig: Some(kubeconfig),
                    pod_name: "admit-0".to_owned(),
                    pod_namespace: "admit-system".to_owned(),
                    operations: Operations::new(&[Operation::Webhook]),
                    rotation: None,
                });
            }
        };
        let (objects, diagnostics) = read_texts(&[("policies.yaml", &text)]);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        let changes: Vec<Change> = objects.iter().flat_map(|bundled| feed_changes(&bundled.object)).collect();
        let (sender, feed) = tokio::sync::mpsc::channel(2);
        sender.send(FeedEvent::Changes(changes)).await.unwrap();
        sender.send(FeedEvent::Complete).await.unwrap();
        // It must not end while the server runs.
        std::mem::forget(sender);
        PolicySource::Feed(feed)
    }
}

pub(super) fn options(certificates: &std::path::Path) -> ServeOptions {
    let loopback = || ListenAddress::new("127.0.0.1", 0);
    ServeOptions {
        webhook_rules: admit::server::WebhookRules {
            are_narrowed: false,
            pause: Duration::ZERO,
            configuration: String::new(),
        },
        address: loopback(),
        health_address: loopback(),
        metrics_address: loopback(),
        certificate_directory: certificates.to_owned(),
        tls_min_version: TlsVersion::Tls13,
        client_certificates: None,
        serving_threads: 2,
        provider_cache_lifetime: Duration::from_secs(180),
        evaluation_limit: Duration::from_millis(200),
        expands_generators: true,
        max_request_bytes: 7 << 20,
        shutdown_delay: Duration::ZERO,
        reports: ReportOptions::default(),
        mutation: MutationOptions::default(),
        operations: Operations::default(),
        build: BuildOptions::default(),
        keeps_whole_objects: false,
        pod_namespace: "admit-system".to_owned(),
        admits_uncompilable_templates: false,
        admits_unknown_actions: false,
        checks_tls_for_health: false,
        exempt_namespaces: ExemptNamespaces { names: vec!["kube-system".to_owned()], ..ExemptNamespaces::default() },
        traces: TraceOptions::default(),
    }
}

/// Until the process ends.
pub(super) fn serve(options: ServeOptions, policies: Policies, started: &mpsc::Sender<BoundAddresses>) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all().thread_stack_size(32 << 20).build().unwrap().block_on(async {
        let (bound_sender, bound) = tokio::sync::oneshot::channel();
        let (_stop, shutdown) = tokio::sync::watch::channel(false);
        let server = tokio::spawn(run(options, policies.source().await, bound_sender, shutdown));
        let addresses = bound.await.unwrap();
        while !is_ready(addresses.health).await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        started.send(addresses).unwrap();
        server.await.unwrap().unwrap();
    });
}

fn post(path: &str, body: Vec<u8>) -> (u16, String) {
    running().post(path, body)
}

pub(super) fn request(name: &str) -> Value {
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "u1",
        "kind": {"group": "", "version": "v1", "kind": "ConfigMap"}, "name": name, "operation": "CREATE",
        "object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {}}}})
}

pub(super) fn ask(review: &Value) -> Value {
    running().ask(review)
}

/// What is exposed to Prometheus.
pub(super) fn metrics() -> String {
    running().metrics()
}

#[test]
fn answers_have_gatekeepers_codes_and_texts() {
    let envelope =
        |response: Value| json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response});
    assert_eq!(
        ask(&request("bad")),
        envelope(json!({"uid": "u1", "allowed": false,
            "status": {"code": 403, "reason": "Forbidden", "message": "[denies] no way"}}))
    );
    assert_eq!(
        ask(&request("so-so")),
        envelope(json!({"uid": "u1", "allowed": true, "status": {"code": 299}, "warnings": ["[warns] careful"]}))
    );
    assert_eq!(
        ask(&request("bad-and-so-so")),
        envelope(json!({"uid": "u1", "allowed": false, "warnings": ["[warns] careful"],
            "status": {"code": 403, "reason": "Forbidden", "message": "[denies] no way"}}))
    );
    assert_eq!(ask(&request("good")), envelope(json!({"uid": "u1", "allowed": true, "status": {"code": 200}})));
}

#[test]
fn both_versions_are_answered_in_kind() {
    let mut review = request("bad");
    review["apiVersion"] = json!("admission.k8s.io/v1beta1");
    assert_eq!(ask(&review)["apiVersion"], "admission.k8s.io/v1beta1");
}

#[test]
fn the_own_account_is_not_judged() {
    let mut review = request("bad");
    review["request"]["userInfo"] = json!({"username": "system:serviceaccount:admit-system:gatekeeper-admin"});
    let response = &ask(&review)["response"];
    assert_eq!(
        (&response["allowed"], &response["status"]["message"]),
        (&json!(true), &json!("Gatekeeper does not self-manage"))
    );
}

#[test]
fn deletion_is_judged_by_what_goes() {
    let mut review = request("bad");
    let object = review["request"]["object"].take();
    review["request"]["operation"] = json!("DELETE");
    assert_eq!(ask(&review)["response"]["status"]["message"], "oldObject cannot be nil for DELETE operations");
    review["request"]["oldObject"] = object;
    assert_eq!(ask(&review)["response"]["status"]["message"], "[denies] no way");
}

#[test]
fn what_no_api_server_sends_is_an_http_error_with_one_line() {
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"".to_vec(), "request body is empty"),
        (b"{\"a\": ".to_vec(), "request body is not a JSON document: unexpected end of JSON input at line 1 column 7"),
        (vec![0xff, 0xfe, 0x00], "request body is not a JSON document: not UTF-8 at line 1 column 1"),
        (b"{}".to_vec(), "AdmissionReview has no request"),
        (
            br#"{"apiVersion":"admission.k8s.io/v9","kind":"AdmissionReview","request":{}}"#.to_vec(),
            "\"admission.k8s.io/v9\"",
        ),
        (
            br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{}}"#.to_vec(),
            "AdmissionReview has no request",
        ),
        ([b"{\"a\": \"".to_vec(), vec![b'x'; 3 << 20]].concat(), "unexpected end of JSON input"),
    ];
    for (body, expected) in cases {
        let (status, answer) = post("/v1/admit", body);
        let message = serde_json::from_str::<Value>(&answer).unwrap()["response"]["status"]["message"].take();
        let message = message.as_str().unwrap();
        assert!(status == 400 && message.contains(expected) && !message.contains('\n'), "{status} {message}");
    }
    check_alive();
}

#[test]
fn what_an_api_server_could_send_is_refused_not_failed() {
    let mut deep = request("deep");
    deep["request"]["object"]["data"] = json!("@");
    let deep = deep.to_string().replace("\"@\"", &format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)));
    let large = request("large").to_string().replace("{}", &format!("{{\"a\":\"{}\"}}", "x".repeat(20 << 20)));
    let nothing = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "u1",
        "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE", "object": null}});
    for (body, code, expected) in [
        (deep, 400, "nested deeper than 1000 levels"),
        (large, 413, "request entity is too large; limit is 7340032 bytes"),
        (nothing.to_string(), 400, "neither object nor old object are defined"),
    ] {
        let (status, answer) = post("/v1/admit", body.into_bytes());
        let response = serde_json::from_str::<Value>(&answer).unwrap()["response"].take();
        assert_eq!((status, &response["allowed"], &response["status"]["code"]), (200, &json!(false), &json!(code)));
        assert!(response["status"]["message"].as_str().unwrap().contains(expected), "{response}");
    }
    check_alive();
}

#[test]
fn a_large_object_within_the_limit_is_judged() {
    let mut review = request("bad");
    review["request"]["object"]["data"] = json!({"a": "x".repeat(3 << 20)});
    assert_eq!(ask(&review)["response"]["status"]["code"], 403);
}

#[test]
fn only_exempt_namespaces_may_carry_the_ignore_label() {
    let labelled = |name: &str, labels: Value| {
        let review = json!({"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview", "request": {"uid": "u2",
            "kind": {"group": "", "version": "v1", "kind": "Namespace"}, "name": name, "operation": "UPDATE",
            "object": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}}});
        let (status, body) = post("/v1/admitlabel?timeout=2s", review.to_string().into_bytes());
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &answer["apiVersion"]), (200, &json!("admission.k8s.io/v1beta1")), "{body}");
        answer["response"].clone()
    };
    let label = json!({"admission.gatekeeper.sh/ignore": ""});
    assert_eq!(
        labelled("shop", label.clone()),
        json!({"uid": "u2", "allowed": false, "status": {"code": 403, "reason": "Forbidden",
            "message": "Only exempt namespace can have the admission.gatekeeper.sh/ignore label"}})
    );
    assert_eq!(
        labelled("kube-system", label),
        json!({"uid": "u2", "allowed": true, "status": {"code": 200,
            "message": "Namespace kube-system is allowed to set admission.gatekeeper.sh/ignore"}})
    );
    let (status, body) = post("/v1/admitlabel", b"{".to_vec());
    assert!(status == 400 && body.contains("unexpected end of JSON input"), "{body}");
}

#[test]
fn unknown_paths_are_named() {
    let (status, body) = post("/v1/admission", b"{}".to_vec());
    assert_eq!(
        (status, body.as_str()),
        (
            404,
            "no such endpoint: /v1/admission; the webhook answers POST /v1/admit, POST /v1/mutate and POST /v1/admitlabel\n"
        )
    );
}

fn check_alive() {
    assert_eq!(ask(&request("bad"))["response"]["status"]["code"], 403);
}
