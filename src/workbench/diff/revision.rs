//! Policies of a revision of the git repository that the working directory is in: `REVISION:PATH`, with a path from the
//! repository's root, as git writes it. Asks the program `git`; nothing is checked out.

use std::path::Path;
use std::process::Command;

use crate::workbench::bundle::{BundledObject, read_texts};
use crate::workbench::diagnostic::Diagnostic;

const EXTENSIONS: [&str; 3] = [".yaml", ".yml", ".json"];

/// A directory or file of a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Revision {
    revision: String,
    path: String,
}

/// What looks like one and is no file.
pub(super) fn parse(argument: &Path) -> Option<Revision> {
    if argument.exists() {
        return None;
    }
    let (revision, path) = argument.to_str()?.split_once(':')?;
    // One letter is a drive of Windows; a dash would be an option of git.
    let is_revision = revision.len() > 1 && !revision.starts_with('-');
    is_revision.then(|| Revision { revision: revision.to_owned(), path: path.trim_matches('/').to_owned() })
}

impl Revision {
    pub(super) fn read(&self) -> Result<Vec<BundledObject>, Vec<Diagnostic>> {
        let mut list = vec!["ls-tree", "-r", "-z", "--name-only", "--full-tree", &self.revision, "--"];
        list.extend(Some(self.path.as_str()).filter(|path| !path.is_empty()));
        let list = self.git(&list)?;
        if list.is_empty() {
            return Err(self.problem("no such file, and none in that revision".to_owned()));
        }
        let mut texts = Vec::new();
        for name in list.split('\0').filter(|name| EXTENSIONS.iter().any(|extension| name.ends_with(extension))) {
            let whole = format!("{}:{name}", self.revision);
            let text = self.git(&["show", &whole])?;
            texts.push((whole, text));
        }
        let texts: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let (objects, diagnostics) = read_texts(&texts);
        if diagnostics.is_empty() { Ok(objects) } else { Err(diagnostics) }
    }

    fn problem(&self, message: String) -> Vec<Diagnostic> {
        let place = format!("{}:{}", self.revision, self.path);
        let help = "REVISION:PATH names policies of the git repository here, for example HEAD~1:policies";
        vec![Diagnostic { place, message, excerpt: None, help: Some(help.to_owned()) }]
    }

    fn git(&self, arguments: &[&str]) -> Result<String, Vec<Diagnostic>> {
        let output = Command::new("git").args(arguments).output();
        let output = output.map_err(|error| self.problem(format!("no such file, and git cannot be asked: {error}")))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(self.problem(format!("no such file, and git says: {}", said.trim())));
        }
        String::from_utf8(output.stdout).map_err(|_| self.problem("a file there is not UTF-8".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_revisions_from_files() {
        let found = parse(Path::new("HEAD~1:policies/"));
        assert_eq!(found, Some(Revision { revision: "HEAD~1".to_owned(), path: "policies".to_owned() }));
        for path in ["policies", "Cargo.toml", "-x:policies", "c:policies"] {
            assert_eq!(parse(Path::new(path)), None, "{path}");
        }
    }
}
