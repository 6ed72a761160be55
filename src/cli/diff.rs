//! `admit diff`: what another version of the policies would do.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::engine::EngineArguments;
use super::external_data::ExternalDataArguments;
use super::print;
use crate::policy::snapshot::BuildOptions;
use crate::workbench::diagnostic::Diagnostic;
use crate::workbench::diff::{self, Difference};

/// Arguments of `admit diff`.
#[derive(Debug, Args)]
#[command(after_help = "OLD and NEW are files or directories of templates and constraints, REVISION:PATH of the git \
repository here, or pack:NAME for a pack of `admit policy list`; what else is in them is passed over. The objects of -f are judged by both, with each other as \
inventory.\n\nExamples:\n  admit diff HEAD:policies policies -f manifests/          before a commit\n  admit diff old.yaml \
new.yaml -f cluster.yaml -o markdown    for a pull request\n  admit diff \
policies pack:operations:deny -f manifests/    what a pack would add\n\nExit code: 0 when no object becomes denied or allowed, \
1 when one does or when an input cannot be used, 2 for a wrong command line.")]
pub(super) struct DiffArguments {
    /// Policies as they are
    old: PathBuf,
    /// Policies as they are to be
    new: PathBuf,
    /// File or directory of objects to judge; may be given several times
    #[arg(short = 'f', long = "filename", value_name = "PATH", required = true)]
    filenames: Vec<PathBuf>,
    /// How to print it
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
    #[command(flatten)]
    engine: EngineArguments,
    #[command(flatten)]
    external_data: ExternalDataArguments,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Text,
    Json,
    Markdown,
}

/// Runs the command.
pub(super) fn run(arguments: &DiffArguments) -> Result<ExitCode> {
    let options = arguments.external_data.apply(arguments.engine.build_options())?;
    let difference = compare(arguments, options).map_err(|problems| match problems {
        Problems::Input(diagnostics) => {
            for diagnostic in &diagnostics {
                anstream::eprintln!("error: {diagnostic}");
            }
            let plural = if diagnostics.len() == 1 { "problem" } else { "problems" };
            anyhow::anyhow!("{} {plural} in the input; nothing was compared", diagnostics.len())
        }
        Problems::Judging(text) => anyhow::Error::msg(text),
    })?;
    print(&match arguments.output {
        Output::Text => diff::report::text(&difference),
        Output::Json => diff::report::json(&difference),
        Output::Markdown => diff::report::markdown(&difference),
    })?;
    let is_other = difference.denied() + difference.allowed() > 0;
    Ok(if is_other { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

enum Problems {
    Input(Vec<Diagnostic>),
    Judging(String),
}

fn compare(arguments: &DiffArguments, options: BuildOptions) -> Result<Difference, Problems> {
    let objects = diff::read(&arguments.filenames).map_err(Problems::Input)?;
    let (old, new) = (diff::side(&arguments.old, &objects, options), diff::side(&arguments.new, &objects, options));
    let (old, new) = match (old, new) {
        (Ok(old), Ok(new)) => (old, new),
        (old, new) => {
            let problems = old.err().into_iter().chain(new.err()).flatten();
            return Err(Problems::Input(problems.collect()));
        }
    };
    if new.objects.is_empty() {
        return Err(Problems::Judging("found no object to judge; name files or directories with -f".to_owned()));
    }
    diff::compare(&old, &new).map_err(Problems::Judging)
}
