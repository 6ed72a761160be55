//! `admit serve` as a process of its own, and a client that says which trace it is in.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use admit::server::self_signed;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};
use serde_json::{Value, json};

const POLICIES: &str = r#"
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: says}
spec:
  crd: {spec: {names: {kind: Says}, validation: {openAPIV3Schema: {type: object, properties: {text: {type: string}}}}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package says
        violation[{"msg": input.parameters.text}] { input.parameters.text != "" }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: Says
metadata: {name: denies}
spec: {match: {name: "bad*"}, parameters: {text: no way}}
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: Says
metadata: {name: says-nothing}
spec: {parameters: {text: ""}}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
"#;

pub(super) struct Admit {
    child: Child,
    log: BufReader<ChildStderr>,
    webhook: SocketAddr,
    authority: String,
    _directory: tempfile::TempDir,
}

impl Admit {
    /// Not started, and with nothing to serve.
    pub(super) fn command(flags: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_admit"));
        command.args(["serve", "--host=127.0.0.1", "--port=0", "--health-addr=127.0.0.1:0", "--prometheus-port=0"]);
        command.args(["--shutdown-delay=0"]).args(flags);
        command.envs(variables.iter().copied()).stderr(Stdio::piped());
        command
    }

    pub(super) fn start(flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let certificate = self_signed().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name);
        std::fs::write(file("tls.crt"), &certificate.certificate).unwrap();
        std::fs::write(file("tls.key"), &certificate.key).unwrap();
        std::fs::write(file("policies.yaml"), POLICIES).unwrap();
        let mut command = Self::command(flags, variables);
        command.arg("--cert-dir").arg(directory.path()).arg("--policies").arg(file("policies.yaml"));
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let listening = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "it ended before it listened");
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
            if line["msg"] == "listening" {
                break line;
            }
        };
        let address = |name: &str| listening[name].as_str().unwrap().parse().unwrap();
        await_ready(address("health"));
        Self { child, log, webhook: address("webhook"), authority: certificate.authority, _directory: directory }
    }

    /// The answer to the creation of a ConfigMap.
    pub(super) fn ask(&self, name: &str, traceparent: Option<&str>) -> String {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}});
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": format!("u-{name}"), "kind": {"group": "", "version": "v1", "kind": "ConfigMap"}, "name": name,
            "namespace": "shop", "operation": "CREATE", "userInfo": {"username": "ann"}, "object": object}});
        let body = review.to_string();
        let traceparent = traceparent.map(|text| format!("traceparent: {text}\r\n")).unwrap_or_default();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let mut connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        let mut socket = TcpStream::connect(self.webhook).unwrap();
        let mut stream = Stream::new(&mut connection, &mut socket);
        let length = body.len();
        let head = "POST /v1/admit HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close";
        write!(stream, "{head}\r\n{traceparent}content-length: {length}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        // The end may come without TLS's farewell.
        let _ = stream.read_to_string(&mut answer);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    }

    /// Ends it as a cluster does; the log from when it listened.
    pub(super) fn stop(mut self) -> String {
        let signal = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(signal.success());
        let mut log = String::new();
        self.log.read_to_string(&mut log).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {log}");
        log
    }
}

impl Drop for Admit {
    fn drop(&mut self) {
        // Ended already, unless the test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn await_ready(health: SocketAddr) {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(30) {
        let mut answer = String::new();
        if let Ok(mut stream) = TcpStream::connect(health) {
            let _ = stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n");
            let _ = stream.read_to_string(&mut answer);
        }
        if answer.contains(" 200 ") {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it is not ready after {:?}", begun.elapsed());
}
