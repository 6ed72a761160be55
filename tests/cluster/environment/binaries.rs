//! Where kube-apiserver, etcd, kubectl and kube-controller-manager come from: `tests/cluster/prepare` finds or builds them.

use std::{
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::processes::Reaper;

pub(crate) struct Binaries {
    pub(crate) kube_apiserver: PathBuf,
    pub(crate) etcd: PathBuf,
    pub(crate) kubectl: PathBuf,
}

impl Binaries {
    /// The error is one line that says what is missing and how to get it. Building takes minutes, the first time.
    pub(crate) fn find(reaper: &Reaper) -> Result<Self, String> {
        let directory = prepare(reaper)?;
        let binaries = Self {
            kube_apiserver: directory.join("kube-apiserver"),
            etcd: directory.join("etcd"),
            kubectl: directory.join("kubectl"),
        };
        // KUBEBUILDER_ASSETS need not hold a kubectl.
        if binaries.kubectl.is_file() {
            return Ok(binaries);
        }
        let on_path = Command::new("kubectl").args(["version", "--client"]).stdout(Stdio::null()).status();
        if on_path.is_ok_and(|status| status.success()) {
            return Ok(Self { kubectl: PathBuf::from("kubectl"), ..binaries });
        }
        Err(format!(
            "cluster tests: kubectl is missing, put it into {} or on PATH, or unset KUBEBUILDER_ASSETS to have it built",
            directory.display()
        ))
    }

    /// The archives that are made for such tests elsewhere have none.
    pub(crate) fn controller_manager(&self) -> Result<PathBuf, String> {
        let program = self.kube_apiserver.with_file_name("kube-controller-manager");
        if program.is_file() {
            return Ok(program);
        }
        let missing = program.display();
        Err(format!("cluster tests: {missing} is missing, put it there or unset KUBEBUILDER_ASSETS to have it built"))
    }
}

fn prepare(reaper: &Reaper) -> Result<PathBuf, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/prepare");
    run(reaper, &script).unwrap_or_else(|error| Err(format!("cluster tests: cannot run {}: {error}", script.display())))
}

fn run(reaper: &Reaper, script: &Path) -> io::Result<Result<PathBuf, String>> {
    let mut command = Reaper::command("bash");
    let mut child = reaper.spawn(command.arg(script).stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let mut complaint = "cluster tests: tests/cluster/prepare failed".to_owned();
    for line in child.stderr.take().map(BufReader::new).into_iter().flat_map(BufReader::lines) {
        complaint = line?;
        // Not `eprintln!`: a test's output is held back, and somebody is waiting for minutes.
        writeln!(io::stderr(), "{complaint}")?;
    }
    let id = child.id();
    let output = child.wait_with_output();
    reaper.forget(id);
    let output = output?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    Ok(match stdout.lines().last() {
        Some(directory) if output.status.success() => Ok(PathBuf::from(directory)),
        _ => Err(complaint),
    })
}
