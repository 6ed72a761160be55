//! A program run to its end, with bounds on its time and its output: [`run`].

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

/// How much of its complaints is kept; the last ones tell most.
const COMPLAINTS: usize = 16 << 10;
/// How long to wait between two looks at whether a program has ended that has closed its output.
const PATIENCE: Duration = Duration::from_millis(5);

/// Why a program's output cannot be had.
#[derive(Debug, Error)]
pub(super) enum RunError {
    #[error("is not installed, or not on PATH")]
    Missing,
    #[error("could not be started: {0}")]
    Start(io::Error),
    #[error("could not be waited for: {0}")]
    Wait(io::Error),
    #[error("failed ({status}): {}", or_silence(stderr))]
    Failed { status: ExitStatus, stderr: String },
    #[error("did not end within {} seconds and was stopped", .0.as_secs_f32())]
    TooSlow(Duration),
    #[error("wrote more than {0} bytes and was stopped")]
    TooMuch(usize),
    #[error("wrote something that is not UTF-8 text")]
    NotText,
}

fn or_silence(stderr: &str) -> &str {
    if stderr.is_empty() { "it did not say why" } else { stderr }
}

/// What a program writes. Its input is empty.
///
/// Simplifying assumption: what it starts in its turn ends with it. If not, the answer comes in time all the same.
pub(super) fn run(program: &Path, arguments: &[OsString], time: Duration, largest: usize) -> Result<String, RunError> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => RunError::Missing,
        _ => RunError::Start(error),
    })?;
    let result = watch(&mut child, time, largest);
    if result.is_err() {
        // It may have ended by itself.
        let _ = child.kill();
        let _ = child.wait();
    }
    result
}

enum Heard {
    Output(io::Result<Vec<u8>>),
    Complaints(Vec<u8>),
}

fn watch(child: &mut Child, time: Duration, largest: usize) -> Result<String, RunError> {
    let deadline = Instant::now().checked_add(time);
    let left = || deadline.map_or(time, |deadline| deadline.saturating_duration_since(Instant::now()));
    let (mut output, mut complaints) = (None, None);
    let heard = listen(child, largest);
    while output.is_none() || complaints.is_none() {
        match heard.recv_timeout(left()) {
            Ok(Heard::Output(Ok(bytes))) if bytes.len() > largest => return Err(RunError::TooMuch(largest)),
            Ok(Heard::Output(bytes)) => output = Some(bytes.map_err(RunError::Wait)?),
            Ok(Heard::Complaints(bytes)) => complaints = Some(bytes),
            Err(RecvTimeoutError::Timeout) => return Err(RunError::TooSlow(time)),
            // Both have been heard to their end.
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let status = loop {
        match child.try_wait().map_err(RunError::Wait)? {
            Some(status) => break status,
            None if left().is_zero() => return Err(RunError::TooSlow(time)),
            None => thread::sleep(PATIENCE),
        }
    };
    if !status.success() {
        let stderr = String::from_utf8_lossy(&complaints.unwrap_or_default()).trim().to_owned();
        return Err(RunError::Failed { status, stderr });
    }
    String::from_utf8(output.unwrap_or_default()).map_err(|_| RunError::NotText)
}

/// Reads both pipes at once, as a program stops when one of them is full.
fn listen(child: &mut Child, largest: usize) -> Receiver<Heard> {
    let (sender, receiver) = channel();
    if let Some(stdout) = child.stdout.take() {
        let sender = sender.clone();
        thread::spawn(move || tell(&sender, Heard::Output(read_up_to(stdout, largest.saturating_add(1)))));
    }
    if let Some(stderr) = child.stderr.take() {
        thread::spawn(move || tell(&sender, Heard::Complaints(read_last(stderr, COMPLAINTS))));
    }
    receiver
}

fn tell(sender: &Sender<Heard>, heard: Heard) {
    // Nobody listens any more when the program was too slow.
    let _ = sender.send(heard);
}

fn read_up_to(input: impl Read, bytes: usize) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    input.take(u64::try_from(bytes).unwrap_or(u64::MAX)).read_to_end(&mut read)?;
    Ok(read)
}

fn read_last(mut input: impl Read, bytes: usize) -> Vec<u8> {
    let mut last = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length) = input.read(&mut buffer) {
        if length == 0 {
            break;
        }
        last.extend_from_slice(buffer.get(..length).unwrap_or_default());
        let surplus = last.len().saturating_sub(bytes);
        last.drain(..surplus);
    }
    last
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[track_caller]
    fn check(script: &str, expected: &str) {
        let arguments = ["-c", script].map(OsString::from);
        let begun = Instant::now();
        let found = run(Path::new("sh"), &arguments, Duration::from_millis(1500), 100_000);
        assert_eq!(found.unwrap_or_else(|error| error.to_string()), expected, "{script}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{script}");
    }

    #[test]
    fn a_program_is_heard_to_its_end() {
        check("echo a; echo b >&2; cat", "a\n");
        check("head -c 1000000 /dev/zero >&2; echo a", "a\n");
    }

    #[test]
    fn what_goes_wrong_is_said() {
        check("echo a; echo 'no such chart' >&2; exit 3", "failed (exit status: 3): no such chart");
        check("exit 1", "failed (exit status: 1): it did not say why");
        check("kill -9 $$", "failed (signal: 9 (SIGKILL)): it did not say why");
        check("printf '\\377'", "wrote something that is not UTF-8 text");
        check("exec cat /dev/zero", "wrote more than 100000 bytes and was stopped");
        check("exec sleep 60", "did not end within 1.5 seconds and was stopped");
        check("exec >&- 2>&-; exec sleep 60", "did not end within 1.5 seconds and was stopped");
        check("sleep 4 & exit 0", "did not end within 1.5 seconds and was stopped");
        let missing = run(Path::new("/nowhere/helm"), &[], Duration::from_secs(1), 1);
        assert!(matches!(missing, Err(RunError::Missing)), "{missing:?}");
    }
}
