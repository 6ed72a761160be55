//! `format`: what Go's library takes for a date, an address, a URL. A format that is not known says nothing.

use std::net::IpAddr;

use crate::policy::engine::rego::builtins::json_schema::url::Url;
use crate::policy::engine::rego::builtins::{BuiltinError, CallContext, time_parse};

const HOST_NAME: &str = r"^([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9\-]{0,61}[a-zA-Z0-9])(\.([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9\-]{0,61}[a-zA-Z0-9]))*$";

const UUID: &str = "^(?i)[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}$";

const POINTER: &str = "^(?:/(?:[^~/]|~0|~1)*)*$";

const RELATIVE_POINTER: &str = "^(?:0|[1-9][0-9]*)(?:#|(?:/(?:[^~/]|~0|~1)*)*)$";

/// Braces of a template, each pair closed.
const URL_TEMPLATE: &str = "^([^{]*({[^}]*})?)*$";

const TIMES: [&str; 2] = ["15:04:05Z07:00", "15:04:05"];

const DATE: &str = "2006-01-02";

const MOMENT: &str = "2006-01-02T15:04:05Z07:00";

pub(super) fn matches(context: &mut CallContext<'_>, format: &str, text: &str) -> Result<bool, BuiltinError> {
    let is_time = |layouts: &[&str]| layouts.iter().any(|layout| time_parse::parse(layout, text).is_ok());
    let address = || text.parse::<IpAddr>().is_ok();
    let url = || Url::parse(text).ok().filter(|_| !text.contains('\\'));
    Ok(match format {
        "date" => is_time(&[DATE]),
        "time" => is_time(&TIMES),
        "date-time" => is_time(&TIMES) || is_time(&[DATE, MOMENT]),
        "hostname" => context.caches.regex(HOST_NAME)?.is_match(text) && text.len() < 256,
        "email" | "idn-email" => is_mail_address(text)?,
        "ipv4" => address() && text.contains('.'),
        "ipv6" => address() && text.contains(':'),
        "uri" | "iri" => url().is_some_and(|url| !url.scheme.is_empty()),
        "uri-reference" | "iri-reference" => url().is_some(),
        "uri-template" => match url() {
            Some(url) => context.caches.regex(URL_TEMPLATE)?.is_match(&url.path()),
            None => false,
        },
        "uuid" => context.caches.regex(UUID)?.is_match(text),
        "regex" => context.caches.regex(text).is_ok(),
        "json-pointer" => context.caches.regex(POINTER)?.is_match(text),
        "relative-json-pointer" => context.caches.regex(RELATIVE_POINTER)?.is_match(text),
        _ => true,
    })
}

/// Of the addresses of RFC 5322 the plain ones. Names, comments, quotes and groups around them stop the evaluation.
fn is_mail_address(text: &str) -> Result<bool, BuiltinError> {
    if !text.contains('@') {
        return Ok(false);
    }
    let text = text.trim_matches([' ', '\t']);
    if text.chars().any(|character| " \"(<[;\\".contains(character) || character.is_control()) {
        return Err(BuiltinError::Halt(format!("json schema: cannot tell whether {text:?} is an email address")));
    }
    // These stand in what is halted above, if anywhere.
    if text.contains([',', ':', ')', '>', ']']) {
        return Ok(false);
    }
    let is_dotted = |part: &str| part.split('.').all(|atom| !atom.is_empty());
    let parts = text.split_once('@').filter(|(_, domain)| !domain.contains('@'));
    Ok(parts.is_some_and(|(local, domain)| is_dotted(local) && is_dotted(domain)))
}
