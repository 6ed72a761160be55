//! Policies out of a registry: a small one, over real connections.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

const TEMPLATE: &str = include_str!("../../policies/general/allowedrepos/template.yaml");
const CONSTRAINT: &str = "apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sAllowedRepos
metadata: {name: approved}
spec:
  match: {kinds: [{apiGroups: [''], kinds: [Pod]}]}
  parameters: {repos: [registry.example.com/approved]}
";
const POD: &str = "apiVersion: v1
kind: Pod
metadata: {name: web, namespace: default}
spec:
  containers:
  - name: app
    image: elsewhere.example.com/app:1
";

fn digest_of(bytes: &[u8]) -> String {
    let hex: String = digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Answers by path, to whoever has the token; gone when the process is.
fn registry(layers: &[(&str, &[u8])], spoilt: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut answers: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut listed = Vec::new();
    for (title, bytes) in layers {
        let digest = digest_of(bytes);
        listed
            .push(json!({"digest": digest, "size": bytes.len(), "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "annotations": {"org.opencontainers.image.title": title}}));
        let content = if spoilt { b"something else".to_vec() } else { bytes.to_vec() };
        answers.insert(format!("/v2/team/policies/blobs/{digest}"), content);
    }
    let manifest = json!({"schemaVersion": 2, "layers": listed}).to_string().into_bytes();
    let of_manifest = digest_of(&manifest);
    let index = json!({"schemaVersion": 2, "manifests": [{"digest": of_manifest}]}).to_string().into_bytes();
    answers.insert("/v2/team/policies/manifests/v1".to_owned(), index);
    answers.insert(format!("/v2/team/policies/manifests/{of_manifest}"), manifest);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer(stream, &answers, port);
        }
    });
    port
}

fn answer(mut stream: TcpStream, answers: &BTreeMap<String, Vec<u8>>, port: u16) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while reader.read_line(&mut head).is_ok_and(|read| read > 2) {}
    let path = head.split(' ').nth(1).unwrap_or_default();
    let (status, extra, body): (&str, String, &[u8]) = if path.starts_with("/token?service=tests&scope=") {
        ("200 OK", String::new(), br#"{"token": "let-me-in"}"#)
    } else if !head.to_lowercase().contains("authorization: bearer let-me-in") {
        let realm = format!("http://127.0.0.1:{port}/token");
        let challenge = format!("Bearer realm=\"{realm}\",service=\"tests\",scope=\"repository:team/policies:pull\"");
        ("401 Unauthorized", format!("www-authenticate: {challenge}\r\n"), b"{}")
    } else {
        match answers.get(path) {
            Some(body) => ("200 OK", String::new(), body),
            None => ("404 Not Found", String::new(), b"{}"),
        }
    };
    let head = format!("HTTP/1.1 {status}\r\n{extra}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

fn lint(port: u16, tag: &str) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pod.yaml");
    std::fs::write(&file, POD).unwrap();
    Command::new(env!("CARGO_BIN_EXE_admit"))
        .args(["lint", "--plain-http", "-o", "json", "--image", &format!("127.0.0.1:{port}/team/policies:{tag}")])
        .arg(&file)
        .env("DOCKER_CONFIG", directory.path())
        .output()
        .unwrap()
}

#[test]
fn an_image_is_a_place_for_policies() {
    let layers: [(&str, &[u8]); 3] =
        [("template.yaml", TEMPLATE.as_bytes()), ("constraint.yaml", CONSTRAINT.as_bytes()), ("README.md", b"# text")];
    let output = lint(registry(&layers, false), "v1");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["findings"][0]["constraint"], "approved", "{report}");
    assert_eq!(report["findings"][0]["place"]["line"], 7);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn what_does_not_fit_its_digest_or_is_not_there_is_refused() {
    let layers: [(&str, &[u8]); 1] = [("template.yaml", TEMPLATE.as_bytes())];
    let spoilt = lint(registry(&layers, true), "v1");
    let errors = String::from_utf8_lossy(&spoilt.stderr).into_owned();
    assert!(errors.contains("what came has the digest sha256:"), "{errors}");
    assert_eq!((spoilt.status.code(), spoilt.stdout.as_slice()), (Some(4), b"".as_slice()));
    let absent = lint(registry(&layers, false), "v2");
    let errors = String::from_utf8_lossy(&absent.stderr).into_owned();
    assert!(errors.contains("manifests/v2: there is no such image"), "{errors}");
    assert_eq!(absent.status.code(), Some(4));
}
