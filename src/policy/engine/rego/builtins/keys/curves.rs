//! The four curves of NIST, through the RustCrypto crates.
//!
//! As in Go, the curve of a key and the hash of a signature go together in any combination.

use num_bigint::BigUint;

/// A curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P224,
    P256,
    P384,
    P521,
}

/// A public key on a curve. That the point is on it is only known where [`Point::parse`] made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) curve: Curve,
    pub(crate) x: BigUint,
    pub(crate) y: BigUint,
}

/// Runs a block with the crate of the curve under one name.
macro_rules! on_curve {
    ($curve:expr, $name:ident => $body:expr) => {
        match $curve {
            Curve::P224 => {
                use p224 as $name;
                $body
            }
            Curve::P256 => {
                use p256 as $name;
                $body
            }
            Curve::P384 => {
                use p384 as $name;
                $body
            }
            Curve::P521 => {
                use p521 as $name;
                $body
            }
        }
    };
}

impl Curve {
    /// By the object identifier's parts.
    pub(crate) fn from_oid(oid: &[u32]) -> Option<Self> {
        match oid {
            [1, 3, 132, 0, 33] => Some(Self::P224),
            [1, 2, 840, 10045, 3, 1, 7] => Some(Self::P256),
            [1, 3, 132, 0, 34] => Some(Self::P384),
            [1, 3, 132, 0, 35] => Some(Self::P521),
            _ => None,
        }
    }

    /// Bytes of a coordinate, and of a secret number.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::P224 => 28,
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// The public key of a secret number, which must be below the order of the curve and not zero.
    pub(crate) fn public_of(self, secret: &BigUint) -> Option<Point> {
        let secret = fixed(secret, self.size())?;
        let bytes = on_curve!(self, curve => {
            let key = curve::ecdsa::SigningKey::from_slice(&secret).ok()?;
            curve::ecdsa::VerifyingKey::from(&key).to_encoded_point(false).as_bytes().to_vec()
        });
        Point::unpack(self, &bytes)
    }

    /// A signature of a digest: both numbers, of the size of the curve each. The nonce comes from key and digest.
    pub(crate) fn sign(self, secret: &BigUint, digest: &[u8]) -> Option<Vec<u8>> {
        let secret = fixed(secret, self.size())?;
        let digest = self.fitted(digest);
        on_curve!(self, curve => {
            use curve::ecdsa::signature::hazmat::PrehashSigner;
            let key = curve::ecdsa::SigningKey::from_slice(&secret).ok()?;
            let signature: curve::ecdsa::Signature = key.sign_prehash(&digest).ok()?;
            Some(signature.to_bytes().to_vec())
        })
    }

    /// A digest as a number of the curve's size: the front of a longer one, zeros before a shorter one.
    fn fitted(self, digest: &[u8]) -> Vec<u8> {
        let taken = digest.get(..self.size()).unwrap_or(digest);
        let mut bytes = vec![0; self.size() - taken.len()];
        bytes.extend_from_slice(taken);
        bytes
    }
}

impl Point {
    /// An uncompressed point; `None` if it is not on the curve.
    pub(crate) fn parse(curve: Curve, bytes: &[u8]) -> Option<Self> {
        let point = Self::unpack(curve, bytes)?;
        point.is_on_curve().then_some(point)
    }

    fn unpack(curve: Curve, bytes: &[u8]) -> Option<Self> {
        let [4, coordinates @ ..] = bytes else { return None };
        let (x, y) = coordinates.split_at_checked(curve.size()).filter(|(_, y)| y.len() == curve.size())?;
        Some(Self { curve, x: BigUint::from_bytes_be(x), y: BigUint::from_bytes_be(y) })
    }

    pub(crate) fn is_on_curve(&self) -> bool {
        let Some(bytes) = self.packed() else { return false };
        on_curve!(self.curve, curve => curve::ecdsa::VerifyingKey::from_sec1_bytes(&bytes).is_ok())
    }

    /// Uncompressed; `None` if a coordinate is too large.
    fn packed(&self) -> Option<Vec<u8>> {
        let size = self.curve.size();
        Some([vec![4], fixed(&self.x, size)?, fixed(&self.y, size)?].concat())
    }

    /// Whether `r` and `s` sign the digest.
    pub(crate) fn verify(&self, digest: &[u8], r: &BigUint, s: &BigUint) -> bool {
        self.try_verify(digest, r, s).is_some()
    }

    fn try_verify(&self, digest: &[u8], r: &BigUint, s: &BigUint) -> Option<()> {
        let size = self.curve.size();
        let (key, digest) = (self.packed()?, self.curve.fitted(digest));
        let signature = [fixed(r, size)?, fixed(s, size)?].concat();
        on_curve!(self.curve, curve => {
            use curve::ecdsa::signature::hazmat::PrehashVerifier;
            let key = curve::ecdsa::VerifyingKey::from_sec1_bytes(&key).ok()?;
            let signature = curve::ecdsa::Signature::from_slice(&signature).ok()?;
            key.verify_prehash(&digest, &signature).ok()
        })
    }
}

/// A number in `size` bytes.
pub(crate) fn fixed(number: &BigUint, size: usize) -> Option<Vec<u8>> {
    let digits = number.to_bytes_be();
    let mut bytes = vec![0; (size + usize::from(*number == BigUint::ZERO)).checked_sub(digits.len())?];
    if *number != BigUint::ZERO {
        bytes.extend(digits);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_can_be_verified_with_any_hash_on_any_curve() {
        for curve in [Curve::P224, Curve::P256, Curve::P384, Curve::P521] {
            let secret = BigUint::from(0x1234_5678_9abc_def1_u64);
            let key = curve.public_of(&secret).unwrap();
            for length in [20, 32, 48, 64] {
                let digest = vec![0xa5; length];
                let signature = curve.sign(&secret, &digest).unwrap();
                let (r, s) = signature.split_at(curve.size());
                let (r, s) = (BigUint::from_bytes_be(r), BigUint::from_bytes_be(s));
                assert!(key.verify(&digest, &r, &s), "{curve:?} {length}");
                assert!(!key.verify(&digest, &s, &r) && !key.verify(&[1; 32], &r, &s));
            }
            assert!(!Point { y: key.x.clone(), ..key.clone() }.is_on_curve());
            assert_eq!(Point::parse(curve, &key.packed().unwrap()), Some(key));
            assert_eq!(curve.public_of(&BigUint::ZERO), None);
        }
    }
}
