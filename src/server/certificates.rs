//! The serving certificate: read from files, swapped in place when they change, never replaced by a broken one.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use tracing::{error, info};

/// How often the files are looked at. Kubernetes itself takes up to a minute to project a changed Secret.
const POLL: Duration = Duration::from_secs(1);

/// Why a certificate or key cannot be used.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("failed to read {path}: {cause}; --cert-dir must hold tls.crt and tls.key")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A file holds no usable PEM.
    #[error("{path} holds no usable {expected} in PEM form: {message}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What should be in it.
        expected: &'static str,
        /// What is wrong.
        message: String,
    },
    /// The key is not the certificate's.
    #[error("the key in {directory}/tls.key cannot be used with the certificate in tls.crt: {message}")]
    Mismatch {
        /// The directory.
        directory: PathBuf,
        /// What is wrong.
        message: String,
    },
}

/// The certificate in force. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Certificates {
    directory: PathBuf,
    current: Arc<RwLock<Loaded>>,
}

#[derive(Debug)]
struct Loaded {
    files: Files,
    key: Arc<CertifiedKey>,
}

#[derive(Debug, PartialEq, Eq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Certificates {
    /// Loads `tls.crt` and `tls.key`.
    pub(super) fn load(directory: &Path) -> Result<Self, CertificateError> {
        let files = read_files(directory)?;
        let key = parse(directory, &files)?;
        let current = Arc::new(RwLock::new(Loaded { files, key }));
        Ok(Self { directory: directory.to_owned(), current })
    }

    /// Takes up changed files, for ever. Files that cannot be used are reported once, and the last good ones stay.
    pub(super) async fn watch(self) {
        let mut reported = String::new();
        loop {
            tokio::time::sleep(POLL).await;
            match self.reload() {
                Ok(false) => reported.clear(),
                Ok(true) => {
                    reported.clear();
                    info!(directory = %self.directory.display(), "serving certificate reloaded");
                }
                Err(error) => {
                    let text = error.to_string();
                    if text != reported {
                        error!(error = %text, "new serving certificate refused; the previous one stays in use");
                        reported = text;
                    }
                }
            }
        }
    }

    fn reload(&self) -> Result<bool, CertificateError> {
        let files = read_files(&self.directory)?;
        if self.current.read().unwrap_or_else(PoisonError::into_inner).files == files {
            return Ok(false);
        }
        let key = parse(&self.directory, &files)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Loaded { files, key };
        Ok(true)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).key))
    }
}

fn read_files(directory: &Path) -> Result<Files, CertificateError> {
    let read = |name: &str| {
        let path = directory.join(name);
        std::fs::read(&path).map_err(|cause| CertificateError::Read { path, cause })
    };
    Ok(Files { certificate: read("tls.crt")?, key: read("tls.key")? })
}

fn parse(directory: &Path, files: &Files) -> Result<Arc<CertifiedKey>, CertificateError> {
    let bad_pem =
        |name: &str, expected, message: String| CertificateError::Pem { path: directory.join(name), expected, message };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&files.certificate)
        .collect::<Result<_, _>>()
        .map_err(|error| bad_pem("tls.crt", "certificate", error.to_string()))?;
    if chain.is_empty() {
        return Err(bad_pem("tls.crt", "certificate", "no CERTIFICATE block found".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(&files.key)
        .map_err(|error| bad_pem("tls.key", "private key", error.to_string()))?;
    let provider = rustls::crypto::ring::default_provider();
    let certified = CertifiedKey::from_der(chain, key, &provider)
        .map_err(|error| CertificateError::Mismatch { directory: directory.to_owned(), message: error.to_string() })?;
    Ok(Arc::new(certified))
}

/// A certificate authority of one's own and a certificate for loopback that it signed, as PEM.
#[derive(Debug)]
pub struct SelfSigned {
    /// The authority, for clients to trust.
    pub authority: String,
    /// `tls.crt`.
    pub certificate: String,
    /// `tls.key`.
    pub key: String,
}

/// Makes a certificate for `localhost` and `127.0.0.1`: for demonstrations, on this machine only.
///
/// # Errors
/// When the keys cannot be made.
pub fn self_signed() -> Result<SelfSigned, rcgen::Error> {
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    authority.distinguished_name.push(rcgen::DnType::CommonName, "admit demo authority");
    let authority_key = rcgen::KeyPair::generate()?;
    let authority_certificate = authority.self_signed(&authority_key)?;
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let leaf_key = rcgen::KeyPair::generate()?;
    let certificate = leaf.signed_by(&leaf_key, &issuer)?;
    Ok(SelfSigned {
        authority: authority_certificate.pem(),
        certificate: certificate.pem(),
        key: leaf_key.serialize_pem(),
    })
}
