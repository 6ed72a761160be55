//! One authority and the certificate that it signed, as a Secret holds them: read, and judged whole.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use x509_parser::prelude::X509Certificate;

/// `data` of the Secret.
pub(in crate::server) type SecretData = BTreeMap<String, Vec<u8>>;

/// A prefix of the four keys in the Secret: what is in service has none, what is prepared has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    InService,
    Next,
}

impl Slot {
    /// The name of a key of the Secret.
    pub(super) fn key(self, name: &str) -> String {
        match self {
            Self::InService => name.to_owned(),
            Self::Next => format!("next-{name}"),
        }
    }

    /// What is stored there; empty values count as absent, since a Secret may be made with them.
    pub(super) fn find<'a>(self, data: &'a SecretData, name: &str) -> Option<&'a [u8]> {
        data.get(&self.key(name)).map(Vec::as_slice).filter(|value| !value.trim_ascii().is_empty())
    }
}

/// Why what a Secret holds cannot be served.
#[derive(Debug, Error, PartialEq, Eq)]
pub(in crate::server) enum Fault {
    #[error("{0} is missing")]
    Missing(String),
    #[error("{0} is not in PEM form")]
    Pem(String),
    #[error("tls.key does not belong to tls.crt")]
    Mismatch,
    #[error("{what} has expired at {at}")]
    Expired { what: &'static str, at: Second },
    #[error(
        "{what} is not valid before {from}, which is still to come; was it made on a machine whose clock is ahead?"
    )]
    NotYetValid { what: &'static str, from: Second },
    #[error("tls.crt is not for {0}")]
    Name(String),
    #[error("tls.crt does not lead to ca.crt: {0}")]
    Chain(String),
}

/// Seconds since 1970, shown as people write time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::server) struct Second(pub(in crate::server) i64);

impl std::fmt::Display for Second {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match jiff::Timestamp::from_second(self.0) {
            Ok(time) => write!(formatter, "{time}"),
            Err(_) => write!(formatter, "second {}", self.0),
        }
    }
}

/// What can be served now.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) key: Arc<CertifiedKey>,
    /// `ca.crt`, for the `caBundle`.
    pub(super) authorities: Vec<CertificateDer<'static>>,
    /// When the certificate itself ends.
    pub(super) leaf_ends: Second,
    /// When the authority ends that has signed it.
    pub(super) authority_ends: Second,
}

impl Identity {
    /// Reads a slot and judges it as the API server would: name, chain, time.
    pub(super) fn read(data: &SecretData, slot: Slot, name: &str, now: Second) -> Result<Self, Fault> {
        let chain = certificates(data, slot, "tls.crt")?;
        let authorities = certificates(data, slot, "ca.crt")?;
        let key = slot.find(data, "tls.key").ok_or_else(|| Fault::Missing(slot.key("tls.key")))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| Fault::Pem(slot.key("tls.key")))?;
        let provider = rustls::crypto::ring::default_provider();
        let key = CertifiedKey::from_der(chain, key, &provider).map_err(|_| Fault::Mismatch)?;
        let [leaf, intermediates @ ..] = key.cert.as_slice() else { return Err(Fault::Pem(slot.key("tls.crt"))) };
        let parsed = parse(leaf).ok_or_else(|| Fault::Pem(slot.key("tls.crt")))?;
        let leaf_ends = judge_time(&parsed, "tls.crt", now)?;
        judge_chain(leaf, intermediates, &authorities, name, now)?;
        let last = intermediates.last().and_then(parse).unwrap_or(parsed);
        let signer = signer(&last, &authorities).ok_or_else(|| Fault::Pem(slot.key("ca.crt")))?;
        let authority_ends = judge_time(&signer, "ca.crt", now)?;
        drop(signer);
        Ok(Self { key: Arc::new(key), authorities, leaf_ends, authority_ends })
    }
}

/// The parts of a certificate.
pub(in crate::server) fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    x509_parser::parse_x509_certificate(certificate).ok().map(|(_, certificate)| certificate)
}

/// The end of a certificate.
pub(in crate::server) fn ends(certificate: &X509Certificate<'_>) -> Second {
    Second(certificate.validity().not_after.timestamp())
}

fn certificates(data: &SecretData, slot: Slot, name: &str) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let text = slot.find(data, name).ok_or_else(|| Fault::Missing(slot.key(name)))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(|| Fault::Pem(slot.key(name)))
}

fn judge_time(certificate: &X509Certificate<'_>, what: &'static str, now: Second) -> Result<Second, Fault> {
    let (from, at) = (Second(certificate.validity().not_before.timestamp()), ends(certificate));
    if now < from {
        return Err(Fault::NotYetValid { what, from });
    }
    if at <= now { Err(Fault::Expired { what, at }) } else { Ok(at) }
}

/// Whether a certificate leads to one of these authorities, and is for that name.
pub(in crate::server) fn judge_chain(
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    authorities: &[CertificateDer<'static>],
    name: &str,
    now: Second,
) -> Result<(), Fault> {
    let chain = |error: &dyn std::fmt::Display| Fault::Chain(error.to_string());
    let server = ServerName::try_from(name).map_err(|_| Fault::Name(name.to_owned()))?;
    let parsed = rustls::server::ParsedCertificate::try_from(leaf).map_err(|error| chain(&error))?;
    rustls::client::verify_server_name(&parsed, &server).map_err(|_| Fault::Name(name.to_owned()))?;
    // An issuer that signs nothing but itself: such a certificate is its own authority.
    if authorities.iter().any(|authority| authority.as_ref() == leaf.as_ref()) {
        return Ok(());
    }
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone()).map_err(|error| chain(&error))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = verifier.build().map_err(|error| chain(&error))?;
    let now = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.0).unwrap_or_default()));
    verifier.verify_server_cert(leaf, intermediates, &server, &[], now).map_err(|error| chain(&error))?;
    Ok(())
}

/// The authority with the issuer's name; of several, the one that lasts longest.
pub(super) fn signer<'a>(
    signed: &X509Certificate<'_>,
    authorities: &'a [CertificateDer<'static>],
) -> Option<X509Certificate<'a>> {
    let parsed = authorities.iter().filter_map(parse);
    parsed.filter(|authority| authority.subject().as_raw() == signed.issuer().as_raw()).max_by_key(ends)
}
