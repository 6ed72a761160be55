//! The TLS accept loop: one task a connection, a bound on handshakes, connections drained at shutdown.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustls::server::danger::ClientCertVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use crate::server::certificates::Certificates;
use crate::server::{ListenAddress, ServeError};

/// A client that has not finished its handshake by then never will.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// Rest after a failed accept: the process is out of file descriptors, and trying at once would only burn CPU.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The oldest version of TLS to accept. Versions before 1.2 are asked for by old manifests; 1.2 is what they get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2 and newer.
    Tls12,
    /// TLS 1.3 only.
    Tls13,
}

/// Accepts connections with the certificate that is in force when they come.
pub(super) struct TlsListener {
    acceptor: TlsAcceptor,
}

/// Listens on the first of an address's hosts that works.
pub(in crate::server) async fn bind(address: &ListenAddress, purpose: &'static str) -> Result<TcpListener, ServeError> {
    let mut failure = None;
    for candidate in address.candidates() {
        match TcpListener::bind(candidate).await {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = Some(error),
        }
    }
    let cause = failure.unwrap_or_else(|| std::io::Error::other("no address to try"));
    Err(ServeError::Listen { address: address.to_string(), purpose, cause })
}

impl TlsListener {
    pub(super) fn new(
        certificates: Certificates,
        oldest: TlsVersion,
        clients: Option<Arc<dyn ClientCertVerifier>>,
    ) -> Result<Self, ServeError> {
        let versions: &[&SupportedProtocolVersion] = match oldest {
            TlsVersion::Tls12 => &[&TLS13, &TLS12],
            TlsVersion::Tls13 => &[&TLS13],
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions);
        let builder = builder.map_err(|error| ServeError::Tls(error.to_string()))?;
        let builder = match clients {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(certificates));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    pub(super) async fn serve(self, listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
        let graceful = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let connection =
                        serve_connection(self.acceptor.clone(), stream, router.clone(), graceful.watcher());
                    tokio::spawn(async move {
                        if let Err(error) = connection.await {
                            debug!(%peer, %error, "connection ended");
                        }
                    });
                }
                Err(error) => {
                    warn!(%error, "failed to accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        graceful.shutdown().await;
    }
}

async fn serve_connection(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    router: Router,
    watcher: hyper_util::server::graceful::Watcher,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let stream = tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(stream)).await??;
    let builder = Builder::new(TokioExecutor::new());
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    watcher.watch(connection.into_owned()).await
}
