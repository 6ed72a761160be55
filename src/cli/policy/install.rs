//! `admit policy install`: packs into a cluster.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

use super::{Action, tell_unknown};
use crate::cli::print;
use crate::model::object::Object;
use crate::server::{InstallObjects, InstallOptions, Installed, install};
use crate::workbench::bundle::read_texts;
use crate::workbench::library::{Selected, select};

/// What it exits with when the cluster cannot be asked.
const COULD_NOT_RUN: u8 = 2;

/// Arguments of `admit policy install`.
#[derive(Debug, Args)]
#[command(
    after_help = "Objects are applied on the server's side, as the field manager admit: templates, the SyncSets that they \
need, and, once their kinds are served, the constraints. What somebody else has set otherwise stays, and is told as refused; \
--force takes it over. A constraint that has a stricter enforcementAction than the pack keeps it; asking for less than there is \
takes --force. Installing again brings everything up to date.\n\nExamples:\n  admit policy install pod-security-baseline \
--dry-run     what would be done\n  admit policy install pod-security-baseline               violations are warned of\n  admit \
policy install pod-security-baseline --enforcement-action deny\n\nExit code: 0 when all is installed, 1 when something is \
not, 2 when the cluster cannot be asked or has no CRDs, or the\ncommand line is wrong, 3 when nothing has that name."
)]
pub(super) struct InstallArguments {
    /// Packs, and policies by their kind, template or folder; of a policy there is no constraint to install
    #[arg(value_name = "PACK", required = true)]
    names: Vec<String>,
    /// Change nothing: the API server says what it would do
    #[arg(long)]
    dry_run: bool,
    /// What violations of the constraints do, in place of what the pack says
    #[arg(long, value_enum, value_name = "ACTION")]
    enforcement_action: Option<Action>,
    /// Take over fields that somebody else has set, and let an enforcementAction be lowered
    #[arg(long)]
    force: bool,
    /// The longest to wait until the kinds of constraints are served
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// Kubeconfig of the cluster; as kubectl finds it when absent, and inside of a Pod the Pod's own configuration
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

/// Runs the command.
pub(super) fn run(arguments: &InstallArguments) -> Result<ExitCode> {
    let action = arguments.enforcement_action.map(Into::into);
    let objects = match select(&arguments.names, action.as_ref()) {
        Ok(selection) => objects(&selection.read()),
        Err(unknown) => return Ok(tell_unknown(&unknown)),
    };
    let runtime = crate::cli::serve::runtime().context("failed to start the async runtime")?;
    let mut is_bad = false;
    let mut printed = Ok(());
    let mut tell = |told: Installed| {
        is_bad |= told.outcome.is_bad();
        let line = line(&told, arguments.dry_run);
        if printed.is_ok() {
            printed = print(&line);
        }
    };
    let installed = runtime.block_on(install(&arguments.options(), &objects, &mut tell));
    if let Err(error) = installed {
        anstream::eprintln!("error: {error}");
        return Ok(ExitCode::from(COULD_NOT_RUN));
    }
    printed?;
    Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl InstallArguments {
    fn options(&self) -> InstallOptions {
        InstallOptions {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            is_dry_run: self.dry_run,
            is_forced: self.force,
            is_action_asked: self.enforcement_action.is_some(),
            patience: Duration::from_secs(self.timeout),
        }
    }
}

fn objects(selected: &Selected) -> InstallObjects {
    let read = |files: &[(String, String)]| -> Vec<Object> {
        let texts: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        read_texts(&texts).0.into_iter().map(|one| Object::clone(&one.object)).collect()
    };
    InstallObjects {
        templates: read(&selected.templates),
        sync_sets: read(&selected.sync_sets),
        constraints: read(&selected.constraints),
    }
}

fn line(told: &Installed, is_dry_run: bool) -> String {
    let dry_run = if is_dry_run { " (dry run)" } else { "" };
    let note = if told.note.is_empty() { String::new() } else { format!(": {}", told.note) };
    format!("{} {}{dry_run}{note}\n", told.object, told.outcome.as_str())
}
