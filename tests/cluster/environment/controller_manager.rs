//! kube-controller-manager for the tests that are about what it does: a process that answers nobody, with rights of its own.

use std::time::Duration;

use super::{
    Environment, User,
    processes::{Reaper, Server, wait_until},
};

/// Those that tests are about, and the one that shows that it works. None of them would run a Pod.
const CONTROLLERS: &str = "--controllers=garbage-collector-controller,namespace-controller,deployment-controller,\
                           replicaset-controller,serviceaccount-controller";
const START: Duration = Duration::from_secs(60);

/// Working when it is made; killed when it is dropped.
pub(crate) struct ControllerManager(Server);

impl Environment {
    /// Start it when the CRDs are there whose objects it is to collect: it looks for new ones twice a minute.
    #[track_caller]
    pub(crate) fn start_controllers(&self) -> ControllerManager {
        let program = self.binaries.controller_manager().unwrap_or_else(|message| panic!("{message}"));
        let mut command = Reaper::command(program);
        command
            .arg(format!("--kubeconfig={}", self.kubeconfig(User::ControllerManager).display()))
            // Each controller as the ServiceAccount that Kubernetes has for it, as in a cluster.
            .args(["--use-service-account-credentials", "--leader-elect=false", "--secure-port=0", CONTROLLERS])
            .args(["--kube-api-qps=100", "--kube-api-burst=200"]);
        let log = self.reaper.directory().join("kube-controller-manager.log");
        let mut server = match Server::start(&self.reaper, &mut command, log) {
            Ok(server) => server,
            Err(error) => panic!("failed to start kube-controller-manager: {error}"),
        };
        // Nothing else makes this ServiceAccount.
        let is_at_work = || self.kubectl(&["get", "serviceaccount", "default", "-n", "default"]).success;
        if let Err(error) = server.wait_until_ready(START, is_at_work) {
            panic!("{}", error.of("kube-controller-manager").message());
        }
        ControllerManager(server)
    }
}

impl ControllerManager {
    pub(crate) fn log(&self) -> String {
        self.0.log()
    }

    /// `wait_until`, with the log where it does not come true.
    #[track_caller]
    pub(crate) fn wait_until(&self, timeout: Duration, what: &str, condition: impl FnMut() -> bool) {
        let has_come = wait_until(timeout, condition);
        assert!(has_come, "{what}: not after {timeout:?}; kube-controller-manager says:\n{}", self.log());
    }
}
