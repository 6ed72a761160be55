//! `admit expand`: what workloads would create.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;

use super::images::ImageArguments;
use super::{print, stdin};
use crate::workbench::diagnostic::Diagnostic;
use crate::workbench::expand::{Format, expand, load, render};

/// Arguments of `admit expand`.
#[derive(Debug, Args)]
#[command(
    after_help = "Every object is mutated by the mutators among the input and expanded by its ExpansionTemplates, what comes of \
it too; what comes of all is printed, and nothing else. Namespaces that mutators match by must be among the input. With a \
pipe on stdin, that is read too.\n\nExamples:\n  admit expand -n manifests/                        by the \
ExpansionTemplates there\n  admit expand -n policies/expansion -n deployment.yaml    by those that come with admit\n  admit \
expand -n deployment.yaml --workloads        what admit knows of workloads\n\nExit code: 0, 1 when something cannot be \
expanded or an input cannot be used, 2 for a wrong command line."
)]
pub(super) struct ExpandArguments {
    /// File or directory of YAML or JSON; may be given several times. Directories are read with everything below them
    #[arg(short = 'n', long = "filename", value_name = "PATH")]
    filenames: Vec<PathBuf>,
    #[command(flatten)]
    images: ImageArguments,
    /// Taken for Gatekeeper's sake: images are unpacked in memory
    #[arg(short = 'd', long, value_name = "DIRECTORY", hide = true)]
    tempdir: Option<PathBuf>,
    /// How to print what comes of it: json or yaml
    #[arg(short, long, value_name = "FORMAT", default_value = "", hide_default_value = true)]
    format: String,
    /// File to write to. It is overwritten
    #[arg(short, long, value_name = "FILE")]
    outputfile: Option<PathBuf>,
    /// Expand workloads that no ExpansionTemplate applies to as well, as `admit lint` does: Deployments, CronJobs and every
    /// resource that holds a pod template
    #[arg(long)]
    workloads: bool,
}

/// Runs the command.
pub(super) fn run(arguments: &ExpandArguments) -> Result<ExitCode> {
    let mut input = std::io::stdin();
    let is_read = stdin::is_read_beside(&arguments.filenames);
    let input = is_read.then_some(&mut input as &mut dyn Read);
    let (known, errors) = arguments.images.read()?;
    let (bundle, mut diagnostics) = load(known, &arguments.filenames, input);
    diagnostics.extend(errors.into_iter().map(Diagnostic::from));
    for diagnostic in &diagnostics {
        anstream::eprintln!("error: {diagnostic}");
    }
    if !diagnostics.is_empty() {
        let count = diagnostics.len();
        let plural = if count == 1 { "problem" } else { "problems" };
        bail!("{count} {plural} in the input; nothing was expanded");
    }
    if bundle.objects.is_empty() {
        bail!("no input data identified; name files or directories with -n, or pipe manifests in");
    }
    let expanded = expand(&bundle, arguments.workloads);
    let expanded = expanded.map_err(|failure| anyhow!("error expanding resources: {failure}"))?;
    for warning in &expanded.warnings {
        anstream::eprintln!("warning: {warning}");
    }
    let format = match arguments.format.as_str() {
        "" | "yaml" => Format::Yaml,
        "json" => Format::Json,
        other => bail!("unrecognized value for format flag: {other}; it is json or yaml"),
    };
    let text = render(format, &expanded.resultants).map_err(|error| anyhow!("printing what came of it: {error}"))?;
    match &arguments.outputfile {
        None => print(&format!("{text}\n"))?,
        Some(file) => {
            print(&format!("Writing output to file: {}\n", file.display()))?;
            std::fs::write(file, text).with_context(|| format!("writing to {}", file.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
