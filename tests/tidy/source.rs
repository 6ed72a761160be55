//! The sources as the rules see them: files, and the paths that their code names.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, io};

use super::Finding;
use super::lexer::{blank_out, test_modules, tokens};
use super::paths::{CodePath, code_paths};

/// One source file.
pub(super) struct Source {
    /// Below `src/`, with slashes.
    pub path: String,
    pub text: String,
    /// The text with comments, strings and test modules blanked out; lines are where they were.
    pub code: String,
    /// Every path in the code, imports unfolded, `super::` and `self::` resolved to `crate::`.
    pub paths: Vec<CodePath>,
}

/// All files under `src/`, sorted by path.
pub(super) fn sources() -> io::Result<Vec<Source>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut pending = vec![root.clone()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
                sources.push(Source::new(&below, &fs::read_to_string(&path)?));
            }
        }
    }
    assert!(!sources.is_empty(), "no sources under {}", root.display());
    sources.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(sources)
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let mut source = Self { path: path.to_owned(), text: text.to_owned(), code: String::new(), paths: Vec::new() };
        if !source.is_test() {
            source.code = without_tests(&source.code_with_tests());
            source.paths = code_paths(&source.code, &source.module());
        }
        source
    }

    /// The whole file is `#[cfg(test)] mod tests`.
    pub(super) fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    pub(super) fn code_with_tests(&self) -> String {
        blank_out(&self.text)
    }

    /// `policy/engine/mod.rs` and `policy/engine.rs` are both the module `policy::engine`.
    pub(super) fn module(&self) -> Vec<String> {
        let path = self.path.trim_end_matches(".rs");
        path.split('/').filter(|part| !["mod", "lib", "main"].contains(part)).map(str::to_owned).collect()
    }

    /// The room, and the folder directly inside it, that the file is in; `None` for files of the room itself.
    pub(super) fn folder(&self) -> Option<(String, String)> {
        let mut parts = self.path.split('/');
        let (room, folder, _) = (parts.next()?, parts.next()?, parts.next()?);
        Some((room.to_owned(), folder.to_owned()))
    }

    /// Names that mean something of this file's own where they look like a crate: its modules, and what it imports.
    pub(super) fn local_names(&self) -> BTreeSet<String> {
        let tokens = tokens(&self.code);
        let modules = tokens.windows(2).filter(|pair| matches!(pair, [word, _] if word.text == "mod"));
        let modules = modules.filter_map(|pair| pair.last()).map(|name| name.text.clone());
        let imports = self.paths.iter().filter(|path| path.is_import && path.segments.len() > 1);
        modules.chain(imports.filter_map(|path| path.segments.last().cloned())).collect()
    }

    pub(super) fn finding(&self, line: usize, text: String) -> Finding {
        Finding { path: self.path.clone(), line, text }
    }
}

/// Blanks out `#[cfg(test)] mod … { … }`.
fn without_tests(code: &str) -> String {
    let modules = test_modules(code);
    let is_test = |line: usize| modules.iter().any(|(start, end)| (*start..=*end).contains(&line));
    let lines = code.lines().enumerate();
    lines.map(|(index, line)| if is_test(index + 1) { "\n".to_owned() } else { format!("{line}\n") }).collect()
}
