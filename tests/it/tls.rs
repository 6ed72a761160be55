//! Whom the webhook talks to: versions of TLS, and clients with a certificate of the right authority and name.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, mpsc};

use admit::server::{ClientCertificates, TlsVersion, self_signed};
use rcgen::{CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, Stream, SupportedProtocolVersion};

use super::webhook::{Policies, options, serve};

/// Of clients.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

type Client = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn client(authority: &CertifiedIssuer<'static, KeyPair>, names: &[&str]) -> Client {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    for name in names {
        params.distinguished_name.push(DnType::CommonName, *name);
    }
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    (vec![certificate.der().clone()], key)
}

struct Server {
    address: SocketAddr,
    /// What `--cert-dir` names.
    directory: Arc<tempfile::TempDir>,
    authority: String,
}

impl Server {
    fn start(oldest: TlsVersion, clients: Option<&CertifiedIssuer<'static, KeyPair>>) -> Self {
        let certificate = self_signed().unwrap();
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        write("tls.crt", &certificate.certificate);
        write("tls.key", &certificate.key);
        let mut options = options(directory.path());
        options.tls_min_version = oldest;
        if let Some(clients) = clients {
            write("clients.crt", &clients.pem());
            options.client_certificates = Some(ClientCertificates {
                authority_file: "clients.crt".into(),
                common_name: "kube-apiserver".to_owned(),
            });
        }
        let (sender, addresses) = mpsc::channel();
        std::thread::spawn(move || serve(options, Policies::Text(String::new()), &sender));
        Self { address: addresses.recv().unwrap().webhook.unwrap(), directory, authority: certificate.authority }
    }

    /// The first line of an answer. In TLS 1.3 a client learns only by reading that it was refused.
    fn ask(&self, versions: &[&'static SupportedProtocolVersion], client: Option<&Client>) -> Result<String, String> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let builder = builder.with_root_certificates(roots);
        let config = match client {
            Some((chain, key)) => builder.with_client_auth_cert(chain.clone(), key.clone_key()).unwrap(),
            None => builder.with_no_client_auth(),
        };
        let mut connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        let mut socket = TcpStream::connect(self.address).unwrap();
        let mut stream = Stream::new(&mut connection, &mut socket);
        let request = b"GET /nothing HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        stream.write_all(request).map_err(|error| error.to_string())?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).map_err(|error| error.to_string())?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

#[test]
fn the_oldest_version_holds_with_and_without_a_check_of_clients() {
    let authority = authority();
    let client = client(&authority, &["kube-apiserver"]);
    for clients in [None, Some(&authority)] {
        let modern = Server::start(TlsVersion::Tls13, clients);
        assert!(modern.ask(&[&TLS13], Some(&client)).is_ok(), "{clients:?}");
        let refused = modern.ask(&[&TLS12], Some(&client)).unwrap_err();
        assert!(refused.contains("ProtocolVersion"), "{refused}");
        let old = Server::start(TlsVersion::Tls12, clients);
        assert_eq!(old.ask(&[&TLS12], Some(&client)).as_deref(), Ok("HTTP/1.1 404"));
        assert_eq!(old.ask(&[&TLS13], Some(&client)).as_deref(), Ok("HTTP/1.1 404"));
    }
}

#[test]
fn only_the_named_client_of_the_authority_may_call() {
    let authority = authority();
    let server = Server::start(TlsVersion::Tls12, Some(&authority));
    for version in [&TLS12, &TLS13] {
        let ask = |client: Option<&Client>| server.ask(&[version], client);
        assert_eq!(ask(Some(&client(&authority, &["kube-apiserver"]))).as_deref(), Ok("HTTP/1.1 404"));
        for names in [&["somebody"][..], &[], &["kube-apiserver "], &["Kube-apiserver"]] {
            assert!(ask(Some(&client(&authority, names))).is_err(), "{names:?}");
        }
        assert!(ask(None).is_err(), "no certificate");
        let foreign = super::tls::authority();
        assert!(ask(Some(&client(&foreign, &["kube-apiserver"]))).is_err(), "another authority");
    }
}

#[test]
fn another_authority_of_clients_counts_at_once_and_a_broken_one_never() {
    let (first, second) = (authority(), authority());
    let server = Server::start(TlsVersion::Tls13, Some(&first));
    let clients = [client(&first, &["kube-apiserver"]), client(&second, &["kube-apiserver"])];
    let answered = || clients.each_ref().map(|client| server.ask(&[&TLS13], Some(client)).is_ok());
    let write = |text: &str| std::fs::write(server.directory.path().join("clients.crt"), text).unwrap();
    assert_eq!(answered(), [true, false]);
    write(&second.pem());
    assert_eq!(answered(), [false, true]);
    for broken in ["", "-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n"] {
        write(broken);
        assert_eq!(answered(), [false, true]);
    }
    write(&format!("{}{}", first.pem(), second.pem()));
    assert_eq!(answered(), [true, true]);
}
