//! Whom `http.send` trusts and as whom it shows itself.

use std::sync::{Arc, LazyLock};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::{Outcome, internal, unsupported};

/// The three ways to give a certificate or a key.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) text: String,
    pub(super) file: String,
    pub(super) variable: String,
}

/// What a request says about TLS.
#[derive(Debug)]
pub(super) struct Tls {
    pub(super) authorities: Source,
    pub(super) certificate: Source,
    pub(super) key: Source,
    pub(super) uses_system: Option<bool>,
    pub(super) skips_verification: bool,
    /// Empty: the host's.
    pub(super) server_name: String,
}

impl Source {
    fn is_empty(&self) -> bool {
        self.text.is_empty() && self.file.is_empty() && self.variable.is_empty()
    }

    /// What is given, in OPA's order.
    fn read(&self) -> Outcome<[Option<Vec<u8>>; 3]> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let file = given(&self.file)
            .map(|path| std::fs::read(&path).map_err(|error| internal(format!("{path}: {error}"))))
            .transpose()?;
        let variable = given(&self.variable).map(|name| std::env::var(name).unwrap_or_default().into_bytes());
        Ok([given(&self.text).map(String::into_bytes), file, variable])
    }
}

impl Tls {
    pub(super) fn config(&self) -> Outcome<TlsConfig> {
        Ok(TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
            .disable_verification(self.skips_verification)
            .root_certs(RootCerts::Specific(self.roots()?))
            .client_cert(self.client()?)
            .build())
    }

    /// The system's, unless others are given; both where a policy asks for both.
    fn roots(&self) -> Outcome<Arc<Vec<Certificate<'static>>>> {
        if self.uses_system.unwrap_or(self.authorities.is_empty()) && self.authorities.is_empty() {
            return Ok(Arc::clone(&SYSTEM));
        }
        let mut roots = if self.uses_system == Some(true) { SYSTEM.to_vec() } else { Vec::new() };
        let [text, file, variable] = self.authorities.read()?;
        // The text may come from a place where line ends were escaped.
        let text = text.map(|text| String::from_utf8_lossy(&text).replace("\\n", "\n").into_bytes());
        for pem in [text, file, variable].into_iter().flatten() {
            let before = roots.len();
            roots.extend(certificates(&pem));
            if roots.len() == before {
                return Err(internal("could not append certificates"));
            }
        }
        Ok(Arc::new(roots))
    }

    fn client(&self) -> Outcome<Option<ClientCert>> {
        let pairs = self.certificate.read()?.into_iter().zip(self.key.read()?);
        let mut pairs = pairs.filter_map(|(chain, key)| chain.zip(key));
        let Some((chain, key)) = pairs.next() else { return Ok(None) };
        if pairs.next().is_some() {
            return Err(unsupported("one client certificate is supported, more were given"));
        }
        check_pair(&chain, &key)?;
        let key = PrivateKey::from_pem(&key).map_err(|error| internal(error.to_string()))?;
        let chain: Vec<Certificate<'static>> = certificates(&chain).collect();
        Ok(Some(ClientCert::new_with_certs(&chain, key)))
    }
}

/// The certificates among the blocks of a text.
fn certificates(pem: &[u8]) -> impl Iterator<Item = Certificate<'static>> + '_ {
    parse_pem(pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    })
}

/// The client panics over a key that is not its certificate's.
fn check_pair(chain: &[u8], key: &[u8]) -> Outcome<()> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain).filter_map(Result::ok).collect();
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| internal(format!("client key: {error}")))?;
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| internal(error.to_string()))?;
    let config = builder.with_root_certificates(RootCertStore::empty()).with_client_auth_cert(chain, key);
    config.map(drop).map_err(|error| internal(format!("client certificate: {error}")))
}

/// Read once for the process, as Go does.
static SYSTEM: LazyLock<Arc<Vec<Certificate<'static>>>> = LazyLock::new(|| {
    let found = rustls_native_certs::load_native_certs().certs;
    Arc::new(found.iter().map(|der| Certificate::from_der(der).to_owned()).collect())
});
