//! `io.jwt.verify_{rs,ps,es}*`, `io.jwt.verify_eddsa` and `io.jwt.decode_verify`.
//!
//! The functions named for an algorithm take any key of its family, whatever curve it is on, and do not look at the
//! header's `alg` unless the key of a set names one. `decode_verify` goes by the header.

use num_bigint::BigUint;

use super::super::keys::public::verify_ed25519;
use super::super::keys::rsa::Padding;
use super::super::keys::{Hash, PublicKey};
use super::super::operands::{any, object, string, undefined};
use super::super::x509::{KEY_OPERATION, public_key_of};
use super::super::{Builtin, BuiltinError, CallContext, pem};
use super::jwk::{Jwk, Material, is_token_algorithm, parse_keys};
use super::{Header, Token, decoded, decoded_text, json_object};
use crate::policy::engine::rego::value::{Number, Object, Value};
use ring::hmac;

pub(in super::super) const TABLE: &[Builtin] = &[
    Builtin { name: "io.jwt.decode_verify", arity: 2, call: decode_verify },
    Builtin { name: "io.jwt.verify_eddsa", arity: 2, call: |c, o| verify(Scheme::Ed25519, c, o) },
    Builtin { name: "io.jwt.verify_es256", arity: 2, call: |c, o| verify(Scheme::Ecdsa(Hash::Sha256), c, o) },
    Builtin { name: "io.jwt.verify_es384", arity: 2, call: |c, o| verify(Scheme::Ecdsa(Hash::Sha384), c, o) },
    Builtin { name: "io.jwt.verify_es512", arity: 2, call: |c, o| verify(Scheme::Ecdsa(Hash::Sha512), c, o) },
    Builtin { name: "io.jwt.verify_ps256", arity: 2, call: |c, o| verify(Scheme::Pss(Hash::Sha256), c, o) },
    Builtin { name: "io.jwt.verify_ps384", arity: 2, call: |c, o| verify(Scheme::Pss(Hash::Sha384), c, o) },
    Builtin { name: "io.jwt.verify_ps512", arity: 2, call: |c, o| verify(Scheme::Pss(Hash::Sha512), c, o) },
    Builtin { name: "io.jwt.verify_rs256", arity: 2, call: |c, o| verify(Scheme::Rsa(Hash::Sha256), c, o) },
    Builtin { name: "io.jwt.verify_rs384", arity: 2, call: |c, o| verify(Scheme::Rsa(Hash::Sha384), c, o) },
    Builtin { name: "io.jwt.verify_rs512", arity: 2, call: |c, o| verify(Scheme::Rsa(Hash::Sha512), c, o) },
];

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Rsa(Hash),
    Pss(Hash),
    Ecdsa(Hash),
    Hmac(Hash),
    Ed25519,
}

impl Scheme {
    /// By the `alg` of a header.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        if name == "EdDSA" {
            return Some(Self::Ed25519);
        }
        let (family, size) = name.split_at_checked(2)?;
        let hash = match size {
            "256" => Hash::Sha256,
            "384" => Hash::Sha384,
            "512" => Hash::Sha512,
            _ => return None,
        };
        match family {
            "RS" => Some(Self::Rsa(hash)),
            "PS" => Some(Self::Pss(hash)),
            "ES" => Some(Self::Ecdsa(hash)),
            "HS" => Some(Self::Hmac(hash)),
            _ => None,
        }
    }
}

type Answer = Result<Value, BuiltinError>;

fn verify(scheme: Scheme, context: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let (text, keys) = (string(operands, 0)?, string(operands, 1)?);
    context.budget.charge(text.len() as u64)?;
    let token = Token::parse(text)?;
    let keys = keys_of(context, keys)?;
    let signature = decoded(token.signature)?;
    let header = Header::parse(&token.header_object()?)?;
    let by_function = |key: &Material| match key {
        Material::Public(key) => matches(scheme, key, token.signed.as_bytes(), &signature, Laxity::Function),
        Material::Private(..) | Material::Octets(_) | Material::Useless => Ok(false),
    };
    Ok(Value::Bool(some_key(context, &keys, &header, by_function)?))
}

/// The keys of a certificate, a public key in PEM, or a JSON Web Key (Set).
fn keys_of(context: &mut CallContext<'_>, text: &str) -> Result<Vec<Jwk>, BuiltinError> {
    context.budget.charge(text.len() as u64)?;
    let Some((block, rest)) = pem::decode(text.as_bytes()) else {
        let keys = parse_keys(context, text)?;
        let is_known = |key: &Jwk| key.algorithm.is_empty() || is_token_algorithm(&key.algorithm);
        return Ok(keys.into_iter().filter(is_known).collect());
    };
    if !rest.is_empty() {
        return Err(undefined("extra data after a PEM certificate block"));
    }
    let key = public_key_of(&block)?;
    let material = key.map_or(Material::Useless, Material::Public);
    Ok(vec![Jwk { algorithm: String::new(), id: String::new(), material }])
}

/// Whether the key that the header names is the right one, or any that may be when it names none of these.
fn some_key(
    context: &mut CallContext<'_>,
    keys: &[Jwk],
    header: &Header,
    check: impl Fn(&Material) -> Result<bool, BuiltinError>,
) -> Result<bool, BuiltinError> {
    if let Some(key) = keys.iter().find(|key| !header.id.is_empty() && key.id == header.id) {
        context.budget.charge(KEY_OPERATION)?;
        return check(&key.material);
    }
    for key in keys.iter().filter(|key| key.algorithm.is_empty() || key.algorithm == header.algorithm) {
        context.budget.charge(KEY_OPERATION)?;
        if check(&key.material)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What the functions named for an algorithm take and `decode_verify` does not: salts of any length, ECDSA signatures of
/// any length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Laxity {
    Function,
    Header,
}

fn matches(
    scheme: Scheme,
    key: &PublicKey,
    message: &[u8],
    signature: &[u8],
    laxity: Laxity,
) -> Result<bool, BuiltinError> {
    match (scheme, key) {
        (Scheme::Rsa(hash), PublicKey::Rsa(key)) => key.verify(hash, Padding::Pkcs1, &hash.of(message), signature),
        (Scheme::Pss(hash), PublicKey::Rsa(key)) => {
            let salt = (laxity == Laxity::Header).then_some(hash.length());
            key.verify(hash, Padding::Pss(salt), &hash.of(message), signature)
        }
        (Scheme::Ecdsa(hash), PublicKey::Ecdsa(key)) => {
            let (r, s) = signature.split_at(signature.len() / 2);
            let has_size = laxity == Laxity::Function || signature.len() == 2 * key.curve.size();
            let [r, s] = [r, s].map(BigUint::from_bytes_be);
            Ok(has_size && key.verify(&hash.of(message), &r, &s))
        }
        (Scheme::Ed25519, PublicKey::Ed25519(key)) if key.len() != 32 && laxity == Laxity::Header => {
            Err(BuiltinError::Halt(format!("an Ed25519 key has 32 bytes, found {}", key.len())))
        }
        (Scheme::Ed25519, PublicKey::Ed25519(key)) => Ok(verify_ed25519(key, message, signature)),
        _ => Ok(false),
    }
}

/// As [`matches`], with secrets, and by the public half of private keys.
fn matches_header(algorithm: &str, key: &Material, message: &[u8], signature: &[u8]) -> Result<bool, BuiltinError> {
    let Some(scheme) = Scheme::from_name(algorithm) else { return Ok(false) };
    match (scheme, key) {
        (Scheme::Hmac(hash), Material::Octets(secret)) if !secret.is_empty() => {
            Ok(hmac::verify(&hmac_key(hash, secret), message, signature).is_ok())
        }
        (_, Material::Public(key) | Material::Private(key, _)) => {
            matches(scheme, key, message, signature, Laxity::Header)
        }
        (_, Material::Octets(_) | Material::Useless) => Ok(false),
    }
}

pub(super) fn hmac_key(hash: Hash, secret: &[u8]) -> hmac::Key {
    let algorithm = match hash {
        Hash::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => hmac::HMAC_SHA256,
        Hash::Sha384 => hmac::HMAC_SHA384,
        Hash::Sha512 => hmac::HMAC_SHA512,
    };
    hmac::Key::new(algorithm, secret)
}

/// What a token must meet.
struct Constraints {
    keys: Vec<Jwk>,
    algorithm: String,
    issuer: String,
    audience: String,
    /// In nanoseconds since 1970.
    time: f64,
}

impl Constraints {
    fn parse(context: &mut CallContext<'_>, object: &Object) -> Result<Self, BuiltinError> {
        let text = |name: &str| match object.get(&Value::from(name)) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.to_string()),
            Some(_) => Err(undefined(format!("{name} constraint: must be a string"))),
        };
        let is_known = |key: &Value| {
            key.as_str().is_some_and(|key| ["cert", "secret", "alg", "iss", "aud", "time"].contains(&key))
        };
        if let Some((key, _)) = object.entries().iter().find(|(key, _)| !is_known(key)) {
            return Err(undefined(format!("unknown token validation constraint: {key}")));
        }
        let secret = text("secret")?;
        let has_certificate = object.get(&Value::from("cert")).is_some();
        let certificate = text("cert")?;
        let keys = match (has_certificate, secret.is_empty()) {
            (true, true) => keys_of(context, &certificate)?,
            (false, false) => {
                let material = Material::Octets(secret.into_bytes());
                vec![Jwk { algorithm: String::new(), id: String::new(), material }]
            }
            (true, false) => return Err(undefined("duplicate key constraints")),
            (false, true) => return Err(undefined("no key constraint")),
        };
        let time = match object.get(&Value::from("time")) {
            None => context.now_ns as f64,
            Some(Value::Number(number)) => {
                number.to_f64().ok_or_else(|| undefined("token time constraint: invalid float64"))?
            }
            Some(_) => return Err(undefined("token time constraint: must be a number")),
        };
        if time < 0.0 {
            return Err(undefined("token time constraint: must not be negative"));
        }
        Ok(Self { keys, algorithm: text("alg")?, issuer: text("iss")?, audience: text("aud")?, time })
    }

    fn verify(&self, context: &mut CallContext<'_>, header: &Header, token: &Token<'_>) -> Result<bool, BuiltinError> {
        let signature = decoded(token.signature)?;
        let check = |key: &Material| matches_header(&header.algorithm, key, token.signed.as_bytes(), &signature);
        some_key(context, &self.keys, header, check)
    }

    /// Whether the registered claims meet the constraints.
    fn allow(&self, payload: &Value) -> Result<bool, BuiltinError> {
        let claim = |name: &str| payload.get(&Value::from(name));
        if !self.issuer.is_empty() {
            match claim("iss") {
                Some(Value::String(issuer)) if **issuer == *self.issuer => {}
                None | Some(Value::String(_)) => return Ok(false),
                Some(_) => return Err(BuiltinError::Halt("the issuer of a token must be a string".to_owned())),
            }
        }
        let is_audience = |value: &Value| value.as_str() == Some(&self.audience);
        let has_audience = match claim("aud") {
            None => self.audience.is_empty(),
            Some(Value::Array(all)) => all.iter().any(is_audience),
            Some(one) => is_audience(one),
        };
        if !has_audience {
            return Ok(false);
        }
        let now = Value::Number(Number::Float(self.time / 1e9));
        let ends = time_claim(claim("exp"), "exp")?.is_none_or(|end| now < *end);
        Ok(ends && time_claim(claim("nbf"), "nbf")?.is_none_or(|start| now >= *start))
    }
}

fn time_claim<'a>(claim: Option<&'a Value>, name: &str) -> Result<Option<&'a Value>, BuiltinError> {
    match claim {
        None | Some(Value::Number(_)) => Ok(claim),
        Some(_) => Err(undefined(format!("{name} value must be a number"))),
    }
}

fn decode_verify(context: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let empty = || Value::object(Vec::new());
    let unverified = || Ok(Value::array(vec![Value::Bool(false), empty(), empty()]));
    any(operands, 0)?;
    let constraints = Constraints::parse(context, object(operands, 1)?)?;
    let mut text = string(operands, 0)?.to_owned();
    // Each turn is shorter than the one before by a quarter at least.
    loop {
        context.budget.charge(text.len() as u64)?;
        let token = Token::parse(&text)?;
        let object = token.header_object()?;
        let header = Header::parse(&object)?;
        let has_algorithm = constraints.algorithm.is_empty() || constraints.algorithm == header.algorithm;
        if !header.is_valid() || !has_algorithm || !constraints.verify(context, &header, &token)? {
            return unverified();
        }
        let payload = decoded_text(token.payload)?;
        if header.content.to_lowercase() == "jwt" {
            text = payload;
            continue;
        }
        let payload = json_object(&payload)?;
        if !constraints.allow(&payload)? {
            return unverified();
        }
        return Ok(Value::array(vec![Value::Bool(true), object, payload]));
    }
}
