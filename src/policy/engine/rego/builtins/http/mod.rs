//! `http.send`, as OPA sends: for policies that were allowed to by name only.
//!
//! Guarantees: a request ends by the evaluation's deadline, whatever `timeout` says; equal requests of one evaluation are
//! sent once where OPA does so, and nothing is kept beyond the evaluation. What OPA could answer and this cannot (a Unix
//! socket, a body without end) stops the evaluation, so that it never looks like an error of the server.
//!
//! Different from OPA: the texts of errors, `User-Agent`, the reason in `status`, which is the standard one, and that
//! HTTP/2 is not spoken.

mod request;
mod response;
mod tls;
mod transport;

use std::thread;
use std::time::Duration;

use super::operands::{object, undefined};
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::{Object, Value};
use request::Request;

const NAME: &str = "http.send";

pub(super) const TABLE: &[Builtin] = &[Builtin { name: NAME, arity: 1, call: send }];

/// The wait before the first retry; it doubles from one to the next.
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// Answers that OPA keeps for equal requests of one query.
const CACHEABLE: [u16; 11] = [200, 203, 204, 206, 300, 301, 404, 405, 410, 414, 501];

/// Why there is no answer.
#[derive(Debug)]
enum Failure {
    /// The server could not be asked.
    Network(String),
    /// The request is wrong, or the answer broke off.
    Internal(String),
    /// The evaluation must stop.
    Stop(BuiltinError),
}

type Outcome<T> = Result<T, Failure>;

fn send(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let fields = object(operands, 0)?;
    let raises = match field(fields, "raise_error") {
        None => true,
        Some(Value::Bool(raises)) => *raises,
        Some(_) => return Err(undefined("invalid value for raise_error field")),
    };
    match answer(context, fields) {
        Ok(value) => Ok(value),
        Err(Failure::Stop(stop)) => Err(stop),
        Err(Failure::Network(text) | Failure::Internal(text)) if raises => Err(undefined(text)),
        Err(failure) => Ok(failure.to_value()),
    }
}

fn answer(context: &mut CallContext<'_>, fields: &Object) -> Outcome<Value> {
    request::check_keys(fields)?;
    let key = request::cache_key(fields)?;
    if let Some(known) = context.caches.recall(NAME, &key) {
        return from_memory(&known);
    }
    let request = Request::parse(context, fields)?;
    let sent = match send_with_retries(context, &request) {
        Ok(sent) => sent,
        Err(failure) => {
            if let Failure::Network(text) = &failure {
                remember(context, &key, Value::string(text))?;
            }
            return Err(failure);
        }
    };
    let is_cacheable = CACHEABLE.contains(&sent.code);
    let value = response::to_value(context, sent, &request)?;
    if is_cacheable {
        remember(context, &key, value.clone())?;
    }
    Ok(value)
}

/// An answer is kept as itself, an error of the network as its text.
fn from_memory(known: &Value) -> Outcome<Value> {
    match known.as_str() {
        Some(text) => Err(Failure::Network(text.to_owned())),
        None => Ok(known.clone()),
    }
}

fn remember(context: &mut CallContext<'_>, key: &Value, value: Value) -> Outcome<()> {
    super::arguments::charge_text(context, key, 0).map_err(Failure::Stop)?;
    context.caches.remember(NAME, key, value);
    Ok(())
}

fn send_with_retries(context: &mut CallContext<'_>, request: &Request) -> Outcome<response::Received> {
    let mut delay = FIRST_DELAY;
    for left in (0..=request.retries).rev() {
        let sent = transport::send(request, context.budget.remaining_time());
        // A deadline that passed is never told as an error of the server.
        context.budget.check_time().map_err(Failure::Stop)?;
        match sent {
            Err(Failure::Network(_)) if left > 0 => {
                thread::sleep(context.budget.remaining_time().map_or(delay, |remaining| delay.min(remaining)));
                delay = LONGEST_DELAY.min(delay * 2);
            }
            sent => return sent,
        }
    }
    Err(internal("no attempt was made"))
}

impl Failure {
    /// The answer for `raise_error: false`.
    fn to_value(&self) -> Value {
        let (code, message) = match self {
            Self::Network(text) => ("eval_http_send_network_error", text.clone()),
            Self::Internal(text) => ("eval_http_send_internal_error", text.clone()),
            Self::Stop(stop) => ("eval_http_send_internal_error", format!("{stop:?}")),
        };
        let error = [("code", Value::from(code)), ("message", Value::from(message))];
        let error = Value::object(error.into_iter().map(|(key, value)| (Value::from(key), value)).collect());
        Value::object(vec![(Value::from("status_code"), Value::from(0_i64)), (Value::from("error"), error)])
    }
}

fn field<'f>(fields: &'f Object, name: &str) -> Option<&'f Value> {
    fields.get(&Value::from(name))
}

fn internal(text: impl Into<String>) -> Failure {
    Failure::Internal(format!("eval_builtin_error: {NAME}: {}", text.into()))
}

/// OPA would have an answer.
fn unsupported(what: &str) -> Failure {
    Failure::Stop(BuiltinError::Halt(format!("{NAME}: {what}")))
}
