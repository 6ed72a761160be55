//! `admit test`: the webhook's verdict on files.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::engine::EngineArguments;
use super::external_data::ExternalDataArguments;
use super::packs::PackArguments;
use super::watch::WatchArguments;
use super::{print, stdin};
use crate::workbench::report::{self, Format};
use crate::workbench::{bundle, judge};

/// Arguments of `admit test`.
#[derive(Debug, Args)]
#[command(
    after_help = "Policies and objects come from the same files: templates and constraints are what judges, and \
every object is judged and is inventory for referential policies. With a pipe on stdin, that is read too.\n\n\
Exit code: 0 when nothing is denied, 1 when something is or when an input cannot be used, 2 for a wrong command line."
)]
pub(super) struct TestArguments {
    /// File or directory of YAML or JSON; may be given several times. Directories are read with everything below them
    #[arg(short = 'f', short_alias = 'n', long = "filename", value_name = "PATH")]
    filenames: Vec<PathBuf>,
    #[command(flatten)]
    packs: PackArguments,
    /// How to print violations
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
    /// Print only what would be denied
    #[arg(long)]
    deny_only: bool,
    /// Judge what workloads would create, too, where no ExpansionTemplate applies: a Deployment's Pods, a CronJob's Jobs and
    /// their Pods, and those of every resource that holds a pod template
    #[arg(long)]
    expand: bool,
    /// The same as `--print`
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    watch: WatchArguments,
    #[command(flatten)]
    engine: EngineArguments,
    #[command(flatten)]
    external_data: ExternalDataArguments,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Text,
    Json,
    Yaml,
}

/// Runs the command.
pub(super) fn run(arguments: &TestArguments) -> Result<ExitCode> {
    let options = arguments.watch.apply(arguments.engine.build_options(), arguments.verbose)?;
    let options = arguments.external_data.apply(options)?;
    let mut input = std::io::stdin();
    let is_read = stdin::is_read_beside(&arguments.filenames);
    let input = is_read.then_some(&mut input as &mut dyn Read);
    let packs = arguments.packs.documents();
    let of_packs = packs.len();
    let (bundle, diagnostics) = bundle::load_beside(packs, &arguments.filenames, input, options);
    for diagnostic in &diagnostics {
        anstream::eprintln!("error: {diagnostic}");
    }
    if bundle.objects.len() == of_packs && diagnostics.is_empty() {
        for path in &arguments.filenames {
            anstream::eprintln!("error: {}:1:1: found no document, expected Kubernetes objects", path.display());
        }
        anyhow::bail!("no input data identified; name files or directories with -f, or pipe manifests in");
    }
    if !diagnostics.is_empty() {
        // A verdict by half of the policies would look like a verdict by all of them.
        let count = diagnostics.len();
        let plural = if count == 1 { "problem" } else { "problems" };
        anyhow::bail!("{count} {plural} in the input; nothing was judged");
    }
    let judging = judge::JudgeOptions { is_traced: options.compile.is_traced, expands: arguments.expand };
    let (judgements, shown) = judge::judge_noting(&bundle, judging);
    for text in &shown {
        anstream::eprintln!("{text}");
    }
    let mut judgements = judgements?;
    if arguments.deny_only {
        judgements.retain(judge::Judgement::is_denial);
    }
    let format = match arguments.output {
        Output::Text => Format::Text,
        Output::Json => Format::Json,
        Output::Yaml => Format::Yaml,
    };
    if format == Format::Json {
        judge::blame_all(&bundle, &mut judgements);
    }
    print(&report::render(format, &judgements))?;
    let is_denied = judgements.iter().any(judge::Judgement::is_denial);
    Ok(if is_denied { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
