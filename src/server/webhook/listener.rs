//! The TLS accept loop: one task a connection, a bound on handshakes, connections drained at shutdown.
//!
//! ```text
//! SIGTERM   leaving   all are served as ever; over HTTP/1.1 with `Connection: close`, so that clients go elsewhere
//! + delay   stop      HTTP/2: GOAWAY, and whatever was sent before the client has it is answered
//! + a moment          no new connections; HTTP/1.1: connections without a request in flight are closed
//! ```
//!
//! So a client that goes elsewhere when told loses no request. One exception is in HTTP/1.1 itself: a connection that was
//! idle for the whole delay may be closed at the very moment in which a request is sent on it.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::service::{Service, service_fn};
use hyper::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
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
/// How long those are still served, after the stop, who were on their way when it came.
const LAST_CALL: Duration = Duration::from_millis(200);

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

    /// Serves until `stop`, and then until every connection has ended. While the process is `leaving`, answers over
    /// HTTP/1.1 say so.
    pub(super) async fn serve(
        self,
        listener: TcpListener,
        router: Router,
        leaving: watch::Receiver<bool>,
        stop: watch::Receiver<bool>,
    ) {
        let (open, _) = watch::channel(());
        let mut told = stop.clone();
        let last_call = async move {
            stopped(&mut told).await;
            tokio::time::sleep(LAST_CALL).await;
        };
        tokio::pin!(last_call);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut last_call => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let (acceptor, router, is_open) = (self.acceptor.clone(), router.clone(), open.subscribe());
                    let ends = Ends { leaving: leaving.clone(), stop: stop.clone() };
                    tokio::spawn(async move {
                        if let Err(error) = serve_connection(acceptor, stream, router, ends).await {
                            debug!(%peer, %error, "connection ended");
                        }
                        drop(is_open);
                    });
                }
                Err(error) => {
                    warn!(%error, "failed to accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        open.closed().await;
    }
}

/// What a connection is told of the end.
struct Ends {
    leaving: watch::Receiver<bool>,
    stop: watch::Receiver<bool>,
}

async fn serve_connection(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    router: Router,
    ends: Ends,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let stream = tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(stream)).await??;
    let agreed = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    let builder = Builder::new(TokioExecutor::new());
    // Who has not said which version it speaks is listened to; but then a stop may come before it has said it.
    let builder = match agreed.as_deref() {
        Some(b"h2") => builder.http2_only(),
        Some(_) => builder.http1_only(),
        None => builder,
    };
    let Ends { leaving, mut stop } = ends;
    let inner = TowerToHyperService::new(router);
    let service = service_fn(move |request: Request<Incoming>| {
        let is_old = request.version() < Version::HTTP_2;
        let (answer, leaving) = (inner.call(request), leaving.clone());
        async move {
            let mut response = answer.await?;
            if is_old && *leaving.borrow() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let goodbye = async {
        stopped(&mut stop).await;
        if agreed.as_deref() != Some(b"h2") {
            tokio::time::sleep(LAST_CALL).await;
        }
    };
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = goodbye => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

/// Whoever cannot be told any more is told by that.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
