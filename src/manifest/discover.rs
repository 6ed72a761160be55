//! Paths to files: [`discover`].

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::ManifestError;
use super::read_options::ReadOptions;
use super::walk::{Pattern, is_hidden, is_pattern, walk};

/// What gator reads; the order is that of its error message.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// The manifest files among the paths and in the directories among them, and what is wrong with the other paths.
///
/// Directories are read to their bottom in the order of names; of their files only those with a manifest's extension
/// count, and directories whose name starts with a dot are left out. Links are followed. A file that can be reached
/// in several ways is returned once, under the first name.
pub fn discover(paths: &[PathBuf]) -> (Vec<PathBuf>, Vec<ManifestError>) {
    let (inputs, errors) = discover_with(paths, &ReadOptions::default());
    let to_file = |input| match input {
        Input::File(path) => Some(path),
        Input::Stdin => None,
    };
    (inputs.into_iter().filter_map(to_file).collect(), errors)
}

/// Something to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    File(PathBuf),
    Stdin,
}

/// The same for paths that may be more.
pub(super) fn discover_with(paths: &[PathBuf], options: &ReadOptions) -> (Vec<Input>, Vec<ManifestError>) {
    let mut search =
        Search { options: *options, inputs: Vec::new(), errors: Vec::new(), seen: HashSet::new(), directory: None };
    for path in paths {
        if options.reads_dash && path.as_os_str() == "-" {
            search.stdin();
            continue;
        }
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                if !search.directory(path) {
                    let error =
                        ManifestError::whole_file(shown(path), "found no .yaml, .yml or .json file in this directory");
                    let ignored =
                        if options.respects_gitignore { "; what .gitignore leaves out does not count" } else { "" };
                    let help = format!("name the files, or a directory that holds manifests{ignored}");
                    search.errors.push(error.with_help(help));
                }
            }
            Ok(_) if options.takes_any_extension || has_extension(path) => search.file(path.clone()),
            Ok(_) => search.errors.push(wrong_extension(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && options.expands_patterns && is_pattern(path) => {
                search.pattern(path);
            }
            Err(error) => search.errors.push(unreadable(path, &error)),
        }
    }
    (search.inputs, search.errors)
}

struct Search {
    options: ReadOptions,
    inputs: Vec<Input>,
    errors: Vec<ManifestError>,
    /// Real paths of everything met, which also ends loops of links.
    seen: HashSet<PathBuf>,
    /// The directory that a file was last found in, and its real path.
    directory: Option<(PathBuf, PathBuf)>,
}

impl Search {
    /// Whether there was a manifest below, new or not, or an error that explains why not.
    fn directory(&mut self, top: &Path) -> bool {
        if self.seen.contains(&real(top)) {
            // Read already, as a part of another directory.
            return true;
        }
        if self.options.respects_gitignore {
            return self.walked(top);
        }
        let errors_before = self.errors.len();
        let mut found = false;
        let mut waiting = vec![top.to_path_buf()];
        while let Some(path) = waiting.pop() {
            let metadata = match fs::metadata(&path) {
                Ok(metadata) => metadata,
                // A dangling link that is not a manifest is nobody's business here.
                Err(error) if has_extension(&path) => {
                    self.errors.push(unreadable(&path, &error));
                    continue;
                }
                Err(_) => continue,
            };
            if metadata.is_file() && has_extension(&path) {
                found = true;
                self.entry(path);
            } else if metadata.is_dir() && (path == top || !is_hidden(&path)) && self.is_new(&path) {
                match entries(&path) {
                    // The last in is the first out.
                    Ok(entries) => waiting.extend(entries.into_iter().rev()),
                    Err(error) => self.errors.push(unreadable(&path, &error)),
                }
            }
        }
        found || self.errors.len() > errors_before
    }

    fn walked(&mut self, top: &Path) -> bool {
        let mut found = false;
        for file in walk(top, true) {
            match file {
                Ok(path) if has_extension(&path) => {
                    found = true;
                    self.entry(path);
                }
                Err((path, error)) if has_extension(&path) || path.is_dir() => {
                    found = true;
                    self.errors.push(unreadable(&path, &error));
                }
                Ok(_) | Err(_) => {}
            }
        }
        found
    }

    fn pattern(&mut self, path: &Path) {
        let pattern = match Pattern::new(path) {
            Ok(pattern) => pattern,
            Err(problem) => {
                let error = ManifestError::whole_file(
                    shown(path),
                    format!("as a pattern of file names, this is wrong: {problem}"),
                );
                self.errors.push(error.with_help("write `[*]` for a `*` that is part of a name"));
                return;
            }
        };
        let mut found = false;
        for file in pattern.files(self.options.respects_gitignore) {
            match file {
                Ok(path) if pattern.has_extension || has_extension(&path) => {
                    found = true;
                    self.entry(path);
                }
                Ok(_) => {}
                Err((path, error)) => {
                    found = true;
                    self.errors.push(unreadable(&path, &error));
                }
            }
        }
        if !found {
            let error = ManifestError::whole_file(shown(path), "no file matches this pattern");
            self.errors.push(
                error.with_help("`*` stays within a directory, `**/` goes through any; ignored files do not count"),
            );
        }
    }

    fn stdin(&mut self) {
        if !self.inputs.contains(&Input::Stdin) {
            self.inputs.push(Input::Stdin);
        }
    }

    fn file(&mut self, path: PathBuf) {
        if self.is_new(&path) {
            self.inputs.push(Input::File(path));
        }
    }

    /// A file with the name that its directory has for it.
    fn entry(&mut self, path: PathBuf) {
        let real = self.real_entry(&path).unwrap_or_else(|| real(&path));
        if self.seen.insert(real) {
            self.inputs.push(Input::File(path));
        }
    }

    /// The real path of what is no link: that of its directory, which is asked for once, and the name.
    fn real_entry(&mut self, path: &Path) -> Option<PathBuf> {
        let (directory, name) = (path.parent()?, path.file_name()?);
        if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file()) {
            return None;
        }
        if self.directory.as_ref().is_none_or(|(known, _)| known != directory) {
            let shown = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
            self.directory = Some((directory.to_path_buf(), fs::canonicalize(shown).ok()?));
        }
        self.directory.as_ref().map(|(_, real)| real.join(name))
    }

    fn is_new(&mut self, path: &Path) -> bool {
        self.seen.insert(real(path))
    }
}

fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

/// What `read` and this file say about a path that cannot be read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> ManifestError {
    match error.kind() {
        io::ErrorKind::NotFound => ManifestError::whole_file(shown(path), "no such file or directory")
            .with_help("check the spelling; a relative path starts at the working directory"),
        io::ErrorKind::PermissionDenied => ManifestError::whole_file(shown(path), "permission to read it is denied")
            .with_help("change its permissions, or run as a user who may read it"),
        _ => ManifestError::whole_file(shown(path), format!("cannot be read: {error}")),
    }
}

pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn wrong_extension(path: &Path) -> ManifestError {
    let message = format!("path {:?} must be of extensions: [.yaml .yml .json]", shown(path));
    ManifestError::whole_file(shown(path), message).with_help("rename the file, or pass its content on standard input")
}

fn entries(directory: &Path) -> io::Result<BTreeSet<PathBuf>> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect()
}

fn has_extension(path: &Path) -> bool {
    path.extension().is_some_and(|found| EXTENSIONS.iter().any(|extension| found == *extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with the files, then what is found when asked for the paths in it.
    #[track_caller]
    fn check(files: &[&str], paths: &[&str], found: &[&str], errors: &[&str]) {
        let directory = tempfile::tempdir().unwrap();
        for file in files {
            let path = directory.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(directory.path(), directory.path().join("loop")).unwrap();
        let asked: Vec<_> = paths.iter().map(|path| directory.path().join(path)).collect();
        let (discovered, problems) = discover(&asked);
        let root = format!("{}/", directory.path().display());
        let relative = |text: String| text.replace(&root, "");
        assert_eq!(discovered.iter().map(|path| relative(shown(path))).collect::<Vec<_>>(), found);
        assert_eq!(problems.into_iter().map(|error| relative(error.to_string())).collect::<Vec<_>>(), errors);
    }

    #[test]
    fn walks_directories_in_order() {
        let files = ["b.yml", "a/z.json", "a/note.txt", ".git/config.yaml", "a.yaml"];
        check(&files, &[""], &["a/z.json", "a.yaml", "b.yml"], &[]);
        check(&files, &["b.yml", "", "a"], &["b.yml", "a/z.json", "a.yaml"], &[]);
        check(&files, &[".git"], &[".git/config.yaml"], &[]);
    }

    #[test]
    fn explains_what_it_cannot_use() {
        check(
            &["a/note.txt"],
            &["a", "a/note.txt", "gone.yaml"],
            &[],
            &[
                "a: found no .yaml, .yml or .json file in this directory",
                "a/note.txt: path \"a/note.txt\" must be of extensions: [.yaml .yml .json]",
                "gone.yaml: no such file or directory",
            ],
        );
    }
}
