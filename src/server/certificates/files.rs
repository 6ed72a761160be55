//! The serving certificate from files: taken up in place when they change, never replaced by broken ones.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use tracing::{error, info};

use super::Certificates;
use super::identity::{self, Second};

/// How often the files are looked at. Kubernetes itself takes up to a minute to project a changed Secret.
const POLL: Duration = Duration::from_secs(1);

/// Why a certificate or key cannot be used.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("failed to read {path}: {cause}; --cert-dir must hold {needed}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the directory should hold.
        needed: String,
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

/// `tls.crt` and `tls.key` in a directory.
#[derive(Debug)]
pub(in crate::server) struct CertificateFiles {
    directory: PathBuf,
    seen: Files,
    certificates: Certificates,
}

#[derive(Debug, PartialEq, Eq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
    /// `ca.crt`, which is there when the files are those of a Secret, and tells when the authority ends.
    authority: Option<Vec<u8>>,
}

impl CertificateFiles {
    /// Puts the files' certificate in force.
    pub(in crate::server) fn load(directory: &Path, certificates: Certificates) -> Result<Self, CertificateError> {
        let seen = read_files(directory)?;
        put_in_force(&certificates, directory, &seen)?;
        Ok(Self { directory: directory.to_owned(), seen, certificates })
    }

    /// Takes up changed files, for ever. Files that cannot be used are reported once, and the last good ones stay.
    pub(in crate::server) async fn watch(mut self) {
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

    fn reload(&mut self) -> Result<bool, CertificateError> {
        let files = read_files(&self.directory)?;
        if self.seen == files {
            return Ok(false);
        }
        put_in_force(&self.certificates, &self.directory, &files)?;
        self.seen = files;
        Ok(true)
    }
}

fn read_files(directory: &Path) -> Result<Files, CertificateError> {
    let read = |name: &str| {
        let path = directory.join(name);
        let needed = "tls.crt and tls.key".to_owned();
        std::fs::read(&path).map_err(|cause| CertificateError::Read { path, needed, cause })
    };
    let authority = std::fs::read(directory.join("ca.crt")).ok();
    Ok(Files { certificate: read("tls.crt")?, key: read("tls.key")?, authority })
}

fn put_in_force(certificates: &Certificates, directory: &Path, files: &Files) -> Result<(), CertificateError> {
    let key = parse(directory, files)?;
    let authority_ends = files.authority.as_ref().and_then(|pem| authority_ends(&key.cert, pem));
    certificates.put_in_force(key, authority_ends);
    Ok(())
}

/// When the authority ends that has signed the last certificate of a chain, if it is among these.
fn authority_ends(chain: &[CertificateDer<'_>], authorities: &[u8]) -> Option<Second> {
    let authorities: Vec<_> = CertificateDer::pem_slice_iter(authorities).filter_map(Result::ok).collect();
    let last = identity::parse(chain.last()?)?;
    identity::signer(&last, &authorities).map(|signer| identity::ends(&signer))
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
