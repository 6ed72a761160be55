//! Sends one request.
//!
//! Assumes that policies are few and requests rare: each has a connection of its own, as in OPA.

use std::io;
use std::time::Duration;

use ureq::config::{AutoHeaderValue, RedirectAuthHeaders};
use ureq::http::{HeaderName, HeaderValue, Method, Uri, header};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error, Proxy, ResponseExt, http};

use super::request::Request;
use super::response::Received;
use super::{Failure, Outcome, internal, unsupported};

/// The most that an answer's body may have. OPA has no bound.
const LONGEST_BODY: u64 = 16 << 20;

/// OPA follows redirects until its time is up.
const MOST_REDIRECTS: u32 = 20;

const USER_AGENT: &str = concat!("admit/", env!("CARGO_PKG_VERSION"));

/// `remaining` is what the evaluation's deadline leaves.
pub(super) fn send(request: &Request, remaining: Option<Duration>) -> Outcome<Received> {
    let timeout = request.timeout.into_iter().chain(remaining).min();
    let prepared = prepare(request)?;
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .max_redirects(if request.follows_redirects { MOST_REDIRECTS } else { 0 })
        .save_redirect_history(true)
        .max_redirects_will_error(request.follows_redirects)
        .redirect_auth_headers(RedirectAuthHeaders::SameHost)
        .user_agent(USER_AGENT)
        .accept(AutoHeaderValue::None)
        .accept_encoding(AutoHeaderValue::None)
        .timeout_global(timeout)
        .tls_config(request.tls.config()?)
        .build();
    let agent = match server_name(request) {
        None => config.new_agent(),
        Some(_) => {
            let origin: Uri = origin(request).parse().map_err(|_| unsupported("the URL's host cannot be used"))?;
            Agent::with_parts(config, DefaultConnector::default(), Pinned { origin })
        }
    };
    let has_body = !request.body.is_empty() || matches!(request.method.as_str(), "POST" | "PUT" | "PATCH");
    let mut response = match has_body {
        true => agent.run(prepared.map(|()| request.body.clone())),
        false => agent.run(prepared),
    }
    .map_err(failure)?;
    let hops = response.get_redirect_history().map_or(0, <[Uri]>::len);
    if hops > 1 && !request.body.is_empty() && matches!(request.method.as_str(), "GET" | "HEAD") {
        return Err(unsupported("a body that a redirect leads elsewhere cannot be sent again"));
    }
    let body = response.body_mut().with_config().limit(LONGEST_BODY).read_to_vec().map_err(|error| match error {
        Error::BodyExceedsLimit(_) => failure(error),
        other => internal(other.to_string()),
    })?;
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
    Ok(Received { code: response.status().as_u16(), headers, body })
}

fn prepare(request: &Request) -> Outcome<http::Request<()>> {
    if request.method == "CONNECT" {
        return Err(unsupported("the method CONNECT is not supported"));
    }
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_| internal(format!("net/http: invalid method {:?}", request.method)))?;
    let mut prepared = http::Request::new(());
    *prepared.method_mut() = method;
    *prepared.uri_mut() = uri(request)?.parse().map_err(|_| unsupported("the URL cannot be used"))?;
    let headers = prepared.headers_mut();
    for (name, value) in &request.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        let name = name.map_err(|_| Failure::Network("net/http: invalid header field name".to_owned()))?;
        headers.insert(name, header_value(value)?);
    }
    if let Some(host) = request.host.as_deref().or(server_name(request).map(|_| request.authority.as_str())) {
        headers.insert(header::HOST, header_value(host)?);
    }
    Ok(prepared)
}

fn header_value(text: &str) -> Outcome<HeaderValue> {
    // Go trims what it writes.
    HeaderValue::from_bytes(text.trim().as_bytes())
        .map_err(|_| Failure::Network("net/http: invalid header field value".to_owned()))
}

/// The name that the server has to prove, where that is not the URL's host.
fn server_name(request: &Request) -> Option<&str> {
    let given = Some(request.tls.server_name.as_str()).filter(|name| !name.is_empty());
    given.or(request.host.as_deref()).filter(|_| request.scheme == "https")
}

fn origin(request: &Request) -> String {
    format!("{}://{}", request.scheme, request.authority)
}

/// With another name to prove, that takes the place of the host, and [`Pinned`] finds the way all the same.
fn uri(request: &Request) -> Outcome<String> {
    let Some(name) = server_name(request) else { return Ok(format!("{}{}", origin(request), request.target)) };
    if request.follows_redirects || Proxy::try_from_env().is_some() {
        return Err(unsupported("another server name goes neither with redirects nor with a proxy"));
    }
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    if !is_name || name.is_empty() {
        return Err(Failure::Network(format!("tls: no server can prove the name {name:?}")));
    }
    Ok(format!("{}://{name}{}", request.scheme, request.target))
}

/// Leads every connection to one host.
#[derive(Debug)]
struct Pinned {
    origin: Uri,
}

impl Resolver for Pinned {
    fn resolve(
        &self,
        _: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        DefaultResolver::default().resolve(&self.origin, config, timeout)
    }
}

fn failure(error: Error) -> Failure {
    match error {
        Error::BodyExceedsLimit(limit) => unsupported(&format!("an answer of more than {limit} bytes is not read")),
        Error::RedirectFailed | Error::TooManyRedirects => unsupported("a redirect cannot be followed"),
        Error::Timeout(_) => Failure::Network("request timed out".to_owned()),
        Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => Failure::Network("request timed out".to_owned()),
        other => Failure::Network(other.to_string()),
    }
}
