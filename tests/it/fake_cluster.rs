//! An API server that says what a test wants: lists that never change, and Namespaces that cannot be had in every way.
//! A real socket; the clients under test know no difference.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// Runs until the process ends.
pub(crate) struct FakeCluster {
    server: Arc<Server>,
    directory: tempfile::TempDir,
    port: u16,
}

struct Server {
    /// By the path of their list.
    lists: BTreeMap<String, Vec<Value>>,
    /// How often each Namespace was asked for.
    asked: Mutex<BTreeMap<String, usize>>,
    /// What every request is answered with; 0 for what belongs to it.
    trouble: AtomicU16,
    requests: AtomicUsize,
}

impl FakeCluster {
    /// Serves templates, constraints and Namespaces. Asked for a Namespace that is not among them, it does what the part
    /// of its name before the first `-` says; see [`Server::answer_namespace`].
    pub(crate) fn start(objects: &[Value]) -> Self {
        let mut lists: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for object in objects {
            let kind = object["kind"].as_str().unwrap();
            let path = match kind {
                "Namespace" => "/api/v1/namespaces".to_owned(),
                "ConstraintTemplate" => {
                    let crd = established(object["spec"]["crd"]["spec"]["names"]["kind"].as_str().unwrap());
                    lists.entry(CRDS.to_owned()).or_default().push(crd);
                    "/apis/templates.gatekeeper.sh/v1/constrainttemplates".to_owned()
                }
                kind => format!("/apis/constraints.gatekeeper.sh/v1beta1/{}", kind.to_lowercase()),
            };
            lists.entry(path).or_default().push(object.clone());
        }
        let server = Arc::new(Server {
            lists,
            asked: Mutex::default(),
            trouble: AtomicU16::new(0),
            requests: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = Arc::clone(&server);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let serving = Arc::clone(&serving);
                // A connection that breaks off is the client's business.
                std::thread::spawn(move || serving.serve(&connection.unwrap()).ok());
            }
        });
        Self { server, directory: tempfile::tempdir().unwrap(), port }
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        let path = self.directory.path().join("kubeconfig");
        let named = |key: &str, value: Value| json!([{"name": "fake", key: value}]);
        let server = format!("http://127.0.0.1:{}", self.port);
        let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "fake",
            "clusters": named("cluster", json!({"server": server})), "users": named("user", json!({})),
            "contexts": named("context", json!({"cluster": "fake", "user": "fake"}))});
        std::fs::write(&path, config.to_string()).unwrap();
        path
    }

    /// Answers everything with that status from now on; with 0, as it should again.
    pub(crate) fn answer_with(&self, code: u16) {
        self.server.trouble.store(code, Ordering::Relaxed);
    }

    /// How often it was asked for anything.
    pub(crate) fn requests(&self) -> usize {
        self.server.requests.load(Ordering::Relaxed)
    }

    /// How often it was asked for a Namespace.
    pub(super) fn asked(&self, namespace: &str) -> usize {
        self.server.asked.lock().unwrap().get(namespace).copied().unwrap_or_default()
    }
}

impl Server {
    fn serve(&self, connection: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(connection);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let mut length = 0;
            loop {
                let mut header = String::new();
                reader.read_line(&mut header)?;
                if header.trim().is_empty() {
                    break;
                }
                if let Some(value) = header.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink())?;
            let mut words = line.split(' ');
            let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            self.answer(connection, method, path, query)?;
        }
    }

    fn answer(&self, connection: &TcpStream, method: &str, path: &str, query: &str) -> std::io::Result<()> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        match self.trouble.load(Ordering::Relaxed) {
            0 => {}
            code => return send(connection, code, &status(code, "the fake cluster is not well")),
        }
        if method != "GET" {
            return send(connection, 404, &status(404, "the fake cluster keeps nothing"));
        }
        if query.contains("watch=") {
            return hang();
        }
        if let Some(name) = path.strip_prefix("/api/v1/namespaces/") {
            return self.answer_namespace(connection, name);
        }
        let items = self.lists.get(path).cloned().unwrap_or_default();
        let list = json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": items});
        send(connection, 200, &list.to_string())
    }

    fn answer_namespace(&self, connection: &TcpStream, name: &str) -> std::io::Result<()> {
        let before = {
            let mut asked = self.asked.lock().unwrap();
            let count = asked.entry(name.to_owned()).or_default();
            *count += 1;
            *count - 1
        };
        let found = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": {"team": "fresh"}}});
        let busy = || send(connection, 429, "Too many requests, please try again later.");
        match name.split('-').next().unwrap_or_default() {
            "hangs" => hang(),
            "slow" => {
                std::thread::sleep(Duration::from_millis(300));
                send(connection, 200, &found.to_string())
            }
            "fresh" => send(connection, 200, &found.to_string()),
            // Gone when it is asked for again.
            "vanishing" if before == 0 => send(connection, 200, &found.to_string()),
            "busy" => busy(),
            "busyonce" if before == 0 => busy(),
            "busyonce" => send(connection, 200, &found.to_string()),
            "broken" => send(connection, 500, &status(500, "etcdserver: request timed out")),
            "forbidden" => send(connection, 403, &status(403, &format!("namespaces \"{name}\" is forbidden: no"))),
            "garbled" => send(connection, 200, "{\"metadata\":"),
            "closes" => connection.shutdown(std::net::Shutdown::Both),
            _ => send(connection, 404, &status(404, &format!("namespaces \"{name}\" not found"))),
        }
    }
}

fn hang() -> std::io::Result<()> {
    loop {
        std::thread::park();
    }
}

fn status(code: u16, message: &str) -> String {
    json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "message": message}).to_string()
}

fn send(mut connection: &TcpStream, code: u16, body: &str) -> std::io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {code} -\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    connection.write_all(format!("{head}{body}").as_bytes())
}

/// The CRD of a kind of constraints, as far as a watcher of them looks.
fn established(kind: &str) -> Value {
    let plural = kind.to_lowercase();
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.constraints.gatekeeper.sh")},
        "spec": {"names": {"kind": kind, "plural": plural}},
        "status": {"conditions": [{"type": "Established", "status": "True"}]}})
}
