//! A certificate, read as Go's crypto/x509 reads it and written as Go writes the structure.

use num_bigint::{BigInt, Sign};

use super::algorithm::SignatureAlgorithm;
use super::der::{BIT_STRING, BOOLEAN, INTEGER, OCTET_STRING, Reader, SEQUENCE, constructed, field};
use super::extensions::Details;
use super::general_names::texts;
use super::name::{Name, certificate_text, list, oid_value};
use super::time::Moment;
use crate::policy::engine::rego::builtins::keys::public::{Algorithm, base64_of, fields};
use crate::policy::engine::rego::builtins::keys::{PublicKey, public};
use crate::policy::engine::rego::builtins::operands::number;
use crate::policy::engine::rego::value::Value;

/// A certificate. What starts with `raw` is the element that was signed or hashed, tag included.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub(crate) raw: Vec<u8>,
    pub(crate) raw_signed: Vec<u8>,
    pub(crate) raw_key: Vec<u8>,
    pub(crate) raw_subject: Vec<u8>,
    pub(crate) raw_issuer: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) algorithm: SignatureAlgorithm,
    key_algorithm: i64,
    /// `None` for an unknown algorithm.
    pub(crate) key: Option<PublicKey>,
    pub(crate) version: i64,
    serial: BigInt,
    issuer: Name,
    subject: Name,
    pub(crate) not_before: Moment,
    pub(crate) not_after: Moment,
    pub(crate) extensions: Vec<Extension>,
    pub(crate) details: Details,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extension {
    pub(crate) oid: Vec<u32>,
    pub(crate) is_critical: bool,
    pub(crate) value: Vec<u8>,
}

impl Certificate {
    /// All certificates, one after the other with nothing between.
    pub(crate) fn parse_all(mut bytes: &[u8]) -> Option<Vec<Self>> {
        let mut certificates = Vec::new();
        while !bytes.is_empty() {
            let certificate = Self::parse_first(bytes)?;
            bytes = bytes.get(certificate.raw.len()..)?;
            certificates.push(certificate);
        }
        Some(certificates)
    }

    /// The one certificate that fills the bytes.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        Self::parse_first(bytes).filter(|certificate| certificate.raw.len() == bytes.len())
    }

    fn parse_first(bytes: &[u8]) -> Option<Self> {
        let raw = Reader(bytes).element(SEQUENCE)?;
        let mut outer = Reader(raw.content);
        let signed = outer.element(SEQUENCE)?;
        let mut inner = Reader(signed.content);
        let version = match inner.optional(constructed(0))? {
            Some(version) => version_number(version)?,
            None => 1,
        };
        let serial = inner.integer().filter(|serial| serial.sign() != Sign::Minus)?;
        let algorithm = inner.read(SEQUENCE)?;
        if outer.read(SEQUENCE)? != algorithm {
            return None;
        }
        let algorithm = SignatureAlgorithm::parse(&Algorithm::parse(Reader(algorithm))?);
        let raw_issuer = inner.element(SEQUENCE)?.whole;
        let mut validity = inner.enter(SEQUENCE)?;
        let (not_before, not_after) = (Moment::parse(&mut validity)?, Moment::parse(&mut validity)?);
        let raw_subject = inner.element(SEQUENCE)?.whole;
        let raw_key = inner.element(SEQUENCE)?.whole;
        let (key_algorithm, key) = parse_key(raw_key)?;
        let extensions = if version > 1 { parse_extensions(inner, version)? } else { Vec::new() };
        Some(Self {
            raw: raw.whole.to_vec(),
            raw_signed: signed.whole.to_vec(),
            raw_key: raw_key.to_vec(),
            raw_subject: raw_subject.to_vec(),
            raw_issuer: raw_issuer.to_vec(),
            signature: outer.bits()?.right_aligned(),
            algorithm,
            key_algorithm,
            key,
            version,
            serial,
            issuer: Name::parse(raw_issuer, certificate_text)?,
            subject: Name::parse(raw_subject, certificate_text)?,
            not_before,
            not_after,
            details: Details::parse(&extensions)?,
            extensions,
        })
    }

    /// As Go writes the structure.
    pub(crate) fn to_value(&self) -> Value {
        fields(self.entries())
    }

    /// As [`Certificate::to_value`], with the URIs as texts in one more field.
    pub(crate) fn to_value_with_urls(&self) -> Value {
        let urls = self.details.names.urls.iter().map(|url| String::from_utf8_lossy(&url.to_bytes()).into_owned());
        let mut entries = self.entries();
        entries.push(("URIStrings", texts(&urls.collect::<Vec<_>>())));
        fields(entries)
    }

    fn entries(&self) -> Vec<(&'static str, Value)> {
        let mut entries = vec![
            ("Raw", base64_of(&self.raw)),
            ("RawTBSCertificate", base64_of(&self.raw_signed)),
            ("RawSubjectPublicKeyInfo", base64_of(&self.raw_key)),
            ("RawSubject", base64_of(&self.raw_subject)),
            ("RawIssuer", base64_of(&self.raw_issuer)),
            ("Signature", base64_of(&self.signature)),
            ("SignatureAlgorithm", self.algorithm.number().into()),
            ("PublicKeyAlgorithm", self.key_algorithm.into()),
            ("PublicKey", self.key.as_ref().map_or(Value::Null, PublicKey::to_value)),
            ("Version", self.version.into()),
            ("SerialNumber", number(&self.serial.to_string())),
            ("Issuer", self.issuer.to_value()),
            ("Subject", self.subject.to_value()),
            ("NotBefore", self.not_before.text.as_str().into()),
            ("NotAfter", self.not_after.text.as_str().into()),
            ("Extensions", list(self.extensions.iter().map(Extension::to_value).collect())),
            ("ExtraExtensions", Value::Null),
        ];
        entries.extend(self.details.entries());
        entries
    }
}

impl Extension {
    /// From the content of the sequence.
    pub(crate) fn parse(mut content: Reader<'_>) -> Option<Self> {
        let oid = content.oid()?;
        let is_critical = if content.is_next(BOOLEAN) { content.boolean()? } else { false };
        Some(Self { oid, is_critical, value: content.read(OCTET_STRING)?.to_vec() })
    }

    pub(crate) fn to_value(&self) -> Value {
        let (oid, value) = (oid_value(&self.oid), base64_of(&self.value));
        fields(vec![("Id", oid), ("Critical", self.is_critical.into()), ("Value", value)])
    }
}

/// Number of a key's algorithm in Go and the key; `None` inside for algorithms that Go does not know.
pub(crate) fn parse_key(info: &[u8]) -> Option<(i64, Option<PublicKey>)> {
    let mut info = Reader(info).enter(SEQUENCE)?;
    let algorithm = Algorithm::parse(info.enter(SEQUENCE)?)?;
    let data = info.is_next(BIT_STRING).then(|| info.bits())??.right_aligned();
    let number = match algorithm.oid.as_slice() {
        public::RSA => 1,
        public::DSA => 2,
        public::ECDSA => 3,
        public::ED25519_KEY => 4,
        _ => return Some((0, None)),
    };
    Some((number, Some(PublicKey::parse(&algorithm, &data)?)))
}

/// One more than what is written; three at most.
fn version_number(content: &[u8]) -> Option<i64> {
    let mut reader = Reader(content);
    let version = reader.is_next(INTEGER).then(|| reader.small())??;
    (reader.is_empty() && (0..=2).contains(&version)).then_some(version + 1)
}

/// From what follows the key.
fn parse_extensions(mut inner: Reader<'_>, version: i64) -> Option<Vec<Extension>> {
    inner.optional(field(1))?;
    inner.optional(field(2))?;
    if version != 3 {
        return Some(Vec::new());
    }
    let Some(wrapped) = inner.optional(constructed(3))? else { return Some(Vec::new()) };
    let mut sequence = Reader(wrapped).enter(SEQUENCE)?;
    let mut extensions: Vec<Extension> = Vec::new();
    while !sequence.is_empty() {
        let extension = Extension::parse(sequence.enter(SEQUENCE)?)?;
        if extensions.iter().any(|other| other.oid == extension.oid) {
            return None;
        }
        extensions.push(extension);
    }
    Some(extensions)
}
