//! `admit why`: what each constraint makes of one object, and for which reason.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::engine::EngineArguments;
use super::external_data::ExternalDataArguments;
use super::packs::PackArguments;
use super::print;
use crate::model::api::EnforcementPoint;
use crate::model::review;
use crate::policy::engine::RegoEngine;
use crate::workbench::why::{self, Circumstances, World};

/// Arguments of `admit why`.
#[derive(Debug, Args)]
#[command(
    after_help = "At the webhook the object is judged in the request of a developer; everywhere else it is judged as it \
is. Policies that do not compile are part of the answer.\n\nExamples:\n  admit why Pod/shop/web -f policies/ -f \
manifests/     one of the objects that are read\n  admit why pod.yaml -f policies/                    an object in a file of \
its own\n  admit why Pod/web -f . --operation DELETE          in another request\n\nExit code: 0 when it can be told, \
whatever the verdict; 1 when it cannot; 2 for a wrong command line."
)]
pub(super) struct WhyArguments {
    /// `KIND/NAME`, `KIND/NAMESPACE/NAME`, or a file with one object
    #[arg(value_name = "OBJECT")]
    object: String,
    /// File or directory of policies and objects; may be given several times
    #[arg(short = 'f', long = "filename", value_name = "PATH", required_unless_present = "pack")]
    filenames: Vec<PathBuf>,
    #[command(flatten)]
    packs: PackArguments,
    /// Where the constraints are applied
    #[arg(long, value_enum, value_name = "POINT", default_value = "webhook")]
    enforcement_point: Point,
    /// What the request to the webhook does
    #[arg(long, value_enum, value_name = "OPERATION", default_value = "CREATE", ignore_case = true)]
    operation: Operation,
    /// How to print it
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
    #[command(flatten)]
    engine: EngineArguments,
    #[command(flatten)]
    external_data: ExternalDataArguments,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Point {
    #[value(alias = "validation.gatekeeper.sh")]
    Webhook,
    #[value(alias = "audit.gatekeeper.sh")]
    Audit,
    #[value(alias = "gator.gatekeeper.sh")]
    Gator,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "UPPER")]
enum Operation {
    Create,
    Update,
    Delete,
    Connect,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// Runs the command.
pub(super) fn run(arguments: &WhyArguments) -> Result<ExitCode> {
    let mut options = arguments.external_data.apply(arguments.engine.build_options())?;
    if options.compile.engine != RegoEngine::Own {
        anyhow::bail!("only admit's own evaluator tells which rules fired; leave out `--rego-engine regorus`");
    }
    options.compile.is_covered = true;
    let (world, diagnostics) = World::load(arguments.packs.documents(), &arguments.filenames, options);
    for diagnostic in &diagnostics {
        anstream::eprintln!("error: {diagnostic}");
    }
    if !diagnostics.is_empty() {
        anyhow::bail!("some of the input cannot be read; nothing was judged");
    }
    let subject = why::find(&world, &arguments.object)?;
    let explanation = why::explain(&world, &subject, arguments.circumstances()).map_err(anyhow::Error::msg)?;
    print(&match arguments.output {
        Output::Text => why::report::text(&explanation),
        Output::Json => why::report::json(&explanation),
    })?;
    Ok(ExitCode::SUCCESS)
}

impl WhyArguments {
    fn circumstances(&self) -> Circumstances {
        let point = match self.enforcement_point {
            Point::Webhook => EnforcementPoint::Webhook,
            Point::Audit => EnforcementPoint::Audit,
            Point::Gator => EnforcementPoint::CommandLine,
        };
        let operation = match self.operation {
            Operation::Create => review::Operation::Create,
            Operation::Update => review::Operation::Update,
            Operation::Delete => review::Operation::Delete,
            Operation::Connect => review::Operation::Connect,
        };
        Circumstances { point, operation }
    }
}
