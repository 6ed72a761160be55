//! `admit completions`: what a shell needs to complete command lines.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use clap_complete::Shell;

use super::print;

/// Arguments of `admit completions`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  admit completions bash > /etc/bash_completion.d/admit\n  admit completions zsh > \
\"${fpath[1]}/_admit\"\n  admit completions fish > ~/.config/fish/completions/admit.fish"
)]
pub(super) struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs the command.
pub(super) fn run(arguments: &CompletionsArguments, mut command: clap::Command) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "admit", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
