//! `net.lookup_ip_addr`: addresses of a name, by the system's resolver. For policies that were allowed to by name only.
//!
//! Guarantees: asks once for each name in an evaluation, and waits no longer than the evaluation's deadline; a lookup that
//! is given up goes on in a thread of its own until the system ends it.

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use super::operands::{string, undefined};
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::Value;

const NAME: &str = "net.lookup_ip_addr";

pub(super) const TABLE: &[Builtin] = &[Builtin { name: NAME, arity: 1, call: addresses }];

fn addresses(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let name = string(operands, 0)?;
    let key = Value::string(name);
    if let Some(known) = context.caches.recall(NAME, &key) {
        return Ok(known);
    }
    let found = match name.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) if name.contains('%') => return Err(halt("an address with a zone is not supported")),
        Err(_) if is_no_name(name) => return Err(undefined(format!("lookup {name}: no such host"))),
        Err(_) => ask(context, name)?,
    };
    let found = Value::set(found.into_iter().map(|address| Value::from(address.to_canonical().to_string())).collect());
    context.budget.allocate(found.to_string().len() as u64)?;
    context.caches.remember(NAME, &key, found.clone());
    Ok(found)
}

/// What systems take for an address, such as `127.1`, and Go does not.
fn is_no_name(name: &str) -> bool {
    let is_number = |label: &str| match label.strip_prefix("0x").or(label.strip_prefix("0X")) {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    };
    name.is_empty() || name.contains(':') || name.split('.').all(is_number)
}

fn ask(context: &mut CallContext<'_>, name: &str) -> Result<Vec<IpAddr>, BuiltinError> {
    let (answer, waiting) = mpsc::sync_channel(1);
    let owned = name.to_owned();
    let lookup = move || {
        let found = (owned.as_str(), 0).to_socket_addrs();
        // Nobody waits any more: nobody to tell.
        let _ = answer.send(found.map(|found| found.map(|address| address.ip()).collect::<Vec<_>>()));
    };
    thread::Builder::new().name("lookup".to_owned()).spawn(lookup).map_err(|error| halt(&error.to_string()))?;
    let found = match context.budget.remaining_time() {
        Some(remaining) => waiting.recv_timeout(remaining),
        None => waiting.recv().map_err(|_| RecvTimeoutError::Disconnected),
    };
    context.budget.check_time()?;
    match found {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(undefined(format!("lookup {name}: {error}"))),
        Err(error) => Err(halt(&error.to_string())),
    }
}

fn halt(text: &str) -> BuiltinError {
    BuiltinError::Halt(format!("{NAME}: {text}"))
}
