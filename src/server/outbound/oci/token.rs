//! Token servers: who one is, and for what, for a token that the registry takes.

use serde_json::Value;

use super::OciError;
use super::credentials::Login;
use super::transport::{Answer, Question, Transport};

const MAX_TOKEN_BYTES: u64 = 1 << 20;
/// Servers that give tokens for tokens want to know the program.
const CLIENT: &str = "admit";

/// What to ask for.
pub(super) struct Request<'r> {
    pub(super) realm: &'r str,
    pub(super) service: Option<&'r str>,
    pub(super) scope: &'r str,
    pub(super) login: Option<&'r Login>,
}

/// With name and password, or as nobody, the question is in the address; an identity token goes into a form.
pub(super) fn ask(transport: &Transport, request: &Request<'_>) -> Result<Answer, OciError> {
    let service = request.service.map(|service| format!("service={}&", encode(service))).unwrap_or_default();
    let parameters = format!("{service}scope={}", encode(request.scope));
    let most = MAX_TOKEN_BYTES;
    if let Some(Login::Identity(token)) = request.login {
        let token = encode(token);
        let form = format!("grant_type=refresh_token&refresh_token={token}&client_id={CLIENT}&{parameters}");
        return transport.ask(&Question { url: request.realm, form: Some(&form), most, ..Question::default() });
    }
    let separator = if request.realm.contains('?') { '&' } else { '?' };
    let url = format!("{}{separator}{parameters}", request.realm);
    let authorization = match request.login {
        Some(Login::Basic(encoded)) => Some(format!("Basic {encoded}")),
        _ => None,
    };
    transport.ask(&Question { url: &url, authorization: authorization.as_deref(), most, ..Question::default() })
}

/// The token in an answer.
pub(super) fn of(body: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let found =
        ["token", "access_token"].iter().find_map(|key| answer.get(*key)?.as_str().filter(|text| !text.is_empty()));
    found.map(str::to_owned)
}

/// As parts of addresses and forms have it.
fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/,".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_what_would_mean_something_else() {
        assert_eq!(encode("a registry & more"), "a%20registry%20%26%20more");
        assert_eq!(encode("repository:a/b:pull,push"), "repository:a/b:pull,push");
    }
}
