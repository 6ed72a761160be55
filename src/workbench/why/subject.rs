//! Which object is meant: `KIND/NAME`, `KIND/NAMESPACE/NAME`, or a file with one object.

use std::path::PathBuf;

use thiserror::Error;

use super::World;
use crate::manifest;
use crate::workbench::bundle::{BundledObject, read_objects};
use crate::workbench::diagnostic::Diagnostic;

/// Why no object is meant, or more than one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SubjectError {
    /// No object of this name was read.
    #[error("found no object {0:?}; write KIND/NAME, KIND/NAMESPACE/NAME, or the name of a file with one object{1}")]
    Unknown(String, String),
    /// Several of them were.
    #[error("{0:?} is the name of several objects; write which one: {1}")]
    Ambiguous(String, String),
    /// A file that has not exactly one object.
    #[error("{0}: expected one object, found {1}")]
    NotOne(String, usize),
    /// A file that cannot be used.
    #[error("{0}")]
    Unreadable(String),
}

/// The object that is meant.
///
/// # Errors
/// When there is none, or more than one.
pub fn find(world: &World, text: &str) -> Result<BundledObject, SubjectError> {
    let has_extension = [".yaml", ".yml", ".json"].iter().any(|extension| text.ends_with(extension));
    let path = PathBuf::from(text);
    if has_extension || path.is_file() {
        return of_file(path);
    }
    let parts: Vec<&str> = text.split('/').collect();
    let (kind, namespace, name) = match *parts.as_slice() {
        [kind, name] => (kind, None, name),
        [kind, namespace, name] => (kind, Some(namespace), name),
        _ => return Err(SubjectError::Unknown(text.to_owned(), String::new())),
    };
    let is_meant = |one: &&BundledObject| {
        one.object.gvk().kind.eq_ignore_ascii_case(kind)
            && one.object.name() == name
            && namespace.is_none_or(|namespace| one.object.namespace() == namespace)
    };
    let found: Vec<&BundledObject> = world.objects.iter().filter(is_meant).collect();
    match found.as_slice() {
        [] => Err(SubjectError::Unknown(text.to_owned(), of_that_kind(world, kind))),
        [one] => Ok((*one).clone()),
        several => {
            let names = several.iter().map(|one| {
                let place = one.document.location();
                format!("{}/{}/{} ({}:{})", kind, one.object.namespace(), name, place.file, place.line)
            });
            Err(SubjectError::Ambiguous(text.to_owned(), names.collect::<Vec<_>>().join(", ")))
        }
    }
}

/// What might have been meant.
fn of_that_kind(world: &World, kind: &str) -> String {
    const MOST: usize = 5;
    let same = world.objects.iter().filter(|one| one.object.gvk().kind.eq_ignore_ascii_case(kind));
    let names: Vec<String> = same
        .take(MOST)
        .map(|one| match one.object.namespace() {
            "" => format!("{}/{}", one.object.gvk().kind, one.object.name()),
            namespace => format!("{}/{namespace}/{}", one.object.gvk().kind, one.object.name()),
        })
        .collect();
    if names.is_empty() { String::new() } else { format!("; of that kind there is {}", names.join(", ")) }
}

fn of_file(path: PathBuf) -> Result<BundledObject, SubjectError> {
    let (documents, errors) = manifest::read_file(&path);
    if let Some(error) = errors.into_iter().next() {
        return Err(SubjectError::Unreadable(Diagnostic::from(error).to_string()));
    }
    let (mut objects, problems) = read_objects(documents);
    if let Some(problem) = problems.first() {
        return Err(SubjectError::Unreadable(problem.to_string()));
    }
    match (objects.pop(), objects.len()) {
        (Some(one), 0) => Ok(one),
        (None, _) => Err(SubjectError::NotOne(path.display().to_string(), 0)),
        (Some(_), others) => Err(SubjectError::NotOne(path.display().to_string(), others + 1)),
    }
}
