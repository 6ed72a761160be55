//! `admit policy show`: everything about one policy or pack.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::tell_unknown;
use crate::cli::print;
use crate::workbench::library::{find, report};

/// Arguments of `admit policy show`.
#[derive(Debug, Args)]
#[command(after_help = "Exit code: 0, or 3 when nothing has that name.")]
pub(super) struct ShowArguments {
    /// A policy by its kind, template or folder, or a pack
    name: String,
}

/// Runs the command.
pub(super) fn run(arguments: &ShowArguments) -> Result<ExitCode> {
    match find(&arguments.name) {
        Ok(found) => {
            print(&report::show(found))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(unknown) => Ok(tell_unknown(&unknown)),
    }
}
