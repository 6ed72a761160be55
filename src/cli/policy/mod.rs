//! `admit policy`: the policies that come with admit.

mod export;
mod install;
mod list;
mod show;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};

use crate::model::api::EnforcementAction;
use crate::workbench::library::Unknown;

/// Nothing has that name.
const UNKNOWN: u8 = 3;

/// Arguments of `admit policy`.
#[derive(Debug, Args)]
pub(super) struct PolicyArguments {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Write policies and packs to files, or as one stream to stdout
    Export(export::ExportArguments),
    /// Install packs in a cluster, or bring them up to date there
    Install(install::InstallArguments),
    /// List packs and policies
    List(list::ListArguments),
    /// Show what a policy enforces and which parameters it has, or what is in a pack
    Show(show::ShowArguments),
}

/// What violations are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Action {
    Warn,
    Deny,
    Dryrun,
}

impl From<Action> for EnforcementAction {
    fn from(action: Action) -> Self {
        match action {
            Action::Warn => Self::Warn,
            Action::Deny => Self::Deny,
            Action::Dryrun => Self::Dryrun,
        }
    }
}

/// Runs the command.
pub(super) fn run(arguments: &PolicyArguments) -> Result<ExitCode> {
    match &arguments.command {
        PolicyCommand::Export(arguments) => export::run(arguments),
        PolicyCommand::Install(arguments) => install::run(arguments),
        PolicyCommand::List(arguments) => list::run(arguments),
        PolicyCommand::Show(arguments) => show::run(arguments),
    }
}

fn tell_unknown(unknown: &Unknown) -> ExitCode {
    anstream::eprintln!("error: {unknown}.");
    ExitCode::from(UNKNOWN)
}
