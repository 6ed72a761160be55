//! The program under test, `admit serve`, as a process of its own.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use super::{
    ADMIT_NAMESPACE, Environment, User,
    processes::{NotReady, Reaper, Server, free_port, with_free_ports},
};

const START: Duration = Duration::from_secs(30);
/// What the kubelet grants.
const GRACE: Duration = Duration::from_secs(30);

/// Ready when it is made; terminated and waited for when it is dropped.
pub(crate) struct AdmitServer {
    server: Server,
    /// Of the webhooks, over TLS.
    pub(crate) port: u16,
    /// Of `/healthz` and `/readyz`.
    pub(crate) health_port: u16,
    /// Of `/metrics`.
    pub(crate) prometheus_port: u16,
    /// What `--cert-dir` names.
    pub(crate) certificates: PathBuf,
    /// Its `POD_NAME`, different for each server.
    pub(crate) pod_name: String,
}

impl AdmitServer {
    /// Runs `admit serve` as [`User::Admit`], on free ports, with a certificate of the environment's authority in files;
    /// `arguments` come on top. With a flag `--cert-service-name`, the cluster keeps the certificate instead.
    #[track_caller]
    pub(crate) fn start(environment: &Environment, arguments: &[&str]) -> Self {
        match Self::try_start(environment, arguments) {
            Ok(server) => server,
            Err(message) => panic!("{message}"),
        }
    }

    /// The error says why the server is not ready, with the end of its log.
    pub(crate) fn try_start(environment: &Environment, arguments: &[&str]) -> Result<Self, String> {
        let (pod_name, certificates) = Self::names(environment);
        with_free_ports(|| {
            let mut admit = Self::spawn(environment, arguments, &pod_name, &certificates)?;
            let health_port = admit.health_port;
            admit.server.wait_until_ready(START, || answers_ready(health_port)).map_err(|error| error.of("admit"))?;
            Ok(admit)
        })
    }

    /// Does not wait until it is ready.
    #[track_caller]
    pub(crate) fn begin(environment: &Environment, arguments: &[&str]) -> Self {
        let (pod_name, certificates) = Self::names(environment);
        match with_free_ports(|| Self::spawn(environment, arguments, &pod_name, &certificates)) {
            Ok(server) => server,
            Err(message) => panic!("{message}"),
        }
    }

    fn names(environment: &Environment) -> (String, PathBuf) {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let pod_name = format!("admit-{}", STARTED.fetch_add(1, Ordering::Relaxed));
        let certificates = environment.directory(&pod_name);
        environment.certificates(&certificates);
        (pod_name, certificates)
    }

    fn spawn(
        environment: &Environment,
        arguments: &[&str],
        pod_name: &str,
        certificates: &Path,
    ) -> Result<Self, NotReady> {
        let free_port = || free_port().map_err(NotReady::new);
        let (port, health_port, prometheus_port) = (free_port()?, free_port()?, free_port()?);
        let mut command = Reaper::command(program());
        command
            .args(["serve", "--host=127.0.0.1"])
            .arg(format!("--port={port}"))
            .arg(format!("--health-addr=127.0.0.1:{health_port}"))
            .arg(format!("--prometheus-port={prometheus_port}"))
            .arg(format!("--cert-dir={}", certificates.display()))
            .arg(format!("--disable-cert-rotation={}", !keeps_certificates(arguments)))
            .args(arguments)
            .env("POD_NAME", pod_name)
            .env("POD_NAMESPACE", ADMIT_NAMESPACE);
        let has_policies =
            |argument: &&str| argument.starts_with("--kubeconfig=") || argument.starts_with("--policies=");
        if !arguments.iter().any(has_policies) {
            command.arg(format!("--kubeconfig={}", environment.kubeconfig(User::Admit).display()));
        }
        let log = certificates.with_extension("log");
        let server = Server::start(&environment.reaper, &mut command, log).map_err(NotReady::new)?;
        Ok(Self {
            server,
            port,
            health_port,
            prometheus_port,
            certificates: certificates.to_owned(),
            pod_name: pod_name.to_owned(),
        })
    }

    /// What it has written to stdout and stderr.
    pub(crate) fn log(&self) -> String {
        self.server.log()
    }

    pub(crate) fn is_ready(&self) -> bool {
        answers_ready(self.health_port)
    }

    /// What `/readyz` says; empty where nobody listens (yet).
    pub(crate) fn readiness(&self) -> String {
        http_get(self.health_port, "/readyz").map(|(_, body)| body).unwrap_or_default()
    }

    /// Processor time that it has used.
    pub(crate) fn processor_time(&self) -> Duration {
        let line = std::fs::read_to_string(format!("/proc/{}/stat", self.server.id())).unwrap_or_default();
        let fields: Vec<&str> = line.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 = [11, 12].iter().filter_map(|index| fields.get(*index)?.parse::<u64>().ok()).sum();
        // A hundred a second, on every Linux there is.
        Duration::from_millis(ticks * 10)
    }

    /// The page of metrics.
    pub(crate) fn metrics(&self) -> String {
        let (status, body) = http_get(self.prometheus_port, "/metrics").expect("an answer on /metrics");
        assert_eq!(status, 200, "{body}");
        body
    }

    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.server.ended()
    }

    /// SIGTERM.
    pub(crate) fn ask_to_end(&mut self) {
        self.server.signal("TERM");
    }

    /// SIGTERM, and what the process ended with; SIGKILL after the grace that the kubelet grants.
    pub(crate) fn terminate(&mut self) -> Option<ExitStatus> {
        self.server.terminate(GRACE)
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.server.kill();
    }
}

impl Drop for AdmitServer {
    fn drop(&mut self) {
        self.terminate();
    }
}

/// For measuring, the environment may name another build.
fn program() -> PathBuf {
    std::env::var_os("ADMIT_TEST_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_admit").into()).into()
}

fn keeps_certificates(arguments: &[&str]) -> bool {
    arguments.iter().any(|argument| argument.starts_with("--cert-service-name"))
}

pub(crate) fn answers_ready(health_port: u16) -> bool {
    http_get(health_port, "/readyz").is_ok_and(|(status, _)| status == 200)
}

/// Status and body. HTTP/1.0, so that the body comes in one piece and the end of the connection ends it.
fn http_get(port: u16, path: &str) -> io::Result<(u16, String)> {
    let mut connection = TcpStream::connect(("127.0.0.1", port))?;
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(connection, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let (Some(status), Some((_, body))) = (status, answer.split_once("\r\n\r\n")) else {
        return Err(io::Error::other(format!("not an answer in HTTP: {answer}")));
    };
    Ok((status, body.to_owned()))
}
