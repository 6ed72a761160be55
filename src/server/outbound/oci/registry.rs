//! The distribution API of registries, as far as pulling needs it.

use serde_json::Value;

use super::challenge::{self, Challenge};
use super::credentials::{Credentials, Login};
use super::reference::{Digest, ImageName, Version};
use super::transport::{Answer, Question, Transport, failed};
use super::{MAX_LAYER_BYTES, OciError, token, words};

const MAX_MANIFEST_BYTES: u64 = 4 << 20;
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// One repository of a registry.
pub(super) struct Registry {
    transport: Transport,
    base: String,
    image: ImageName,
    authorization: Option<String>,
    /// Looked for when they are asked for: some helpers ask people.
    credentials: Option<Credentials>,
}

impl Registry {
    pub(super) fn new(image: &ImageName, is_plain: bool) -> Self {
        let scheme = if is_plain { "http" } else { "https" };
        Self {
            transport: Transport::new(is_plain),
            base: format!("{scheme}://{}/v2/{}", image.registry(), image.repository),
            image: image.clone(),
            authorization: None,
            credentials: None,
        }
    }

    /// The manifest, or the index, of a tag or digest.
    pub(super) fn manifest(&mut self, version: &Version) -> Result<Value, OciError> {
        let url = format!("{}/manifests/{version}", self.base);
        let bytes = self.get(&url, Some(MANIFESTS), MAX_MANIFEST_BYTES)?;
        if let Version::Digest(digest) = version {
            check(&url, digest, &bytes)?;
        }
        serde_json::from_slice(&bytes).map_err(|error| {
            let start: String = words(&String::from_utf8_lossy(&bytes)).chars().take(40).collect();
            let host = &self.image.host;
            failed(&url, format!("its answer is no JSON ({error}), it begins with {start:?}; is {host} a registry?"))
        })
    }

    /// What has this digest.
    pub(super) fn blob(&mut self, digest: &Digest) -> Result<Vec<u8>, OciError> {
        let url = format!("{}/blobs/{digest}", self.base);
        let bytes = self.get(&url, None, MAX_LAYER_BYTES)?;
        check(&url, digest, &bytes)?;
        Ok(bytes)
    }

    fn get(&mut self, url: &str, accept: Option<&str>, most: u64) -> Result<Vec<u8>, OciError> {
        let mut answer = self.ask(url, accept, most)?;
        // A token may have come of age; a password does not get better.
        if answer.status == 401 && !self.is_by_password() {
            self.log_in(url, &answer)?;
            answer = self.ask(url, accept, most)?;
        }
        if answer.status == 200 { Ok(answer.body) } else { Err(failed(url, self.refusal(&answer))) }
    }

    fn ask(&self, url: &str, accept: Option<&str>, most: u64) -> Result<Answer, OciError> {
        let authorization = self.authorization.as_deref();
        self.transport.ask(&Question { url, accept, authorization, most, ..Question::default() })
    }

    fn refusal(&self, answer: &Answer) -> String {
        let says = answer.says();
        match answer.status {
            401 | 403 => self.refused("the registry", &says, answer.status == 401 && self.is_by_password()),
            404 if self.image.version == Version::Latest => {
                format!("there is no such image ({says}); no tag was given, which means latest")
            }
            404 => format!("there is no such image; check repository and tag ({says})"),
            400 if self.transport.is_plain && says.contains("HTTPS") => {
                format!("it speaks TLS; leave out --plain-http ({says})")
            }
            _ => format!("the registry answers with {says}"),
        }
    }

    fn is_by_password(&self) -> bool {
        self.authorization.as_deref().is_some_and(|value| value.starts_with("Basic "))
    }

    fn refused(&self, who: &str, says: &str, is_password_wrong: bool) -> String {
        let host = &self.image.host;
        match &self.credentials {
            None => format!("{who} refuses ({says}), and does not ask who wants it; check the name"),
            Some(Credentials { login: None, account }) => format!("{who} refuses ({says}); {account}"),
            Some(Credentials { login: Some(_), account }) if is_password_wrong => {
                format!(
                    "{who} refuses the password for {host} ({says}); {account}; log in again with `docker login {host}`"
                )
            }
            Some(Credentials { account, .. }) => format!("{who} refuses ({says}); {account}"),
        }
    }

    /// As the registry wants it: a token from where it says, or name and password.
    fn log_in(&mut self, url: &str, refusal: &Answer) -> Result<(), OciError> {
        let credentials = self.credentials.get_or_insert_with(|| Credentials::find(&self.image)).clone();
        if let Some(Login::Registry(token)) = &credentials.login {
            self.authorization = Some(format!("Bearer {token}"));
            return Ok(());
        }
        let offers: Vec<_> = refusal.challenges.iter().flat_map(|header| challenge::parse(header)).collect();
        if let Some(offer) = offers.iter().find(|offer| offer.scheme == "bearer") {
            let token = self.token(url, offer, credentials.login.as_ref())?;
            self.authorization = Some(format!("Bearer {token}"));
            return Ok(());
        }
        if !offers.is_empty() && offers.iter().all(|offer| offer.scheme != "basic") {
            let found: Vec<_> = offers.iter().map(|offer| offer.scheme.as_str()).collect();
            return Err(failed(url, format!("found logins by {}, expected Bearer or Basic", found.join(", "))));
        }
        match credentials.login {
            Some(Login::Basic(encoded)) => {
                self.authorization = Some(format!("Basic {encoded}"));
                Ok(())
            }
            Some(_) => {
                let account = credentials.account;
                Err(failed(
                    url,
                    format!("it wants name and password, and found is a token for a token server; {account}"),
                ))
            }
            None => Err(failed(url, self.refused("the registry", &refusal.says(), false))),
        }
    }

    fn token(&self, url: &str, offer: &Challenge, login: Option<&Login>) -> Result<String, OciError> {
        let realm = offer.parameter("realm");
        let realm = realm.ok_or_else(|| failed(url, "it wants a token and does not say from where".to_owned()))?;
        if !self.transport.is_plain && !realm.starts_with("https://") {
            return Err(failed(url, format!("it wants the password sent to {realm}, which is not encrypted")));
        }
        let pull = format!("repository:{}:pull", self.image.repository);
        let scope = offer.parameter("scope").unwrap_or(&pull);
        let request = token::Request { realm, service: offer.parameter("service"), scope, login };
        let answer = token::ask(&self.transport, &request)?;
        if answer.status != 200 {
            return Err(failed(realm, self.refused("the token server", &answer.says(), answer.status == 401)));
        }
        token::of(&answer.body).ok_or_else(|| failed(realm, "found no token in its answer".to_owned()))
    }
}

/// What is asked for by its digest must have it.
fn check(url: &str, expected: &Digest, bytes: &[u8]) -> Result<(), OciError> {
    let found = Digest::of(bytes);
    if found == *expected {
        return Ok(());
    }
    Err(failed(url, format!("what came has the digest {found}, expected {expected}")))
}
