//! etcd and kube-apiserver as plain processes on loopback.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;

use super::{
    User,
    binaries::Binaries,
    certificates::CertificateAuthority,
    processes::{NotReady, Reaper, Server, free_port},
};

/// Takes about 5 s; but something may compile beside it.
const START: Duration = Duration::from_secs(120);
/// What admit has asked for, one JSON object a line, next to the files that kube-apiserver reads.
pub(crate) const AUDIT_LOG: &str = "audit.log";

pub(crate) fn start_etcd(reaper: &Arc<Reaper>, binaries: &Binaries) -> Result<(Server, u16), NotReady> {
    let port = free_port().map_err(NotReady::new)?;
    let url = format!("http://127.0.0.1:{port}");
    let peer_url = format!("http://127.0.0.1:{}", free_port().map_err(NotReady::new)?);
    let mut command = Reaper::command(&binaries.etcd);
    command
        .arg(format!("--data-dir={}", reaper.directory().join(format!("etcd-{port}")).display()))
        .arg(format!("--listen-client-urls={url}"))
        .arg(format!("--advertise-client-urls={url}"))
        .arg(format!("--listen-peer-urls={peer_url}"))
        .arg(format!("--initial-advertise-peer-urls={peer_url}"))
        .arg(format!("--initial-cluster=default={peer_url}"))
        .arg("--unsafe-no-fsync"); // nothing here outlives the tests
    let log = reaper.directory().join(format!("etcd-{port}.log"));
    let mut server = Server::start(reaper, &mut command, log).map_err(NotReady::new)?;
    // It listens only when it can serve.
    server
        .wait_until_ready(START, || TcpStream::connect(("127.0.0.1", port)).is_ok())
        .map_err(|error| error.of("etcd"))?;
    Ok((server, port))
}

/// What one kube-apiserver after another needs, to be the same to its clients.
pub(crate) struct Place {
    pub(crate) etcd_port: u16,
    pub(crate) port: u16,
    /// See [`write_files`].
    pub(crate) files: PathBuf,
    /// Another one is another cluster, without any objects.
    pub(crate) generation: AtomicUsize,
}

impl Place {
    /// Of all keys in etcd.
    pub(crate) fn prefix(&self) -> String {
        format!("/cluster-{}", self.generation.load(Ordering::Relaxed))
    }
}

pub(crate) fn start_kube_apiserver(
    reaper: &Arc<Reaper>,
    binaries: &Binaries,
    place: &Place,
    ready: impl Fn() -> bool,
) -> Result<Server, NotReady> {
    let Place { etcd_port, port, files, .. } = place;
    let mut command = Reaper::command(&binaries.kube_apiserver);
    let file = |flag: &str, name: &str| format!("--{flag}={}", files.join(name).display());
    command
        .arg(format!("--etcd-servers=http://127.0.0.1:{etcd_port}"))
        .arg(format!("--etcd-prefix={}", place.prefix()))
        .arg(format!("--secure-port={port}"))
        .arg("--bind-address=127.0.0.1")
        .arg("--endpoint-reconciler-type=none") // an endpoint on loopback is refused, again and again
        .arg("--service-cluster-ip-range=10.0.0.0/24")
        .arg(file("cert-dir", ""))
        .arg(file("tls-cert-file", "tls.crt"))
        .arg(file("tls-private-key-file", "tls.key"))
        .arg(file("service-account-key-file", "tls.crt"))
        .arg(file("service-account-signing-key-file", "tls.key"))
        .arg("--service-account-issuer=https://kubernetes.default.svc")
        .arg(file("token-auth-file", "tokens.csv"))
        .arg("--authorization-mode=RBAC")
        .arg(file("audit-policy-file", "audit-policy.yaml"))
        .arg(file("audit-log-path", AUDIT_LOG))
        .arg("--disable-admission-plugins=ServiceAccount"); // its tokens come from kube-controller-manager
    let log = reaper.directory().join(format!("kube-apiserver-{port}.log"));
    let mut server = Server::start(reaper, &mut command, log).map_err(NotReady::new)?;
    server.wait_until_ready(START, ready).map_err(|error| error.of("kube-apiserver"))?;
    Ok(server)
}

/// Everything that [`start_kube_apiserver`] reads from `files`.
pub(crate) fn write_files(files: &Path, authority: &CertificateAuthority) -> Result<(), Box<dyn std::error::Error>> {
    authority.issue(files)?;
    let tokens = User::ALL.map(|user| format!("{0},{1},{1},\"{2}\"\n", user.token(), user.name(), user.groups()));
    fs::write(files.join("tokens.csv"), tokens.concat())?;
    let policy = json!({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata", "users": [User::Admit.name()]}, {"level": "None"}]});
    fs::write(files.join("audit-policy.yaml"), policy.to_string())?;
    Ok(())
}
