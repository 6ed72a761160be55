//! `admit doctor`: looks at a live cluster for what makes admission webhooks dangerous.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use super::print;
use crate::server::{DoctorNames, DoctorOptions, examine};

/// What it exits with when nothing could be looked at.
const COULD_NOT_RUN: u8 = 2;

/// Arguments of `admit doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = "Nothing in the cluster is changed: a ConfigMap is created as a dry run. What may not be read is told as \
\"not checked\".\n\nExamples:\n  admit doctor                                     the cluster that kubectl talks to\n  admit \
doctor --context production -o json      for a program\n\nExit code: 0 when nothing is wrong that must be mended, 1 for \
findings of severity error, 2 when the cluster\ncannot be asked or the command line is wrong."
)]
pub(super) struct DoctorArguments {
    /// Kubeconfig of the cluster; as kubectl finds it when absent, and inside of a Pod the Pod's own configuration
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Namespace that admit runs in; counts for webhooks that name a URL, others say it themselves
    #[arg(short, long, env = "POD_NAMESPACE", value_name = "NAMESPACE", default_value = "gatekeeper-system")]
    namespace: String,
    /// admit's ValidatingWebhookConfiguration; others are looked at, too
    #[arg(long, value_name = "NAME", default_value = "gatekeeper-validating-webhook-configuration")]
    validating_webhook_configuration_name: String,
    /// admit's MutatingWebhookConfiguration; others are looked at, too
    #[arg(long, value_name = "NAME", default_value = "gatekeeper-mutating-webhook-configuration")]
    mutating_webhook_configuration_name: String,
    /// Namespace that the ConfigMap is created in, as a dry run
    #[arg(long, value_name = "NAMESPACE", default_value = "default")]
    canary_namespace: String,
    /// How to print what was found
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Table,
    Json,
}

/// Runs the command.
pub(super) fn run(arguments: &DoctorArguments) -> Result<ExitCode> {
    let runtime = super::serve::runtime().context("failed to start the async runtime")?;
    let diagnosis = match runtime.block_on(examine(options(arguments))) {
        Ok(diagnosis) => diagnosis,
        Err(error) => {
            anstream::eprintln!("error: {error}");
            return Ok(ExitCode::from(COULD_NOT_RUN));
        }
    };
    print(&match arguments.output {
        Output::Table => diagnosis.to_table(),
        Output::Json => diagnosis.to_json(),
    })?;
    Ok(if diagnosis.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn options(arguments: &DoctorArguments) -> DoctorOptions {
    DoctorOptions {
        kubeconfig: arguments.kubeconfig.clone(),
        context: arguments.context.clone(),
        names: DoctorNames {
            namespace: arguments.namespace.clone(),
            validating: arguments.validating_webhook_configuration_name.clone(),
            mutating: arguments.mutating_webhook_configuration_name.clone(),
            canary_namespace: arguments.canary_namespace.clone(),
        },
    }
}
