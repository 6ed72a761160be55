//! A real API server for the tests: one etcd and one kube-apiserver a test process, on loopback, without a cluster.
//!
//! ```text
//! Environment::shared()     etcd, kube-apiserver, kubectl as one of three users; started by the first test that asks
//!   ├─ scope("name")        namespace test-name, and webhook configurations that nothing outside of it can meet
//!   └─ AdmitServer::start   the program under test, as a process, as the user `Admit`
//! ```
//!
//! Promises: nothing listens beyond loopback; two test runs at once do not meet; when the test process ends, however it
//! ends, no process and no file is left (see `processes`).
//! Deliberately absent: kube-controller-manager and the scheduler. Deployments make no Pods, Pods never run, a deleted
//! namespace stays in phase Terminating. Tests share the API server, so they keep to their scope.

#![allow(dead_code, reason = "a harness: tests may use less of it than there is")]

mod admit_server;
mod binaries;
mod certificates;
pub(crate) mod kubectl;
mod processes;
pub(crate) mod scope;
mod servers;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use serde_json::json;

pub(crate) use self::{admit_server::AdmitServer, processes::wait_until};
use self::{
    binaries::Binaries,
    certificates::CertificateAuthority,
    kubectl::{Kubectl, Output},
    processes::{Reaper, Server, with_free_ports},
    servers::{start_etcd, start_kube_apiserver, write_files},
};

/// Who talks to the API server. For anybody else, let `Admin` impersonate: `kubectl --as=NAME --as-group=GROUP`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum User {
    /// May do everything.
    Admin,
    /// The ServiceAccount that admit runs as; may do what the test binds to it.
    Admit,
    /// May do everything with namespaces and the usual workloads, nothing else.
    Developer,
}

impl User {
    const ALL: [Self; 3] = [Self::Admin, Self::Admit, Self::Developer];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Admit => "system:serviceaccount:admit-system:admit",
            Self::Developer => "developer",
        }
    }

    fn groups(self) -> &'static str {
        match self {
            Self::Admin => "system:masters",
            Self::Admit => "system:serviceaccounts,system:serviceaccounts:admit-system",
            Self::Developer => "developers",
        }
    }

    pub(crate) fn token(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Admit => "admit",
            Self::Developer => "developer",
        }
    }
}

/// The namespace that admit lives in.
pub(crate) const ADMIT_NAMESPACE: &str = "admit-system";

pub(crate) struct Environment {
    kubectl: Kubectl,
    authority: CertificateAuthority,
    reaper: Arc<Reaper>,
    // Listed first what needs the other: dropped in this order when the start fails half way.
    /// Where etcd answers, for what no API server would store.
    pub(crate) etcd_port: u16,
    _kube_apiserver: Server,
    _etcd: Server,
}

impl Environment {
    /// Starts the servers on the first call. Panics when they cannot be had, so that no test counts as passed: with the
    /// one line that says what is missing, or with the end of the log of the server that did not start.
    #[track_caller]
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Result<Environment, String>> = OnceLock::new();
        match SHARED.get_or_init(Self::start) {
            Ok(environment) => environment,
            Err(message) => panic!("{message}"),
        }
    }

    /// One that no other test sees: for what is about the cluster as a whole.
    #[track_caller]
    pub(crate) fn own() -> Self {
        match Self::start() {
            Ok(environment) => environment,
            Err(message) => panic!("{message}"),
        }
    }

    fn start() -> Result<Self, String> {
        let reaper = Arc::new(Reaper::start().map_err(failed("start the process that cleans up"))?);
        let binaries = Binaries::find(&reaper)?;
        let files = reaper.directory().join("kube-apiserver");
        let authority = CertificateAuthority::new().map_err(failed("make a certificate authority"))?;
        write_files(&files, &authority).map_err(failed("write the files for kube-apiserver"))?;

        let kubectl = Kubectl::new(&binaries.kubectl, reaper.directory());
        let (etcd, etcd_port) = with_free_ports(|| start_etcd(&reaper, &binaries))?;
        let (kube_apiserver, _) = with_free_ports(|| {
            start_kube_apiserver(&reaper, &binaries, etcd_port, &files, |port| {
                kubectl.write_kubeconfigs(port, &files.join("ca.crt")).is_ok() && is_ready(&kubectl)
            })
        })?;
        let environment = Self { kubectl, authority, reaper, etcd_port, _kube_apiserver: kube_apiserver, _etcd: etcd };
        let output = environment.apply(&initial_objects());
        if output.success { Ok(environment) } else { Err(output.stderr) }
    }

    /// kubectl as [`User::Admin`].
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Output {
        self.kubectl_as(User::Admin, arguments, None)
    }

    pub(crate) fn kubectl_as(&self, user: User, arguments: &[&str], stdin: Option<&str>) -> Output {
        self.kubectl.run(user, arguments, stdin).expect("kubectl runs")
    }

    /// `kubectl apply` of YAML (or JSON) text, as [`User::Admin`].
    pub(crate) fn apply(&self, manifest: &str) -> Output {
        self.apply_as(User::Admin, manifest)
    }

    pub(crate) fn apply_as(&self, user: User, manifest: &str) -> Output {
        self.kubectl_as(user, &["apply", "-f", "-"], Some(manifest))
    }

    /// `kubectl apply` of a file or of all files in a directory; a relative path starts at the package.
    pub(crate) fn apply_file(&self, path: impl AsRef<Path>) -> Output {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        self.kubectl(&["apply", "-f", path.to_str().expect("a path in UTF-8")])
    }

    pub(crate) fn kubeconfig(&self, user: User) -> PathBuf {
        self.kubectl.kubeconfig(user)
    }

    /// A new directory, removed when the tests end.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let directory = self.reaper.directory().join(name);
        fs::create_dir(&directory).expect("a directory for a test");
        directory
    }

    /// The certificate of the authority that has signed all [`Environment::certificates`], for a `caBundle`.
    pub(crate) fn ca_pem(&self) -> String {
        self.authority.pem()
    }

    /// Writes `tls.crt`, `tls.key` and `ca.crt` for a server on 127.0.0.1 into `directory`, as a mounted Secret. Called
    /// again, it replaces them, as a rotation does. Returns the new certificate in DER.
    pub(crate) fn certificates(&self, directory: &Path) -> Vec<u8> {
        self.authority.issue(directory).expect("a certificate")
    }
}

fn failed<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> String {
    move |error| format!("cluster tests: failed to {what}: {error}")
}

/// `/readyz` answers before the namespaces are there that everybody takes for granted.
fn is_ready(kubectl: &Kubectl) -> bool {
    [["get", "--raw", "/readyz"], ["get", "namespace", "default"]]
        .iter()
        .all(|arguments| kubectl.run(User::Admin, arguments, None).is_ok_and(|output| output.success))
}

fn initial_objects() -> String {
    json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": ADMIT_NAMESPACE } },
        // The role `edit` is empty here: it is kube-controller-manager that fills aggregated roles.
        { "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "developer" },
          "rules": [{ "apiGroups": ["", "apps", "batch", "networking.k8s.io"], "resources": ["*"], "verbs": ["*"] }] },
        { "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "developer" },
          "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "developer" },
          "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": User::Developer.name() }] },
    ] })
    .to_string()
}
