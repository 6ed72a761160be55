//! `admit lint`: manifests judged by policies, each violation at the line that caused it.

mod output;
mod progress;

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::engine::EngineArguments;
use crate::manifest;
use crate::workbench::bundle::{self, BundledObject};
use crate::workbench::diagnostic::Diagnostic;
use crate::workbench::lint::finding::Severity;
use crate::workbench::lint::{Inputs, Options, Report, lint};
use output::Output;
use progress::Progress;

/// Bad input or a wrong command line.
pub(super) const BAD_INPUT: u8 = 3;
/// Only warnings, and `--fail-on warn` was given.
const WARNED: u8 = 2;
/// Anything else that kept lint from its work.
pub(super) const FAILED: u8 = 4;

/// Arguments of `admit lint`.
#[derive(Debug, Args)]
#[command(
    after_help = "All objects are judged as the webhook would judge their creation, and are inventory for referential \
policies. Templates and constraints among PATHs are policies, too.\n\n\
Exit code: 0 nothing found, 1 violations that would be denied, 2 warnings only and --fail-on warn, 3 bad input or a wrong \
command line, 4 failed for another reason."
)]
pub(super) struct LintArguments {
    /// Files or directories of manifests; `-` is stdin
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Files or directories of policies: templates and constraints. May be given several times
    #[arg(short, long, value_name = "PATH")]
    policies: Vec<PathBuf>,
    /// How to print: text, json, sarif, junit, github, gitlab, markdown or html; may be given several times,
    /// `FORMAT=FILE` writes into a file
    #[arg(short, long, value_name = "FORMAT[=FILE]", default_value = "text")]
    output: Vec<Output>,
    /// The least that makes lint fail
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "deny")]
    fail_on: FailOn,
    /// Show the object of each violation only: faster, without a look for the field
    #[arg(long)]
    no_blame: bool,
    #[command(flatten)]
    engine: EngineArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Deny,
    Warn,
}

/// Runs the command.
pub(super) fn run(arguments: &LintArguments) -> Result<ExitCode> {
    if let Some(conflict) = output::conflict(&arguments.output) {
        anstream::eprintln!("error: {conflict}");
        return Ok(ExitCode::from(BAD_INPUT));
    }
    let mut problems = Vec::new();
    let policies = read(&arguments.policies, &mut problems);
    let manifests = read(&arguments.paths, &mut problems);
    if let Some(missing) = missing(arguments, &policies, &manifests).filter(|_| problems.is_empty()) {
        anstream::eprintln!("error: {missing}");
        return Ok(ExitCode::from(BAD_INPUT));
    }
    let options = Options { build: arguments.engine.build_options(), finds_fields: !arguments.no_blame };
    let progress = Progress::new(manifests.iter().filter(|one| !bundle::is_policy(one.object.gvk())).count());
    let mut report = lint(Inputs { policies, manifests }, options, &|| progress.step());
    progress.finish();
    problems.append(&mut report.problems);
    report.problems = problems;
    for problem in &report.problems {
        anstream::eprintln!("error: {problem}");
    }
    let fails_from = match arguments.fail_on {
        FailOn::Deny => Severity::Error,
        FailOn::Warn => Severity::Warning,
    };
    output::write_all(&arguments.output, &report, fails_from)?;
    Ok(exit_code(&report, arguments.fail_on))
}

fn read(paths: &[PathBuf], problems: &mut Vec<Diagnostic>) -> Vec<BundledObject> {
    let (stdin, files): (Vec<PathBuf>, Vec<PathBuf>) = paths.iter().cloned().partition(|path| path.as_os_str() == "-");
    let mut input = std::io::stdin();
    let input = (!stdin.is_empty()).then_some(&mut input as &mut dyn Read);
    let (documents, errors) = manifest::read(&files, input);
    problems.extend(errors.into_iter().map(Diagnostic::from));
    let (objects, mut found) = bundle::read_objects(documents);
    problems.append(&mut found);
    objects
}

/// What is not there to judge, or to judge by.
fn missing(arguments: &LintArguments, policies: &[BundledObject], manifests: &[BundledObject]) -> Option<&'static str> {
    if arguments.paths.is_empty() {
        return Some("nothing to lint; name files or directories of manifests, or `-` for stdin");
    }
    let is_policy = |one: &BundledObject| bundle::is_policy(one.object.gvk());
    if !policies.iter().chain(manifests).any(is_policy) {
        return Some("no policies; name files or directories of templates and constraints with --policies");
    }
    None
}

fn exit_code(report: &Report, fail_on: FailOn) -> ExitCode {
    if !report.problems.is_empty() {
        return ExitCode::from(BAD_INPUT);
    }
    if report.count(Severity::Error) > 0 {
        return ExitCode::FAILURE;
    }
    let is_warned = fail_on == FailOn::Warn && report.count(Severity::Warning) > 0;
    if is_warned { ExitCode::from(WARNED) } else { ExitCode::SUCCESS }
}
