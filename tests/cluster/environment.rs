//! A real API server for the tests: etcd and kube-apiserver, up to three pairs a test process, on loopback, without a cluster.
//!
//! ```text
//! Environment::shared()     etcd, kube-apiserver, kubectl as one of three users; started by the first test that asks
//! Environment::to_break()   the same once more, for tests that stop the API server or need an empty one; one at a time
//! Environment::own()        another, for a file of tests that are about all that is in a cluster
//!   ├─ scope("name")        namespace test-name, and webhook configurations that nothing outside of it can meet
//!   └─ AdmitServer::start   the program under test, as a process, as the user `Admit`
//! ```
//!
//! Promises: nothing listens beyond loopback; two test runs at once do not meet; when the test process ends, however it
//! ends, no process and no file is left (see `processes`).
//! Deliberately absent: the scheduler, so that Pods never run; and kube-controller-manager, unless a test starts it in an
//! environment of its own: Deployments make no Pods, a deleted namespace stays in phase Terminating. Tests share the API
//! server, so they keep to their scope.

#![allow(dead_code, reason = "a harness: tests may use less of it than there is")]

mod admit_server;
mod binaries;
mod certificates;
mod controller_manager;
pub(crate) mod kubectl;
mod processes;
pub(crate) mod scope;
mod servers;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};

pub(crate) use self::{
    admit_server::{AdmitServer, answers_ready},
    processes::wait_until,
};
use self::{
    binaries::Binaries,
    certificates::CertificateAuthority,
    kubectl::{Kubectl, Output},
    processes::{NotReady, Reaper, Server, free_port, with_free_ports},
    servers::{AUDIT_LOG, Place, start_etcd, start_kube_apiserver, write_files},
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
    /// What kube-controller-manager starts as; its rights are those that every API server gives it.
    ControllerManager,
}

impl User {
    const ALL: [Self; 4] = [Self::Admin, Self::Admit, Self::Developer, Self::ControllerManager];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Admit => "system:serviceaccount:admit-system:admit",
            Self::Developer => "developer",
            Self::ControllerManager => "system:kube-controller-manager",
        }
    }

    fn groups(self) -> &'static str {
        match self {
            Self::Admin => "system:masters",
            Self::Admit => "system:serviceaccounts,system:serviceaccounts:admit-system",
            Self::Developer => "developers",
            Self::ControllerManager => "system:authenticated",
        }
    }

    pub(crate) fn token(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Admit => "admit",
            Self::Developer => "developer",
            Self::ControllerManager => "controller-manager",
        }
    }
}

/// The namespace that admit lives in.
pub(crate) const ADMIT_NAMESPACE: &str = "admit-system";

pub(crate) struct Environment {
    kubectl: Kubectl,
    authority: CertificateAuthority,
    reaper: Arc<Reaper>,
    binaries: Binaries,
    place: Place,
    // Listed first what needs the other: dropped in this order when the start fails half way.
    kube_apiserver: Mutex<Server>,
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

    /// One that no other test sees, for several that share what is in it: for what is about the cluster as a whole.
    #[track_caller]
    pub(crate) fn own() -> Self {
        match Self::start() {
            Ok(environment) => environment,
            Err(message) => panic!("{message}"),
        }
    }

    /// Another one, for tests that take the API server away, or need a cluster of their own from the start. They take
    /// turns; each finds a new API server with nothing but admit's rights in it.
    #[track_caller]
    pub(crate) fn to_break() -> (MutexGuard<'static, ()>, &'static Self) {
        static TURN: Mutex<()> = Mutex::new(());
        static OWN: OnceLock<Environment> = OnceLock::new();
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = OWN.get().is_none();
        let environment = OWN.get_or_init(Self::own);
        if !is_first {
            environment.renew();
        }
        environment.apply_file("deploy/manifests/rbac.yaml").checked();
        (turn, environment)
    }

    fn renew(&self) {
        self.kill_api_server();
        self.place.generation.fetch_add(1, Ordering::Relaxed);
        // What kubectl remembers, and the log, are of the one before. They need not be there.
        let _ = fs::remove_dir_all(self.reaper.directory().join(".kube"));
        let _ = fs::remove_file(self.place.files.join(AUDIT_LOG));
        self.restart_api_server();
        self.apply(&initial_objects()).checked();
    }

    /// SIGKILL.
    pub(crate) fn kill_api_server(&self) {
        self.api_server().kill();
    }

    /// On the same port, over the same etcd; returns when it is ready.
    #[track_caller]
    pub(crate) fn restart_api_server(&self) {
        let restart = || start_kube_apiserver(&self.reaper, &self.binaries, &self.place, || is_ready(&self.kubectl));
        match with_free_ports(restart) {
            Ok(server) => *self.api_server() = server,
            Err(message) => panic!("{message}"),
        }
    }

    /// A signal by its name without `SIG`.
    pub(crate) fn signal_api_server(&self, name: &str) {
        self.api_server().signal(name);
    }

    /// Where etcd answers, for what no API server would store, and under which prefix it has the objects.
    pub(crate) fn etcd(&self) -> (u16, String) {
        (self.place.etcd_port, self.place.prefix())
    }

    pub(crate) fn api_server_port(&self) -> u16 {
        self.place.port
    }

    fn api_server(&self) -> MutexGuard<'_, Server> {
        self.kube_apiserver.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What [`User::Admit`] has asked of the API server, as audit events, each with the answer.
    pub(crate) fn audit_events(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.place.files.join(AUDIT_LOG)).unwrap_or_default();
        // The last line may be half there.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn start() -> Result<Self, String> {
        let reaper = Arc::new(Reaper::start().map_err(failed("start the process that cleans up"))?);
        let binaries = Binaries::find(&reaper)?;
        let files = reaper.directory().join("kube-apiserver");
        let authority = CertificateAuthority::new().map_err(failed("make a certificate authority"))?;
        write_files(&files, &authority).map_err(failed("write the files for kube-apiserver"))?;

        let kubectl = Kubectl::new(&binaries.kubectl, reaper.directory());
        let (etcd, etcd_port) = with_free_ports(|| start_etcd(&reaper, &binaries))?;
        let (kube_apiserver, place) = with_free_ports(|| {
            let port = free_port().map_err(NotReady::new)?;
            let place = Place { etcd_port, port, files: files.clone(), generation: AtomicUsize::new(0) };
            kubectl.write_kubeconfigs(place.port, &files.join("ca.crt")).map_err(NotReady::new)?;
            Ok((start_kube_apiserver(&reaper, &binaries, &place, || is_ready(&kubectl))?, place))
        })?;
        let kube_apiserver = Mutex::new(kube_apiserver);
        let environment = Self { kubectl, authority, reaper, binaries, place, kube_apiserver, _etcd: etcd };
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
