//! `admit verify`: tests of policies, written as Suites.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use super::engine::EngineArguments;
use super::external_data::ExternalDataArguments;
use super::print;
use super::quality::QualityArguments;
use super::watch::WatchArguments;
use crate::policy::engine::RegoEngine;
use crate::workbench::suite::report::{self, Format};
use crate::workbench::suite::{Filter, SuiteOutcome, Suites};

/// Arguments of `admit verify`.
#[derive(Debug, Args)]
#[command(
    after_help = "A Suite names templates, constraints, objects, and how many violations each object must have. \
Paths in it are relative to its file.\n\nExamples:\n  admit verify policies/...                       every Suite \
below policies\n  admit verify suite.yaml --run labels//            the tests whose names contain \"labels\"\n  admit \
verify policies/... --run '//^no-label$'    the cases of that name\n  admit verify policies/... -o junit > \
report.xml    for a CI server\n  admit verify policies/... --coverage --min-coverage 80    which lines no case evaluates\n  \
admit verify policies/... --mutants              which small mistakes no case notices\n\nExit code: 0 when all cases \
are as expected, 1 when one is not, when a Suite cannot be read, or when a template is below `--min-coverage` or \
`--min-mutation-score`, 2 for a wrong command line."
)]
pub(super) struct VerifyArguments {
    /// Suite, directory of Suites, or `directory/...` for everything below it
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Run only what has this regular expression in its name: `either`, or `test//case`
    #[arg(short, long, value_name = "REGEX", default_value = "", hide_default_value = true)]
    run: String,
    /// Name what passed and what was skipped, too, and show what policies print
    #[arg(short, long)]
    verbose: bool,
    /// How to print what came of it
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
    /// Ask both evaluators about every case; that they do not say the same fails the case
    #[arg(long, conflicts_with_all = ["rego_engine", "enable_opa_builtin"])]
    cross_check: bool,
    #[command(flatten)]
    quality: QualityArguments,
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
    Junit,
}

/// Runs the command.
pub(super) fn run(arguments: &VerifyArguments) -> Result<ExitCode> {
    let mut options = arguments.watch.apply(arguments.engine.build_options(), arguments.verbose)?;
    options = arguments.quality.apply(arguments.external_data.apply(options)?)?;
    if arguments.cross_check {
        options.compile.engine = RegoEngine::Both;
    }
    let filter = Filter::parse(&arguments.run).context("compiling filter")?;
    let suites = Suites::load(&arguments.paths);
    for warning in &suites.warnings {
        anstream::eprintln!("warning: {warning}");
    }
    for error in &suites.errors {
        anstream::eprintln!("error: {error}");
    }
    if !suites.errors.is_empty() {
        let count = suites.errors.len();
        let plural = if count == 1 { "problem" } else { "problems" };
        anyhow::bail!("{count} {plural} in the suites; nothing was tested");
    }
    if suites.is_empty() && suites.warnings.is_empty() {
        anstream::eprintln!("warning: found no Suite there; nothing was tested");
    }
    let outcomes = suites.run(&filter, options);
    let format = match arguments.output {
        Output::Text => Format::Text { verbose: arguments.verbose },
        Output::Json => Format::Json,
        Output::Junit => Format::JUnit,
    };
    let found = arguments.quality.find(&suites, &filter, options, &outcomes)?;
    print(&report::render_with(format, &outcomes, found.quality()))?;
    if matches!(arguments.output, Output::Junit) {
        // Its readers know nothing of this.
        anstream::eprint!("{}", report::render_quality(found.quality()));
    }
    let is_poor = arguments.quality.has_failed(&found);
    if outcomes.iter().any(SuiteOutcome::has_failed) {
        // Gatekeeper's word for it.
        anstream::eprintln!("Error: FAIL");
        return Ok(ExitCode::FAILURE);
    }
    Ok(if is_poor { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
