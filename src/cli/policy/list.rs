//! `admit policy list`: packs and policies.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::tell_unknown;
use crate::cli::print;
use crate::workbench::library::{Pack, find_pack, report};

/// Arguments of `admit policy list`.
#[derive(Debug, Args)]
#[command(after_help = "Exit code: 0, or 3 when there is no pack of that name.")]
pub(super) struct ListArguments {
    /// This pack only
    #[arg(long, value_name = "NAME")]
    pack: Option<String>,
    /// How to print it
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// Runs the command.
pub(super) fn run(arguments: &ListArguments) -> Result<ExitCode> {
    let pack = match arguments.pack.as_deref().map(find_pack).transpose() {
        Ok(pack) => pack.map(Pack::read),
        Err(unknown) => return Ok(tell_unknown(&unknown)),
    };
    print(&match arguments.output {
        Output::Text => report::list_text(pack.as_ref()),
        Output::Json => report::list_json(pack.as_ref()),
    })?;
    Ok(ExitCode::SUCCESS)
}
