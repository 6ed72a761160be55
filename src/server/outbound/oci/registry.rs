//! The distribution API of registries, as far as pulling needs it.

use std::time::Duration;

use ring::digest::{SHA256, digest};
use serde_json::Value;
use ureq::Agent;
use ureq::http::{Request, Response};

use super::reference::Reference;
use super::{MAX_LAYER_BYTES, OciError, credentials};
use crate::server::trust::system_trust;

/// How long a registry may take for one answer.
const PATIENCE: Duration = Duration::from_secs(60);
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
const MAX_MANIFEST_BYTES: u64 = 4 << 20;
/// Layers are elsewhere as often as not.
const MAX_REDIRECTS: u32 = 5;
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// One repository of a registry.
pub(super) struct Registry {
    agent: Agent,
    base: String,
    host: String,
    authorization: Option<String>,
}

impl Registry {
    pub(super) fn new(reference: &Reference, is_plain: bool) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(MAX_REDIRECTS)
            .timeout_global(Some(PATIENCE))
            .timeout_connect(Some(CONNECT_PATIENCE))
            .tls_config(system_trust())
            .build();
        let scheme = if is_plain { "http" } else { "https" };
        Self {
            agent: config.into(),
            base: format!("{scheme}://{}/v2/{}", reference.host, reference.repository),
            host: reference.host.clone(),
            authorization: None,
        }
    }

    /// The manifest, or the index, of a tag or digest.
    pub(super) fn manifest(&mut self, version: &str) -> Result<Value, OciError> {
        let url = format!("{}/manifests/{version}", self.base);
        let bytes = self.get(&url, Some(MANIFESTS), MAX_MANIFEST_BYTES)?;
        check(&url, version, &bytes)?;
        serde_json::from_slice(&bytes).map_err(|error| failed(&url, format!("its answer is no JSON: {error}")))
    }

    /// What has this digest.
    pub(super) fn blob(&mut self, digest: &str) -> Result<Vec<u8>, OciError> {
        let url = format!("{}/blobs/{digest}", self.base);
        if !digest.starts_with("sha256:") {
            return Err(failed(&url, format!("found digest {digest:?}, expected sha256")));
        }
        let bytes = self.get(&url, None, MAX_LAYER_BYTES)?;
        check(&url, digest, &bytes)?;
        Ok(bytes)
    }

    fn get(&mut self, url: &str, accept: Option<&str>, most: u64) -> Result<Vec<u8>, OciError> {
        let mut response = self.ask(url, accept)?;
        if response.status() == 401 && self.authorization.is_none() {
            self.log_in(url, &response)?;
            response = self.ask(url, accept)?;
        }
        let body = response.body_mut().with_config().limit(most).read_to_vec();
        let body = body.map_err(|error| failed(url, explain(&error)))?;
        match response.status().as_u16() {
            200 => Ok(body),
            401 | 403 => {
                Err(failed(url, "the registry refuses; log in with `docker login`, or check the name".to_owned()))
            }
            404 => Err(failed(url, "there is no such image; check repository and tag".to_owned())),
            status => Err(failed(url, format!("the registry answers with status {status}"))),
        }
    }

    fn ask(&self, url: &str, accept: Option<&str>) -> Result<Response<ureq::Body>, OciError> {
        let mut request = Request::get(url);
        for (name, value) in [("accept", accept), ("authorization", self.authorization.as_deref())] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let request = request.body(()).map_err(|error| failed(url, error.to_string()))?;
        self.agent.run(request).map_err(|error| failed(url, explain(&error)))
    }

    /// As the registry wants it: a token from where it says, or name and password.
    fn log_in(&mut self, url: &str, refusal: &Response<ureq::Body>) -> Result<(), OciError> {
        let challenge = refusal.headers().get("www-authenticate").and_then(|value| value.to_str().ok());
        let challenge = challenge.unwrap_or_default();
        let basic = credentials::basic(&self.host);
        let Some(parameters) = challenge.strip_prefix("Bearer ") else {
            self.authorization = Some(format!("Basic {}", basic.unwrap_or_default()));
            return Ok(());
        };
        let named = |name: &str| parameter(parameters, name);
        let realm =
            named("realm").ok_or_else(|| failed(url, "it wants a token and does not say from where".to_owned()))?;
        if self.base.starts_with("https://") && !realm.starts_with("https://") {
            return Err(failed(url, format!("it wants the password sent to {realm}, which is not encrypted")));
        }
        let mut token_url = format!("{realm}?");
        for name in ["service", "scope"] {
            if let Some(value) = named(name) {
                token_url = format!("{token_url}{name}={}&", value.replace(' ', "%20"));
            }
        }
        let mut request = Request::get(&token_url);
        if let Some(basic) = basic {
            request = request.header("authorization", format!("Basic {basic}"));
        }
        let request = request.body(()).map_err(|error| failed(&token_url, error.to_string()))?;
        let mut response = self.agent.run(request).map_err(|error| failed(&token_url, explain(&error)))?;
        let body = response.body_mut().with_config().limit(MAX_MANIFEST_BYTES).read_to_vec();
        let body = body.map_err(|error| failed(&token_url, explain(&error)))?;
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let token = ["token", "access_token"].iter().find_map(|key| answer.get(*key)?.as_str());
        let why = || format!("found no token in its answer (status {})", response.status().as_u16());
        let token = token.ok_or_else(|| failed(&token_url, why()))?;
        self.authorization = Some(format!("Bearer {token}"));
        Ok(())
    }
}

/// `realm="…",service="…"`
fn parameter<'c>(challenge: &'c str, name: &str) -> Option<&'c str> {
    let (_, rest) = challenge.split_once(&format!("{name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

/// What is asked for by its digest must have it.
fn check(url: &str, version: &str, bytes: &[u8]) -> Result<(), OciError> {
    let Some(expected) = version.strip_prefix("sha256:") else { return Ok(()) };
    let found: String = digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    if found == expected.to_ascii_lowercase() {
        return Ok(());
    }
    Err(failed(url, format!("what came has the digest sha256:{found}, expected sha256:{expected}")))
}

fn failed(url: &str, why: String) -> OciError {
    OciError::Registry { url: url.to_owned(), why }
}

fn explain(error: &ureq::Error) -> String {
    match error {
        ureq::Error::BodyExceedsLimit(limit) => format!("the answer is longer than {limit} bytes"),
        error => format!("cannot be had: {error}"),
    }
}
