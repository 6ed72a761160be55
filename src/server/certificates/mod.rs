//! The serving certificate: what is in force, where it comes from, and how it is made and replaced.
//!
//! ```text
//! files      --cert-dir ─────────────────────────────────────┐
//! decide     Secret × clock → one step                       ├─► Certificates ─► each TLS handshake
//! rotation   … × what the API server trusts → take up, bundle┘
//! ```
//!
//! Promises: a certificate that cannot be used never replaces one that can; nothing is served before the API server
//! trusts its authority while there is something else to serve. Deliberately absent: access to the cluster, which is
//! in `server/cluster/certificates.rs`.

mod bundle;
mod clients;
mod decide;
mod files;
mod identity;
mod issue;
mod rotation;
mod self_signed;

use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

pub(super) use bundle::authorities;
pub use clients::ClientCertificates;
pub(super) use files::CertificateError;
pub(super) use files::CertificateFiles;
pub(super) use identity::{Fault, Second, SecretData, ends, judge_chain, parse};
pub use rotation::RotationOptions;
pub(super) use rotation::{Rotation, View};
pub use self_signed::{SelfSigned, self_signed};

/// Where the authority and the certificate are kept; Gatekeeper's name.
pub(super) const SECRET: &str = "gatekeeper-webhook-server-cert";

/// The certificate in force; none until the first one is there. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Certificates {
    current: Arc<RwLock<Option<InForce>>>,
}

/// What is served.
#[derive(Clone, Debug)]
struct InForce {
    key: Arc<CertifiedKey>,
    authority_ends: Option<Second>,
}

impl Certificates {
    /// For every handshake from now on. Connections that are open go on.
    pub(super) fn put_in_force(&self, key: Arc<CertifiedKey>, authority_ends: Option<Second>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(InForce { key, authority_ends });
    }

    /// The certificate itself.
    pub(super) fn leaf(&self) -> Option<CertificateDer<'static>> {
        self.current()?.leaf()
    }

    /// The certificate with its key, for whoever has to show who asks.
    pub(super) fn key(&self) -> Option<Arc<CertifiedKey>> {
        Some(self.current()?.key)
    }

    /// When the certificate ends, and when the authority does that has signed it.
    pub(super) fn ends(&self) -> (Option<Second>, Option<Second>) {
        let Some(current) = self.current() else { return (None, None) };
        let leaf = current.leaf();
        (leaf.as_ref().and_then(parse).map(|leaf| ends(&leaf)), current.authority_ends)
    }

    fn current(&self) -> Option<InForce> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl InForce {
    fn leaf(&self) -> Option<CertificateDer<'static>> {
        self.key.cert.first().cloned()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current().map(|current| current.key)
    }
}
