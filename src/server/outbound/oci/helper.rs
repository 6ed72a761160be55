//! Programs that keep passwords: `docker-credential-NAME get` reads a host and answers with a name and a secret.

use std::io::{ErrorKind, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::words;

/// Long enough for somebody to type a password.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// How often a helper is asked whether it has ended.
const PAUSE: Duration = Duration::from_millis(10);
/// What outlives a helper may keep its output open.
const PATIENCE_FOR_OUTPUT: Duration = Duration::from_secs(1);
const LONGEST_ANSWER: u64 = 1 << 20;
/// So a helper says that it has nothing, with an exit code that says failure.
const HAS_NONE: &str = "credentials not found";

/// Name and secret for a host; nothing where the helper has none.
pub(super) fn ask(helper: &str, host: &str, patience: Duration) -> Result<Option<(String, String)>, String> {
    let program = format!("docker-credential-{helper}");
    let mut child = match start(&program) {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(format!("there is no program {program}")),
        Err(error) => return Err(format!("{program} cannot be run: {error}")),
    };
    if let Some(mut input) = child.stdin.take() {
        // Not every helper reads it: what it answers counts.
        let _ = input.write_all(host.as_bytes());
    }
    let (stdout, stderr) = (read(child.stdout.take()), read(child.stderr.take()));
    let Some(status) = wait(&mut child, patience) else {
        let _ = child.kill().and_then(|()| child.wait());
        return Err(format!("{program} has not answered within {} s", patience.as_secs_f32()));
    };
    let received = |output: &Receiver<Vec<u8>>| output.recv_timeout(PATIENCE_FOR_OUTPUT).unwrap_or_default();
    let (stdout, stderr) = (received(&stdout), received(&stderr));
    if !status.success() {
        let said = words(&format!("{} {}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)));
        return if said.contains(HAS_NONE) { Ok(None) } else { Err(format!("{program} failed with {status}: {said}")) };
    }
    // It may hold the secret: no word of it is shown.
    let answer: Option<Value> = serde_json::from_slice(&stdout).ok();
    let text = |key: &str| Some(answer.as_ref()?.get(key)?.as_str()?.to_owned());
    let found = text("Username").zip(text("Secret"));
    let found =
        found.ok_or_else(|| format!("{program} answers with something else than JSON with Username and Secret"))?;
    Ok(Some(found).filter(|(_, secret)| !secret.is_empty()))
}

fn start(program: &str) -> std::io::Result<Child> {
    Command::new(program).arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

/// In a thread of its own, so that neither output fills up, nor is waited for without an end.
fn read(output: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(output) = output {
            let _ = output.take(LONGEST_ANSWER).read_to_end(&mut bytes);
        }
        let _ = sender.send(bytes);
    });
    receiver
}

fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + patience;
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_or_hangs_is_told() {
        let absent = ask("that-nobody-has", "r.example.com", PATIENCE).unwrap_err();
        assert_eq!(absent, "there is no program docker-credential-that-nobody-has");
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert!(wait(&mut child, Duration::from_millis(50)).is_none());
        child.kill().unwrap();
        assert!(wait(&mut child, PATIENCE).is_some_and(|status| !status.success()));
    }
}
