//! Who may call the webhook at all: holders of a certificate of one authority and with one common name.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use tracing::{error, info, warn};

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
        let source = Source { path: directory.join(&self.authority_file) };
        let text = source.read()?;
        let inner = source.parse(&text)?;
        let current = RwLock::new((text, Arc::clone(&inner)));
        Ok(Arc::new(NamedClients { source, first: inner, current, common_name: self.common_name.clone() }))
    }
}

/// The file with the authorities.
#[derive(Debug)]
struct Source {
    path: PathBuf,
}

impl Source {
    fn read(&self) -> Result<Vec<u8>, CertificateError> {
        let needed = "the file that --client-ca-name names".to_owned();
        std::fs::read(&self.path).map_err(|cause| CertificateError::Read { path: self.path.clone(), needed, cause })
    }

    fn parse(&self, text: &[u8]) -> Result<Arc<dyn ClientCertVerifier>, CertificateError> {
        let bad_pem =
            |message: String| CertificateError::Pem { path: self.path.clone(), expected: "certificate", message };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(text) {
            let certificate = certificate.map_err(|error| bad_pem(error.to_string()))?;
            roots.add(certificate).map_err(|error| bad_pem(error.to_string()))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        verifier.map_err(|error| bad_pem(error.to_string()))
    }
}

#[derive(Debug)]
struct NamedClients {
    source: Source,
    /// For what does not depend on authorities.
    first: Arc<dyn ClientCertVerifier>,
    /// The authorities in force, and the text that they are from.
    current: RwLock<(Vec<u8>, Arc<dyn ClientCertVerifier>)>,
    common_name: String,
}

impl NamedClients {
    /// By the file as it is now: API servers change authorities, too, and connect seldom enough to look each time.
    fn current(&self) -> Arc<dyn ClientCertVerifier> {
        let text = self.source.read();
        {
            let (known, verifier) = &*self.current.read().unwrap_or_else(PoisonError::into_inner);
            if text.as_ref().is_ok_and(|text| text == known) {
                return Arc::clone(verifier);
            }
        }
        let read = text.and_then(|text| self.source.parse(&text).map(|verifier| (text, verifier)));
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(new) => {
                info!(path = %self.source.path.display(), "authorities of clients reloaded");
                *current = new;
            }
            Err(error) => error!(%error, "authorities of clients refused; the previous ones stay in use"),
        }
        Arc::clone(&current.1)
    }
}

impl ClientCertVerifier for NamedClients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // They would be those of the first authorities, and keep a client of the next from showing its certificate.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.current().verify_client_cert(end_entity, intermediates, now)?;
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
        self.first.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.first.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.first.supported_verify_schemes()
    }
}

/// Of several common names the last one counts, as in Go.
fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let name = certificate.subject().iter_common_name().last()?.as_str().ok()?.to_owned();
    Some(name)
}
