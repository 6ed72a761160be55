//! Making authorities and certificates: Gatekeeper's names and lifetimes, keys on P-256.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::identity::{Second, SecretData, Slot, ends, parse};

const DAY: i64 = 24 * 60 * 60;
const AUTHORITY_LIFE: i64 = 3_650 * DAY;
const LEAF_LIFE: i64 = 365 * DAY;
/// So that a machine whose clock is behind takes the certificate all the same.
const BACKDATED: i64 = 60 * 60;

/// An authority that can sign, as a Secret holds it.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    begins: Second,
    ends: Second,
}

impl Authority {
    /// `None` where the key is missing, unreadable or another certificate's, or the certificate is no authority's.
    pub(super) fn read(data: &SecretData, slot: Slot) -> Option<Self> {
        let certificate = CertificateDer::from_pem_slice(slot.find(data, "ca.crt")?).ok()?;
        let key = key_pair(&PrivateKeyDer::from_pem_slice(slot.find(data, "ca.key")?).ok()?)?;
        let parsed = parse(&certificate)?;
        let is_match = parsed.public_key().raw == key.subject_public_key_info();
        let (begins, ends) = (Second(parsed.validity().not_before.timestamp()), ends(&parsed));
        if !is_match || !parsed.is_ca() {
            return None;
        }
        Issuer::from_ca_cert_der(&certificate, key).ok().map(|issuer| Self { issuer, begins, ends })
    }

    /// Whether what it signs is valid.
    pub(super) fn is_valid(&self, now: Second) -> bool {
        self.begins <= now && now < self.ends
    }

    /// Signs a new certificate for `name`: `tls.crt` and `tls.key`.
    pub(super) fn sign(&self, name: &str, now: Second) -> Result<[(&'static str, String); 2], rcgen::Error> {
        let mut leaf = CertificateParams::new(vec![name.to_owned()])?;
        leaf.distinguished_name.push(DnType::CommonName, name);
        leaf.distinguished_name.push(DnType::OrganizationName, "gatekeeper");
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        // Providers of external data are shown this certificate, too.
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        leaf.use_authority_key_identifier_extension = true;
        set_validity(&mut leaf, now, (now.0 + LEAF_LIFE).min(self.ends.0));
        let key = KeyPair::generate()?;
        let certificate = leaf.signed_by(&key, &self.issuer)?;
        Ok([("tls.crt", certificate.pem()), ("tls.key", key.serialize_pem())])
    }
}

/// A new authority, and a certificate that it has signed: all four keys of a slot.
pub(super) fn make(name: &str, now: Second) -> Result<[(&'static str, String); 4], rcgen::Error> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "gatekeeper-ca");
    params.distinguished_name.push(DnType::OrganizationName, "gatekeeper");
    params.key_usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    set_validity(&mut params, now, now.0 + AUTHORITY_LIFE);
    let key = KeyPair::generate()?;
    let (certificate, key_pem) = (params.self_signed(&key)?.pem(), key.serialize_pem());
    let authority = Authority { issuer: Issuer::new(params, key), begins: now, ends: Second(now.0 + AUTHORITY_LIFE) };
    let [leaf, leaf_key] = authority.sign(name, now)?;
    Ok([("ca.crt", certificate), ("ca.key", key_pem), leaf, leaf_key])
}

/// Gatekeeper writes RSA keys in PKCS #1, which are read here as what PKCS #8 wraps.
fn key_pair(key: &PrivateKeyDer<'_>) -> Option<KeyPair> {
    /// Version 0, and the algorithm rsaEncryption.
    const HEAD: [u8; 18] = [2, 1, 0, 0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
    let PrivateKeyDer::Pkcs1(rsa) = key else { return KeyPair::try_from(key).ok() };
    let content = [&HEAD[..], &der(0x04, rsa.secret_pkcs1_der())].concat();
    KeyPair::try_from(&PrivatePkcs8KeyDer::from(der(0x30, &content))).ok()
}

/// A value with its tag and length.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length: &[u8] = length.iter().position(|byte| *byte != 0).and_then(|start| length.get(start..)).unwrap_or(&[0]);
    let mut all = vec![tag];
    match length {
        [short] if *short < 0x80 => all.push(*short),
        _ => {
            all.push(0x80 | length.len() as u8);
            all.extend(length);
        }
    }
    all.extend(content);
    all
}

fn set_validity(params: &mut CertificateParams, now: Second, end: i64) {
    let at =
        |second: i64| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(second).unwrap_or_default());
    params.not_before = at(now.0 - BACKDATED);
    params.not_after = at(end);
}
