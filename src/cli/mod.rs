//! The command line. Data goes to stdout, everything else to stderr.
//!
//! Exit codes are Gatekeeper's: 0 clean, 1 for a denial or a failed test and for anything that could not be judged.
//! A command line that cannot be understood is 2. `lint` has codes of its own: for it, that is 3, and a failure 4.

mod bench;
mod certificates;
mod demo;
mod doctor;
mod engine;
mod go_flags;
mod lint;
mod rego;
mod serve;
mod test;
mod verify;
mod watch;
mod webhook;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

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
    /// Show admit at work: a webhook on this machine, a few manifests, and what became of them
    Demo(demo::DemoArguments),
    /// Look for what makes the admission webhooks of a cluster dangerous, and say what mends it
    Doctor(doctor::DoctorArguments),
    /// Judge manifests, and show the line that breaks a policy
    Lint(lint::LintArguments),
    /// Check, format and evaluate Rego
    Rego(rego::RegoArguments),
    /// Run the admission webhook
    Serve(Box<serve::ServeArguments>),
    /// Judge files: policies and objects in, violations out (the flags of `gator test`)
    Test(test::TestArguments),
    /// Test policies: run Suites of objects and what must come of judging them (the flags of `gator verify`)
    Verify(verify::VerifyArguments),
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
    let arguments = match Arguments::try_parse_from(&arguments) {
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
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Lint(arguments) => lint::run(&arguments),
        Command::Rego(arguments) => rego::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        anstream::eprintln!("error: {error:#}");
        failure
    })
}

fn wrong_command_line(arguments: &[OsString]) -> ExitCode {
    // What can be understood of it says which command was meant.
    let understood = Arguments::command().ignore_errors(true).try_get_matches_from(arguments);
    let is_lint = understood.is_ok_and(|understood| understood.subcommand_name() == Some("lint"));
    ExitCode::from(if is_lint { lint::BAD_INPUT } else { 2 })
}

/// Writes to stdout. A reader that has seen enough (`| head`) is no failure.
fn print(text: &str) -> std::io::Result<()> {
    use std::io::Write;
    match anstream::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
