//! What `git` says has changed since a revision: [`Changed`].

use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workbench::lint::changes::{FileChange, parse_diff};

/// Output that does not depend on anybody's configuration.
const DIFF: [&str; 13] = [
    "diff",
    "--unified=0",
    "--inter-hunk-context=0",
    "--find-renames",
    "--text",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--no-relative",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--ignore-submodules=all",
    "--end-of-options",
];

/// The root of the repository that the working directory is in, without asking `git`.
pub(super) fn root() -> Option<PathBuf> {
    let directory = std::env::current_dir().ok()?;
    directory.ancestors().find(|one| one.join(".git").exists()).map(Path::to_owned)
}

/// The files of the repository that the working directory is in.
#[derive(Debug)]
pub(super) struct Changed {
    tracked: HashSet<PathBuf>,
    /// Files that `git` is not told to ignore.
    untracked: HashSet<PathBuf>,
    changed: HashMap<PathBuf, FileChange>,
}

impl Changed {
    /// Compares the files as they are with a revision. The error is for people.
    pub(super) fn since(revision: &str) -> Result<Self, String> {
        let top = git(Path::new("."), &["rev-parse", "--show-toplevel"])
            .map_err(|error| format!("--since needs a git repository around the working directory: {error}"))?;
        let top = String::from_utf8_lossy(&top);
        let top = PathBuf::from(top.strip_suffix('\n').unwrap_or(&top));
        let top = std::fs::canonicalize(&top).map_err(|error| format!("failed to open {}: {error}", top.display()))?;
        let name = format!("{revision}^{{commit}}");
        let commit = git(&top, &["rev-parse", "--verify", "--quiet", "--end-of-options", &name]).map_err(|error| {
            let why = if error.is_empty() { String::new() } else { format!(" ({error})") };
            format!(
                "--since {revision:?}: git knows no such revision{why}\n  help: `git log` shows revisions; a shallow clone, as \
                 in CI, has few: fetch more of its history"
            )
        })?;
        let commit = String::from_utf8_lossy(&commit);
        let failed = |error| format!("--since {revision:?}: git failed: {error}");
        let diff = git(&top, &[&DIFF[..], &[commit.trim(), "--"]].concat()).map_err(failed)?;
        let tracked = git(&top, &["ls-files", "-z"]).map_err(failed)?;
        let untracked = git(&top, &["ls-files", "-z", "--others", "--exclude-standard"]).map_err(failed)?;
        let names = |list: &[u8]| -> HashSet<PathBuf> {
            let names = list.split(|byte| *byte == 0).filter_map(|name| std::str::from_utf8(name).ok());
            names.filter(|name| !name.is_empty()).map(|name| top.join(name)).collect()
        };
        Ok(Self {
            tracked: names(&tracked),
            untracked: names(&untracked),
            changed: parse_diff(&diff).into_iter().map(|(name, change)| (top.join(name), change)).collect(),
        })
    }

    /// What has changed in a file. Everything, when git does not know it: it is new, ignored, or not in the repository.
    pub(super) fn of_file(&self, name: &str) -> FileChange {
        let Ok(path) = std::fs::canonicalize(name) else { return FileChange::Whole };
        if !self.tracked.contains(&path) {
            return FileChange::Whole;
        }
        self.changed.get(&path).cloned().unwrap_or(FileChange::Parts(Vec::new()))
    }

    /// The same for a file of policies: of those outside of the repository, and of ignored ones, nothing is known to have
    /// changed.
    pub(super) fn of_policy(&self, name: &str) -> FileChange {
        let is_known = |path: PathBuf| self.tracked.contains(&path) || self.untracked.contains(&path);
        match std::fs::canonicalize(name).is_ok_and(is_known) {
            true => self.of_file(name),
            false => FileChange::Parts(Vec::new()),
        }
    }
}

fn git(directory: &Path, arguments: &[&str]) -> Result<Vec<u8>, String> {
    let output = Command::new("git").arg("-C").arg(directory).args(arguments).env("LC_ALL", "C").output();
    let output = output.map_err(|error| match error.kind() {
        ErrorKind::NotFound => "no program `git` is found; install it, or leave out --since".to_owned(),
        _ => format!("failed to run git: {error}"),
    })?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}
