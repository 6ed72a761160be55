//! `admit lint`: manifests judged by policies, each violation at the line that caused it.

mod cluster;
mod fixing;
mod output;
mod progress;
mod rendered;
mod scope;

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use super::engine::EngineArguments;
use super::external_data::ExternalDataArguments;
use super::git;
use super::images::{Documents, ImageArguments};
use super::packs::PackArguments;
use crate::manifest::ReadOptions;
use crate::workbench::bundle;
use crate::workbench::diagnostic::Diagnostic;
use crate::workbench::library;
use crate::workbench::lint::finding::Severity;
use crate::workbench::lint::report::Places;
use crate::workbench::lint::{Inputs, Manifest, Options, Report, lint};
use cluster::ClusterArguments;
use fixing::FixArguments;
use output::Output;
use progress::Progress;
use rendered::RenderArguments;
use scope::ScopeArguments;

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
policies. Templates and constraints among PATHs are policies, too, and are linted themselves: `admit explain` lists what is \
looked for.\n\n\
A comment leaves findings out: `# admit:ignore RULE[,RULE] until=2027-01-01 reason=words to the end of the line`, where RULE \
is a kind of constraint, Kind/name, a code, or `*`. On the line of a value it is about that value, above a field or list \
item about all of that, above a document about its object. The reason must be there, `until` need not. Objects in JSON have \
the annotation admit.gatekeeper.sh/ignore for the words behind `admit:ignore`.\n\n\
With mutators, a finding shows a fix when what they make of the object breaks no policy any more. Those among the policies are \
in force, too: they change what workloads would create before it is judged, as in the cluster; those of --mutators only propose. Where a policy lets a switch have one value only, that is a fix, too. --fix writes the fixes of mutators into \
the files, --fix-values those as well; comments and layout stay, and what is written counts as mended.\n\n\
Exit code: 0 nothing found, 1 violations that would be denied, 2 warnings only and --fail-on warn, 3 bad input or a wrong \
command line, 4 failed for another reason."
)]
pub(super) struct LintArguments {
    /// Files, directories or patterns of manifests; `-` is stdin. What .gitignore leaves out is left out of directories
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    rendered: RenderArguments,
    /// Files or directories of policies: templates and constraints. May be given several times
    #[arg(short, long, value_name = "PATH")]
    policies: Vec<PathBuf>,
    #[command(flatten)]
    packs: PackArguments,
    #[command(flatten)]
    images: ImageArguments,
    #[command(flatten)]
    cluster: ClusterArguments,
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
    /// Judge objects alone, without the Pods that workloads would create
    #[arg(long)]
    no_expand: bool,
    #[command(flatten)]
    fixing: FixArguments,
    #[command(flatten)]
    scope: ScopeArguments,
    #[command(flatten)]
    engine: EngineArguments,
    #[command(flatten)]
    external_data: ExternalDataArguments,
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
    // First, so that a template of the same kind in a file counts.
    let mut policies = Vec::new();
    take((arguments.packs.documents(), Vec::new()), &mut policies, &mut problems);
    policies.append(&mut read(&arguments.policies, &mut problems));
    let mutators = read(&arguments.fixing.mutators, &mut problems);
    let (pulled, cluster) = match arguments.images.read().and_then(|pulled| Ok((pulled, arguments.cluster.read()?))) {
        Ok(found) => found,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            return Ok(ExitCode::from(FAILED));
        }
    };
    take(pulled, &mut policies, &mut problems);
    let mut manifests = read(&arguments.paths, &mut problems);
    take(arguments.rendered.read(), &mut manifests, &mut problems);
    if let Some(missing) = missing(arguments, &policies, &manifests).filter(|_| problems.is_empty()) {
        return Ok(bad_input(&missing));
    }
    let scope = match arguments.scope.read() {
        Ok(scope) => scope,
        Err(message) => return Ok(bad_input(&message)),
    };
    let finds_fields = !arguments.no_blame || arguments.scope.needs_fields();
    // Everybody's day, so that CI and a laptop agree.
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let build = match arguments.external_data.apply(arguments.engine.build_options()) {
        Ok(build) => build,
        Err(error) => return Ok(bad_input(&format!("{error:#}"))),
    };
    let options = Options { build, finds_fields, expands: !arguments.no_expand, today };
    let progress = Progress::new(manifests.iter().filter(|one| !bundle::is_policy(one.gvk())).count());
    let directory = std::env::current_dir().context("failed to find the working directory")?;
    let root = git::root();
    let places = Places::new(&directory, root.as_deref());
    let inputs = Inputs { policies, mutators, cluster, manifests, places: places.clone() };
    let mut report = lint(inputs, options, &|| progress.step());
    progress.finish();
    let (theirs, mut ours): (Vec<_>, Vec<_>) =
        std::mem::take(&mut report.problems).into_iter().partition(ClusterArguments::is_of_cluster);
    // What is broken in the cluster is not in force there, and no mistake of who lints.
    for problem in theirs {
        anstream::eprintln!("warning: {problem}");
    }
    problems.append(&mut ours);
    report.problems = problems;
    for problem in &report.problems {
        anstream::eprintln!("error: {problem}");
    }
    if let Err(message) = scope.apply(&mut report, root.as_deref(), &places) {
        return Ok(bad_input(&message));
    }
    let fails_from = match arguments.fail_on {
        FailOn::Deny => Severity::Error,
        FailOn::Warn => Severity::Warning,
    };
    let fixed = arguments.fixing.apply(&mut report)?;
    if fixed.shows_report {
        output::write_all(&arguments.output, &report, fails_from)?;
    }
    Ok(if fixed.has_failed { ExitCode::from(FAILED) } else { exit_code(&report, arguments.fail_on) })
}

fn bad_input(message: &str) -> ExitCode {
    anstream::eprintln!("error: {message}");
    ExitCode::from(BAD_INPUT)
}

fn read(paths: &[PathBuf], problems: &mut Vec<Diagnostic>) -> Vec<Manifest> {
    let mut input = std::io::stdin();
    let is_asked = paths.iter().any(|path| path.as_os_str() == "-");
    let input = is_asked.then_some(&mut input as &mut dyn Read);
    let (manifests, mut wrong) = bundle::read(paths, input, &ReadOptions::lint(), Manifest::new);
    problems.append(&mut wrong);
    manifests
}

/// Documents as manifests, and what is wrong with any of them.
fn take(read: Documents, manifests: &mut Vec<Manifest>, problems: &mut Vec<Diagnostic>) {
    let (documents, errors) = read;
    problems.extend(errors.into_iter().map(Diagnostic::from));
    let (found, mut wrong) = bundle::read_objects(documents);
    manifests.extend(found.into_iter().map(Manifest::new));
    problems.append(&mut wrong);
}

/// What is not there to judge, or to judge by.
fn missing(arguments: &LintArguments, policies: &[Manifest], manifests: &[Manifest]) -> Option<String> {
    if arguments.paths.is_empty() && !arguments.rendered.is_asked() {
        let help = "name files or directories of manifests, `-` for stdin, a chart with --helm, or an overlay with --kustomize";
        return Some(format!("nothing to lint; {help}"));
    }
    let is_policy = |one: &Manifest| bundle::is_policy(one.gvk());
    if !arguments.cluster.is_asked() && !policies.iter().chain(manifests).any(is_policy) {
        return Some(format!(
            "no policies; name files or directories of templates and constraints with --policies, an image with --image, \
             a cluster's with --cluster, or a pack that comes with admit with --pack: {}",
            library::pack_names()
        ));
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
