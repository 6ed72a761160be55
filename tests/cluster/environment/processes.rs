//! Child processes that cannot outlive the test process.
//!
//! A static is never dropped and SIGKILL runs no destructor, so cleaning up is not left to the test process: a small
//! shell, the [`Reaper`], owns the temporary directory and knows every process. It waits on a pipe whose other end only
//! the test process has. When that end closes, for whatever reason, it kills what is still there and removes the directory.
//!
//! Simplifying assumption: nobody kills the reaper itself. It runs in a process group of its own and ignores the
//! signals of a terminal, so that Ctrl-C reaches the tests alone.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fmt::Display,
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    net::TcpListener,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{self, Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant, SystemTime},
};

const REAPER: &str = r#"
trap '' HUP INT TERM PIPE
umask 077
mkdir "$1" || exit
echo ready
groups=' '
while read -r verb group; do
    case $verb in
        watch) groups="$groups$group " ;;
        forget) groups="${groups%% $group *} ${groups#* $group }" ;;
    esac
done
for group in $groups; do
    kill -s KILL -- "-$group"
done
attempts=0
until rm -rf "$1" || [ $attempts -gt 50 ]; do # a process that is just dying may still make a file
    attempts=$((attempts + 1))
    sleep 0.1
done
"#;

/// Holds the process back until the reaper knows it: no instant in which it could be left behind.
const LAUNCHER: &str = r#"read -r released && exec "$@" </dev/null"#;

pub(crate) struct Reaper {
    directory: PathBuf,
    commands: Mutex<ChildStdin>,
}

impl Reaper {
    pub(crate) fn start() -> io::Result<Self> {
        let moment = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
        let directory = std::env::temp_dir().join(format!("admit-cluster-{}-{moment}", process::id()));
        let mut shell = Command::new("sh")
            .args(["-c", REAPER, "reaper"])
            .arg(&directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let (Some(commands), Some(answer)) = (shell.stdin.take(), shell.stdout.take()) else {
            return Err(io::Error::other("the reaper has no pipes"));
        };
        let mut ready = String::new();
        BufReader::new(answer).read_line(&mut ready)?;
        if ready.is_empty() {
            return Err(io::Error::other(format!("no directory {} could be made", directory.display())));
        }
        Ok(Self { directory, commands: Mutex::new(commands) })
    }

    /// Removed when the test process ends; only this user can read it.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// A command for [`Reaper::spawn`]: arguments, environment, stdout and stderr are the caller's to add.
    pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", LAUNCHER, "launcher"]).arg(program);
        command
    }

    /// Starts a command made by [`Reaper::command`] in a process group of its own, with an empty stdin. The whole group
    /// dies with the test process.
    pub(crate) fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        let mut child = command.stdin(Stdio::piped()).process_group(0).spawn()?;
        self.tell("watch", child.id())?;
        if let Some(mut launcher) = child.stdin.take() {
            launcher.write_all(b"go\n")?;
        }
        Ok(child)
    }

    /// To be called as soon as a child was waited for: from then on its number may belong to somebody else.
    pub(crate) fn forget(&self, child: u32) {
        // Fails only without a reaper, and then there is nobody who could kill the wrong process.
        let _ = self.tell("forget", child);
    }

    fn tell(&self, verb: &str, group: u32) -> io::Result<()> {
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(commands, "{verb} {group}")
    }
}

/// A server: runs until it is terminated or dropped, and logs into a file.
pub(crate) struct Server {
    reaper: Arc<Reaper>,
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Server {
    /// Adds stdout and stderr of `command` to the file `log`.
    pub(crate) fn start(reaper: &Arc<Reaper>, command: &mut Command, log: PathBuf) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(&log)?;
        let child = reaper.spawn(command.stdout(file.try_clone()?).stderr(file))?;
        Ok(Self { reaper: Arc::clone(reaper), child, log, ended: None })
    }

    pub(crate) fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Waits until `ready`. The error says why it is not, with the end of the log.
    pub(crate) fn wait_until_ready(&mut self, timeout: Duration, ready: impl Fn() -> bool) -> Result<(), NotReady> {
        let deadline = Instant::now() + timeout;
        loop {
            let answered = ready();
            // Asked after `ready`: whoever answered on the port of a server that has ended was somebody else.
            if let Some(status) = self.ended() {
                return Err(self.not_ready(&format!("ended with {status}")));
            }
            if answered {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(self.not_ready(&format!("was not ready after {} s", timeout.as_secs())));
            }
            thread::sleep(POLL);
        }
    }

    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
            if self.ended.is_some() {
                self.reaper.forget(self.child.id());
            }
        }
        self.ended
    }

    /// SIGTERM, as the kubelet sends it; SIGKILL where that does not help within `grace`.
    pub(crate) fn terminate(&mut self, grace: Duration) -> Option<ExitStatus> {
        self.signal("TERM");
        if !wait_until(grace, || self.ended().is_some()) {
            self.kill();
        }
        self.ended
    }

    /// Sends a signal, by its name without `SIG`, unless it has ended.
    pub(crate) fn signal(&mut self, name: &str) {
        if self.ended().is_none() {
            // The standard library knows no signal but SIGKILL.
            let _ = Command::new("sh").args(["-c", "kill -s $1 $0", &self.child.id().to_string(), name]).status();
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: what a crash looks like from outside.
    pub(crate) fn kill(&mut self) {
        if self.ended().is_none() && self.child.kill().is_ok() {
            self.ended = self.child.wait().ok();
            self.reaper.forget(self.child.id());
        }
    }

    fn not_ready(&self, what: &str) -> NotReady {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(20)..].join("\n");
        NotReady {
            port_was_taken: log.contains("address already in use") || log.contains("Address already in use"),
            message: format!("{what}; the end of its log:\n{tail}"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) struct NotReady {
    port_was_taken: bool,
    message: String,
}

impl NotReady {
    pub(crate) fn new(error: impl Display) -> Self {
        Self { port_was_taken: false, message: error.to_string() }
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn of(self, server: &str) -> Self {
        Self { message: format!("{server} {}", self.message), ..self }
    }
}

/// A free port can be taken between asking for it and binding it: then `start` is tried again, with other ports.
pub(crate) fn with_free_ports<T>(start: impl Fn() -> Result<T, NotReady>) -> Result<T, String> {
    let mut attempts_left = 4;
    loop {
        match start() {
            Ok(started) => return Ok(started),
            Err(error) if error.port_was_taken && attempts_left > 0 => attempts_left -= 1,
            Err(error) => return Err(error.message),
        }
    }
}

/// A port on loopback that was free just now; never the same twice in one test process.
pub(crate) fn free_port() -> io::Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        if GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            return Ok(port);
        }
    }
}

const POLL: Duration = Duration::from_millis(50);

/// Whether `condition` came true before `timeout` was over; asked at least once.
#[must_use]
pub(crate) fn wait_until(timeout: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + timeout;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(POLL);
    }
}
