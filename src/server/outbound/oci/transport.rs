//! Questions to registries and token servers: waiting, asking again, and what a failure means.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::{Request, Response};

use super::{OciError, words};
use crate::server::trust::system_trust;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// Layers are elsewhere as often as not.
const MAX_REDIRECTS: u32 = 5;
/// Who is busy is asked so often in all.
const ATTEMPTS: u32 = 3;
/// Who wants a longer pause is not waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const BUSY: [u16; 4] = [429, 502, 503, 504];

/// A client.
pub(super) struct Transport {
    agent: Agent,
    pub(super) is_plain: bool,
    /// What was wrong with the certificates of the system.
    trust_problems: Vec<String>,
}

/// What to ask.
#[derive(Default)]
pub(super) struct Question<'q> {
    pub(super) url: &'q str,
    pub(super) accept: Option<&'q str>,
    pub(super) authorization: Option<&'q str>,
    /// Sent with POST.
    pub(super) form: Option<&'q str>,
    /// So many bytes are read.
    pub(super) most: u64,
}

/// What came.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) challenges: Vec<String>,
    pub(super) body: Vec<u8>,
    retry_after: Option<Duration>,
}

impl Transport {
    pub(super) fn new(is_plain: bool) -> Self {
        let (tls, trust_problems) = system_trust();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(MAX_REDIRECTS)
            .timeout_global(Some(PATIENCE))
            .timeout_connect(Some(CONNECT_PATIENCE))
            .tls_config(tls)
            .build();
        Self { agent: config.into(), is_plain, trust_problems }
    }

    pub(super) fn ask(&self, question: &Question<'_>) -> Result<Answer, OciError> {
        let mut pause = Duration::from_secs(1);
        for _ in 1..ATTEMPTS {
            let answer = self.ask_once(question)?;
            let wanted = answer.retry_after.unwrap_or(pause);
            if !BUSY.contains(&answer.status) || wanted > LONGEST_PAUSE {
                return Ok(answer);
            }
            std::thread::sleep(wanted);
            pause *= 2;
        }
        self.ask_once(question)
    }

    fn ask_once(&self, question: &Question<'_>) -> Result<Answer, OciError> {
        let why = |error: &ureq::Error| failed(question.url, self.explain(error));
        let mut response = self.run(question).map_err(|error| why(&error))?;
        let status = response.status().as_u16();
        let header = |name: &str| {
            let values = response.headers().get_all(name).iter();
            values.filter_map(|value| Some(value.to_str().ok()?.to_owned())).collect::<Vec<_>>()
        };
        let challenges = header("www-authenticate");
        let retry_after =
            header("retry-after").first().and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        let body = response.body_mut().with_config().limit(question.most).read_to_vec();
        // Of a refusal, the status is what counts.
        let body = if status == 200 { body.map_err(|error| why(&error))? } else { body.unwrap_or_default() };
        Ok(Answer { status, challenges, body, retry_after })
    }

    fn run(&self, question: &Question<'_>) -> Result<Response<ureq::Body>, ureq::Error> {
        let mut request = Request::builder().uri(question.url);
        for (name, value) in [("accept", question.accept), ("authorization", question.authorization)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let Some(form) = question.form else { return self.agent.run(request.method("GET").body(())?) };
        let request = request.method("POST").header("content-type", "application/x-www-form-urlencoded");
        self.agent.run(request.body(form.to_owned())?)
    }

    fn explain(&self, error: &ureq::Error) -> String {
        use rustls::{CertificateError, Error};
        match error {
            ureq::Error::BodyExceedsLimit(limit) => return format!("the answer is longer than {limit} bytes"),
            ureq::Error::Timeout(_) => return format!("found no whole answer within {} s", PATIENCE.as_secs()),
            _ => {}
        }
        match of_tls(error) {
            Some(Error::InvalidMessage(_)) => {
                "it does not speak TLS; if this registry is to be used without, give --plain-http".to_owned()
            }
            Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
                let problems: String = self.trust_problems.iter().map(|problem| format!("; {problem}")).collect();
                format!(
                    "its certificate is of an authority that is not trusted; name a file with the authority's certificate \
                     in the environment variable SSL_CERT_FILE{problems}"
                )
            }
            _ if self.is_plain && is_gibberish(error) => {
                format!("cannot be had: {error}; if it speaks TLS, leave out --plain-http")
            }
            _ => format!("cannot be had: {error}"),
        }
    }
}

impl Answer {
    /// Status and words, as far as there are any.
    pub(super) fn says(&self) -> String {
        let pause = self.retry_after.map(|pause| format!("; it wants to be asked again in {} s", pause.as_secs()));
        let said = said(&self.body).map(|said| format!(": {said}"));
        format!("status {}{}{}", self.status, said.unwrap_or_default(), pause.unwrap_or_default())
    }
}

/// The words in a body: those of a registry, of a proxy, or a plain line.
fn said(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let said = match serde_json::from_slice::<Value>(body) {
        Ok(answer) => {
            let places =
                ["/errors/0/message", "/errors/0/code", "/message", "/details", "/error_description", "/error"];
            words(places.iter().find_map(|place| answer.pointer(place)?.as_str().filter(|text| !text.is_empty()))?)
        }
        // A page for browsers tells nothing in its first lines.
        Err(_) if text.trim_start().starts_with('<') => return None,
        Err(_) => words(&text),
    };
    Some(said).filter(|said| !said.is_empty())
}

fn of_tls(error: &ureq::Error) -> Option<&rustls::Error> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

/// What came is not HTTP.
fn is_gibberish(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Protocol(_) => true,
        ureq::Error::Io(error) => {
            matches!(error.kind(), std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset)
        }
        _ => false,
    }
}

pub(super) fn failed(url: &str, why: String) -> OciError {
    OciError::Registry { url: url.to_owned(), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_where_registries_put_them() {
        let check =
            |body: &str, expected: Option<&str>| assert_eq!(said(body.as_bytes()).as_deref(), expected, "{body}");
        check(r#"{"errors":[{"code":"UNKNOWN","message":"disk\u001b[31m full"}]}"#, Some("disk [31m full"));
        check(r#"{"errors":[{"code":"DENIED","message":""}]}"#, Some("DENIED"));
        check("no such host\n", Some("no such host"));
        check("<html>", None);
        check("{}", None);
        check("", None);
    }
}
