//! What a policy asks `http.send` for, checked.
//!
//! As in OPA, a key that is not known is an error and not passed over. Known and without effect here: `cache`,
//! `force_cache` and what belongs to them, because nothing is kept from one evaluation to the next.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::go_url::Url;
use super::super::{CallContext, lookup};
use super::tls::{Source, Tls};
use super::{Failure, Outcome, field, internal, unsupported};
use crate::policy::engine::rego::value::{Number, Object, Value, owned};

/// OPA's own, unless the policy gives one.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// Headers that Go works out itself and does not take from policies.
const GOS_OWN: [&str; 3] = ["content-length", "trailer", "transfer-encoding"];

const KNOWN: [&str; 28] = [
    "body",
    "cache",
    "cache_ignored_headers",
    "caching_mode",
    "enable_redirect",
    "force_cache",
    "force_cache_duration_seconds",
    "force_json_decode",
    "force_yaml_decode",
    "headers",
    "max_retry_attempts",
    "method",
    "raise_error",
    "raw_body",
    "timeout",
    "tls_ca_cert",
    "tls_ca_cert_env_variable",
    "tls_ca_cert_file",
    "tls_client_cert",
    "tls_client_cert_env_variable",
    "tls_client_cert_file",
    "tls_client_key",
    "tls_client_key_env_variable",
    "tls_client_key_file",
    "tls_insecure_skip_verify",
    "tls_server_name",
    "tls_use_system_certs",
    "url",
];

/// A request that can be sent.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// `https`, or whatever else was written.
    pub(super) scheme: String,
    /// Host and port as written.
    pub(super) authority: String,
    /// Path and query, escaped.
    pub(super) target: String,
    /// By lower-case name, `host` apart.
    pub(super) headers: BTreeMap<String, String>,
    /// The header of that name.
    pub(super) host: Option<String>,
    pub(super) body: Vec<u8>,
    /// None: as long as the evaluation may take.
    pub(super) timeout: Option<Duration>,
    pub(super) follows_redirects: bool,
    pub(super) retries: u64,
    pub(super) forces_json: bool,
    pub(super) forces_yaml: bool,
    pub(super) tls: Tls,
}

/// Keys that are not known or missing.
pub(super) fn check_keys(fields: &Object) -> Outcome<()> {
    let is_unknown = |key: &&Value| !key.as_str().is_some_and(|name| KNOWN.contains(&name));
    let unknown: Vec<Value> = fields.entries().iter().map(|(key, _)| key).filter(is_unknown).cloned().collect();
    let missing: Vec<Value> =
        ["method", "url"].into_iter().filter(|name| field(fields, name).is_none()).map(Value::from).collect();
    for (what, keys) in [("invalid request", unknown), ("missing required request", missing)] {
        if !keys.is_empty() {
            let text = format!("eval_type_error: http.send: operand 1 {what} parameters(s): {}", Value::set(keys));
            return Err(Failure::Internal(text));
        }
    }
    Ok(())
}

/// What makes requests equal: all but the headers that the policy says to leave out.
pub(super) fn cache_key(fields: &Object) -> Outcome<Value> {
    let mut entries: Vec<(Value, Value)> = fields.entries().to_vec();
    if let (Some(ignored), Some(Value::Object(headers))) =
        (field(fields, "cache_ignored_headers"), field(fields, "headers"))
    {
        let names = match ignored {
            Value::Array(names) if names.iter().all(|name| name.as_str().is_some()) => names,
            _ => return Err(internal("cache_ignored_headers must be an array of strings")),
        };
        let kept = headers.entries().iter().filter(|(name, _)| !names.contains(*name)).map(owned).collect();
        entries.push((Value::from("headers"), Value::object(kept)));
    }
    entries.push((Value::from("cache_ignored_headers"), Value::Null));
    Ok(Value::object(entries))
}

impl Request {
    pub(super) fn parse(context: &mut CallContext<'_>, fields: &Object) -> Outcome<Self> {
        check_caching(fields)?;
        let method = text(fields, "method")?.unwrap_or_default().to_uppercase();
        let url = text(fields, "url")?.unwrap_or_default();
        let parsed = Url::parse(url).ok_or_else(|| internal(format!("parse {url:?}: invalid URL")))?;
        let (scheme, authority, target) = parts(&parsed)?;
        let (mut headers, host) = headers(fields)?;
        headers.retain(|name, _| !GOS_OWN.contains(&name.as_str()));
        Ok(Self {
            method: if method.is_empty() { "GET".to_owned() } else { method },
            scheme,
            authority,
            target,
            headers,
            host,
            body: body(context, fields)?,
            timeout: timeout(context, fields)?,
            follows_redirects: flag(fields, "enable_redirect")?.unwrap_or(false),
            retries: retries(fields)?,
            forces_json: strict_flag(fields, "force_json_decode")?,
            forces_yaml: strict_flag(fields, "force_yaml_decode")?,
            tls: tls(fields)?,
        })
    }
}

/// Scheme, authority, path with query.
fn parts(url: &Url) -> Outcome<(String, String, String)> {
    let unreadable = |_| unsupported("the URL is no text");
    let shown = String::from_utf8(url.to_bytes()).map_err(unreadable)?;
    let scheme = shown.split_once(':').map_or("", |(scheme, _)| scheme);
    if scheme == "unix" {
        return Err(unsupported("Unix sockets are not supported"));
    }
    if !matches!(scheme, "http" | "https") {
        return Err(Failure::Network(format!("unsupported protocol scheme {scheme:?}")));
    }
    if url.host.is_empty() {
        return Err(Failure::Network("no Host in request URL".to_owned()));
    }
    let authority = String::from_utf8(url.host.clone()).map_err(unreadable)?;
    let written = shown.get(scheme.len() + 3..).and_then(|rest| rest.split(['/', '?', '#']).next());
    if written.is_some_and(|written| written.contains('@')) {
        return Err(unsupported("a URL with a user is not supported; set the header Authorization"));
    }
    let mut target = String::from_utf8(url.escaped_path()).map_err(unreadable)?;
    if target.is_empty() {
        target.push('/');
    }
    let has_query = shown.split('#').next().is_some_and(|front| front.contains('?'));
    if has_query {
        target = format!("{target}?{}", String::from_utf8(url.raw_query.clone()).map_err(unreadable)?);
    }
    Ok((scheme.to_owned(), authority, target))
}

type Headers = BTreeMap<String, String>;

fn headers(fields: &Object) -> Outcome<(Headers, Option<String>)> {
    let mut headers = Headers::new();
    match field(fields, "headers") {
        None => {}
        Some(Value::Object(given)) => {
            for (name, value) in given.entries() {
                let (Some(name), Some(value)) = (name.as_str(), value.as_str()) else {
                    return Err(internal(format!("invalid type for headers value {value}")));
                };
                if headers.insert(name.to_ascii_lowercase(), value.to_owned()).is_some() {
                    // OPA takes one of them by chance.
                    return Err(unsupported("headers that differ by case only cannot be sent"));
                }
            }
        }
        Some(_) => return Err(internal("invalid type for headers key")),
    }
    let host = headers.remove("host");
    Ok((headers, host))
}

/// The raw body before the one in JSON.
fn body(context: &mut CallContext<'_>, fields: &Object) -> Outcome<Vec<u8>> {
    if let Some(raw) = text(fields, "raw_body")? {
        return Ok(raw.as_bytes().to_vec());
    }
    let Some(body) = field(fields, "body") else { return Ok(Vec::new()) };
    let marshal = lookup("json.marshal").ok_or_else(|| internal("json.marshal is missing"))?;
    let text = (marshal.call)(context, &[body]).map_err(Failure::Stop)?;
    Ok(text.as_str().unwrap_or_default().as_bytes().to_vec())
}

/// Nanoseconds, or a duration as Go writes it. What is not above zero is no bound, as in Go.
fn timeout(context: &mut CallContext<'_>, fields: &Object) -> Outcome<Option<Duration>> {
    let invalid = |value: &Value| internal(format!("invalid timeout value {value}"));
    let nanoseconds = match field(fields, "timeout") {
        None => return Ok(Some(DEFAULT_TIMEOUT)),
        Some(value @ Value::Number(number)) => number.as_i64().ok_or_else(|| invalid(value))?,
        Some(value @ Value::String(text)) => match text.parse::<i64>() {
            Ok(nanoseconds) => nanoseconds,
            Err(_) => {
                let parse = lookup("time.parse_duration_ns").ok_or_else(|| invalid(value))?;
                match (parse.call)(context, &[value]) {
                    Ok(Value::Number(number)) => number.as_i64().ok_or_else(|| invalid(value))?,
                    _ => return Err(invalid(value)),
                }
            }
        },
        Some(_) => return Err(internal("'timeout' must be one of {string, number}")),
    };
    Ok(u64::try_from(nanoseconds).ok().filter(|nanoseconds| *nanoseconds > 0).map(Duration::from_nanos))
}

fn retries(fields: &Object) -> Outcome<u64> {
    match field(fields, "max_retry_attempts") {
        None => Ok(0),
        Some(Value::Number(number)) if number.as_i64().is_some_and(|count| count >= 0) => {
            Ok(number.as_i64().and_then(|count| u64::try_from(count).ok()).unwrap_or_default())
        }
        Some(value) => Err(internal(format!("invalid value {value} for field \"max_retry_attempts\""))),
    }
}

/// Checked though without effect, so that a mistake shows.
fn check_caching(fields: &Object) -> Outcome<()> {
    strict_flag(fields, "cache")?;
    if strict_flag(fields, "force_cache")? {
        let seconds = field(fields, "force_cache_duration_seconds");
        let is_valid = matches!(seconds, Some(Value::Number(number)) if number.to_string().parse::<i32>().is_ok());
        if !is_valid {
            return Err(internal("'force_cache' needs a 'force_cache_duration_seconds' that is an integer"));
        }
    }
    Ok(())
}

fn tls(fields: &Object) -> Outcome<Tls> {
    let source = |name: &str| -> Outcome<Source> {
        let owned = |name: &str| text(fields, name).map(|found| found.unwrap_or_default().to_owned());
        Ok(Source {
            text: owned(name)?,
            file: owned(&format!("{name}_file"))?,
            variable: owned(&format!("{name}_env_variable"))?,
        })
    };
    Ok(Tls {
        authorities: source("tls_ca_cert")?,
        certificate: source("tls_client_cert")?,
        key: source("tls_client_key")?,
        uses_system: flag(fields, "tls_use_system_certs")?,
        skips_verification: flag(fields, "tls_insecure_skip_verify")?.unwrap_or(false),
        server_name: text(fields, "tls_server_name")?.unwrap_or_default().to_owned(),
    })
}

/// A string; OPA strips quotes around it.
fn text<'f>(fields: &'f Object, name: &str) -> Outcome<Option<&'f str>> {
    match field(fields, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim_matches('"'))),
        Some(_) => Err(internal(format!("{name:?} must be a string"))),
    }
}

/// OPA takes 1 and 0 for these, too.
fn flag(fields: &Object, name: &str) -> Outcome<Option<bool>> {
    match field(fields, name) {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(Value::Number(Number::Int(1))) => Ok(Some(true)),
        Some(Value::Number(Number::Int(0))) => Ok(Some(false)),
        Some(value) => Err(internal(format!("{name:?} must be a boolean but is {value}"))),
    }
}

fn strict_flag(fields: &Object, name: &str) -> Outcome<bool> {
    match field(fields, name) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(internal(format!("invalid value for {name:?} field"))),
    }
}
