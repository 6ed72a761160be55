//! `admit rego check|fmt|eval`: for authors of Rego.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand, ValueEnum};

use super::engine::{BuiltinArguments, EngineArguments};
use super::print;
use crate::model::api::RegoVersion;
use crate::workbench::rego::{self, RegoProblem};

/// What a problem with the files, the query or the evaluation exits with.
const PROBLEM: u8 = 2;

/// Arguments of `admit rego`.
#[derive(Debug, Args)]
pub(super) struct RegoArguments {
    #[command(subcommand)]
    command: RegoCommand,
}

#[derive(Debug, Subcommand)]
enum RegoCommand {
    /// Compile .rego files together, and the Rego of each ConstraintTemplate by itself
    Check(CheckArguments),
    /// Format .rego files
    Fmt(FmtArguments),
    /// Ask a query about Rego, data and input (the flags of `opa eval`)
    Eval(EvalArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "Exit code: 0 when all compiles, 2 when something does not or the command line is wrong.")]
struct CheckArguments {
    /// .rego files, or YAML files with ConstraintTemplates
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Read .rego files as Rego before OPA 1.0; templates say their version themselves
    #[arg(long)]
    v0_compatible: bool,
    #[command(flatten)]
    builtins: BuiltinArguments,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exit code: 0 when all is well, 1 when --list names a file, 2 when a file cannot be read as Rego or the command line is \
wrong."
)]
struct FmtArguments {
    /// .rego files; the formatted text is printed
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Change the files instead
    #[arg(short, long, conflicts_with = "list")]
    write: bool,
    /// Name the files that are not formatted, and fail when there are any
    #[arg(short, long)]
    list: bool,
    /// Read Rego before OPA 1.0
    #[arg(long)]
    v0_compatible: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exit code: 0 for an answer, 1 when --fail is given and the answer is undefined, 2 when there is no answer or the command \
line is wrong."
)]
struct EvalArguments {
    /// The query, for example data.example.allow
    query: String,
    /// .rego file, or JSON or YAML file whose mapping is data; may be given several times
    #[arg(short, long, value_name = "FILE")]
    data: Vec<PathBuf>,
    /// JSON or YAML file that is the document input
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Read the document input from stdin
    #[arg(short = 'I', long, conflicts_with = "input")]
    stdin_input: bool,
    /// How to print the answer
    #[arg(short, long, value_enum, default_value = "json")]
    format: Format,
    /// Exit with 1 when the answer is undefined
    #[arg(long)]
    fail: bool,
    /// Read Rego before OPA 1.0
    #[arg(long)]
    v0_compatible: bool,
    #[command(flatten)]
    engine: EngineArguments,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Json,
    Raw,
}

/// Runs the command.
pub(super) fn run(arguments: &RegoArguments) -> Result<ExitCode> {
    match &arguments.command {
        RegoCommand::Check(arguments) => check(arguments),
        RegoCommand::Fmt(arguments) => fmt(arguments),
        RegoCommand::Eval(arguments) => eval(arguments),
    }
}

fn version(v0_compatible: bool) -> RegoVersion {
    if v0_compatible { RegoVersion::V0 } else { RegoVersion::V1 }
}

fn check(arguments: &CheckArguments) -> Result<ExitCode> {
    let checked = rego::check(&arguments.files, version(arguments.v0_compatible), arguments.builtins.access());
    print(&checked.loops.iter().map(|line| format!("{line}\n")).collect::<String>())?;
    Ok(if checked.problems.is_empty() { ExitCode::SUCCESS } else { report(&checked.problems) })
}

fn fmt(arguments: &FmtArguments) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for path in &arguments.files {
        match rego::formatted(path, version(arguments.v0_compatible)) {
            Err(problems) => code = report(&problems),
            Ok((_, false)) if arguments.write || arguments.list => {}
            Ok((text, true)) if arguments.write => {
                std::fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))?;
            }
            Ok((_, true)) if arguments.list => {
                print(&format!("{}\n", path.display()))?;
                code = ExitCode::FAILURE;
            }
            Ok((text, _)) => print(&text)?,
        }
    }
    Ok(code)
}

fn eval(arguments: &EvalArguments) -> Result<ExitCode> {
    let input = match (&arguments.input, arguments.stdin_input) {
        (Some(path), _) => match rego::read_document(path) {
            Ok(value) => Some(value),
            Err(problem) => return Ok(report(&[problem])),
        },
        (None, true) => {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes).context("failed to read stdin")?;
            Some(crate::model::object::parse_json(&bytes).context("input on stdin is not JSON")?)
        }
        (None, false) => None,
    };
    let version = version(arguments.v0_compatible);
    let (engine, access) = (arguments.engine.engine(), arguments.engine.access());
    let answer = match rego::ask(&arguments.query, &arguments.data, input.as_ref(), version, access, engine) {
        Ok(answer) => answer,
        Err(problems) => return Ok(report(&problems)),
    };
    for text in &answer.prints {
        anstream::eprintln!("{text}");
    }
    match arguments.format {
        Format::Raw => print(&rego::answer_raw(&answer))?,
        Format::Json => {
            print(&format!("{}\n", rego::answer_json(&answer)))?;
        }
    }
    let is_failure = arguments.fail && answer.solutions.is_empty();
    Ok(if is_failure { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn report(problems: &[RegoProblem]) -> ExitCode {
    for problem in problems {
        anstream::eprintln!("{problem}");
    }
    ExitCode::from(PROBLEM)
}
