//! Directories and patterns to files, without what Git ignores: [`walk`], [`walk_pattern`].
//!
//! Files come in the order of names. Hidden directories are left out, links are followed, loops of links end where they
//! lead back. Deliberately not looked at: Git's settings of the user and of the clone, because CI does not have them.

use std::io;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use ignore::{DirEntry, Error, WalkBuilder};

/// A file below a directory, or one that cannot be looked at.
pub(super) type Found = Result<PathBuf, (PathBuf, io::Error)>;

/// Every file below a directory.
pub(super) fn walk(top: &Path, respects_gitignore: bool) -> impl Iterator<Item = Found> + use<> {
    let mut builder = WalkBuilder::new(top);
    builder
        .standard_filters(false)
        .git_ignore(respects_gitignore)
        .parents(respects_gitignore)
        .require_git(false)
        .follow_links(true)
        .sort_by_file_name(std::ffi::OsStr::cmp)
        .filter_entry(|entry| entry.depth() == 0 || !is_directory(entry) || !is_hidden(entry.path()));
    builder.build().filter_map(|entry| match entry {
        // Whatever waits for somebody to write into it is not read unless it is named.
        Ok(entry) => entry.file_type().is_some_and(|kind| kind.is_file()).then(|| Ok(entry.into_path())),
        Err(error) => unreadable(error, None).map(Err),
    })
}

/// Whether a path that does not exist is meant as a pattern.
pub(super) fn is_pattern(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().iter().any(|byte| b"*?[{".contains(byte))
}

/// A pattern, and the directory that it can only match in.
#[derive(Debug)]
pub(super) struct Pattern {
    top: PathBuf,
    matcher: GlobMatcher,
    /// Its last part says what names look like up to the extension.
    pub(super) has_extension: bool,
}

impl Pattern {
    /// The error is what is wrong with it.
    pub(super) fn new(path: &Path) -> Result<Self, String> {
        let text = path.to_str().ok_or("is not UTF-8 text")?;
        let text = text.strip_prefix("./").unwrap_or(text);
        let matcher =
            GlobBuilder::new(text).literal_separator(true).build().map_err(|error| error.kind().to_string())?;
        let path = Path::new(text);
        let plain = |part: &Component<'_>| !is_pattern(Path::new(part.as_os_str()));
        let top: PathBuf = path.components().take_while(plain).collect();
        let has_extension = path.file_name().is_some_and(|name| name.as_encoded_bytes().contains(&b'.'));
        Ok(Self { top, matcher: matcher.compile_matcher(), has_extension })
    }

    /// Every file that it matches.
    pub(super) fn files(&self, respects_gitignore: bool) -> impl Iterator<Item = Found> {
        let is_here = self.top.as_os_str().is_empty();
        let top = if is_here { PathBuf::from(".") } else { self.top.clone() };
        let found = walk(&top, respects_gitignore).map(move |found| match found {
            Ok(path) if is_here => Ok(path.strip_prefix("./").map(Path::to_path_buf).unwrap_or(path)),
            other => other,
        });
        found.filter(|found| match found {
            Ok(path) | Err((path, _)) => self.matcher.is_match(path),
        })
    }
}

fn is_directory(entry: &DirEntry) -> bool {
    entry.file_type().is_some_and(|kind| kind.is_dir())
}

pub(super) fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// The path and why it cannot be looked at. A loop leads to what is read anyway.
fn unreadable(error: Error, path: Option<PathBuf>) -> Option<(PathBuf, io::Error)> {
    match error {
        Error::WithPath { path, err } => unreadable(*err, Some(path)),
        Error::WithDepth { err, .. } | Error::WithLineNumber { err, .. } => unreadable(*err, path),
        Error::Io(error) => Some((path?, error)),
        Error::Loop { .. } => None,
        Error::Partial(_) | Error::Glob { .. } | Error::UnrecognizedFileType(_) | Error::InvalidDefinition => None,
    }
}
