//! Whom providers are taken for, and as whom they are asked.
//!
//! Guarantees: TLS 1.3; only the authorities of the Provider count; whoever is asked and wants to know is shown the
//! certificate that the webhook serves with.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::server::certificates::{Certificates, Second, ends, parse};

/// TLS to a provider with these authorities, in PEM.
///
/// # Errors
/// When there is no authority among them that can be used.
pub(super) fn config(authorities: &[u8], certificates: &Certificates) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new(authorities, Arc::clone(&provider))?;
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]);
    let builder = builder.map_err(|error| error.to_string())?.dangerous();
    let builder = builder.with_custom_certificate_verifier(Arc::new(verifier));
    Ok(builder.with_client_cert_resolver(Arc::new(Own(certificates.clone()))))
}

/// The certificate in force at the time of each handshake.
#[derive(Debug)]
struct Own(Certificates);

impl ResolvesClientCert for Own {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.key()
    }

    fn has_certs(&self) -> bool {
        self.0.key().is_some()
    }
}

/// The usual rules, and one of Go's: a certificate that is itself among the authorities is good although it may sign
/// others, as the certificates are that `openssl req -x509` makes.
#[derive(Debug)]
struct Verifier {
    usual: Arc<WebPkiServerVerifier>,
    authorities: Vec<CertificateDer<'static>>,
}

impl Verifier {
    fn new(authorities: &[u8], provider: Arc<CryptoProvider>) -> Result<Self, String> {
        let authorities: Vec<_> = CertificateDer::pem_slice_iter(authorities).filter_map(Result::ok).collect();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(authorities.iter().cloned());
        let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let usual = usual.map_err(|_| "failed to append provider's CA bundle to certificate pool".to_owned())?;
        Ok(Self { usual, authorities })
    }

    fn verify_itself(&self, leaf: &CertificateDer<'_>, name: &ServerName<'_>, now: UnixTime) -> Result<(), Error> {
        let Some(own) = self.authorities.iter().find(|one| one.as_ref() == leaf.as_ref()) else {
            return Err(Error::InvalidCertificate(CertificateError::UnknownIssuer));
        };
        let parsed = parse(own).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let now = Second(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        if now > ends(&parsed) {
            return Err(Error::InvalidCertificate(CertificateError::Expired));
        }
        if now.0 < parsed.validity().not_before.timestamp() {
            return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
        }
        verify_server_name(&ParsedCertificate::try_from(leaf)?, name)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.usual.verify_server_cert(leaf, intermediates, name, stapled, now);
        match self.authorities.iter().any(|one| one.as_ref() == leaf.as_ref()) {
            true if verdict.is_err() => self.verify_itself(leaf, name, now).map(|()| ServerCertVerified::assertion()),
            _ => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}
