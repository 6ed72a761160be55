//! `providers.aws.sign_req`: version 4 of AWS's signatures, which is the only one that OPA offers to policies.

use std::collections::BTreeMap;

use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use ring::hmac::{self, HMAC_SHA256};

use super::encoding::hex_of_bytes;
use super::go_url::Url;
use super::operands::{any, object, text_of_bytes, undefined, wrong_type};
use super::{Builtin, BuiltinError, CallContext, lookup};
use crate::policy::engine::rego::value::{Object, Value};

pub(super) const TABLE: &[Builtin] = &[Builtin { name: "providers.aws.sign_req", arity: 3, call: sign_request }];

/// What a request may have: the parameters of `http.send`.
const PARAMETERS: [&str; 28] = [
    "method",
    "url",
    "body",
    "enable_redirect",
    "force_json_decode",
    "force_yaml_decode",
    "headers",
    "raw_body",
    "tls_use_system_certs",
    "tls_ca_cert",
    "tls_ca_cert_file",
    "tls_ca_cert_env_variable",
    "tls_client_cert",
    "tls_client_cert_file",
    "tls_client_cert_env_variable",
    "tls_client_key",
    "tls_client_key_file",
    "tls_client_key_env_variable",
    "tls_insecure_skip_verify",
    "tls_server_name",
    "timeout",
    "cache",
    "force_cache",
    "force_cache_duration_seconds",
    "raise_error",
    "caching_mode",
    "max_retry_attempts",
    "cache_ignored_headers",
];
/// Headers that proxies change, so that they are not signed.
const UNSIGNED: [&str; 3] = ["authorization", "user-agent", "x-amzn-trace-id"];

struct Credentials<'a> {
    service: &'a str,
    access_key: &'a str,
    secret_key: &'a str,
    region: &'a str,
    /// Empty without one.
    session_token: &'a str,
}

fn sign_request(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let (request, config) = (object(operands, 0)?, object(operands, 1)?);
    let credentials = Credentials::parse(config)?;
    let time = match any(operands, 2)? {
        Value::Number(number) => number.as_i64(),
        other => return Err(wrong_type(2, other, "number")),
    };
    let time = time.ok_or_else(|| undefined("could not convert time_ns value into a unix timestamp"))?;
    let known = |key: &Value| key.as_str().is_some_and(|key| PARAMETERS.contains(&key));
    if !request.entries().iter().all(|(key, _)| known(key)) {
        return Err(undefined("invalid request parameters(s)"));
    }
    let field = |name: &str| request.get(&Value::from(name));
    let text = |name: &str| field(name).and_then(Value::as_str).ok_or_else(|| undefined(format!("{name} is missing")));
    let (url, method) = (text("url")?, text("method")?);
    let headers = match field("headers") {
        None => &Object::default(),
        Some(Value::Object(headers)) => headers,
        Some(other) => return Err(wrong_type(0, other, "object")),
    };
    let url = Url::parse(url).ok_or_else(|| undefined("the URL cannot be parsed"))?;
    let body = body_of(context, field("body"), field("raw_body"))?;
    context.budget.charge(body.len() as u64)?;
    let is_body_unsigned = match config.get(&Value::from("disable_payload_signing")) {
        None => false,
        Some(Value::Bool(is_unsigned)) => *is_unsigned,
        Some(_) => return Err(undefined("invalid value for 'disable_payload_signing' in AWS config")),
    };
    // Keys and values that are no strings are empty ones to OPA.
    let string = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if headers.entries().iter().filter(|(key, _)| string(key).is_empty()).count() > 1 {
        return Err(BuiltinError::Halt("several headers without a name cannot be signed".to_owned()));
    }
    let mut names: Vec<String> = headers.entries().iter().map(|(key, _)| string(key).to_lowercase()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair.first() == pair.last()) {
        // OPA takes one of them by chance.
        return Err(BuiltinError::Halt("headers that differ by case only cannot be signed".to_owned()));
    }
    let headers: Vec<(String, String)> =
        headers.entries().iter().map(|(key, value)| (string(key), string(value))).collect();
    let hash = if is_body_unsigned { "UNSIGNED-PAYLOAD".to_owned() } else { hash_of(&body) };
    let signed = credentials.sign(&headers, method, &url, &hash, time)?;
    let mut all: BTreeMap<String, String> = headers.into_iter().collect();
    all.extend(signed);
    let all = all.into_iter().map(|(name, value)| (Value::from(name), Value::from(value))).collect();
    let mut entries: Vec<(Value, Value)> = request.entries().to_vec();
    entries.push((Value::from("headers"), Value::object(all)));
    Ok(Value::object(entries))
}

/// The raw body before the one in JSON.
fn body_of(
    context: &mut CallContext<'_>,
    body: Option<&Value>,
    raw_body: Option<&Value>,
) -> Result<Vec<u8>, BuiltinError> {
    match (raw_body, body) {
        (Some(raw), _) => Ok(raw.as_str().unwrap_or_default().as_bytes().to_vec()),
        (None, Some(body)) => {
            let marshal = lookup("json.marshal").ok_or_else(|| undefined("json.marshal is missing"))?;
            let text = (marshal.call)(context, &[body])?;
            Ok(text.as_str().unwrap_or_default().as_bytes().to_vec())
        }
        (None, None) => Ok(Vec::new()),
    }
}

impl<'a> Credentials<'a> {
    fn parse(config: &'a Object) -> Result<Self, BuiltinError> {
        let text = |name: &str| {
            let value = config.get(&Value::from(name)).and_then(Value::as_str);
            value.ok_or_else(|| undefined(format!("missing or invalid required AWS config parameter {name}")))
        };
        let token = config.get(&Value::from("aws_session_token")).and_then(Value::as_str);
        Ok(Self {
            service: text("aws_service")?,
            access_key: text("aws_access_key")?,
            secret_key: text("aws_secret_access_key")?,
            region: text("aws_region")?,
            session_token: token.unwrap_or_default(),
        })
    }

    /// The headers to add.
    fn sign(
        &self,
        headers: &[(String, String)],
        method: &str,
        url: &Url,
        hash: &str,
        time_ns: i64,
    ) -> Result<Vec<(String, String)>, BuiltinError> {
        let time = Timestamp::from_nanosecond(i128::from(time_ns)).map_err(|error| undefined(error.to_string()))?;
        let (day, second) = (time.strftime("%Y%m%d").to_string(), time.strftime("%Y%m%dT%H%M%SZ").to_string());
        let host = text_of_bytes(url.host.clone()).as_str().unwrap_or_default().to_owned();
        let mut added = vec![("host".to_owned(), host), ("x-amz-date".to_owned(), second.clone())];
        if matches!(self.service, "s3" | "glacier") {
            added.push(("x-amz-content-sha256".to_owned(), hash.to_owned()));
        }
        if !self.session_token.is_empty() {
            added.push(("x-amz-security-token".to_owned(), self.session_token.to_owned()));
        }
        let mut signed: BTreeMap<String, String> = added.iter().cloned().collect();
        let given = headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone()));
        signed.extend(given.filter(|(name, _)| !UNSIGNED.contains(&name.as_str())));
        let names = signed.keys().cloned().collect::<Vec<_>>().join(";");
        let mut request = [method.as_bytes(), b"\n", &url.escaped_path(), b"\n", &url.raw_query, b"\n"].concat();
        for (name, value) in &signed {
            request.extend(format!("{name}:{value}\n").bytes());
        }
        request.extend(format!("\n{names}\n{hash}").bytes());
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let message = format!("AWS4-HMAC-SHA256\n{second}\n{scope}\n{}", hash_of(&request));
        let mut key = format!("AWS4{}", self.secret_key).into_bytes();
        for part in [day.as_str(), self.region, self.service, "aws4_request"] {
            key = authenticated(&key, part);
        }
        let signature = hex_of_bytes(&authenticated(&key, &message));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={signature}",
            self.access_key
        );
        added.push(("Authorization".to_owned(), authorization));
        Ok(added)
    }
}

fn authenticated(key: &[u8], message: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(HMAC_SHA256, key), message.as_bytes()).as_ref().to_vec()
}

fn hash_of(bytes: &[u8]) -> String {
    hex_of_bytes(digest(&SHA256, bytes).as_ref())
}
