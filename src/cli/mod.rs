//! The command line. Data goes to stdout, everything else to stderr.
//!
//! Exit codes are Gatekeeper's: 0 clean, 1 for a denial or a failed test and for anything that could not be judged.
//! A command line that cannot be understood is 2.

mod bench;
mod certificates;
mod demo;
mod diff;
mod engine;
mod go_flags;
mod quality;
mod rego;
mod serve;
mod test;
mod verify;
mod watch;
mod webhook;
mod why;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Kubernetes policy admission: judges objects with Gatekeeper's policies, in the cluster and in CI.
#[derive(Debug, Parser)]
#[command(name = "admit", version, max_term_width = 110)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure how long policies take (the flags of `gator bench`)
    Bench(bench::BenchArguments),
    /// Show admit at work: a webhook on this machine, a few manifests, and what became of them
    Demo(demo::DemoArguments),
    /// Compare two versions of policies: which objects become denied, which allowed
    Diff(diff::DiffArguments),
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

/// Runs one command line.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(go_flags::normalize(arguments)) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are what was asked for; anything else is a mistake in the command line.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let outcome = match arguments.command {
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Rego(arguments) => rego::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Why(arguments) => why::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        anstream::eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// Writes to stdout. A reader that has seen enough (`| head`) is no failure.
fn print(text: &str) -> std::io::Result<()> {
    use std::io::Write;
    match anstream::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
