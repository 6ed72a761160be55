//! `tls-check`: whether the webhook answers on its port, with the certificate that is in force.
//!
//! Gatekeeper compares with the files in `--cert-dir`; here what counts is what was taken up, from files or the Secret.
//! A client certificate is not shown: the handshake is over for a client before a server of TLS 1.3 asks for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::TLS13;
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tracing::warn;

use super::ServeError;
use super::certificates::Certificates;

/// Longer than a kubelet waits for a probe by default.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the webhook on this machine.
#[derive(Clone)]
pub(super) struct TlsCheck {
    address: SocketAddr,
    connector: TlsConnector,
    /// What was found wrong last.
    reported: Arc<Mutex<Option<String>>>,
}

impl TlsCheck {
    /// Of the webhook that listens on an address of this machine.
    pub(super) fn new(listening: SocketAddr, certificates: Certificates) -> Result<Self, ServeError> {
        let provider = Arc::new(ring::default_provider());
        let verifier = Expected { certificates, algorithms: provider.signature_verification_algorithms };
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]);
        let builder = builder.map_err(|error| ServeError::Tls(error.to_string()))?.dangerous();
        let config = builder.with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        Ok(Self { address: reachable(listening), connector, reported: Arc::default() })
    }

    /// What is wrong, if anything is. It is logged when it is news.
    pub(super) async fn failure(&self) -> Option<String> {
        let failure = match tokio::time::timeout(PATIENCE, self.ask()).await {
            Ok(answered) => answered.err().map(|error| format!("https://{}: {error}", self.address)),
            Err(_) => Some(format!("https://{} does not answer within {} s", self.address, PATIENCE.as_secs())),
        };
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failure) = failure.as_ref().filter(|failure| reported.as_ref() != Some(*failure)) {
            warn!(failure, "the webhook cannot be reached from this machine");
        }
        reported.clone_from(&failure);
        failure
    }

    async fn ask(&self) -> std::io::Result<()> {
        let stream = TcpStream::connect(self.address).await?;
        self.connector.connect(ServerName::from(self.address.ip()), stream).await.map(drop)
    }
}

/// Where a client on this machine finds what listens on every interface.
fn reachable(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listening.port())
}

/// Takes the certificate that is in force, and no other; whose name it bears does not matter.
#[derive(Debug)]
struct Expected {
    certificates: Certificates,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Expected {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let in_force = self.certificates.leaf();
        if in_force.is_some_and(|leaf| leaf == *end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::General(
            "it shows another certificate than the one in force; does something else listen there?".into(),
        ))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::pki_types::pem::PemObject;
    use rustls::sign::CertifiedKey;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::server::self_signed;

    fn certificates() -> Certificates {
        let made = self_signed().unwrap();
        let chain = vec![CertificateDer::from_pem_slice(made.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(made.key.as_bytes()).unwrap();
        let certificates = Certificates::default();
        let key = CertifiedKey::from_der(chain, key, &ring::default_provider()).unwrap();
        certificates.put_in_force(Arc::new(key), None);
        certificates
    }

    #[tokio::test]
    async fn only_the_certificate_in_force_will_do() {
        let (served, other) = (certificates(), certificates());
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_protocol_versions(&[&TLS13]).unwrap().with_no_client_auth();
        let acceptor = TlsAcceptor::from(Arc::new(builder.with_cert_resolver(Arc::new(served.clone()))));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = acceptor.accept(stream).await;
            }
        });
        assert_eq!(TlsCheck::new(address, served.clone()).unwrap().failure().await, None);
        for expected in [other, Certificates::default()] {
            let failure = TlsCheck::new(address, expected).unwrap().failure().await.unwrap();
            assert!(failure.contains("another certificate than the one in force"), "{failure}");
        }
        serving.abort();
        let _ = serving.await;
        let failure = TlsCheck::new(address, served).unwrap().failure().await.unwrap();
        assert!(failure.starts_with(&format!("https://{address}: ")), "{failure}");
    }

    #[test]
    fn every_interface_is_reached_by_loopback() {
        for (listening, expected) in [
            ("0.0.0.0:443", "127.0.0.1:443"),
            ("[::]:443", "[::1]:443"),
            ("10.1.2.3:8443", "10.1.2.3:8443"),
            ("127.0.0.1:1", "127.0.0.1:1"),
        ] {
            assert_eq!(reachable(listening.parse().unwrap()), expected.parse().unwrap());
        }
    }
}
