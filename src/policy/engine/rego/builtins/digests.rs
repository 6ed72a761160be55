//! `crypto.md5`, `crypto.sha1`, `crypto.sha256` and `crypto.hmac.*`.

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use ring::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256, HMAC_SHA512};

use super::encoding::hex_of_bytes;
use super::md5::{BLOCK, md5};
use super::operands::string;
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "crypto.hmac.equal", arity: 2, call: equal },
    Builtin { name: "crypto.hmac.md5", arity: 2, call: hmac_md5 },
    Builtin { name: "crypto.hmac.sha1", arity: 2, call: hmac_sha1 },
    Builtin { name: "crypto.hmac.sha256", arity: 2, call: hmac_sha256 },
    Builtin { name: "crypto.hmac.sha512", arity: 2, call: hmac_sha512 },
    Builtin { name: "crypto.md5", arity: 1, call: md5_of },
    Builtin { name: "crypto.sha1", arity: 1, call: sha1_of },
    Builtin { name: "crypto.sha256", arity: 1, call: sha256_of },
];

type Answer = Result<Value, BuiltinError>;

fn md5_of(context: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let message = message(context, operands)?;
    Ok(hex(&md5(message)))
}

fn sha1_of(context: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let message = message(context, operands)?;
    Ok(hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, message).as_ref()))
}

fn sha256_of(context: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let message = message(context, operands)?;
    Ok(hex(digest(&SHA256, message).as_ref()))
}

fn hmac_md5(context: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let message = message(context, operands)?;
    let key = string(operands, 1)?.as_bytes();
    let mut block = if key.len() > BLOCK { md5(key).to_vec() } else { key.to_vec() };
    block.resize(BLOCK, 0);
    let padded =
        |pad: u8, rest: &[u8]| block.iter().map(|byte| byte ^ pad).chain(rest.iter().copied()).collect::<Vec<u8>>();
    let inner = md5(&padded(0x36, message));
    Ok(hex(&md5(&padded(0x5c, &inner))))
}

fn hmac_sha1(context: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    sign(HMAC_SHA1_FOR_LEGACY_USE_ONLY, context, operands)
}

fn hmac_sha256(context: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    sign(HMAC_SHA256, context, operands)
}

fn hmac_sha512(context: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    sign(HMAC_SHA512, context, operands)
}

fn sign(algorithm: hmac::Algorithm, context: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let message = message(context, operands)?;
    let key = hmac::Key::new(algorithm, string(operands, 1)?.as_bytes());
    Ok(hex(hmac::sign(&key, message).as_ref()))
}

/// Takes as long for texts that differ early as for those that differ late.
fn equal(_: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let (one, other) = (string(operands, 0)?.as_bytes(), string(operands, 1)?.as_bytes());
    let difference = one.iter().zip(other).fold(0, |difference, (one, other)| difference | (one ^ other));
    Ok(Value::Bool(one.len() == other.len() && difference == 0))
}

fn message<'a>(context: &mut CallContext<'_>, operands: &[&'a Value]) -> Result<&'a [u8], BuiltinError> {
    let message = string(operands, 0)?.as_bytes();
    context.budget.charge(message.len() as u64)?;
    Ok(message)
}

fn hex(bytes: &[u8]) -> Value {
    Value::string(hex_of_bytes(bytes))
}
