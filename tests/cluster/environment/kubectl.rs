//! The terminal of a test: kubectl as one of the users.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::json;

use super::User;

#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) success: bool,
}

impl Output {
    /// For steps that only prepare what a test is about.
    #[track_caller]
    pub(crate) fn checked(self) -> Self {
        assert!(self.success, "kubectl failed: {}{}", self.stderr, self.stdout);
        self
    }
}

pub(crate) struct Kubectl {
    program: PathBuf,
    directory: PathBuf,
}

impl Kubectl {
    /// In `directory` are the kubeconfig files, and everything that kubectl keeps in the home directory.
    pub(crate) fn new(program: &Path, directory: &Path) -> Self {
        Self { program: program.to_owned(), directory: directory.to_owned() }
    }

    pub(crate) fn run(&self, user: User, arguments: &[&str], stdin: Option<&str>) -> io::Result<Output> {
        let mut child = Command::new(&self.program)
            .arg("--kubeconfig")
            .arg(self.kubeconfig(user))
            .args(arguments)
            .env("HOME", &self.directory)
            .stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let (Some(mut pipe), Some(text)) = (child.stdin.take(), stdin) {
            // It may have refused its arguments without reading: then its own message is the better one.
            let _ = pipe.write_all(text.as_bytes());
        }
        let output = child.wait_with_output()?;
        Ok(Output {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            success: output.status.success(),
        })
    }

    pub(crate) fn kubeconfig(&self, user: User) -> PathBuf {
        self.directory.join(format!("{}.kubeconfig", user.token()))
    }

    pub(crate) fn write_kubeconfigs(&self, port: u16, certificate_authority: &Path) -> io::Result<()> {
        for user in User::ALL {
            let content = json!({
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{ "name": "test", "cluster": {
                    "server": format!("https://127.0.0.1:{port}"), "certificate-authority": certificate_authority,
                }}],
                "users": [{ "name": "test", "user": { "token": user.token() } }],
                "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
                "current-context": "test",
            });
            std::fs::write(self.kubeconfig(user), content.to_string())?;
        }
        Ok(())
    }
}
