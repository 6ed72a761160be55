//! Whom blocking clients trust: whom the system trusts.

use std::sync::Arc;

use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// TLS for a client of something elsewhere, and what was wrong with certificates that were to be read, such as the file that
/// `SSL_CERT_FILE` names.
pub(in crate::server) fn system_trust() -> (TlsConfig, Vec<String>) {
    let found = rustls_native_certs::load_native_certs();
    let roots: Vec<_> = found.certs.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    let config = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .build();
    (config, found.errors.iter().map(ToString::to_string).collect())
}
