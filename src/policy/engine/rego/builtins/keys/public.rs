//! Public keys: as a certificate holds them, and as JSON.

use num_bigint::BigUint;
use ring::signature::{ED25519, UnparsedPublicKey};

use super::super::base64::{self, Alphabet};
use super::super::operands::number;
use super::super::x509::der::{INTEGER, NULL, Reader, SEQUENCE};
use super::curves::{Curve, Point};
use super::rsa::RsaPublic;
use crate::policy::engine::rego::value::Value;

pub(crate) const RSA: &[u32] = &[1, 2, 840, 113549, 1, 1, 1];
pub(crate) const DSA: &[u32] = &[1, 2, 840, 10040, 4, 1];
pub(crate) const ECDSA: &[u32] = &[1, 2, 840, 10045, 2, 1];
pub(crate) const ED25519_KEY: &[u32] = &[1, 3, 101, 112];
pub(crate) const X25519_KEY: &[u32] = &[1, 3, 101, 110];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PublicKey {
    Rsa(RsaPublic),
    Ecdsa(Point),
    /// 32 bytes in certificates, any number of them in a JSON Web Key.
    Ed25519(Vec<u8>),
    /// Only the first four numbers of DSA in Go's order: P, Q, G and Y.
    Dsa([BigUint; 4]),
    X25519,
}

/// Object identifier of an algorithm with its parameters, tag included.
#[derive(Clone, Debug)]
pub(crate) struct Algorithm<'a> {
    pub(crate) oid: Vec<u32>,
    pub(crate) parameters: &'a [u8],
}

impl<'a> Algorithm<'a> {
    /// From the content of the sequence.
    pub(crate) fn parse(mut content: Reader<'a>) -> Option<Self> {
        let oid = content.oid()?;
        let parameters = if content.is_empty() { &[] } else { content.any()?.whole };
        Some(Self { oid, parameters })
    }
}

impl PublicKey {
    /// From the algorithm and the bits of a certificate's key.
    pub(crate) fn parse(algorithm: &Algorithm<'_>, data: &[u8]) -> Option<Self> {
        let no_parameters = algorithm.parameters.is_empty();
        match algorithm.oid.as_slice() {
            RSA if algorithm.parameters == NULL => parse_rsa(data),
            ECDSA => {
                let curve = Curve::from_oid(&Reader(algorithm.parameters).oid()?)?;
                Point::parse(curve, data).map(Self::Ecdsa)
            }
            ED25519_KEY if no_parameters && data.len() == 32 => Some(Self::Ed25519(data.to_vec())),
            X25519_KEY if no_parameters && data.len() == 32 => Some(Self::X25519),
            DSA => {
                let y = Reader(data).positive()?;
                let mut parameters = Reader(algorithm.parameters).enter(SEQUENCE)?;
                Some(Self::Dsa([parameters.positive()?, parameters.positive()?, parameters.positive()?, y]))
            }
            _ => None,
        }
    }

    /// From a SubjectPublicKeyInfo that fills the bytes.
    pub(crate) fn from_info(bytes: &[u8]) -> Option<Self> {
        let mut outer = Reader(bytes);
        let mut info = outer.enter(SEQUENCE).filter(|_| outer.is_empty())?;
        let algorithm = Algorithm::parse(info.enter(SEQUENCE)?)?;
        Self::parse(&algorithm, &info.bits()?.right_aligned())
    }

    /// As Go writes the key.
    pub(crate) fn to_value(&self) -> Value {
        match self {
            Self::Rsa(key) => fields(vec![("N", big(&key.modulus)), ("E", key.exponent.into())]),
            Self::Ecdsa(point) => fields(point_fields(point)),
            Self::Ed25519(bytes) => base64_of(bytes),
            Self::Dsa([p, q, g, y]) => fields(vec![("P", big(p)), ("Q", big(q)), ("G", big(g)), ("Y", big(y))]),
            Self::X25519 => fields(Vec::new()),
        }
    }
}

fn parse_rsa(data: &[u8]) -> Option<PublicKey> {
    let mut key = Reader(data).enter(SEQUENCE)?;
    let modulus = key.positive()?;
    let exponent = key.is_next(INTEGER).then(|| key.small())?.filter(|exponent| *exponent > 0)?;
    Some(PublicKey::Rsa(RsaPublic { modulus, exponent }))
}

pub(super) fn point_fields(point: &Point) -> Vec<(&'static str, Value)> {
    vec![("Curve", fields(Vec::new())), ("X", big(&point.x)), ("Y", big(&point.y))]
}

/// Whether the signature of an Ed25519 key is that of the message.
pub(crate) fn verify_ed25519(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok()
}

/// An object with these fields.
pub(crate) fn fields(entries: Vec<(&str, Value)>) -> Value {
    Value::object(entries.into_iter().map(|(name, value)| (Value::from(name), value)).collect())
}

/// A number however long it is.
pub(crate) fn big(value: &BigUint) -> Value {
    number(&value.to_string())
}

/// Bytes as Go's JSON has them.
pub(crate) fn base64_of(bytes: &[u8]) -> Value {
    Value::string(base64::encode(bytes, Alphabet::Standard))
}
