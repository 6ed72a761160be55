//! A registry in this process, over real connections.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

const TITLE: &str = "org.opencontainers.image.title";

/// A request.
pub(super) struct Asked {
    pub(super) path: String,
    pub(super) head: String,
    pub(super) body: String,
}

/// Status, further headers, body.
pub(super) type Answer = (u16, String, Vec<u8>);

/// Listens until the process ends.
pub(super) fn serve(answer: impl Fn(&Asked, u16) -> Answer + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = talk(stream, port, &answer);
        }
    });
    port
}

/// The same with TLS, and the certificate, which nobody has signed.
pub(super) fn serve_tls(answer: impl Fn(&Asked, u16) -> Answer + Send + 'static) -> (u16, String) {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_no_client_auth().with_single_cert(vec![certified.cert.der().clone()], key).unwrap();
    let (listener, config) = (TcpListener::bind("127.0.0.1:0").unwrap(), Arc::new(config));
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(session, stream);
            if reply(&mut stream, port, &answer).is_ok() {
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    (port, certified.cert.pem())
}

fn talk(mut stream: TcpStream, port: u16, answer: &impl Fn(&Asked, u16) -> Answer) -> std::io::Result<()> {
    let mut first = [0];
    stream.peek(&mut first)?;
    // TLS, to which servers without it answer so.
    if first == [0x16] {
        return stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
    }
    reply(&mut stream, port, answer)
}

fn reply(stream: &mut (impl Read + Write), port: u16, answer: &impl Fn(&Asked, u16) -> Answer) -> std::io::Result<()> {
    let mut reader = BufReader::new(&mut *stream);
    let mut head = String::new();
    while reader.read_line(&mut head)? > 2 {}
    let length = head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let asked = Asked { path, head, body: String::from_utf8_lossy(&body).into_owned() };
    let (status, extra, body) = answer(&asked, port);
    let head = format!("HTTP/1.1 {status} Said\r\n{extra}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)
}

pub(super) fn digest_of(bytes: &[u8]) -> String {
    let hex: String = digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// What a registry has, by path.
#[derive(Clone, Default)]
pub(super) struct Store {
    pub(super) answers: BTreeMap<String, Vec<u8>>,
    pub(super) layers: Vec<Value>,
}

impl Store {
    pub(super) fn layer(&mut self, title: Option<&str>, media_type: &str, bytes: &[u8]) -> &mut Self {
        let annotations = title.map_or(json!({}), |title| json!({ TITLE: title }));
        let digest = digest_of(bytes);
        self.answers.insert(format!("/v2/team/policies/blobs/{digest}"), bytes.to_vec());
        let size = bytes.len();
        self.layers.push(json!({"digest": digest, "size": size, "mediaType": media_type, "annotations": annotations}));
        self
    }

    pub(super) fn titled(&mut self, title: &str, bytes: &[u8]) -> &mut Self {
        self.layer(Some(title), "application/vnd.oci.image.layer.v1.tar", bytes)
    }

    pub(super) fn part(&mut self, bytes: &[u8]) -> &mut Self {
        self.layer(None, "application/vnd.oci.image.layer.v1.tar+gzip", bytes)
    }

    /// Writes the manifest, and an index before it, as v1; the digest of the index.
    pub(super) fn tag(&mut self) -> String {
        let manifest = json!({"schemaVersion": 2, "layers": self.layers}).to_string().into_bytes();
        let of_manifest = digest_of(&manifest);
        let index = json!({"schemaVersion": 2, "manifests": [{"digest": of_manifest}]}).to_string().into_bytes();
        let of_index = digest_of(&index);
        for (version, bytes) in [("v1", &index), (of_index.as_str(), &index), (of_manifest.as_str(), &manifest)] {
            self.answers.insert(format!("/v2/team/policies/manifests/{version}"), bytes.clone());
        }
        of_index
    }

    pub(super) fn answer(&self, path: &str) -> Answer {
        match self.answers.get(path) {
            Some(body) => (200, String::new(), body.clone()),
            None => (404, String::new(), b"{}".to_vec()),
        }
    }

    /// Whoever asks gets it.
    pub(super) fn open(&mut self) -> u16 {
        self.tag();
        let store = self.clone();
        serve(move |asked, _| store.answer(&asked.path))
    }
}
