//! An answer as a document.

use std::collections::BTreeMap;

use ureq::http::StatusCode;

use super::super::operands::text_of_bytes;
use super::super::yaml_read::{Fault, read};
use super::super::{BuiltinError, CallContext};
use super::request::Request;
use super::{Failure, Outcome, unsupported};
use crate::policy::engine::rego::value::{NumberMode, Value, parse_json};

/// What came back.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) code: u16,
    /// By lower-case name, in the order of their arrival.
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

/// Headers that Go takes for itself.
const GOS_OWN: [&str; 2] = ["trailer", "transfer-encoding"];

pub(super) fn to_value(context: &mut CallContext<'_>, received: Received, request: &Request) -> Outcome<Value> {
    let size = received.headers.iter().map(|(name, value)| name.len() + value.len() + 64).sum::<usize>();
    // `[[[…` makes the most of each byte.
    context.budget.allocate((size + received.body.len().saturating_mul(32)) as u64).map_err(Failure::Stop)?;
    let is_encoded =
        header(&received, "content-encoding").is_some_and(|encoding| encoding.eq_ignore_ascii_case("gzip"));
    if is_encoded && !request.headers.contains_key("accept-encoding") && !received.body.is_empty() {
        return Err(unsupported("the server sent a compressed body without being asked to"));
    }
    let content_type = header(&received, "content-type").unwrap_or_default();
    let is_text = std::str::from_utf8(&received.body).is_ok();
    let raw = text_of_bytes(received.body);
    let text = raw.as_str().unwrap_or_default();
    let body = if request.forces_json || is_json(&content_type) {
        first_json(text)
    } else if request.forces_yaml
        || ["application/yaml", "application/x-yaml"].iter().any(|one| content_type.contains(one))
    {
        yaml(context, text, is_text)?
    } else {
        Value::Null
    };
    let mut headers: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (name, value) in received.headers {
        if !GOS_OWN.contains(&name.as_str()) {
            headers.entry(name).or_default().push(text_of_bytes(value));
        }
    }
    let headers = headers.into_iter().map(|(name, values)| (Value::from(name), Value::array(values))).collect();
    let status = format!("{} {}", received.code, reason(received.code)).trim_end().to_owned();
    let fields = [
        ("body", body),
        ("headers", Value::object(headers)),
        ("raw_body", raw.clone()),
        ("status", Value::from(status)),
        ("status_code", Value::from(i64::from(received.code))),
    ];
    Ok(Value::object(fields.into_iter().map(|(key, value)| (Value::from(key), value)).collect()))
}

/// What the code means. The server's own words are not known.
fn reason(code: u16) -> &'static str {
    match code {
        203 => "Non-Authoritative Information",
        413 => "Request Entity Too Large",
        414 => "Request URI Too Long",
        416 => "Requested Range Not Satisfiable",
        _ => StatusCode::from_u16(code).ok().and_then(|status| status.canonical_reason()).unwrap_or_default(),
    }
}

fn header(received: &Received, name: &str) -> Option<String> {
    let found = received.headers.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
}

/// The first value of a text: as in OPA, what follows it is an error that nobody hears of. Null where there is none.
fn first_json(text: &str) -> Value {
    let read = |text: &str| parse_json(text, NumberMode::AsWritten);
    read(text).or_else(|error| read(text.get(..error.offset).unwrap_or_default())).unwrap_or(Value::Null)
}

/// YAML has to be UTF-8; JSON, which is looked for first, has not.
fn yaml(context: &mut CallContext<'_>, text: &str, is_text: bool) -> Outcome<Value> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Ok(value) = parse_json(text, NumberMode::AsWritten) {
        return Ok(value);
    }
    if !is_text {
        return Ok(Value::Null);
    }
    match read(text, context) {
        Ok(value) => Ok(value),
        Err(Fault::Text(_) | Fault::Stop(BuiltinError::Undefined(_))) => Ok(Value::Null),
        Err(Fault::Stop(stop)) => Err(Failure::Stop(stop)),
    }
}

/// `application/json` or `application/…+json`, with parameters that are well-formed.
fn is_json(content_type: &str) -> bool {
    let (media, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let media = media.trim().to_ascii_lowercase();
    let Some(kind) = media.strip_prefix("application/") else { return false };
    let is_kind = (kind == "json" || kind.ends_with("+json")) && is_token(kind);
    is_kind && has_valid_parameters(parameters)
}

/// Names are unique, and each has a value; nothing behind the last semicolon is fine.
fn has_valid_parameters(text: &str) -> bool {
    let mut names: Vec<String> = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let Some((name, after)) = rest.split_once('=') else { return false };
        let (name, after) = (name.trim().to_ascii_lowercase(), after.trim_start());
        let Some(end) = value_end(after) else { return false };
        if !is_token(&name) || names.contains(&name) {
            return false;
        }
        names.push(name);
        let after = after.get(end..).unwrap_or_default().trim_start();
        match after.strip_prefix(';') {
            Some(after) => rest = after.trim_start(),
            None if after.is_empty() => break,
            None => return false,
        }
    }
    true
}

/// Where a token or a quoted text ends; nothing when there is none.
fn value_end(text: &str) -> Option<usize> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|character: char| character == ';' || character.is_whitespace()).unwrap_or(text.len());
        return is_token(text.get(..end)?).then_some(end);
    };
    let mut is_escaped = false;
    for (offset, character) in quoted.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return Some(offset + 2),
            _ => {}
        }
    }
    None
}

fn is_token(text: &str) -> bool {
    let is_special = |byte: u8| b"()<>@,;:\\\"/[]?=".contains(&byte);
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !is_special(byte))
}
