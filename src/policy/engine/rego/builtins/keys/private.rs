//! Private keys in the three forms that PEM files have: PKCS #1, PKCS #8 and SEC 1.

use num_bigint::BigUint;
use ring::signature::{Ed25519KeyPair, KeyPair};

use super::super::base64::{self, Alphabet};
use super::super::operands::undefined;
use super::super::x509::der::{BIT_STRING, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, Reader, SEQUENCE, constructed};
use super::super::{BuiltinError, pem};
use super::curves::{Curve, Point, fixed};
use super::public::{self, Algorithm, PublicKey, base64_of, big, fields, point_fields};
use super::rsa::{RsaPrivate, RsaPublic};
use crate::policy::engine::rego::value::Value;

#[derive(Clone, Debug)]
pub(crate) enum PrivateKey {
    Rsa(Box<RsaPrivate>),
    Ecdsa { secret: BigUint, public: Point },
    Ed25519 { seed: [u8; 32], public: Vec<u8> },
    X25519,
}

type Parsed = Result<PrivateKey, BuiltinError>;

impl PrivateKey {
    /// All keys of a PEM text, or of one in base64; blocks of other types are skipped, a broken key is an error.
    pub(crate) fn parse_all(text: &str) -> Result<Vec<Self>, BuiltinError> {
        let decoded = base64::decode(text, Alphabet::Standard);
        let mut rest = decoded.as_deref().unwrap_or(text.as_bytes());
        let mut keys = Vec::new();
        while let Some((block, after)) = pem::decode(rest) {
            match block.kind.as_slice() {
                b"RSA PRIVATE KEY" => keys.push(Self::parse_pkcs1(&block.bytes)?),
                b"PRIVATE KEY" => keys.push(Self::parse_pkcs8(&block.bytes)?),
                b"EC PRIVATE KEY" => keys.push(Self::parse_sec1(&block.bytes, None)?),
                _ => {}
            }
            rest = after;
        }
        Ok(keys)
    }

    /// A key whose form is not known. Keys that are stopped at rather than refused stop here, too.
    pub(crate) fn parse_any(bytes: &[u8]) -> Parsed {
        let halted = |parsed: &Parsed| matches!(parsed, Ok(_) | Err(BuiltinError::Halt(_)));
        let forms = [Self::parse_pkcs1, Self::parse_pkcs8, |bytes: &[u8]| Self::parse_sec1(bytes, None)];
        let mut attempts = forms.iter().map(|parse| parse(bytes));
        match attempts.find(halted) {
            Some(Ok(Self::X25519)) | None => Err(broken()),
            Some(parsed) => parsed,
        }
    }

    fn parse_pkcs1(bytes: &[u8]) -> Parsed {
        let mut outer = Reader(bytes);
        let key = outer.enter(SEQUENCE).filter(|_| outer.is_empty()).ok_or_else(broken)?;
        parse_rsa_fields(key).ok_or_else(broken)?
    }

    fn parse_pkcs8(bytes: &[u8]) -> Parsed {
        parse_pkcs8_fields(bytes).ok_or_else(broken)?
    }

    /// `curve` is the object identifier outside of the key, which counts more than the one inside.
    fn parse_sec1(bytes: &[u8], curve: Option<&[u32]>) -> Parsed {
        parse_sec1_fields(bytes, curve).ok_or_else(broken)
    }

    pub(crate) fn ed25519(seed: [u8; 32]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).ok()?;
        Some(Self::Ed25519 { seed, public: pair.public_key().as_ref().to_vec() })
    }

    pub(crate) fn public(&self) -> PublicKey {
        match self {
            Self::Rsa(key) => PublicKey::Rsa(key.public.clone()),
            Self::Ecdsa { public, .. } => PublicKey::Ecdsa(public.clone()),
            Self::Ed25519 { public, .. } => PublicKey::Ed25519(public.clone()),
            Self::X25519 => PublicKey::X25519,
        }
    }

    /// As Go writes the key.
    pub(crate) fn to_value(&self) -> Value {
        match self {
            Self::Rsa(key) => {
                let [dp, dq, inverse] = [0, 1, 2].map(|index| key.precomputed.get(index).map_or(Value::Null, big));
                let precomputed =
                    vec![("Dp", dp), ("Dq", dq), ("Qinv", inverse), ("CRTValues", Value::array(Vec::new()))];
                fields(vec![
                    ("N", big(&key.public.modulus)),
                    ("E", key.public.exponent.into()),
                    ("D", big(&key.exponent)),
                    ("Primes", Value::array(key.primes.iter().map(big).collect())),
                    ("Precomputed", fields(precomputed)),
                ])
            }
            Self::Ecdsa { secret, public } => {
                let mut entries = point_fields(public);
                entries.push(("D", big(secret)));
                fields(entries)
            }
            Self::Ed25519 { seed, public } => base64_of(&[seed.as_slice(), public].concat()),
            Self::X25519 => fields(Vec::new()),
        }
    }

    /// As a JSON Web Key.
    pub(crate) fn to_jwk(&self) -> Result<Value, BuiltinError> {
        let url = |bytes: &[u8]| Value::string(base64::encode_without_padding(bytes, Alphabet::Url));
        let number = |number: &BigUint| url(&number.to_bytes_be());
        Ok(match self {
            Self::Rsa(key) => {
                let [dp, dq, inverse] = &key.precomputed;
                let exponent = BigUint::try_from(key.public.exponent).unwrap_or_default();
                fields(vec![
                    ("kty", "RSA".into()),
                    ("n", number(&key.public.modulus)),
                    ("e", number(&exponent)),
                    ("d", number(&key.exponent)),
                    ("p", number(&key.primes[0])),
                    ("q", number(&key.primes[1])),
                    ("dp", number(dp)),
                    ("dq", number(dq)),
                    ("qi", number(inverse)),
                ])
            }
            Self::Ecdsa { secret, public } => {
                let name = match public.curve {
                    Curve::P224 => return Err(undefined("unsupported elliptic curve")),
                    Curve::P256 => "P-256",
                    Curve::P384 => "P-384",
                    Curve::P521 => "P-521",
                };
                let coordinate = |value| url(&fixed(value, public.curve.size()).unwrap_or_default());
                fields(vec![
                    ("kty", "EC".into()),
                    ("crv", name.into()),
                    ("d", coordinate(secret)),
                    ("x", coordinate(&public.x)),
                    ("y", coordinate(&public.y)),
                ])
            }
            Self::Ed25519 { seed, public } => {
                fields(vec![("kty", "OKP".into()), ("crv", "Ed25519".into()), ("d", url(seed)), ("x", url(public))])
            }
            Self::X25519 => return Err(BuiltinError::Halt("X25519 keys are not supported here".to_owned())),
        })
    }
}

fn broken() -> BuiltinError {
    undefined("failed to parse private key")
}

/// The outer `None` is for what cannot be read, the inner error for keys that are not supported.
fn parse_rsa_fields(mut key: Reader<'_>) -> Option<Parsed> {
    if key.small()? > 1 {
        return None;
    }
    let modulus = key.positive()?;
    let public = RsaPublic { modulus, exponent: key.small()? };
    let exponent = key.positive()?;
    let primes = [key.positive()?, key.positive()?];
    let mut precomputed = Vec::new();
    while precomputed.len() < 3 && key.is_next(INTEGER) {
        precomputed.push(key.positive()?);
    }
    if key.optional(SEQUENCE)?.is_some_and(|others| !others.is_empty()) {
        return Some(Err(BuiltinError::Halt("RSA keys of more than two primes are not supported".to_owned())));
    }
    let key = RsaPrivate::checked(public, exponent, primes, precomputed.try_into().ok())?;
    Some(Ok(PrivateKey::Rsa(Box::new(key))))
}

fn parse_pkcs8_fields(bytes: &[u8]) -> Option<Parsed> {
    let mut info = Reader(bytes).enter(SEQUENCE)?;
    info.small()?;
    let algorithm = Algorithm::parse(info.enter(SEQUENCE)?)?;
    let key = info.read(OCTET_STRING)?;
    match algorithm.oid.as_slice() {
        public::RSA => Some(PrivateKey::parse_pkcs1(key)),
        public::ECDSA => {
            let curve = Reader(algorithm.parameters).oid();
            Some(PrivateKey::parse_sec1(key, curve.as_deref()))
        }
        public::ED25519_KEY if algorithm.parameters.is_empty() => {
            let seed = Reader(key).read(OCTET_STRING)?.try_into().ok()?;
            PrivateKey::ed25519(seed).map(Ok)
        }
        public::X25519_KEY if algorithm.parameters.is_empty() => {
            let secret = Reader(key).read(OCTET_STRING)?;
            (secret.len() == 32).then_some(Ok(PrivateKey::X25519))
        }
        _ => None,
    }
}

fn parse_sec1_fields(bytes: &[u8], outer_curve: Option<&[u32]>) -> Option<PrivateKey> {
    let mut key = Reader(bytes).enter(SEQUENCE)?;
    if key.small()? != 1 {
        return None;
    }
    let secret = BigUint::from_bytes_be(key.read(OCTET_STRING)?);
    // Optional fields of another type than theirs do not count, and neither does what follows.
    let mut fields = key;
    let inner_curve = match fields.optional(constructed(0))?.map(Reader) {
        Some(mut curve) if curve.is_next(OBJECT_IDENTIFIER) => {
            key = fields;
            Some(curve.oid()?)
        }
        _ => None,
    };
    match key.optional(constructed(1))?.map(Reader) {
        Some(mut public) if public.is_next(BIT_STRING) => drop(public.bits()?),
        _ => {}
    }
    let curve = Curve::from_oid(outer_curve.or(inner_curve.as_deref())?)?;
    let public = curve.public_of(&secret)?;
    Some(PrivateKey::Ecdsa { secret, public })
}
