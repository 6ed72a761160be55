//! `admit policy export`: policies as files, to be kept in a repository and changed there.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use super::{Action, tell_unknown};
use crate::cli::print;
use crate::workbench::library::{Selected, select};

/// Arguments of `admit policy export`.
#[derive(Debug, Args)]
#[command(
    after_help = "A policy is its template, and the SyncSet that it needs; a pack has constraints, too. Without -d all is one \
YAML stream, in the order in which it is to be applied: templates, SyncSets, constraints. What two packs share is there \
once, with the stricter action.\n\nExamples:\n  admit policy export pod-security-baseline -d policies/\n  admit policy export \
allowedrepos | kubectl apply -f -\n\nExit code: 0 when all was written, 1 when something was not, 3 when nothing has that \
name, 2 for a wrong command line."
)]
pub(super) struct ExportArguments {
    /// Packs, and policies by their kind, template or folder
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// Directory to write into: templates/, sync/ and constraints/; it is made when it is not there
    #[arg(short, long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// What violations of the constraints do, in place of what the pack says
    #[arg(long, value_enum, value_name = "ACTION")]
    enforcement_action: Option<Action>,
    /// Overwrite files that are there with other content
    #[arg(long, requires = "directory")]
    force: bool,
}

/// Runs the command.
pub(super) fn run(arguments: &ExportArguments) -> Result<ExitCode> {
    let action = arguments.enforcement_action.map(Into::into);
    let selected = match select(&arguments.names, action.as_ref()) {
        Ok(selection) => selection.read(),
        Err(unknown) => return Ok(tell_unknown(&unknown)),
    };
    match &arguments.directory {
        None => print(&stream(&selected))?,
        Some(directory) => write(&selected, directory, arguments.force)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn files(selected: &Selected) -> impl Iterator<Item = &(String, String)> {
    selected.templates.iter().chain(&selected.sync_sets).chain(&selected.constraints)
}

fn stream(selected: &Selected) -> String {
    let texts: Vec<&str> = files(selected).map(|(_, text)| text.as_str()).collect();
    texts.join("---\n")
}

/// All files or none: what somebody has changed is not lost.
fn write(selected: &Selected, directory: &Path, is_forced: bool) -> Result<()> {
    let is_changed = |(name, text): &&(String, String)| {
        std::fs::read(directory.join(name)).is_ok_and(|found| found != text.as_bytes())
    };
    let changed: Vec<String> =
        files(selected).filter(is_changed).map(|(name, _)| directory.join(name).display().to_string()).collect();
    if !changed.is_empty() && !is_forced {
        anyhow::bail!(
            "nothing was written: {} would lose other content; overwrite it with --force",
            changed.join(", ")
        );
    }
    for (name, text) in files(selected) {
        let path = directory.join(name);
        let shown = path.display();
        let parent = path.parent().unwrap_or(directory);
        std::fs::create_dir_all(parent).with_context(|| format!("failed to make {}", parent.display()))?;
        std::fs::write(&path, text).with_context(|| format!("failed to write {shown}"))?;
        anstream::eprintln!("{shown}");
    }
    Ok(())
}
