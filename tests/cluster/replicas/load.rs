//! Requests at a steady rate over connections that are kept, by clients that do what they are told: who is sent away
//! opens another connection, and nothing that was sent is ever sent again.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::{Method, Request, Response, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::balancer::Balancer;

type Body = Full<Bytes>;

/// What became of the requests.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) denied: usize,
    pub(super) allowed: usize,
    /// How many connections were opened.
    pub(super) connections: usize,
    pub(super) failures: Vec<Failure>,
}

/// A request that was sent and got no answer, or the wrong one.
#[derive(Debug)]
pub(super) struct Failure {
    /// The port of the replica that had the connection.
    pub(super) replica: Option<u16>,
    #[expect(dead_code, reason = "for who reads the failed test")]
    pub(super) what: String,
}

/// Clients that work until they are stopped.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Outcome>,
}

impl Load {
    /// Half of the `clients` speak HTTP/2, half HTTP/1.1; together they send so many requests `per_second`. Every other
    /// request is to be denied.
    pub(super) fn start(balancer: &Balancer, authority: &str, namespace: &str, clients: u32, per_second: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, balancer) = (Arc::clone(&stop), balancer.clone());
        let (authority, namespace) = (authority.to_owned(), namespace.to_owned());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let pause = Duration::from_secs(1) * clients / per_second;
            let client = |index: u32| {
                let protocol: &[u8] = if index.is_multiple_of(2) { b"h2" } else { b"http/1.1" };
                let tls = connector(&authority, protocol);
                let client = Client { balancer: balancer.clone(), tls, connection: None, outcome: Outcome::default() };
                client.work(&namespace, pause, &stopped)
            };
            let outcomes = runtime.block_on(futures::future::join_all((0..clients).map(client)));
            outcomes.into_iter().fold(Outcome::default(), Outcome::with)
        });
        Self { stop, thread }
    }

    pub(super) fn finish(self) -> Outcome {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

impl Outcome {
    fn with(mut self, other: Self) -> Self {
        self.denied += other.denied;
        self.allowed += other.allowed;
        self.connections += other.connections;
        self.failures.extend(other.failures);
        self
    }
}

struct Client {
    balancer: Balancer,
    tls: TlsConnector,
    connection: Option<Connection>,
    outcome: Outcome,
}

struct Connection {
    sender: Sender,
    /// The client's own port.
    port: u16,
}

enum Sender {
    Old(http1::SendRequest<Body>),
    New(http2::SendRequest<Body>),
}

impl Client {
    async fn work(mut self, namespace: &str, pause: Duration, stopped: &AtomicBool) -> Outcome {
        let mut ticks = tokio::time::interval(pause);
        let mut is_bad = false;
        while !stopped.load(Ordering::Relaxed) {
            ticks.tick().await;
            is_bad = !is_bad;
            match self.ask(&review(namespace, is_bad)).await {
                Ok(answer) => self.judge(&answer, is_bad),
                Err(what) => {
                    self.fail(what);
                    self.connection = None;
                }
            }
        }
        self.outcome
    }

    fn fail(&mut self, what: String) {
        let port = self.connection.as_ref().map(|connection| connection.port);
        let replica = port.and_then(|port| self.balancer.replica_of(port));
        self.outcome.failures.push(Failure { replica, what });
    }

    fn judge(&mut self, answer: &Value, is_bad: bool) {
        let response = &answer["response"];
        let message = response["status"]["message"].as_str().unwrap_or_default();
        match (is_bad, response["allowed"].as_bool()) {
            (true, Some(false)) if message.contains("container \"c\" uses image") => self.outcome.denied += 1,
            (false, Some(true)) => self.outcome.allowed += 1,
            _ => self.fail(format!("bad: {is_bad}, answer: {answer}")),
        }
    }

    /// An error when something was sent and no answer came.
    async fn ask(&mut self, body: &[u8]) -> Result<Value, String> {
        let mut request = post(body);
        loop {
            if self.connection.is_none() {
                // Whoever is not connected has sent nothing.
                match self.connect().await {
                    Ok(connection) => self.connection = Some(connection),
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
            let Some(connection) = &mut self.connection else { continue };
            if !connection.is_open().await {
                self.connection = None;
                continue;
            }
            match connection.send(request).await {
                Ok(response) => {
                    let body = response.into_body().collect().await.map_err(|error| format!("{error:?}"))?;
                    return serde_json::from_slice(&body.to_bytes()).map_err(|error| error.to_string());
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) => {
                        request = unsent;
                        self.connection = None;
                    }
                    None => return Err(format!("{:?}", error.into_error())),
                },
            }
        }
    }

    async fn connect(&mut self) -> Result<Connection, Box<dyn std::error::Error>> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.balancer.port)).await?;
        stream.set_nodelay(true)?;
        let port = stream.local_addr()?.port();
        let stream = self.tls.connect(ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST)), stream).await?;
        let is_new = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let stream = TokioIo::new(stream);
        let sender = if is_new {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
            tokio::spawn(connection);
            Sender::New(sender)
        } else {
            let (sender, connection) = http1::handshake(stream).await?;
            tokio::spawn(connection);
            Sender::Old(sender)
        };
        self.outcome.connections += 1;
        Ok(Connection { sender, port })
    }
}

impl Connection {
    async fn is_open(&mut self) -> bool {
        match &mut self.sender {
            Sender::Old(sender) => sender.ready().await.is_ok(),
            Sender::New(sender) => sender.ready().await.is_ok(),
        }
    }

    async fn send(&mut self, request: Request<Body>) -> Result<Response<Incoming>, TrySendError<Request<Body>>> {
        match &mut self.sender {
            Sender::Old(sender) => sender.try_send_request(request).await,
            Sender::New(sender) => sender.try_send_request(request).await,
        }
    }
}

fn connector(authority: &str, protocol: &[u8]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    TlsConnector::from(Arc::new(config))
}

fn post(body: &[u8]) -> Request<Body> {
    Request::builder()
        .method(Method::POST)
        .uri("https://127.0.0.1/v1/admit?timeout=5s")
        .header(header::HOST, "127.0.0.1")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::copy_from_slice(body)))
        .unwrap()
}

/// A Pod as an API server sends it.
fn review(namespace: &str, is_bad: bool) -> Vec<u8> {
    let image = if is_bad { "registry.example.com/elsewhere/web" } else { "registry.example.com/approved/web" };
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": namespace},
        "spec": {"containers": [{"name": "c", "image": image}]}});
    let request = json!({"uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"}, "name": "web", "namespace": namespace,
        "operation": "CREATE", "userInfo": {"username": "somebody"}, "object": pod, "oldObject": null});
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    serde_json::to_vec(&review).unwrap()
}
