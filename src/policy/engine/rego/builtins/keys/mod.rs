//! Public and private keys of the algorithms that OPA knows, their signatures, and their shape as Go writes them in JSON.
//!
//! Verification uses public values only. Signing goes through ring (RSA, Ed25519) and the RustCrypto curves (ECDSA),
//! which do not leak secrets through timing. Absent on purpose: RSA keys of more than two primes, and RSA signing with
//! keys that ring refuses; both stop the evaluation rather than give a result that OPA would not.

pub(crate) mod curves;
pub(crate) mod private;
pub(crate) mod public;
pub(crate) mod rsa;

use ring::digest;

pub(crate) use private::PrivateKey;
pub(crate) use public::PublicKey;

/// Hash of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub(crate) fn of(self, message: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, message).as_ref().to_vec()
    }

    pub(crate) fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}
