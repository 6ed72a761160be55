//! Paths to the documents of suites, by Gatekeeper's rules: a file, the files of one directory, `directory/...`.
//!
//! YAML that is no Suite is passed over. So is a file below a directory that is not YAML at all, such as a chart's
//! template, unless it mentions the suites' API group or was named itself: a broken suite must not look like none.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::manifest::{self, Document, ManifestError};
use crate::model::object::GroupVersionKind;
use crate::workbench::diagnostic::Diagnostic;

const GROUP: &str = "test.gatekeeper.sh";
const EXTENSIONS: [&str; 2] = ["yaml", "yml"];

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Documents that are Suites, ordered by path.
    pub(super) suites: Vec<Document>,
    pub(super) errors: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
}

/// The suites at the paths, each once.
pub(super) fn find(paths: &[PathBuf]) -> Found {
    let mut found = Found::default();
    let mut files: BTreeMap<PathBuf, Candidate> = BTreeMap::new();
    for path in paths {
        let candidates = candidates(path).unwrap_or_else(|error| {
            found.errors.push(error);
            Vec::new()
        });
        let suites_before = files.len();
        for candidate in candidates {
            let absolute = fs::canonicalize(&candidate.path).unwrap_or_else(|_| candidate.path.clone());
            files.entry(absolute).or_insert(candidate);
        }
        if files.len() == suites_before && found.errors.is_empty() {
            let help = (!is_recursive(path)).then_some("`PATH/...` looks in the directories below PATH, too");
            found.warnings.push(whole_path(path, "found no .yaml or .yml file there", help));
        }
    }
    // Ordered by what is shown, which does not depend on where the files are on this machine.
    let mut files: Vec<Candidate> = files.into_values().collect();
    files.sort_by(|one, other| one.path.cmp(&other.path));
    for candidate in files {
        found.add(&candidate);
    }
    found
}

#[derive(Debug)]
struct Candidate {
    path: PathBuf,
    is_named: bool,
}

fn is_recursive(argument: &Path) -> bool {
    argument.file_name().is_some_and(|name| name == "...")
}

fn candidates(argument: &Path) -> Result<Vec<Candidate>, Diagnostic> {
    let is_recursive = is_recursive(argument);
    let path = if is_recursive { argument.parent().unwrap_or(argument) } else { argument };
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if metadata.is_dir() {
        let mut seen = HashSet::new();
        let files = yaml_files(path, is_recursive, &mut seen).map_err(|error| unreadable(path, &error))?;
        return Ok(files.into_iter().map(|path| Candidate { path, is_named: false }).collect());
    }
    if is_recursive {
        let message = format!("can only recursively traverse directories, not a directory: {path:?}");
        return Err(whole_path(path, message, Some("leave out the `/...`")));
    }
    if !is_yaml(path) {
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        let message = format!("unsupported extension: \".{extension}\"");
        return Err(whole_path(path, message, Some("a Suite is a .yaml or .yml file")));
    }
    Ok(vec![Candidate { path: path.to_owned(), is_named: true }])
}

/// Links are followed; a directory that is met a second time is left out, which also ends loops.
fn yaml_files(directory: &Path, is_recursive: bool, seen: &mut HashSet<PathBuf>) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(directory) = waiting.pop() {
        if !seen.insert(fs::canonicalize(&directory)?) {
            continue;
        }
        for entry in fs::read_dir(&directory)? {
            let path = entry?.path();
            // A dangling link is nobody's business here.
            let Ok(metadata) = fs::metadata(&path) else { continue };
            if metadata.is_dir() && is_recursive {
                waiting.push(path);
            } else if metadata.is_file() && is_yaml(&path) {
                files.push(path);
            }
        }
    }
    Ok(files)
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|found| EXTENSIONS.iter().any(|extension| found == *extension))
}

impl Found {
    fn add(&mut self, candidate: &Candidate) {
        let (documents, errors) = manifest::read_file(&candidate.path);
        let mut documents = documents.into_iter();
        let first = documents.next();
        for other in documents.filter(is_suite) {
            let message = "only the first document of a file can be a Suite; this one is not run";
            let help = "give it a file of its own".to_owned();
            let location = other.location();
            self.warnings.push(Diagnostic { help: Some(help), ..Diagnostic::at(&other, &location, message) });
        }
        if !errors.is_empty() {
            if candidate.is_named || first.as_ref().is_some_and(is_suite) || mentions_suites(&candidate.path) {
                self.errors.extend(errors.into_iter().map(Diagnostic::from));
            }
            return;
        }
        match first.filter(is_suite) {
            Some(suite) => self.suites.push(suite),
            None if candidate.is_named => {
                let help = "a Suite begins with `apiVersion: test.gatekeeper.sh/v1alpha1` and `kind: Suite`";
                self.warnings.push(whole_path(&candidate.path, "this file is no Suite", Some(help)));
            }
            None => {}
        }
    }
}

fn is_suite(document: &Document) -> bool {
    let text = |key: &str| document.value().get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
    let gvk = GroupVersionKind::from_api_version(text("apiVersion"), text("kind"));
    gvk.group == GROUP && gvk.kind == "Suite"
}

fn mentions_suites(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(GROUP))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::from(ManifestError::unreadable(path, error))
}

fn whole_path(path: &Path, message: impl Into<String>, help: Option<&str>) -> Diagnostic {
    Diagnostic {
        place: path.display().to_string(),
        message: message.into(),
        excerpt: None,
        help: help.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUITE: &str = "apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\n";

    #[track_caller]
    fn check(argument: &str, suites: &[&str], errors: &[&str], warnings: &[&str]) {
        let directory = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("b.yaml", SUITE),
            ("a/c.yml", SUITE),
            ("a/d.json", SUITE),
            ("a/pod.yaml", "kind: Pod"),
            ("chart/t.yaml", "{{ a }}"),
            ("broken/s.yaml", "apiVersion: test.gatekeeper.sh/v1\nkind: [\n"),
            ("second/s.yaml", "a: 1\n---\napiVersion: test.gatekeeper.sh/v1\nkind: Suite\n"),
        ] {
            let path = directory.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let found = find(&[directory.path().join(argument)]);
        let root = format!("{}/", directory.path().display());
        let shown = |all: &[Diagnostic]| -> Vec<String> {
            all.iter().map(|one| format!("{}: {}", one.place, one.message).replace(&root, "")).collect()
        };
        let names: Vec<String> = found.suites.iter().map(|one| one.source().name().replace(&root, "")).collect();
        assert_eq!((names, shown(&found.errors), shown(&found.warnings)), {
            let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
            (owned(suites), owned(errors), owned(warnings))
        });
    }

    #[test]
    fn follows_the_directory_rules() {
        check("", &["b.yaml"], &[], &[]);
        check("a", &["a/c.yml"], &[], &[]);
        check("a/...", &["a/c.yml"], &[], &[]);
        check("b.yaml", &["b.yaml"], &[], &[]);
    }

    #[test]
    fn what_cannot_be_a_suite_is_explained() {
        check("a/d.json", &[], &["a/d.json: unsupported extension: \".json\""], &[]);
        check("a/gone", &[], &["a/gone: no such file or directory"], &[]);
        check("a/pod.yaml", &[], &[], &["a/pod.yaml: this file is no Suite"]);
        check("broken", &[], &["broken/s.yaml:2:7: `[` is opened and never closed"], &[]);
        check("chart/...", &[], &[], &[]);
        let message = "second/s.yaml:3:1: only the first document of a file can be a Suite; this one is not run";
        check("second", &[], &[], &[message]);
    }
}
