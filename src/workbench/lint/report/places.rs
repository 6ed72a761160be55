//! Files as other programs find them: relative to the root of the project where they lie in it, absolute elsewhere.
//!
//! Paths are compared by their names alone; links are not followed, as the programs that read reports do not either.

use std::path::{Component, Path, PathBuf};

use crate::workbench::diagnostic::Diagnostic;

/// The name of what was not read from a file.
const STDIN: &str = "<stdin>";

/// Where names of files start, and where those in reports shall start.
#[derive(Clone, Debug, Default)]
pub struct Places {
    directory: PathBuf,
    root: PathBuf,
}

/// A file of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum File {
    /// A path from the root, with `/` on all systems.
    Inside(String),
    /// An absolute path, with `/` on all systems.
    Outside(String),
    /// Standard input.
    Nameless,
}

/// A place as the words of a diagnostic give it.
pub(super) struct NamedPlace<'a> {
    pub(super) file: &'a str,
    /// Line and column.
    pub(super) position: Option<(u32, u32)>,
}

impl Places {
    /// `directory` is the working directory, which names of files are relative to. `root` is that of the project; when
    /// the working directory is not in it, it is another project's, and the working directory serves.
    pub fn new(directory: &Path, root: Option<&Path>) -> Self {
        let directory = normal(directory);
        let root = root.map(normal).filter(|root| root.is_absolute() && directory.starts_with(root));
        Self { root: root.unwrap_or_else(|| directory.clone()), directory }
    }

    pub(super) fn file(&self, name: &str) -> File {
        if name == STDIN {
            return File::Nameless;
        }
        let path = normal(&self.directory.join(name));
        match path.strip_prefix(&self.root) {
            Ok(inside) => File::Inside(slashed(inside)),
            Err(_) => File::Outside(slashed(&path)),
        }
    }

    /// The path, or the name of what has no path.
    pub(in crate::workbench::lint) fn path(&self, name: &str) -> String {
        match self.file(name) {
            File::Inside(path) | File::Outside(path) => path,
            File::Nameless => name.to_owned(),
        }
    }

    /// The root as a URI, with a slash at its end.
    pub(super) fn root_uri(&self) -> String {
        let uri = file_uri(&slashed(&self.root));
        if uri.ends_with('/') { uri } else { format!("{uri}/") }
    }
}

/// An absolute path as a URI.
pub(super) fn file_uri(path: &str) -> String {
    // `C:/…` has no slash in front.
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("file://{slash}{}", percent_encode(path))
}

/// A path as a part of a URI. A colon is encoded too: in front of a relative path it would make a scheme.
pub(super) fn percent_encode(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// `file:line:column`, or the file alone.
pub(super) fn place_of(problem: &Diagnostic) -> NamedPlace<'_> {
    let mut parts = problem.place.rsplitn(3, ':');
    let mut number = || parts.next().and_then(|part| part.parse::<u32>().ok()).filter(|number| *number > 0);
    let numbers = (number(), number());
    match (numbers, parts.next()) {
        ((Some(column), Some(line)), Some(file)) => NamedPlace { file, position: Some((line, column)) },
        _ => NamedPlace { file: &problem.place, position: None },
    }
}

/// Without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

fn slashed(path: &Path) -> String {
    let shown = path.display().to_string();
    if std::path::MAIN_SEPARATOR == '/' { shown } else { shown.replace(std::path::MAIN_SEPARATOR, "/") }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn names_files_from_the_root() {
        let places = Places::new(Path::new("/src/shop/deploy"), Some(Path::new("/src/shop/")));
        let inside = |path: &str| File::Inside(path.to_owned());
        assert_eq!(places.file("pod.yaml"), inside("deploy/pod.yaml"));
        assert_eq!(places.file("./a/../pod.yaml"), inside("deploy/pod.yaml"));
        assert_eq!(places.file("../pod.yaml"), inside("pod.yaml"));
        assert_eq!(places.file("/src/shop/x y.yaml"), inside("x y.yaml"));
        assert_eq!(places.file("../../shopping/x.yaml"), File::Outside("/src/shopping/x.yaml".to_owned()));
        assert_eq!(places.file("<stdin>"), File::Nameless);
        assert_eq!(places.root_uri(), "file:///src/shop/");
    }

    #[test]
    fn another_projects_root_does_not_count() {
        let places = Places::new(Path::new("/tmp/x"), Some(Path::new("/src/shop")));
        assert_eq!(places.file("pod.yaml"), File::Inside("pod.yaml".to_owned()));
        assert_eq!(Places::new(Path::new("/"), None).root_uri(), "file:///");
    }

    #[test]
    fn encodes_what_a_uri_cannot_hold() {
        assert_eq!(percent_encode("a b/ü%:#?.yaml"), "a%20b/%C3%BC%25%3A%23%3F.yaml");
        assert_eq!(file_uri("C:/x"), "file:///C%3A/x");
    }

    #[test]
    fn reads_places_of_problems() {
        let read = |place: &str| {
            let problem = Diagnostic { place: place.to_owned(), message: String::new(), excerpt: None, help: None };
            let NamedPlace { file, position } = place_of(&problem);
            (file.to_owned(), position)
        };
        assert_eq!(read("a:b.yaml:3:7"), ("a:b.yaml".to_owned(), Some((3, 7))));
        assert_eq!(read("a.yaml"), ("a.yaml".to_owned(), None));
        assert_eq!(read("a:7"), ("a:7".to_owned(), None));
    }
}
