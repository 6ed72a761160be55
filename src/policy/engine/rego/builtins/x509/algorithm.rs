//! Algorithms of signatures, by Go's numbers, and the check of a certificate's signature.

use num_bigint::BigUint;

use super::der::{NULL, Reader, SEQUENCE, constructed};
use crate::policy::engine::rego::builtins::BuiltinError;
use crate::policy::engine::rego::builtins::keys::public::{Algorithm, verify_ed25519};
use crate::policy::engine::rego::builtins::keys::rsa::Padding;
use crate::policy::engine::rego::builtins::keys::{Hash, PublicKey};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignatureAlgorithm {
    Unknown,
    /// Known by this number, but never accepted.
    Refused(i64),
    Rsa(Hash),
    RsaPss(Hash),
    Ecdsa(Hash),
    Ed25519,
}

impl SignatureAlgorithm {
    pub(crate) fn parse(algorithm: &Algorithm<'_>) -> Self {
        match algorithm.oid.as_slice() {
            [1, 2, 840, 113549, 1, 1, 4] => Self::Refused(2),
            [1, 2, 840, 113549, 1, 1, 5] | [1, 3, 14, 3, 2, 29] => Self::Rsa(Hash::Sha1),
            [1, 2, 840, 113549, 1, 1, 10] => parse_pss(algorithm.parameters).map_or(Self::Unknown, Self::RsaPss),
            [1, 2, 840, 113549, 1, 1, 11] => Self::Rsa(Hash::Sha256),
            [1, 2, 840, 113549, 1, 1, 12] => Self::Rsa(Hash::Sha384),
            [1, 2, 840, 113549, 1, 1, 13] => Self::Rsa(Hash::Sha512),
            [1, 2, 840, 10040, 4, 3] => Self::Refused(7),
            [2, 16, 840, 1, 101, 3, 4, 3, 2] => Self::Refused(8),
            [1, 2, 840, 10045, 4, 1] => Self::Ecdsa(Hash::Sha1),
            [1, 2, 840, 10045, 4, 3, 2] => Self::Ecdsa(Hash::Sha256),
            [1, 2, 840, 10045, 4, 3, 3] => Self::Ecdsa(Hash::Sha384),
            [1, 2, 840, 10045, 4, 3, 4] => Self::Ecdsa(Hash::Sha512),
            [1, 3, 101, 112] if algorithm.parameters.is_empty() => Self::Ed25519,
            _ => Self::Unknown,
        }
    }

    /// Go's number.
    pub(crate) fn number(self) -> i64 {
        let of_hash = |hash| match hash {
            Hash::Sha1 => 0,
            Hash::Sha256 => 1,
            Hash::Sha384 => 2,
            Hash::Sha512 => 3,
        };
        match self {
            Self::Unknown => 0,
            Self::Refused(number) => number,
            Self::Rsa(hash) => 3 + of_hash(hash),
            Self::Ecdsa(hash) => 9 + of_hash(hash),
            Self::RsaPss(hash) => 12 + of_hash(hash),
            Self::Ed25519 => 16,
        }
    }

    /// Whether the key made the signature. SHA-1 is not accepted.
    pub(crate) fn verify(self, key: &PublicKey, signed: &[u8], signature: &[u8]) -> Result<bool, BuiltinError> {
        Ok(match (self, key) {
            (Self::Rsa(Hash::Sha1) | Self::Ecdsa(Hash::Sha1), _) => false,
            (Self::Rsa(hash), PublicKey::Rsa(key)) => key.verify(hash, Padding::Pkcs1, &hash.of(signed), signature)?,
            (Self::RsaPss(hash), PublicKey::Rsa(key)) => {
                key.verify(hash, Padding::Pss(Some(hash.length())), &hash.of(signed), signature)?
            }
            (Self::Ecdsa(hash), PublicKey::Ecdsa(key)) => {
                unpack(signature).is_some_and(|(r, s)| key.verify(&hash.of(signed), &r, &s))
            }
            (Self::Ed25519, PublicKey::Ed25519(key)) => verify_ed25519(key, signed, signature),
            _ => false,
        })
    }
}

/// The two numbers of an ECDSA signature.
fn unpack(signature: &[u8]) -> Option<(BigUint, BigUint)> {
    let mut outer = Reader(signature);
    let mut inner = outer.enter(SEQUENCE).filter(|_| outer.is_empty())?;
    let numbers = (inner.positive()?, inner.positive()?);
    inner.is_empty().then_some(numbers)
}

/// The hash, when salt and mask are the usual ones for it.
fn parse_pss(parameters: &[u8]) -> Option<Hash> {
    let mut fields = Reader(parameters).enter(SEQUENCE)?;
    let hash = Algorithm::parse(Reader(fields.optional(constructed(0))??).enter(SEQUENCE)?)?;
    let mask = Algorithm::parse(Reader(fields.optional(constructed(1))??).enter(SEQUENCE)?)?;
    let salt = Reader(fields.optional(constructed(2))??).small()?;
    if let Some(trailer) = fields.optional(constructed(3))? {
        (Reader(trailer).small()? == 1).then_some(())?;
    }
    let mask_hash = Algorithm::parse(Reader(mask.parameters).enter(SEQUENCE)?)?;
    let is_plain = |parameters: &[u8]| parameters.is_empty() || parameters == NULL;
    let is_usual = mask.oid == [1, 2, 840, 113549, 1, 1, 8]
        && mask_hash.oid == hash.oid
        && is_plain(hash.parameters)
        && is_plain(mask_hash.parameters);
    let hash = match hash.oid.as_slice() {
        [2, 16, 840, 1, 101, 3, 4, 2, 1] => Hash::Sha256,
        [2, 16, 840, 1, 101, 3, 4, 2, 2] => Hash::Sha384,
        [2, 16, 840, 1, 101, 3, 4, 2, 3] => Hash::Sha512,
        _ => return None,
    };
    (is_usual && usize::try_from(salt) == Ok(hash.length())).then_some(hash)
}
