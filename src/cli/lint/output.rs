//! Where reports go: stdout, and files beside it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};

use crate::cli::print;
use crate::workbench::lint::Report;
use crate::workbench::lint::finding::Severity;
use crate::workbench::lint::report::{self, Format, Look, Places};

/// Where nobody says how wide it is.
const DEFAULT_WIDTH: usize = 120;
/// Below this, words would be cut and not only excerpts.
const LEAST_WIDTH: usize = 40;
/// What CI calls the directory of the project, which annotations are relative to.
const ROOTS: [&str; 2] = ["GITHUB_WORKSPACE", "CI_PROJECT_DIR"];

/// A format, and the file that it goes to.
#[derive(Clone, Debug)]
pub(super) struct Output {
    format: Format,
    file: Option<PathBuf>,
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, file) = match text.split_once('=') {
            Some((_, "")) => return Err("found no file behind `=`, expected FORMAT=FILE".to_owned()),
            Some((name, file)) => (name, Some(PathBuf::from(file)).filter(|file| file.as_os_str() != "-")),
            None => (text, None),
        };
        let format = Format::from_name(name)
            .ok_or_else(|| format!("found format {name:?}, expected one of {}", Format::names().join(", ")))?;
        Ok(Self { format, file })
    }
}

/// What is wrong with asking for all of these at once.
pub(super) fn conflict(outputs: &[Output]) -> Option<String> {
    let on_stdout = outputs.iter().filter(|output| output.file.is_none());
    if on_stdout.clone().count() > 1 && on_stdout.clone().any(|output| output.format.is_document()) {
        return Some(
            "several formats on stdout would spoil each other; write all but one to files: FORMAT=FILE".into(),
        );
    }
    let mut files: Vec<&Path> = outputs.iter().filter_map(|output| output.file.as_deref()).collect();
    files.sort();
    let twice = files.windows(2).find_map(|pair| pair.first().filter(|first| pair.last() == Some(*first)));
    twice.map(|file| format!("two formats would go to {}; give each a file of its own", file.display()))
}

/// Writes all of them. A file that cannot be written does not keep the others from it; the first error is returned.
pub(super) fn write_all(outputs: &[Output], report: &Report, fails_from: Severity) -> Result<()> {
    let directory = std::env::current_dir().context("failed to find the working directory")?;
    let root = ROOTS.iter().find_map(std::env::var_os).map(PathBuf::from);
    let places = Places::new(&directory, root.as_deref());
    let look = Look { is_coloured: false, width: DEFAULT_WIDTH, places: &places, fails_from };
    let written: Vec<Result<()>> = outputs.iter().map(|output| write(output, report, look)).collect();
    written.into_iter().collect()
}

fn write(output: &Output, report: &Report, look: Look<'_>) -> Result<()> {
    let Some(file) = &output.file else {
        let is_coloured = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
        return Ok(print(&report::render(output.format, report, Look { is_coloured, width: width(), ..look }))?);
    };
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent.filter(|parent| !parent.exists()) {
        bail!("failed to write {}: there is no directory {}; create it first", file.display(), parent.display());
    }
    match std::fs::write(file, report::render(output.format, report, look)) {
        // `-o json=/dev/stdout | head`
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.with_context(|| format!("failed to write {}", file.display())),
    }
}

/// As people say, else as the terminal says.
fn width() -> usize {
    let asked = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let found = || terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
    asked.or_else(found).filter(|width| *width > 0).map_or(DEFAULT_WIDTH, |width| width.max(LEAST_WIDTH))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(texts: &[&str]) -> Vec<Output> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn formats_spoil_each_other_on_stdout_only() {
        assert!(conflict(&outputs(&["text", "github", "sarif=x", "json=y"])).is_none());
        assert!(conflict(&outputs(&["text", "json=-"])).is_some_and(|error| error.contains("stdout")));
        assert!(conflict(&outputs(&["sarif=x", "json=x"])).is_some_and(|error| error.contains("go to x")));
        assert!("json=".parse::<Output>().is_err() && "xml".parse::<Output>().is_err());
    }
}
