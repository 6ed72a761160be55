//! Who may call the webhook at all: holders of a certificate of one authority and with one common name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use tracing::warn;

use super::CertificateError;

/// `--client-ca-name` and `--client-cn-name`.
#[derive(Clone, Debug)]
pub struct ClientCertificates {
    /// Name of a file in `--cert-dir` with the authorities of clients, in PEM.
    pub authority_file: PathBuf,
    /// What the subject of a client has to say.
    pub common_name: String,
}

impl ClientCertificates {
    /// Reads the authorities. The minimum version of TLS is the listener's and holds with and without this.
    pub(in crate::server) fn verifier(
        &self,
        directory: &Path,
    ) -> Result<Arc<dyn ClientCertVerifier>, CertificateError> {
        let path = directory.join(&self.authority_file);
        let needed = format!("{}, as --client-ca-name says", self.authority_file.display());
        let text =
            std::fs::read(&path).map_err(|cause| CertificateError::Read { path: path.clone(), needed, cause })?;
        let bad_pem = |message: String| CertificateError::Pem { path: path.clone(), expected: "certificate", message };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&text) {
            let certificate = certificate.map_err(|error| bad_pem(error.to_string()))?;
            roots.add(certificate).map_err(|error| bad_pem(error.to_string()))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let inner = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| bad_pem(error.to_string()))?;
        Ok(Arc::new(NamedClients { inner, common_name: self.common_name.clone() }))
    }
}

#[derive(Debug)]
struct NamedClients {
    inner: Arc<dyn ClientCertVerifier>,
    common_name: String,
}

impl ClientCertVerifier for NamedClients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.inner.verify_client_cert(end_entity, intermediates, now)?;
        let found = common_name(end_entity).unwrap_or_default();
        if found == self.common_name {
            return Ok(verified);
        }
        warn!(found, expected = self.common_name, "client refused: its certificate is for another common name");
        Err(Error::General(format!("x509: subject with cn={found} do not identify as {}", self.common_name)))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Of several common names the last one counts, as in Go.
fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let name = certificate.subject().iter_common_name().last()?.as_str().ok()?.to_owned();
    Some(name)
}
