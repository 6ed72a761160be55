//! `crypto.x509.*` and `crypto.parse_private_keys`: certificates, requests and keys as Go's structures in JSON.
//!
//! Go's parser is followed in what it refuses and in what it lets pass, because a policy may ask just that. What Go
//! reads and we cannot show alike stops the evaluation.

mod algorithm;
mod certificate;
pub(super) mod der;
mod extensions;
mod general_names;
mod mailbox;
mod name;
mod permission;
mod request;
mod subtrees;
mod time;
mod verify;

use certificate::Certificate;
use verify::{Options, verify_chain};

use super::base64::{self, Alphabet};
use super::keys::public::{base64_of, fields};
use super::keys::{PrivateKey, PublicKey};
use super::operands::{object, string, undefined};
use super::{Builtin, BuiltinError, CallContext, pem};
use crate::policy::engine::rego::value::{Object, Value};

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "crypto.parse_private_keys", arity: 1, call: parse_private_keys },
    Builtin { name: "crypto.x509.parse_and_verify_certificates", arity: 1, call: verify_certificates },
    Builtin {
        name: "crypto.x509.parse_and_verify_certificates_with_options",
        arity: 2,
        call: verify_certificates_with_options,
    },
    Builtin { name: "crypto.x509.parse_certificate_request", arity: 1, call: parse_certificate_request },
    Builtin { name: "crypto.x509.parse_certificates", arity: 1, call: parse_certificates },
    Builtin { name: "crypto.x509.parse_keypair", arity: 2, call: parse_keypair },
    Builtin { name: "crypto.x509.parse_rsa_private_key", arity: 1, call: parse_private_key },
];

/// Work of one public-key operation, in the budget's units.
pub(super) const KEY_OPERATION: u64 = 1000;

/// Names of purposes in options, by Go's numbers.
const PURPOSE_NAMES: [&str; 14] = [
    "KeyUsageAny",
    "KeyUsageServerAuth",
    "KeyUsageClientAuth",
    "KeyUsageCodeSigning",
    "KeyUsageEmailProtection",
    "KeyUsageIPSECEndSystem",
    "KeyUsageIPSECTunnel",
    "KeyUsageIPSECUser",
    "KeyUsageTimeStamping",
    "KeyUsageOCSPSigning",
    "KeyUsageMicrosoftServerGatedCrypto",
    "KeyUsageNetscapeServerGatedCrypto",
    "KeyUsageMicrosoftCommercialCodeSigning",
    "KeyUsageMicrosoftKernelCodeSigning",
];

type Answer = Result<Value, BuiltinError>;

fn parse_certificates(context: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let certificates = certificates_of(text(context, operands, 0)?)?;
    Ok(Value::array(certificates.iter().map(Certificate::to_value_with_urls).collect()))
}

fn verify_certificates(context: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let options = Options { name: String::new(), now_ns: context.now_ns, purposes: Vec::new() };
    let text = text(context, operands, 0)?;
    verified(context, text, &options, Certificate::to_value_with_urls)
}

/// As OPA does it, without the URIs as texts.
fn verify_certificates_with_options(context: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let text = text(context, operands, 0)?;
    let options = object(operands, 1)?;
    if certificates_of(text).is_err() {
        return Ok(not_verified());
    }
    let options = verify_options(context, options)?;
    verified(context, text, &options, Certificate::to_value)
}

fn not_verified() -> Value {
    Value::array(vec![false.into(), Value::array(Vec::new())])
}

/// Whether there is a chain, and the chain.
fn verified(context: &mut CallContext<'_>, text: &str, options: &Options, show: fn(&Certificate) -> Value) -> Answer {
    let Ok(certificates) = certificates_of(text) else { return Ok(not_verified()) };
    let Some(chain) = verify_chain(context, &certificates, options)? else { return Ok(not_verified()) };
    let chain = chain.iter().map(|certificate| show(certificate)).collect();
    Ok(Value::array(vec![true.into(), Value::array(chain)]))
}

fn verify_options(context: &CallContext<'_>, object: &Object) -> Result<Options, BuiltinError> {
    let mut options = Options { name: String::new(), now_ns: context.now_ns, purposes: Vec::new() };
    for (key, value) in object.entries() {
        match (key.as_str(), value) {
            (None, _) => {}
            (Some("DNSName"), Value::String(name)) => options.name = name.trim_matches('"').to_owned(),
            (Some("CurrentTime"), Value::Number(number)) => {
                let now = number.as_i64();
                options.now_ns = now.ok_or_else(|| undefined("'CurrentTime' should be a valid int64 number"))?;
            }
            // Go no longer looks at it.
            (Some("MaxConstraintComparisons"), Value::Number(number)) => {
                number.as_i64().ok_or_else(|| undefined("'MaxConstraintComparisons' should be a valid number"))?;
            }
            (Some("KeyUsages"), Value::Array(_) | Value::Set(_)) => {
                let items = match value {
                    Value::Array(items) => items,
                    Value::Set(set) => set.items(),
                    _ => &[],
                };
                for name in items.iter().filter_map(Value::as_str) {
                    let number = PURPOSE_NAMES.iter().position(|known| *known == name.trim_matches('"'));
                    options.purposes.push(number.ok_or_else(|| undefined("invalid entries for 'KeyUsages' found"))?);
                }
            }
            (Some(name), _) => return Err(undefined(format!("invalid option {name}"))),
        }
    }
    Ok(options)
}

fn parse_certificate_request(context: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let text = text(context, operands, 0)?;
    let bytes = if text.starts_with("-----BEGIN CERTIFICATE REQUEST-----") {
        text.as_bytes().to_vec()
    } else {
        decode_base64(text)?
    };
    match pem::decode(&bytes) {
        Some((block, _)) if block.kind == b"CERTIFICATE REQUEST" => request::parse_request(&block.bytes),
        Some(_) => Err(undefined("invalid PEM-encoded certificate signing request")),
        None => request::parse_request(&bytes),
    }
}

/// Null for an empty text.
fn parse_private_keys(context: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let text = text(context, operands, 0)?;
    if text.is_empty() {
        return Ok(Value::Null);
    }
    let keys = PrivateKey::parse_all(text)?;
    context.budget.charge(KEY_OPERATION * keys.len() as u64)?;
    Ok(Value::array(keys.iter().map(PrivateKey::to_value).collect()))
}

/// The first key as a JSON Web Key, of whatever algorithm; null if there is none.
fn parse_private_key(context: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let text = text(context, operands, 0)?;
    if text.is_empty() {
        return Err(undefined("input PEM data was empty"));
    }
    let decoded;
    let text = if text.starts_with("-----BEGIN") {
        text
    } else {
        // What is no text is no PEM either, apart from garbage around the blocks.
        decoded = String::from_utf8_lossy(&decode_base64(text)?).into_owned();
        &decoded
    };
    let keys = PrivateKey::parse_all(text)?;
    context.budget.charge(KEY_OPERATION * keys.len() as u64)?;
    keys.first().map_or(Ok(Value::Null), PrivateKey::to_jwk)
}

fn parse_keypair(context: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let (certificate, key) = (text(context, operands, 0)?, text(context, operands, 1)?);
    context.budget.charge(2 * KEY_OPERATION)?;
    let certificates = blocks(certificate, |kind| kind == b"CERTIFICATE")?;
    let first = certificates.first().ok_or_else(|| undefined("failed to find a certificate"))?;
    let is_key = |kind: &[u8]| kind == b"PRIVATE KEY" || kind.ends_with(b" PRIVATE KEY");
    let keys = blocks(key, is_key)?;
    let key = keys.first().ok_or_else(|| undefined("failed to find a private key"))?;
    let leaf = Certificate::parse(first).ok_or_else(|| undefined("malformed certificate"))?;
    let key = PrivateKey::parse_any(key)?;
    match &leaf.key {
        Some(PublicKey::Rsa(_) | PublicKey::Ecdsa(_) | PublicKey::Ed25519(_)) if leaf.key == Some(key.public()) => {}
        _ => return Err(undefined("private key does not match public key")),
    }
    Ok(fields(vec![
        ("Certificate", Value::array(certificates.iter().map(|bytes| base64_of(bytes)).collect())),
        ("PrivateKey", key.to_value()),
        ("SupportedSignatureAlgorithms", Value::Null),
        ("OCSPStaple", Value::Null),
        ("SignedCertificateTimestamps", Value::Null),
        ("Leaf", leaf.to_value()),
    ]))
}

/// The key of a certificate or of a public key; `None` for a certificate whose key has an unknown algorithm.
pub(super) fn public_key_of(block: &pem::Block) -> Result<Option<PublicKey>, BuiltinError> {
    match block.kind.as_slice() {
        b"CERTIFICATE" => {
            let certificate = Certificate::parse(&block.bytes).ok_or_else(|| undefined("malformed certificate"))?;
            Ok(certificate.key)
        }
        b"PUBLIC KEY" => PublicKey::from_info(&block.bytes).map(Some).ok_or_else(|| undefined("malformed public key")),
        _ => Err(undefined("failed to extract a key from the PEM block")),
    }
}

/// The PEM blocks of a kind, or the one block that DER in base64 makes.
fn blocks(text: &str, is_wanted: impl Fn(&[u8]) -> bool) -> Result<Vec<Vec<u8>>, BuiltinError> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    let bytes = if text.as_bytes().starts_with(BEGIN) { text.as_bytes().to_vec() } else { decode_base64(text)? };
    if !bytes.starts_with(BEGIN) {
        return Ok(vec![bytes]);
    }
    let (mut rest, mut found) = (bytes.as_slice(), Vec::new());
    while let Some((block, after)) = pem::decode(rest) {
        if is_wanted(&block.kind) {
            found.push(block.bytes);
        }
        rest = after;
    }
    Ok(found)
}

/// The certificates of PEM, of PEM in base64 or of DER in base64.
fn certificates_of(text: &str) -> Result<Vec<Certificate>, BuiltinError> {
    let malformed = || undefined("malformed certificate");
    let bytes = if text.starts_with("-----BEGIN") { text.as_bytes().to_vec() } else { decode_base64(text)? };
    if !bytes.starts_with(b"-----BEGIN") {
        return Certificate::parse_all(&bytes).ok_or_else(malformed);
    }
    let (mut rest, mut all) = (bytes.as_slice(), Vec::new());
    while let Some((block, after)) = pem::decode(rest) {
        if block.kind != b"CERTIFICATE" {
            return Err(undefined("PEM block type is not CERTIFICATE"));
        }
        all.extend(block.bytes);
        rest = after;
    }
    Certificate::parse_all(&all).ok_or_else(malformed)
}

/// Why a text is no authority to trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum AuthorityFault {
    /// It has no block of PEM.
    NotPem,
    /// Its first block is no certificate.
    NotCertificate,
}

/// Looks at the first block, whatever it calls itself.
pub(in crate::policy) fn check_authority(text: &[u8]) -> Result<(), AuthorityFault> {
    let (block, _) = pem::decode(text).ok_or(AuthorityFault::NotPem)?;
    Certificate::parse(&block.bytes).map(drop).ok_or(AuthorityFault::NotCertificate)
}

fn text<'a>(context: &mut CallContext<'_>, operands: &[&'a Value], position: usize) -> Result<&'a str, BuiltinError> {
    let text = string(operands, position)?;
    // Certificates in JSON are several times as long as in PEM.
    context.budget.allocate(8 * text.len() as u64)?;
    Ok(text)
}

fn decode_base64(text: &str) -> Result<Vec<u8>, BuiltinError> {
    let illegal = |place| undefined(format!("illegal base64 data at input byte {place}"));
    base64::decode(text, Alphabet::Standard).map_err(illegal)
}
