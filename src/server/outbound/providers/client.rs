//! The HTTP client of one provider: its connections are kept and used again.
//!
//! `HTTPS_PROXY` and `NO_PROXY` are respected for what is outside of the cluster; Gatekeeper asks providers directly, and
//! those inside could not be reached through a proxy. Answers are read up to a bound, and redirects are answers.

use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT_ENCODING, CONTENT_TYPE, USER_AGENT};
use hyper::{Method, Request, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::{Client as Pool, Error as PoolError};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::{message, tls};
use crate::model::api::Provider;
use crate::policy::external_data::Answer;
use crate::server::certificates::Certificates;

/// The most that an answer may have; Gatekeeper has no bound.
pub(super) const MOST_BYTES: usize = 8 << 20;
/// From so many bytes on, an answer is not read between other tasks.
const LARGE_BYTES: usize = 64 << 10;
/// Gatekeeper's.
const IDLE_TIME: Duration = Duration::from_secs(90);
const MOST_IDLE: usize = 10;

type Body = Full<Bytes>;

/// Sends to one provider.
pub(super) struct Client {
    uri: Uri,
    url: String,
    pool: Way,
}

enum Way {
    Direct(Pool<HttpsConnector<HttpConnector>, Body>),
    /// Through a proxy.
    Tunnel(Pool<HttpsConnector<Tunnel<HttpConnector>>, Body>),
}

impl Client {
    /// # Errors
    /// When the URL or the authorities cannot be used.
    pub(super) fn new(provider: &Provider, certificates: &Certificates) -> Result<Self, String> {
        let uri: Uri = provider.url.parse().map_err(|error| format!("URL {:?}: {error}", provider.url))?;
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| format!("URL {:?} has no host", provider.url))?;
        let tls = tls::config(&provider.authorities, certificates)?;
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1();
        let mut direct = HttpConnector::new();
        direct.enforce_http(false);
        direct.set_nodelay(true);
        let mut builder = Pool::builder(TokioExecutor::new());
        builder.pool_idle_timeout(IDLE_TIME).pool_max_idle_per_host(MOST_IDLE).pool_timer(TokioTimer::new());
        let pool = match proxy(&uri, host) {
            None => Way::Direct(builder.build(https.wrap_connector(direct))),
            Some(proxy) => {
                let mut tunnel = Tunnel::new(proxy.uri().clone(), direct);
                if let Some(credentials) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(credentials.clone());
                }
                Way::Tunnel(builder.build(https.wrap_connector(tunnel)))
            }
        };
        Ok(Self { uri, url: provider.url.clone(), pool })
    }

    /// Asks for keys; takes as long as it takes.
    ///
    /// # Errors
    /// When there is no answer, or it cannot be understood; in Gatekeeper's words as far as they go.
    pub(super) async fn ask(&self, keys: &[String]) -> Result<Answer, String> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.uri.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT_ENCODING, "identity")
            .header(USER_AGENT, concat!("admit/", env!("CARGO_PKG_VERSION")))
            .body(Full::from(message::request(keys)))
            .map_err(|error| format!("failed to create external data request: {error}"))?;
        let sent = match &self.pool {
            Way::Direct(pool) => pool.request(request).await,
            Way::Tunnel(pool) => pool.request(request).await,
        };
        let response = sent.map_err(|error| self.not_sent(&explain(&error)))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST_BYTES).collect().await.map_err(|error| {
            let text = match error.downcast_ref::<LengthLimitError>() {
                Some(_) => format!("it has more than {MOST_BYTES} bytes"),
                None => error.to_string(),
            };
            format!("failed to read external data response: {text}")
        })?;
        let body = body.to_bytes();
        let length = body.len();
        let read = move || message::answer(&body, status.as_u16());
        let answer = if length > LARGE_BYTES {
            tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(error.to_string()))
        } else {
            read()
        };
        answer.map_err(|text| {
            format!("failed to unmarshal external data response: {text} (status {status}, {length} bytes)")
        })
    }

    /// What is said when nothing came back.
    pub(super) fn not_sent(&self, why: &str) -> String {
        format!("failed to send external data request: Post {:?}: {why}", self.url)
    }
}

/// The proxy on the way, as the environment says.
fn proxy(uri: &Uri, host: &str) -> Option<Intercept> {
    let is_inside = !host.contains('.') || host.ends_with(".svc") || host.ends_with(".cluster.local");
    let matcher = (!is_inside && host != "127.0.0.1").then(Matcher::from_env)?;
    matcher.intercept(uri)
}

/// The error and what it comes of, the outermost words left out: they say nothing.
fn explain(error: &PoolError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let mut texts: Vec<String> = Vec::new();
    for text in causes.map(ToString::to_string) {
        if texts.last().is_none_or(|last| !last.contains(&text)) {
            texts.push(text);
        }
    }
    if texts.is_empty() { error.to_string() } else { texts.join(": ") }
}
