//! RSA: verification with public values, the checks that Go makes of private keys, and signing through ring.

use num_bigint::BigUint;
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair, KeyPairComponents, PublicKeyComponents};
use ring::signature::{self, RsaEncoding};

use super::super::BuiltinError;
use super::Hash;
use super::curves::fixed;

/// Go refuses shorter keys as insecure.
const SHORTEST_KEY: u64 = 1024;
/// Longer keys than anybody has: verification would take seconds, which a policy must not be able to ask for.
const LONGEST_KEY: u64 = 16 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RsaPublic {
    pub(crate) modulus: BigUint,
    pub(crate) exponent: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct RsaPrivate {
    pub(crate) public: RsaPublic,
    pub(crate) exponent: BigUint,
    pub(crate) primes: [BigUint; 2],
    /// The exponent modulo each prime less one, and the inverse of the second prime modulo the first.
    pub(crate) precomputed: [BigUint; 3],
}

/// How a digest is padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Padding {
    Pkcs1,
    /// With a salt of this length, of any when `None`.
    Pss(Option<usize>),
}

impl RsaPublic {
    /// Whether the signature is that of the digest. A key too large to check stops the evaluation.
    pub(crate) fn verify(
        &self,
        hash: Hash,
        padding: Padding,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<bool, BuiltinError> {
        if self.modulus.bits() > LONGEST_KEY {
            return Err(BuiltinError::Halt(format!("RSA keys of more than {LONGEST_KEY} bits are not supported")));
        }
        Ok(self.try_verify(hash, padding, digest, signature).unwrap_or(false))
    }

    fn try_verify(&self, hash: Hash, padding: Padding, digest: &[u8], signature: &[u8]) -> Option<bool> {
        let length = usize::try_from(self.modulus.bits().div_ceil(8)).ok()?;
        let number = BigUint::from_bytes_be(signature);
        if !self.is_sound() || self.modulus.bits() < SHORTEST_KEY || signature.len() != length || number >= self.modulus
        {
            return None;
        }
        let message = fixed(&number.modpow(&BigUint::try_from(self.exponent).ok()?, &self.modulus), length)?;
        match padding {
            Padding::Pkcs1 => Some(message == pkcs1(hash, digest, length)?),
            Padding::Pss(salt) => is_pss(hash, digest, &message, self.modulus.bits() - 1, salt),
        }
    }

    fn is_sound(&self) -> bool {
        self.modulus.bit(0) && self.exponent > 1 && self.exponent & 1 == 1 && self.exponent <= i64::from(i32::MAX)
    }
}

impl RsaPrivate {
    /// Checks the key as Go does, calculating what is missing.
    pub(crate) fn checked(
        public: RsaPublic,
        exponent: BigUint,
        primes: [BigUint; 2],
        given: Option<[BigUint; 3]>,
    ) -> Option<Self> {
        let one = BigUint::from(1_u8);
        let [p, q] = &primes;
        let [p_less, q_less] = [p, q].map(|prime| if *prime > one { prime - &one } else { BigUint::ZERO });
        if p_less == BigUint::ZERO || q_less == BigUint::ZERO || !public.is_sound() || exponent >= public.modulus {
            return None;
        }
        let precomputed = match given {
            Some(given) => given,
            None => [&exponent % &p_less, &exponent % &q_less, q.modinv(p)?],
        };
        let [dp, dq, inverse] = &precomputed;
        let public_exponent = BigUint::try_from(public.exponent).ok()?;
        let difference = if p > q { p - q } else { q - p };
        let half = public.modulus.bits() / 2;
        let is_sound = p * q == public.modulus
            && *dp == &exponent % &p_less
            && *dq == &exponent % &q_less
            && dp * &public_exponent % &p_less == one
            && dq * &public_exponent % &q_less == one
            && inverse < p
            && inverse * q % p == one
            && difference.bits() as i64 > half as i64 - 100
            && exponent.bits() > half;
        is_sound.then_some(Self { public, exponent, primes, precomputed })
    }

    /// A signature, through ring. Keys that ring refuses (below 2048 or above 4096 bits, a small exponent) stop the
    /// evaluation, because OPA would sign with them.
    pub(crate) fn sign(&self, hash: Hash, padding: Padding, message: &[u8]) -> Result<Vec<u8>, BuiltinError> {
        let refused = |_| BuiltinError::Halt("signing with this RSA key is not supported".to_owned());
        let [p, q] = [&self.primes[0], &self.primes[1]].map(BigUint::to_bytes_be);
        let [dp, dq, inverse] =
            [&self.precomputed[0], &self.precomputed[1], &self.precomputed[2]].map(BigUint::to_bytes_be);
        let components = KeyPairComponents {
            public_key: PublicKeyComponents {
                n: self.public.modulus.to_bytes_be(),
                e: BigUint::try_from(self.public.exponent).unwrap_or_default().to_bytes_be(),
            },
            d: self.exponent.to_bytes_be(),
            p,
            q,
            dP: dp,
            dQ: dq,
            qInv: inverse,
        };
        let pair = KeyPair::from_components(&components).map_err(|error| refused(error.to_string()))?;
        let encoding: &dyn RsaEncoding = match (hash, padding) {
            (Hash::Sha256, Padding::Pkcs1) => &signature::RSA_PKCS1_SHA256,
            (Hash::Sha384, Padding::Pkcs1) => &signature::RSA_PKCS1_SHA384,
            (Hash::Sha512, Padding::Pkcs1) => &signature::RSA_PKCS1_SHA512,
            (Hash::Sha256, Padding::Pss(_)) => &signature::RSA_PSS_SHA256,
            (Hash::Sha384, Padding::Pss(_)) => &signature::RSA_PSS_SHA384,
            (Hash::Sha512, Padding::Pss(_)) => &signature::RSA_PSS_SHA512,
            (Hash::Sha1, _) => return Err(refused("SHA-1".to_owned())),
        };
        let mut signature = vec![0; pair.public().modulus_len()];
        let signed = pair.sign(encoding, &SystemRandom::new(), message, &mut signature);
        signed.map_err(|error| refused(error.to_string()))?;
        Ok(signature)
    }
}

/// The padded digest of PKCS #1, version 1.5.
fn pkcs1(hash: Hash, digest: &[u8], length: usize) -> Option<Vec<u8>> {
    // DER of the hash's object identifier and of the octet string's head.
    let head: &[u8] = match hash {
        Hash::Sha1 => &[0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14],
        Hash::Sha256 => &[0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20],
        Hash::Sha384 => &[0x30, 0x41, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2, 5, 0, 4, 0x30],
        Hash::Sha512 => &[0x30, 0x51, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3, 5, 0, 4, 0x40],
    };
    let filling = length.checked_sub(head.len() + digest.len() + 3).filter(|filling| *filling >= 8)?;
    Some([&[0, 1], vec![0xff; filling].as_slice(), &[0], head, digest].concat())
}

/// Whether `message` is a digest padded by PSS; `None` and false mean the same.
fn is_pss(hash: Hash, digest: &[u8], message: &[u8], bits: u64, salt: Option<usize>) -> Option<bool> {
    let length = usize::try_from(bits.div_ceil(8)).ok()?;
    let (front, message) = message.split_at_checked(message.len() - length)?;
    let (masked, rest) = message.split_at_checked(length.checked_sub(hash.length() + 1)?)?;
    let (seed, [0xbc]) = rest.split_at_checked(hash.length())? else { return None };
    let mask = 0xff_u8 >> (8 * length as u64 - bits);
    if front.iter().any(|byte| *byte != 0) || masked.first()? & !mask != 0 {
        return None;
    }
    let mut block: Vec<u8> = masked.iter().zip(generated(hash, seed, masked.len())).map(|(a, b)| a ^ b).collect();
    *block.first_mut()? &= mask;
    let start = match salt {
        Some(salt) => block.len().checked_sub(salt + 1)?,
        None => block.iter().position(|byte| *byte == 1)?,
    };
    let (zeros, salted) = block.split_at_checked(start)?;
    let (1, salt) = salted.split_first()? else { return None };
    let expected = hash.of(&[&[0; 8], digest, salt].concat());
    Some(zeros.iter().all(|byte| *byte == 0) && expected == seed)
}

/// The mask that a seed generates (MGF1).
fn generated(hash: Hash, seed: &[u8], length: usize) -> Vec<u8> {
    let blocks =
        (0..length.div_ceil(hash.length()) as u32).map(|count| hash.of(&[seed, &count.to_be_bytes()].concat()));
    blocks.flatten().take(length).collect()
}
