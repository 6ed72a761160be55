//! A client for a webhook on this machine: sends what an API server would send, the way it would: TLS 1.3 and HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{Method, Request, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// An open connection to a webhook.
#[derive(Debug)]
pub struct LoopbackClient {
    sender: SendRequest<Full<Bytes>>,
}

/// Why a webhook could not be asked.
#[derive(Debug, Error)]
#[error("failed to {doing}: {cause}")]
pub struct LoopbackError {
    doing: &'static str,
    cause: Box<dyn std::error::Error + Send + Sync>,
}

impl LoopbackClient {
    /// Connects, trusting only the given authority (PEM).
    ///
    /// # Errors
    /// When the connection or the handshake fails.
    pub async fn connect(address: SocketAddr, authority: &str) -> Result<Self, LoopbackError> {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(authority.as_bytes());
        let certificate = certificate.map_err(failed("read the authority"))?;
        roots.add(certificate).map_err(failed("trust the authority"))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]);
        let mut config = builder.map_err(failed("set up TLS"))?.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(address).await.map_err(failed("connect to the webhook"))?;
        stream.set_nodelay(true).map_err(failed("set up the connection"))?;
        let name = ServerName::from(address.ip());
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        let stream = stream.map_err(failed("shake hands with the webhook"))?;
        let (sender, connection) =
            handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(failed("open HTTP/2"))?;
        // Ends with the sender; what went wrong is told to whoever waits for an answer.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Self { sender })
    }

    /// Posts a JSON body; the answer's HTTP status and body.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub async fn post(&mut self, path: &str, body: Vec<u8>) -> Result<(u16, Vec<u8>), LoopbackError> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("https://localhost{path}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(failed("make the request"))?;
        let response = self.sender.send_request(request).await.map_err(failed("send the request"))?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.map_err(failed("read the answer"))?;
        Ok((status, body.to_bytes().into()))
    }
}

/// Whether the server whose health checks listen there says that it is ready.
pub async fn is_ready(health: SocketAddr) -> bool {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let ask = async {
        let mut stream = TcpStream::connect(health).await?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer.starts_with("HTTP/1.1 200"))
    };
    ask.await.unwrap_or_default()
}

fn failed<E: Into<Box<dyn std::error::Error + Send + Sync>>>(doing: &'static str) -> impl FnOnce(E) -> LoopbackError {
    move |cause| LoopbackError { doing, cause: cause.into() }
}
