//! A small provider of external data over HTTPS that can be good, slow, ill or lying.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};
use serde_json::{Value, json};

/// What it does with a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mode {
    /// Says `{"ok": false}` of keys that begin with `bad`, an error of those that begin with `err`, and yes of others.
    Good,
    /// The same, so much later.
    Slow(Duration),
    /// Speaks of keys that nobody asked for, and of none that somebody did.
    WrongKeys,
    NotJson,
    /// Ten million bytes.
    Huge,
    /// As if it was good, with another status.
    Status(&'static str),
    /// A page for people, as a proxy in between writes.
    ErrorPage,
    SystemError,
    /// Closes the connection.
    HangUp,
    /// A text for each key.
    Texts,
    /// The same, and says that it may say something else the next time.
    Fickle,
    /// Good if the key is `"good"`, ill otherwise.
    IllUnlessGood,
}

/// Who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Usual,
    /// Its certificate is from another authority than it says.
    WrongCertificate,
    /// Its certificate is its own authority, as `openssl req -x509` makes it.
    SelfSigned,
    OnlyTls12,
    /// No TLS.
    Plain,
}

pub(super) struct Provider {
    port: u16,
    authority: String,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    requests: Mutex<Vec<Value>>,
    connections: AtomicUsize,
}

impl Provider {
    pub(super) fn start(mode: Mode) -> Self {
        Self::start_as(mode, Identity::Usual, None)
    }

    /// `clients` is the authority of those who may ask.
    pub(super) fn start_as(mode: Mode, identity: Identity, clients: Option<&str>) -> Self {
        let authority = authority();
        let stranger = self::authority();
        let issuer = if identity == Identity::WrongCertificate { &stranger } else { &authority };
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut pem = authority.pem();
        let chain = if identity == Identity::SelfSigned {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let own = params.self_signed(&key).unwrap();
            pem = own.pem();
            own.der().clone()
        } else {
            params.signed_by(&key, issuer).unwrap().der().clone()
        };
        let versions: &[&SupportedProtocolVersion] =
            if identity == Identity::OnlyTls12 { &[&TLS12] } else { &[&TLS13] };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions).unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(clients.as_bytes()).unwrap()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
                builder.with_client_cert_verifier(verifier)
            }
        };
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let tls = Arc::new(builder.with_single_cert(vec![chain], key).unwrap());
        let (port, seen) = serve(mode, (identity != Identity::Plain).then_some(tls));
        Self { port, authority: pem, seen }
    }

    /// Where nobody listens.
    pub(super) fn down() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { port, authority: authority().pem(), seen: Arc::default() }
    }

    /// The resource that names it.
    pub(super) fn resource(&self, name: &str, timeout: u64) -> String {
        let bundle = data_encoding::BASE64.encode(self.authority.as_bytes());
        let url = format!("https://127.0.0.1:{}/validate", self.port);
        let resource = json!({"apiVersion": "externaldata.gatekeeper.sh/v1beta1", "kind": "Provider",
            "metadata": {"name": name}, "spec": {"url": url, "timeout": timeout, "caBundle": bundle}});
        format!("{resource}\n---\n")
    }

    /// The bodies of all requests.
    pub(super) fn requests(&self) -> Vec<Value> {
        self.seen.requests.lock().unwrap().clone()
    }

    /// The keys of each request.
    pub(super) fn asked(&self) -> Vec<Vec<String>> {
        let keys = |request: Value| serde_json::from_value(request["request"]["keys"].clone()).unwrap();
        self.requests().into_iter().map(keys).collect()
    }

    pub(super) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn serve(mode: Mode, tls: Option<Arc<ServerConfig>>) -> (u16, Arc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen: Arc<Seen> = Arc::default();
    let kept = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, seen, tls): (TcpStream, _, _) = (stream.unwrap(), Arc::clone(&kept), tls.clone());
            seen.connections.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || match tls {
                None => converse(stream, mode, &seen),
                Some(tls) => converse(StreamOwned::new(ServerConnection::new(tls).unwrap(), stream), mode, &seen),
            });
        }
    });
    (port, seen)
}

/// One request after the other, until the client goes away.
fn converse(stream: impl Read + Write, mode: Mode, seen: &Seen) {
    let mut stream = BufReader::new(stream);
    while let Some((head, body)) = read_request(&mut stream) {
        assert!(head.starts_with("POST /validate HTTP/1.1\r\n"), "{head}");
        assert!(head.to_lowercase().contains("content-type: application/json\r\n"), "{head}");
        let request: Value = serde_json::from_slice(&body).unwrap();
        let keys: Vec<String> = serde_json::from_value(request["request"]["keys"].clone()).unwrap();
        seen.requests.lock().unwrap().push(request);
        let Some((status, body)) = respond(mode, &keys) else { return };
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        let stream = stream.get_mut();
        if stream.write_all(format!("{head}{body}").as_bytes()).and_then(|()| stream.flush()).is_err() {
            return;
        }
    }
}

fn read_request(stream: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let start = head.len();
        // Whoever does not trust the server goes away, and so does who does not speak its TLS.
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
        let line = head[start..].trim_end().to_lowercase();
        if let Some(text) = line.strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((head, body))
}

fn respond(mode: Mode, keys: &[String]) -> Option<(&'static str, String)> {
    let ok = "200 OK";
    let text = |key: &String| json!({"key": key, "value": format!("resolved/{key}")});
    let is_idempotent = !matches!(mode, Mode::Fickle);
    let answer = |items: Vec<Value>, system_error: &str| {
        json!({"apiVersion": "externaldata.gatekeeper.sh/v1beta1", "kind": "ProviderResponse",
            "response": {"idempotent": is_idempotent, "items": items, "systemError": system_error}})
        .to_string()
    };
    let good = || answer(keys.iter().map(|key| item(key)).collect(), "");
    Some(match mode {
        Mode::Good => (ok, good()),
        Mode::Slow(delay) => {
            std::thread::sleep(delay);
            (ok, good())
        }
        Mode::WrongKeys => (ok, answer(vec![item("other"), item("bad-other")], "")),
        Mode::NotJson => (ok, "yes".to_owned()),
        Mode::Huge => (ok, answer(vec![json!({"key": keys[0], "value": "x".repeat(10_000_000)})], "")),
        Mode::Status(status) => (status, good()),
        Mode::ErrorPage => ("502 Bad Gateway", "<html>upstream</html>".to_owned()),
        Mode::SystemError => (ok, answer(Vec::new(), "the vault is sealed")),
        Mode::Texts | Mode::Fickle => (ok, answer(keys.iter().map(text).collect(), "")),
        Mode::HangUp => return None,
        Mode::IllUnlessGood if keys == ["good"] => (ok, good()),
        Mode::IllUnlessGood => (ok, "ill".to_owned()),
    })
}

fn item(key: &str) -> Value {
    match key {
        _ if key.starts_with("err") => json!({"key": key, "error": "no such image"}),
        _ => json!({"key": key, "value": {"ok": !key.starts_with("bad"), "score": 1.0}}),
    }
}
