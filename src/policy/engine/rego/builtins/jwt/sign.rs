//! `io.jwt.encode_sign` and `io.jwt.encode_sign_raw`.
//!
//! ECDSA and PSS signatures are different each time in OPA, so that only their validity can be equal.

use super::super::base64::{Alphabet, encode_without_padding};
use super::super::keys::rsa::Padding;
use super::super::keys::{PrivateKey, PublicKey};
use super::super::operands::{any, string, undefined};
use super::super::x509::KEY_OPERATION;
use super::super::{Builtin, BuiltinError, CallContext, lookup};
use super::jwk::{Material, is_token_algorithm, parse_keys};
use super::verify::{Scheme, hmac_key};
use crate::policy::engine::rego::value::{NumberMode, Value, parse_json};
use ring::hmac;
use ring::signature::Ed25519KeyPair;

pub(in super::super) const TABLE: &[Builtin] = &[
    Builtin { name: "io.jwt.encode_sign", arity: 3, call: encode_sign },
    Builtin { name: "io.jwt.encode_sign_raw", arity: 3, call: encode_sign_raw },
];

type Answer = Result<Value, BuiltinError>;

fn encode_sign(context: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let mut texts = Vec::new();
    for position in 0..3 {
        texts.push(json_of(context, any(operands, position)?)?);
    }
    let [header, payload, key] = texts.as_slice() else { return Err(undefined("expected three operands")) };
    sign_token(context, header, payload, key)
}

fn encode_sign_raw(context: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let (header, payload, key) = (string(operands, 0)?, string(operands, 1)?, string(operands, 2)?);
    sign_token(context, header, payload, key)
}

fn json_of(context: &mut CallContext<'_>, value: &Value) -> Result<String, BuiltinError> {
    let marshal = lookup("json.marshal").ok_or_else(|| undefined("json.marshal is missing"))?;
    let text = (marshal.call)(context, &[value])?;
    Ok(text.as_str().unwrap_or_default().to_owned())
}

fn sign_token(context: &mut CallContext<'_>, header: &str, payload: &str, key: &str) -> Answer {
    context.budget.allocate(2 * (header.len() + payload.len()) as u64)?;
    context.budget.charge(2 * KEY_OPERATION)?;
    let keys = parse_keys(context, key)?;
    let key = keys.first().ok_or_else(|| undefined("no keys found in JWK set"))?;
    let object = parse_json(header, NumberMode::AsWritten).map_err(|_| undefined("the header is not JSON"))?;
    let field = |name: &str| object.get(&Value::from(name)).and_then(Value::as_str);
    let algorithm = field("alg").ok_or_else(|| undefined("missing or invalid 'alg' header"))?;
    let scheme = Scheme::from_name(algorithm).filter(|_| is_token_algorithm(algorithm));
    let scheme = scheme.ok_or_else(|| undefined(format!("unknown JWS algorithm: {algorithm}")))?;
    let is_token = matches!(field("typ"), None | Some("JWT"));
    if is_token && parse_json(payload, NumberMode::AsWritten).is_err() {
        return Err(undefined("type is JWT but payload is not JSON"));
    }
    let encode = |bytes: &[u8]| encode_without_padding(bytes, Alphabet::Url);
    let signed = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
    let signature = signature_of(scheme, &key.material, signed.as_bytes())?;
    Ok(Value::string(format!("{signed}.{}", encode(&signature))))
}

fn signature_of(scheme: Scheme, key: &Material, message: &[u8]) -> Result<Vec<u8>, BuiltinError> {
    let invalid = || undefined("the key does not fit the algorithm");
    let key = match (scheme, key) {
        (Scheme::Hmac(hash), Material::Octets(secret)) if !secret.is_empty() => {
            return Ok(hmac::sign(&hmac_key(hash, secret), message).as_ref().to_vec());
        }
        // OPA takes the bytes of such a key for a secret.
        (Scheme::Hmac(_), Material::Private(PublicKey::Ed25519(_), _) | Material::Public(PublicKey::Ed25519(_))) => {
            return Err(BuiltinError::Halt("an Ed25519 key is not supported as a secret".to_owned()));
        }
        (_, Material::Private(public, secret)) => secret.checked(public).ok_or_else(invalid)?,
        _ => return Err(invalid()),
    };
    match (scheme, &key) {
        (Scheme::Rsa(hash), PrivateKey::Rsa(key)) => key.sign(hash, Padding::Pkcs1, message),
        (Scheme::Pss(hash), PrivateKey::Rsa(key)) => key.sign(hash, Padding::Pss(Some(hash.length())), message),
        (Scheme::Ecdsa(hash), PrivateKey::Ecdsa { secret, public }) => {
            public.curve.sign(secret, &hash.of(message)).ok_or_else(invalid)
        }
        (Scheme::Ed25519, PrivateKey::Ed25519 { seed, .. }) => {
            let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| invalid())?;
            Ok(pair.sign(message).as_ref().to_vec())
        }
        _ => Err(invalid()),
    }
}
