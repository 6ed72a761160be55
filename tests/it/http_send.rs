//! `http.send` and `net.lookup_ip_addr` against real servers on loopback.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use admit::model::api::{EngineSource, Module, RegoSource, RegoVersion};
use admit::model::object::FieldPath;
use admit::policy::engine::rego::query::{Policies, QueryError};
use admit::policy::engine::{
    BuiltinAccess, CompileOptions, Deadline, Document, EvalError, Finding, Input, Program, RegoEngine,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

fn both() -> BuiltinAccess {
    let mut access = BuiltinAccess::default();
    access.enable("http.send").unwrap();
    access.enable("net.lookup_ip_addr").unwrap();
    access
}

/// What a query says; nothing when it is undefined.
fn ask(query: &str, input: &Value) -> Result<Option<Value>, String> {
    let policies = Policies::compile_with(&[], RegoVersion::V1, both()).unwrap();
    let answer = policies.ask(query, Some(input), None).map_err(|error| match error {
        QueryError::Evaluate(error) => error.to_string(),
        other => format!("{other:?}"),
    })?;
    Ok(answer.solutions.first().map(|solution| solution.expressions[0].clone()))
}

fn send(request: Value) -> Result<Option<Value>, String> {
    ask("http.send(input)", &request)
}

/// A server that answers every request with what `respond` makes of its head and body; the requests are kept.
struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(respond: fn(&str) -> String, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, kept, tls) = (stream.unwrap(), Arc::clone(&kept), tls.clone());
                std::thread::spawn(move || match tls {
                    None => answer(stream, respond, &kept),
                    Some(config) => {
                        answer(StreamOwned::new(ServerConnection::new(config).unwrap(), stream), respond, &kept);
                    }
                });
            }
        });
        Self { port, requests }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

fn answer(mut stream: impl Read + Write, respond: fn(&str) -> String, kept: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(&mut stream);
    let (mut request, mut length) = (String::new(), 0);
    loop {
        let start = request.len();
        match reader.read_line(&mut request) {
            // A client that does not trust the server goes away.
            Err(_) | Ok(0) => return,
            Ok(_) => {}
        }
        let line = request[start..].trim_end().to_lowercase();
        if let Some(text) = line.strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    request.push_str(&String::from_utf8(body).unwrap());
    kept.lock().unwrap().push(request.clone());
    let _ = stream.write_all(respond(&request).as_bytes());
    let _ = stream.flush();
}

fn response(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}", body.len())
}

fn by_path(request: &str) -> String {
    let json = "Content-Type: application/json\r\n";
    match request.split(' ').nth(1).unwrap_or_default() {
        "/missing" => response("404 Not Found", json, "{\"a\": 1}"),
        "/teapot" => response("503 Service Unavailable", json, "{}"),
        "/yaml" => response("200 OK", "Content-Type: application/yaml\r\n", "a: [1, x]\n"),
        "/text" => response("200 OK", "Content-Type: text/plain\r\nX-M: 1\r\nx-m: 2\r\n", "[1]"),
        "/trailing" => response("200 OK", json, "{\"a\": 1} and more"),
        "/moved" => response("302 Found", "Location: /missing\r\n", ""),
        "/gzip" => response("200 OK", "Content-Encoding: gzip\r\n", "?"),
        "/endless" => response("200 OK", json, &"[".repeat(17 << 20)),
        "/slow" => {
            std::thread::sleep(Duration::from_secs(2));
            response("200 OK", json, "{}")
        }
        _ => response("200 OK", json, "{\"ok\": true}"),
    }
}

#[test]
fn requests_and_answers_have_opas_shape() {
    let server = Server::start(by_path, None);
    let request = json!({"method": "post", "url": server.url("/a b?q=1"), "body": {"x": "<"},
        "headers": {"X-A": "1", "Content-Length": "999", "Host": "other.example"}});
    let answer = send(request).unwrap().unwrap();
    assert_eq!(answer["status"], "200 OK");
    assert_eq!(answer["status_code"], 200);
    assert_eq!(answer["body"], json!({"ok": true}));
    assert_eq!(answer["raw_body"], "{\"ok\": true}");
    assert_eq!(answer["headers"]["content-type"], json!(["application/json"]));
    let seen = server.requests.lock().unwrap()[0].clone();
    assert!(seen.starts_with("POST /a%20b?q=1 HTTP/1.1\r\n"), "{seen}");
    assert!(seen.ends_with("\r\n\r\n{\"x\":\"\\u003c\"}"), "{seen}");
    let lower = seen.to_lowercase();
    assert!(lower.contains("x-a: 1\r\n") && lower.contains("content-length: 14\r\n"), "{seen}");
    assert!(lower.contains("host: other.example\r\n") && !lower.contains("999"), "{seen}");
}

#[test]
fn bodies_are_read_by_their_type_or_as_asked() {
    let server = Server::start(by_path, None);
    let body = |path: &str, more: Value| {
        let mut request = json!({"method": "get", "url": server.url(path)});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        send(request).unwrap().unwrap()
    };
    assert_eq!(body("/yaml", json!({}))["body"], json!({"a": [1, "x"]}));
    assert_eq!(body("/text", json!({}))["body"], Value::Null);
    assert_eq!(body("/text", json!({}))["headers"]["x-m"], json!(["1", "2"]));
    assert_eq!(body("/text", json!({"force_json_decode": true}))["body"], json!([1]));
    assert_eq!(body("/text", json!({"force_yaml_decode": true}))["body"], json!([1]));
    assert_eq!(body("/trailing", json!({}))["body"], json!({"a": 1}));
    assert_eq!(body("/moved", json!({}))["status_code"], 302);
    assert_eq!(body("/moved", json!({"enable_redirect": true}))["status_code"], 404);
}

#[test]
fn mistakes_are_undefined_or_told_as_asked() {
    let server = Server::start(by_path, None);
    let refused = json!({"method": "get", "url": "http://127.0.0.1:1/"});
    let cases = [
        (refused.clone(), "eval_http_send_network_error"),
        (json!({"method": "get", "url": server.url("/slow"), "timeout": "100ms"}), "eval_http_send_network_error"),
        (json!({"method": "get", "url": server.url("/"), "bogus": 1}), "eval_http_send_internal_error"),
        (json!({"method": "get"}), "eval_http_send_internal_error"),
        (json!({"method": "get", "url": server.url("/"), "tls_ca_cert": "junk"}), "eval_http_send_internal_error"),
    ];
    for (mut request, code) in cases {
        assert_eq!(send(request.clone()), Ok(None), "{request}");
        request["raise_error"] = json!(false);
        let told = send(request.clone()).unwrap().unwrap();
        assert_eq!(told["error"]["code"], code, "{request}");
        assert_eq!(told["status_code"], 0, "{request}");
    }
    let started = Instant::now();
    let mut retried = refused;
    retried["max_retry_attempts"] = json!(2);
    assert_eq!(send(retried), Ok(None));
    assert!(started.elapsed() >= Duration::from_millis(300), "100 ms, then 200 ms");
}

#[test]
fn what_cannot_be_answered_as_opa_would_stops_the_evaluation() {
    let server = Server::start(by_path, None);
    for (request, text) in [
        (json!({"method": "get", "url": server.url("/endless")}), "more than"),
        (json!({"method": "get", "url": server.url("/gzip")}), "compressed"),
        (json!({"method": "get", "url": "unix://localhost/a?socket=%2Ftmp%2Fa"}), "Unix sockets"),
        (json!({"method": "connect", "url": server.url("/")}), "CONNECT"),
    ] {
        let mut quiet = request.clone();
        quiet["raise_error"] = json!(false);
        for request in [request, quiet] {
            let error = send(request.clone()).unwrap_err();
            assert!(error.contains(text), "{request}: {error}");
        }
    }
}

#[test]
fn equal_requests_of_one_evaluation_are_sent_once_where_opa_keeps_the_answer() {
    let server = Server::start(by_path, None);
    let twice = "[http.send(input), http.send(input), http.send(object.union(input, {\"timeout\": \"4s\"}))]";
    let ask_twice = |path: &str| ask(twice, &json!({"method": "get", "url": server.url(path)})).unwrap().unwrap();
    ask_twice("/missing");
    assert_eq!(server.count(), 2, "equal ones once");
    ask_twice("/teapot");
    assert_eq!(server.count(), 5, "503 is not kept");
    ask_twice("/missing");
    assert_eq!(server.count(), 7, "and nothing beyond the evaluation");
}

fn certificates() -> (String, Arc<ServerConfig>) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let names = ["127.0.0.1".to_owned(), "service.example".to_owned()];
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.serialize_der().try_into().unwrap())
        .unwrap();
    (issuer.pem(), Arc::new(config))
}

#[test]
fn servers_prove_who_they_are() {
    let (authority, config) = certificates();
    let (other, _) = certificates();
    let server = Server::start(by_path, Some(config));
    let answers = |more: Value| {
        let url = format!("https://127.0.0.1:{}/", server.port);
        let mut request = json!({"method": "get", "url": url});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        send(request).unwrap().is_some()
    };
    assert!(answers(json!({"tls_ca_cert": authority})));
    assert!(answers(json!({"tls_ca_cert": authority.replace('\n', "\\n")})));
    assert!(answers(json!({"tls_insecure_skip_verify": true})));
    assert!(answers(json!({"tls_ca_cert": authority, "tls_server_name": "service.example"})));
    assert!(answers(json!({"tls_ca_cert": authority, "headers": {"host": "service.example"}})));
    assert!(!answers(json!({})), "the system does not know it");
    assert!(!answers(json!({"tls_ca_cert": other})), "another authority");
    assert!(!answers(json!({"tls_ca_cert": authority, "tls_server_name": "other.example"})), "another name");
    assert!(!answers(json!({"tls_ca_cert": authority, "headers": {"host": "other.example"}})), "another host");
}

/// A template that sends to where its parameters say.
fn template(engine: RegoEngine) -> Result<Program, String> {
    let text = "package a\nviolation[{\"msg\": msg}] { r := http.send({\"method\": \"get\", \"url\": \
                input.parameters.url}); msg := sprintf(\"%d\", [r.status_code]) }";
    let main = Module { text: text.to_owned(), path: FieldPath::root() };
    let source = EngineSource::Rego(RegoSource { version: RegoVersion::V0, main, libraries: Vec::new() });
    let options = CompileOptions { engine, access: both(), ..CompileOptions::default() };
    Program::compile(&source, options).map_err(|errors| errors[0].to_string())
}

#[test]
fn templates_ask_anew_each_time_and_keep_their_deadline() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    fn counted(request: &str) -> String {
        CALLS.fetch_add(1, Ordering::Relaxed);
        by_path(request)
    }
    let server = Server::start(counted, None);
    let program = template(RegoEngine::Own).unwrap();
    let evaluate = |path: &str, deadline| {
        let parameters = program.bind(Document::from_json(&json!({"url": server.url(path)})));
        let input = Input {
            review: &Document::empty(),
            parameters: &parameters,
            inventory: &Document::empty(),
            indexes: None,
            outside: None,
        };
        let answers: Vec<Result<Vec<Finding>, EvalError>> = (0..2).map(|_| program.evaluate(input, deadline)).collect();
        answers
    };
    let answers = evaluate("/missing", Deadline::none());
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|found| found[0].message == "404")), "{answers:?}");
    assert_eq!(CALLS.load(Ordering::Relaxed), 2, "neither folded nor remembered");
    let started = Instant::now();
    let answers = evaluate("/slow", Deadline::after(Duration::from_millis(200)));
    assert!(answers.iter().all(|answer| *answer == Err(EvalError::DeadlineExceeded)), "{answers:?}");
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[test]
fn only_the_evaluator_that_keeps_limits_may_send() {
    let error = template(RegoEngine::Regorus).unwrap_err();
    assert!(error.contains("undefined function http.send"), "{error}");
    assert!(template(RegoEngine::Both).is_err());
}

#[test]
fn names_have_addresses() {
    let lookup = |name: &str| ask(&format!("net.lookup_ip_addr(\"{name}\")"), &Value::Null);
    assert_eq!(lookup("127.0.0.1"), Ok(Some(json!(["127.0.0.1"]))));
    assert_eq!(lookup("::ffff:1.2.3.4"), Ok(Some(json!(["1.2.3.4"]))));
    let local = lookup("localhost").unwrap().unwrap();
    assert!(local.as_array().unwrap().iter().all(|one| one == "127.0.0.1" || one == "::1"), "{local}");
    for name in ["", "127.1", "0x7f.0.0.1", "no.such.name.invalid"] {
        assert_eq!(lookup(name), Ok(None), "{name:?}");
    }
    assert!(lookup("fe80::1%lo").is_err());
}
