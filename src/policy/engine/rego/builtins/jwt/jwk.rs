//! JSON Web Keys and sets of them, as the library behind OPA reads them.
//!
//! A set with one broken key is broken as a whole. Whether a point is on its curve and whether numbers fit each other
//! shows only when a key is used.

use num_bigint::BigUint;

use super::super::base64::{self, Alphabet};
use super::super::keys::curves::{Curve, Point};
use super::super::keys::rsa::{RsaPrivate, RsaPublic};
use super::super::keys::{PrivateKey, PublicKey};
use super::super::operands::undefined;
use super::super::{BuiltinError, CallContext};
use crate::policy::engine::rego::value::{NumberMode, Object, Value, parse_json};

/// Algorithms that the library knows and OPA does not sign with.
const OTHER_ALGORITHMS: [&str; 27] = [
    "ES256K",
    "none",
    "A128GCMKW",
    "A128KW",
    "A192GCMKW",
    "A192KW",
    "A256GCMKW",
    "A256KW",
    "dir",
    "ECDH-ES",
    "ECDH-ES+A128KW",
    "ECDH-ES+A192KW",
    "ECDH-ES+A256KW",
    "PBES2-HS256+A128KW",
    "PBES2-HS384+A192KW",
    "PBES2-HS512+A256KW",
    "RSA1_5",
    "RSA-OAEP",
    "RSA-OAEP-256",
    "RSA-OAEP-384",
    "RSA-OAEP-512",
    "A128CBC-HS256",
    "A128GCM",
    "A192CBC-HS384",
    "A192GCM",
    "A256CBC-HS512",
    "A256GCM",
];
const TEXTS: [&str; 6] = ["kty", "kid", "use", "x5t", "x5t#S256", "x5u"];

/// A key of a set.
#[derive(Clone, Debug)]
pub(super) struct Jwk {
    /// Empty when not given, as is `id`.
    pub(super) algorithm: String,
    pub(super) id: String,
    pub(super) material: Material,
}

#[derive(Clone, Debug)]
pub(super) enum Material {
    Public(PublicKey),
    /// The public half, and what is needed to sign.
    Private(PublicKey, Secret),
    Octets(Vec<u8>),
    /// A key that nothing can be verified with.
    Useless,
}

#[derive(Clone, Debug)]
pub(super) enum Secret {
    Rsa { exponent: BigUint, primes: [BigUint; 2], precomputed: Option<[BigUint; 3]> },
    Ecdsa(BigUint),
    Ed25519(PrivateKey),
}

/// The keys of a set, or the one key. Whether a private key is complete is only asked when it is `exported`.
pub(super) fn parse_keys(context: &mut CallContext<'_>, text: &str) -> Result<Vec<Jwk>, BuiltinError> {
    context.budget.allocate(4 * text.len() as u64)?;
    let broken = || undefined("failed to parse a JWK key (set)");
    let Ok(Value::Object(set)) = parse_json(text, NumberMode::AsWritten) else { return Err(broken()) };
    let parse = |key: &Object| {
        check_names(key)?;
        parse_key(key).ok_or_else(broken)
    };
    match set.get(&Value::from("keys")) {
        None => Ok(vec![parse(&set)?]),
        Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(keys)) => {
            keys.iter().map(|key| if let Value::Object(key) = key { parse(key) } else { Err(broken()) }).collect()
        }
        Some(_) => Err(broken()),
    }
}

/// What decides on the type of a key is found in letters of any case by the library, and then again in lower case.
fn check_names(key: &Object) -> Result<(), BuiltinError> {
    let names = key.entries().iter().filter_map(|(name, _)| name.as_str());
    let is_odd = |name: &str| !matches!(name, "kty" | "d") && matches!(name.to_lowercase().as_str(), "kty" | "d");
    match names.into_iter().find(|name| is_odd(name)) {
        Some(name) => Err(BuiltinError::Halt(format!("a JSON Web Key with the member {name} is not supported"))),
        None => Ok(()),
    }
}

/// Whether OPA signs and verifies with the algorithm.
pub(super) fn is_token_algorithm(name: &str) -> bool {
    name == "EdDSA" || matches!(name.split_at_checked(2), Some(("RS" | "PS" | "ES" | "HS", "256" | "384" | "512")))
}

fn parse_key(key: &Object) -> Option<Jwk> {
    let fields = Fields(key);
    for name in TEXTS {
        fields.text(name)?;
    }
    fields.check_list("key_ops")?;
    fields.check_list("x5c")?;
    let algorithm = match key.get(&Value::from("alg")) {
        None => String::new(),
        Some(Value::String(name)) if is_token_algorithm(name) || OTHER_ALGORITHMS.contains(&&**name) => {
            name.to_string()
        }
        Some(_) => return None,
    };
    let is_private = fields.0.get(&Value::from("d")).is_some();
    let material = match fields.text("kty")?.as_deref()? {
        "RSA" => fields.rsa(is_private)?,
        "EC" => fields.ecdsa(is_private)?,
        "OKP" => fields.okp(is_private)?,
        "oct" => Material::Octets(fields.bytes("k")??),
        _ => return None,
    };
    Some(Jwk { algorithm, id: fields.text("kid")?.unwrap_or_default(), material })
}

/// Members of a key. The outer `None` of what they give is for a broken one, the inner for a missing one.
struct Fields<'a>(&'a Object);

impl Fields<'_> {
    fn text(&self, name: &str) -> Option<Option<String>> {
        match self.0.get(&Value::from(name)) {
            None => Some(None),
            Some(Value::Null) => Some(Some(String::new())),
            Some(Value::String(text)) => Some(Some(text.to_string())),
            Some(_) => None,
        }
    }

    fn bytes(&self, name: &str) -> Option<Option<Vec<u8>>> {
        match self.text(name)? {
            Some(text) => decode_any(&text).map(Some),
            None => Some(None),
        }
    }

    fn number(&self, name: &str) -> Option<Option<BigUint>> {
        Some(self.bytes(name)?.map(|bytes| BigUint::from_bytes_be(&bytes)))
    }

    /// Null, or a list of texts.
    fn check_list(&self, name: &str) -> Option<()> {
        let is_valid = match self.0.get(&Value::from(name)) {
            None | Some(Value::Null) => true,
            Some(Value::Array(items)) => items.iter().all(|item| matches!(item, Value::String(_) | Value::Null)),
            Some(_) => false,
        };
        is_valid.then_some(())
    }

    fn rsa(&self, is_private: bool) -> Option<Material> {
        let (modulus, exponent) = (self.number("n")??, self.number("e")??);
        let exponent = exponent.iter_u64_digits().next().unwrap_or_default().cast_signed();
        let public = PublicKey::Rsa(RsaPublic { modulus, exponent });
        if !is_private {
            return Some(Material::Public(public));
        }
        let precomputed = [self.number("dp")?, self.number("dq")?, self.number("qi")?];
        let precomputed = match precomputed {
            [Some(dp), Some(dq), Some(inverse)] => Some([dp, dq, inverse]),
            _ => None,
        };
        let exponent = self.number("d")??;
        let primes = [self.number("p")??, self.number("q")??];
        Some(Material::Private(public, Secret::Rsa { exponent, primes, precomputed }))
    }

    fn ecdsa(&self, is_private: bool) -> Option<Material> {
        let curve = match self.text("crv")?.as_deref()? {
            "P-256" => Curve::P256,
            "P-384" => Curve::P384,
            "P-521" => Curve::P521,
            _ => return None,
        };
        let public = PublicKey::Ecdsa(Point { curve, x: self.number("x")??, y: self.number("y")?? });
        if !is_private {
            return Some(Material::Public(public));
        }
        Some(Material::Private(public, Secret::Ecdsa(self.number("d")??)))
    }

    fn okp(&self, is_private: bool) -> Option<Material> {
        let (curve, x) = (self.text("crv")??, self.bytes("x")??);
        match (curve.as_str(), is_private) {
            ("Ed25519", false) => Some(Material::Public(PublicKey::Ed25519(x))),
            ("Ed25519", true) => {
                let key = PrivateKey::ed25519(self.bytes("d")??.try_into().ok()?)?;
                let public = Some(key.public()).filter(|public| *public == PublicKey::Ed25519(x))?;
                Some(Material::Private(public, Secret::Ed25519(key)))
            }
            ("X25519", false) if x.len() == 32 => Some(Material::Useless),
            ("X25519", true) => (self.bytes("d")??.len() == 32).then_some(Material::Useless),
            _ => None,
        }
    }
}

impl Secret {
    /// The key to sign with, checked.
    pub(super) fn checked(&self, public: &PublicKey) -> Option<PrivateKey> {
        match (self, public) {
            (Self::Rsa { exponent, primes, precomputed }, PublicKey::Rsa(public)) => {
                let key = RsaPrivate::checked(public.clone(), exponent.clone(), primes.clone(), precomputed.clone());
                key.map(|key| PrivateKey::Rsa(Box::new(key)))
            }
            (Self::Ecdsa(secret), PublicKey::Ecdsa(point)) => {
                point.is_on_curve().then(|| PrivateKey::Ecdsa { secret: secret.clone(), public: point.clone() })
            }
            (Self::Ed25519(key), _) => Some(key.clone()),
            (Self::Rsa { .. } | Self::Ecdsa(_), _) => None,
        }
    }
}

/// Base64 of either alphabet, with or without padding.
fn decode_any(text: &str) -> Option<Vec<u8>> {
    let alphabet = if text.contains(['+', '/']) { Alphabet::Standard } else { Alphabet::Url };
    if text.ends_with('=') {
        return base64::decode(text, alphabet).ok();
    }
    let mut text = text.replace(['\r', '\n'], "");
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    base64::decode(&text, alphabet).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_guessed() {
        let check = |text: &str, expected: Option<&[u8]>| assert_eq!(decode_any(text).as_deref(), expected, "{text}");
        check("-_8", Some(&[0xfb, 0xff]));
        check("-_8=", Some(&[0xfb, 0xff]));
        check("+/8", Some(&[0xfb, 0xff]));
        check("+_8", None);
        check("a", None);
        check("", Some(&[]));
    }
}
