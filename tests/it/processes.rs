//! What a process listens for and tells of itself, by its operations and flags.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use admit::server::loopback::LoopbackClient;
use admit::server::{BoundAddresses, Operation, Operations, ServeOptions};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

use serde_json::{Value, json};

use super::webhook::{Policies, options, serve};

fn start(options: ServeOptions) -> BoundAddresses {
    start_with(options, String::new())
}

fn start_with(options: ServeOptions, policies: String) -> BoundAddresses {
    let (sender, addresses) = mpsc::channel();
    std::thread::spawn(move || serve(options, Policies::Text(policies), &sender));
    addresses.recv().unwrap()
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// Writes an authority and a certificate that end in these years.
fn certify(directory: &Path, authority_ends: i32, leaf_ends: i32) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(rcgen::DnType::CommonName, "authority");
    authority.not_after = date_time_ymd(authority_ends, 1, 1);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let mut leaf = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    leaf.not_after = date_time_ymd(leaf_ends, 1, 1);
    let key = KeyPair::generate().unwrap();
    let leaf = leaf.signed_by(&key, &authority).unwrap();
    let write = |name: &str, text: String| std::fs::write(directory.join(name), text).unwrap();
    write("ca.crt", authority.pem());
    write("tls.crt", leaf.pem());
    write("tls.key", key.serialize_pem());
}

fn seconds(year: i32) -> i64 {
    date_time_ymd(year, 1, 1).unix_timestamp()
}

#[test]
fn without_a_webhook_there_is_no_port_no_certificate_and_no_metric_of_one() {
    for (operations, is_served) in [
        (vec![Operation::Status, Operation::Generate], false),
        (vec![Operation::Audit, Operation::MutationStatus], false),
        (vec![Operation::MutationWebhook], true),
        (vec![Operation::Webhook, Operation::Audit], true),
    ] {
        let directory = tempfile::tempdir().unwrap();
        if is_served {
            certify(directory.path(), 2090, 2080);
        }
        let mut options = options(directory.path());
        options.operations = Operations::new(&operations);
        let addresses = start(options);
        assert_eq!(addresses.webhook.is_some(), is_served, "{operations:?}");
        let ready = get(addresses.health, "/readyz?verbose");
        assert!(ready.starts_with("HTTP/1.0 200"), "{ready}");
        assert!(ready.contains("[+]tracker ok"), "{ready}");
        for check in ["[+]certificate ok", "[+]tls-check ok"] {
            assert_eq!(ready.contains(check), is_served, "{operations:?}: {ready}");
        }
        let metrics = get(addresses.metrics, "/metrics");
        assert!(metrics.contains("gatekeeper_watch_manager_watched_gvk"), "{metrics}");
        for part in ["admission_events_dropped", "certificate_expiration"] {
            assert_eq!(metrics.contains(part), is_served, "{operations:?}: {metrics}");
        }
        assert!(is_served || !metrics.contains("validation_request"), "{metrics}");
    }
}

#[test]
fn health_asks_the_webhook_only_when_told_to() {
    for is_asked in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        certify(directory.path(), 2090, 2080);
        let mut options = options(directory.path());
        options.checks_tls_for_health = is_asked;
        let health = get(start(options).health, "/healthz?verbose");
        assert!(health.starts_with("HTTP/1.0 200") && health.contains("[+]ping ok"), "{health}");
        assert_eq!(health.contains("[+]tls-check ok"), is_asked, "{health}");
    }
}

#[test]
fn metrics_say_when_certificates_end() {
    let directory = tempfile::tempdir().unwrap();
    certify(directory.path(), 2090, 2080);
    let metrics = start(options(directory.path())).metrics;
    let line = |certificate: &str, year: i32| {
        let name = "gatekeeper_certificate_expiration_timestamp_seconds";
        format!("\n{name}{{certificate=\"{certificate}\"}} {}\n", seconds(year))
    };
    let text = get(metrics, "/metrics");
    assert!(text.contains(&line("serving", 2080)) && text.contains(&line("authority", 2090)), "{text}");

    certify(directory.path(), 2091, 2081);
    let begun = Instant::now();
    loop {
        let text = get(metrics, "/metrics");
        if text.contains(&line("serving", 2081)) && text.contains(&line("authority", 2091)) {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{text}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn constraints_with_unknown_actions_are_taken_only_where_that_is_asked_for() {
    let template = json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
        "metadata": {"name": "any"}, "spec": {"crd": {"spec": {"names": {"kind": "Any"}}}, "targets": [{
            "target": "admission.k8s.gatekeeper.sh", "rego": "package a\nviolation[{\"msg\": \"x\"}] { true }"}]}});
    let review = |spec: Value| {
        let object = json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "Any",
            "metadata": {"name": "a"}, "spec": spec});
        let kind = json!({"group": "constraints.gatekeeper.sh", "version": "v1beta1", "kind": "Any"});
        let request = json!({"uid": "u", "kind": kind, "name": "a", "operation": "CREATE", "object": object});
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).to_string()
    };
    for is_taken in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        certify(directory.path(), 2090, 2080);
        let mut options = options(directory.path());
        options.admits_unknown_actions = is_taken;
        let webhook = start_with(options, template.to_string()).webhook.unwrap();
        let authority = std::fs::read_to_string(directory.path().join("ca.crt")).unwrap();
        let ask = |spec: Value| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut client = LoopbackClient::connect(webhook, &authority).await.unwrap();
                let (_, body) = client.post("/v1/admit", review(spec).into_bytes()).await.unwrap();
                serde_json::from_slice::<Value>(&body).unwrap()["response"].take()
            })
        };
        let unknown = ask(json!({"enforcementAction": "block"}));
        assert_eq!(unknown["allowed"], is_taken, "{unknown}");
        let told = if is_taken { &unknown["warnings"][0] } else { &unknown["status"]["message"] };
        assert!(told.as_str().unwrap().contains("unrecognized enforcementAction: \"block\""), "{unknown}");
        let nowhere = ask(json!({"enforcementAction": "scoped", "scopedEnforcementActions": []}));
        assert_eq!(nowhere["allowed"], true, "{nowhere}");
        assert!(nowhere["warnings"][0].as_str().unwrap().contains("is enforced nowhere"), "{nowhere}");
    }
}

#[cfg(not(feature = "otlp"))]
mod without_traces {
    use std::process::{Command, Stdio};

    use super::*;

    /// The log of `admit serve` with these flags; one that goes on is stopped when it listens.
    fn log(flags: &[&str]) -> (bool, String) {
        use std::io::{BufRead, BufReader};
        let directory = tempfile::tempdir().unwrap();
        certify(directory.path(), 2090, 2080);
        let mut child = Command::new(env!("CARGO_BIN_EXE_admit"))
            .args(["serve", "--host=127.0.0.1", "--port=0", "--health-addr=127.0.0.1:0", "--prometheus-port=0"])
            .arg("--cert-dir")
            .arg(directory.path())
            .arg("--policies")
            .arg(directory.path())
            .args(flags)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut text = String::new();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        while lines.read_line(&mut text).unwrap() > 0 && !text.contains("\"listening\"") {}
        let is_listening = text.contains("\"listening\"");
        child.kill().unwrap();
        child.wait().unwrap();
        (is_listening, text)
    }

    #[test]
    fn who_asks_for_them_is_told_how_to_get_them() {
        for flag in ["--otlp-endpoint=collector:4318", "--otlp-sample-ratio=0.5"] {
            let (is_listening, text) = log(&[flag]);
            assert!(!is_listening && text.contains("need a build of admit with traces"), "{text}");
            assert!(text.contains("--features otlp"), "{text}");
        }
        let (is_listening, text) = log(&["--otlp-endpoint=collector:4318", "--metrics-backend=opentelemetry"]);
        assert!(is_listening && text.contains("--otlp-endpoint (metrics are served to Prometheus alone"), "{text}");
    }
}
