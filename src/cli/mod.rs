//! The command line. Data goes to stdout, everything else to stderr.
//!
//! Exit codes are Gatekeeper's: 0 clean, 1 for a denial or a failed test and for anything that could not be judged.
//! A command line that cannot be understood is 2. `lint` has codes of its own: for it, that is 3, and a failure 4.

mod bench;
mod certificates;
mod completions;
mod demo;
mod diff;
mod doctor;
mod engine;
mod expand;
mod explain;
mod external_data;
mod files;
mod git;
mod go_flags;
mod images;
mod lint;
mod man;
mod mutate;
mod packs;
mod policy;
mod quality;
mod rego;
mod serve;
mod stdin;
mod test;
mod verify;
mod watch;
mod webhook;
mod why;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

/// Kubernetes policy admission: judges objects with Gatekeeper's policies, in the cluster and in CI.
#[derive(Debug, Parser)]
#[command(name = "admit", version, max_term_width = 110)]
struct Arguments {
    /// Colours on a terminal. `auto` minds NO_COLOR, CLICOLOR and CLICOLOR_FORCE
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value = "auto")]
    color: Color,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure how long policies take (the flags of `gator bench`)
    Bench(bench::BenchArguments),
    /// Print what a shell needs to complete command lines of admit
    Completions(completions::CompletionsArguments),
    /// Show admit at work: a webhook on this machine, a few manifests, and what became of them
    Demo(demo::DemoArguments),
    /// Compare two versions of policies: which objects become denied, which allowed
    Diff(diff::DiffArguments),
    /// Look for what makes the admission webhooks of a cluster dangerous, and say what mends it
    Doctor(doctor::DoctorArguments),
    /// Print what workloads would create, as ExpansionTemplates say (the flags of `gator expand`)
    Expand(expand::ExpandArguments),
    /// Explain what policy lint looks for
    Explain(explain::ExplainArguments),
    /// Judge manifests, and show the line that breaks a policy
    Lint(Box<lint::LintArguments>),
    /// Print the manual page, or write those of all subcommands
    Man(man::ManArguments),
    /// Show what mutators make of manifests, comments and layout kept
    Mutate(mutate::MutateArguments),
    /// The policies that come with admit: list, show and export them, install them in a cluster
    Policy(policy::PolicyArguments),
    /// Check, format and evaluate Rego
    Rego(rego::RegoArguments),
    /// Run the admission webhook
    Serve(Box<serve::ServeArguments>),
    /// Judge files: policies and objects in, violations out (the flags of `gator test`)
    Test(test::TestArguments),
    /// Test policies: run Suites of objects and what must come of judging them (the flags of `gator verify`)
    Verify(verify::VerifyArguments),
    /// Tell why an object is denied, or is not: what each constraint makes of it
    Why(why::WhyArguments),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

/// Runs one command line.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = go_flags::normalize(arguments);
    let arguments = match parse(&arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are what was asked for; anything else is a mistake in the command line.
            let _ = error.print();
            return if error.use_stderr() { wrong_command_line(&arguments) } else { ExitCode::SUCCESS };
        }
    };
    match arguments.color {
        Color::Auto => anstream::ColorChoice::Auto,
        Color::Always => anstream::ColorChoice::Always,
        Color::Never => anstream::ColorChoice::Never,
    }
    .write_global();
    let failure = match arguments.command {
        Command::Lint(_) => ExitCode::from(lint::FAILED),
        _ => ExitCode::FAILURE,
    };
    let outcome = match arguments.command {
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments, Arguments::command()),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Expand(arguments) => expand::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Lint(arguments) => lint::run(&arguments),
        Command::Man(arguments) => man::run(&arguments, Arguments::command()),
        Command::Mutate(arguments) => mutate::run(&arguments),
        Command::Policy(arguments) => policy::run(&arguments),
        Command::Rego(arguments) => rego::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Why(arguments) => why::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        anstream::eprintln!("error: {error:#}");
        failure
    })
}

/// Under the name `kubectl-admit` it is a plugin of kubectl, which people call with a blank.
fn parse(arguments: &[OsString]) -> Result<Arguments, clap::Error> {
    let mut command = Arguments::command();
    let name = arguments.first().and_then(|name| Path::new(name).file_stem());
    if name.is_some_and(|name| name == "kubectl-admit") {
        command = command.bin_name("kubectl admit");
    }
    let mut matches = command.try_get_matches_from_mut(arguments)?;
    Arguments::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

fn wrong_command_line(arguments: &[OsString]) -> ExitCode {
    ExitCode::from(if names_lint(arguments) { lint::BAD_INPUT } else { 2 })
}

/// Whether the command of a line that is wrong somewhere is `lint`. clap does not say it of every mistake.
fn names_lint(arguments: &[OsString]) -> bool {
    let mut words = arguments.iter().skip(1);
    while let Some(word) = words.next() {
        match word.to_str() {
            // The only flag before a command that has a value.
            Some("--color") => drop(words.next()),
            Some(flag) if flag.starts_with('-') => {}
            command => return command == Some("lint"),
        }
    }
    false
}

/// Writes to stdout. A reader that has seen enough (`| head`) is no failure.
fn print(text: &str) -> std::io::Result<()> {
    use std::io::Write;
    match anstream::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
