//! The API server as it looks to somebody whose clock is ahead: all its answers are dated earlier.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use k8s_openapi::jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use crate::cluster::environment::{Environment, User};

/// In HTTP/1, which is all that is spoken here.
const HEADER: &[u8] = b"\r\nDate: ";

/// Passes on what comes to a port on loopback, until the process ends; the kubeconfig for it.
pub(super) fn start(environment: &Environment, back: Duration) -> PathBuf {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(environment.ca_pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let connector = TlsConnector::from(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()));
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let (port, api_server) = (listener.local_addr().unwrap().port(), environment.api_server_port());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, connector.clone(), api_server, back));
            }
        });
    });
    let text = std::fs::read_to_string(environment.kubeconfig(User::Admit)).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
    config["clusters"][0]["cluster"] = json!({"server": format!("http://127.0.0.1:{port}")});
    let file = environment.directory("dated").join("kubeconfig");
    std::fs::write(&file, config.to_string()).unwrap();
    file
}

async fn pass_on(client: TcpStream, connector: TlsConnector, port: u16, back: Duration) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let Ok(server) = connector.connect("127.0.0.1".try_into().unwrap(), server).await else { return };
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = tokio::io::split(server);
    // Whoever of the two ends, ends both.
    tokio::select! {
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
        _ = antedate(from_server, to_client, back) => {}
    }
}

/// Answers begin with their heads, so that a date is not cut in two.
async fn antedate(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    back: Duration,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 32 * 1024];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        let read = &mut buffer[..count];
        if let Some(start) = read.windows(HEADER.len()).position(|window| window == HEADER) {
            let date = date(SystemTime::now() - back);
            read[start + HEADER.len()..][..date.len()].copy_from_slice(date.as_bytes());
        }
        to.write_all(read).await?;
        to.flush().await?;
    }
}

/// As in `Sun, 06 Nov 1994 08:49:37 GMT`: always of the same length.
fn date(time: SystemTime) -> String {
    Timestamp::try_from(time).unwrap().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
