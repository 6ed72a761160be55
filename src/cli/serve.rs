//! `admit serve`: the webhook. Flags are Gatekeeper's wherever it has one.

mod external_data;
#[cfg(test)]
mod flag_tests;
mod foreign_flags;
mod reporting;
mod traces;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info, warn};

use self::external_data::ExternalDataArguments;
use self::foreign_flags::ForeignFlags;
use self::reporting::{LogArguments, ReportArguments};
use self::traces::TraceArguments;
use super::certificates::CertificateArguments;
use super::engine::EngineArguments;
use super::go_flags::parse_bool;
use super::webhook::WebhookArguments;
use crate::policy::engine::limits::THREAD_STACK_BYTES;
use crate::policy::snapshot::BuildOptions;
use crate::server::{
    ClusterOptions, FeedEvent, ListenAddress, Operation, Operations, PolicySource, ServeOptions, TlsVersion,
};
use crate::workbench::file_feed::FileFeed;

/// How often files under `--policies` are looked at.
const POLL: Duration = Duration::from_millis(250);

/// Arguments of `admit serve`.
#[derive(Debug, Args)]
#[command(
    args_override_self = true,
    next_help_heading = "Webhook",
    after_help = "Long flags may have one dash or two, as in Gatekeeper's manifests. Flags of Gatekeeper's that have no \
                  effect here are taken too; a line of the log at start says which, and why."
)]
pub(super) struct ServeArguments {
    /// Address that the webhook and the metrics listen on; every interface when empty
    #[arg(long, default_value = "", hide_default_value = true)]
    host: String,
    /// Port of the webhook
    #[arg(long, default_value_t = 443)]
    port: u16,
    #[command(flatten, next_help_heading = "Certificates")]
    certificates: CertificateArguments,
    /// Oldest version of TLS to accept
    #[arg(long, value_name = "VERSION", default_value = "1.3", value_parser = parse_tls_version)]
    tls_min_version: TlsVersion,
    /// Address of /healthz and /readyz
    #[arg(long, value_name = "HOST:PORT", default_value = ":9090")]
    health_addr: ListenAddress,
    /// Let /healthz, too, ask whether the webhook answers with its certificate, as /readyz does
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, value_parser = parse_bool, action = clap::ArgAction::Set)]
    enable_tls_healthcheck: bool,
    /// Port of /metrics
    #[arg(long, value_name = "PORT", default_value_t = 8888)]
    prometheus_port: u16,
    /// Requests judged at the same time; below 1 means one for each processor
    #[arg(long, value_name = "COUNT", default_value_t = -1, allow_negative_numbers = true)]
    max_serving_threads: i64,
    /// Longest time that one constraint may take for one request. What takes longer counts as violated, and is set aside
    /// for a while when it happens again and again
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    evaluation_timeout: u64,
    /// Largest request body that is accepted
    #[arg(long, value_name = "BYTES", default_value_t = 7 << 20)]
    max_request_bytes: usize,
    /// Seconds to go on serving after SIGTERM, for endpoints to be taken out of rotation
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    shutdown_delay: u64,
    /// Allow policies to read data.inventory
    #[arg(long, help_heading = "Policies", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = true, value_parser = parse_bool, action = clap::ArgAction::Set)]
    enable_referential_rules: bool,
    /// Judge what an object would create with it, as ExpansionTemplates say; when false, they are ignored
    #[arg(long, help_heading = "Policies", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = true, value_parser = parse_bool, action = clap::ArgAction::Set)]
    enable_generator_resource_expansion: bool,
    /// Keep whole objects in data.inventory, instead of the fields that policies read. Takes several times the memory;
    /// no kind has to be listed again when a new policy reads more of it. Objects from files are always kept whole
    #[arg(long, help_heading = "Policies", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, value_parser = parse_bool, action = clap::ArgAction::Set)]
    inventory_keep_whole_objects: bool,
    /// Kubeconfig of the cluster; without it, the configuration of the pod that this runs in
    #[arg(long, help_heading = "Policies", value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Take policies, Namespaces and inventory from files instead of a cluster; may be given several times. Changed
    /// files are taken up without a restart
    #[arg(long, help_heading = "Policies", value_name = "PATH", conflicts_with = "kubeconfig")]
    policies: Vec<PathBuf>,
    /// What this process does in the cluster: webhook, generate (CRDs of constraints), status, mutation-webhook,
    /// mutation-status, mutation-controller (knows mutators without serving them); may be given several times or as a list.
    /// All of these when not given. Gatekeeper's operation audit is taken, and has no effect
    #[arg(long, help_heading = "Process", value_name = "OPERATION", value_delimiter = ',')]
    operation: Vec<Operation>,
    /// Name of this process in statuses
    #[arg(long, help_heading = "Process", env = "POD_NAME", value_name = "NAME", default_value = "admit")]
    pod_name: String,
    /// Namespace that this process runs in
    #[arg(
        long,
        help_heading = "Process",
        env = "POD_NAMESPACE",
        value_name = "NAMESPACE",
        default_value = "gatekeeper-system"
    )]
    pod_namespace: String,
    #[command(flatten, next_help_heading = "Own resources and exempt namespaces")]
    webhook: WebhookArguments,
    #[command(flatten, next_help_heading = "Policies")]
    engine: EngineArguments,
    #[command(flatten, next_help_heading = "Policies")]
    external_data: ExternalDataArguments,
    #[command(flatten, next_help_heading = "What is told of requests")]
    reports: ReportArguments,
    #[command(flatten, next_help_heading = "What is told of requests")]
    traces: TraceArguments,
    #[command(flatten, next_help_heading = "Log")]
    log: LogArguments,
    #[command(flatten)]
    foreign: ForeignFlags,
}

fn parse_tls_version(text: &str) -> Result<TlsVersion, String> {
    match text {
        "1.3" => Ok(TlsVersion::Tls13),
        // What is older than 1.2 is not spoken any more; asking for it gets the oldest that is.
        "" | "1.0" | "1.1" | "1.2" => Ok(TlsVersion::Tls12),
        _ => Err("invalid TLS version. Must be one of: 1.0, 1.1, 1.2, or 1.3".to_owned()),
    }
}

/// Runs the command.
pub(super) fn run(arguments: &ServeArguments) -> Result<ExitCode> {
    arguments.log.initialize()?;
    warn_of_what_is_not_there(arguments);
    let runtime = runtime().context("failed to start the async runtime")?;
    runtime.block_on(async {
        let (stop, shutdown) = watch::channel(false);
        let signals = tokio::spawn(wait_for_signals(stop));
        let (bound, _) = oneshot::channel();
        crate::server::run(options(arguments), source(arguments), bound, shutdown).await?;
        signals.abort();
        Ok(ExitCode::SUCCESS)
    })
}

/// A manifest that asks for more than there is works, and says so.
fn warn_of_what_is_not_there(arguments: &ServeArguments) {
    if let Some(flags) = arguments.foreign.explanation() {
        warn!(flags, "flags without effect");
    }
    if arguments.traces.has_no_effect(arguments.foreign.has_other_metrics_backend()) {
        let flags = "--otlp-endpoint (metrics are served to Prometheus alone, and this build makes no traces)";
        warn!(flags, "flags without effect");
    }
    let operations = Operations::new(&arguments.operation);
    let without_effect = operations.names_without_effect();
    if !without_effect.is_empty() {
        warn!(operations = without_effect.join(", "), "operations without effect: there is no audit");
    }
}

/// The runtime of every command that serves.
pub(super) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(THREAD_STACK_BYTES).build()
}

/// Processors that this process may use, as the system and its cgroup quota say.
pub(super) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn options(arguments: &ServeArguments) -> ServeOptions {
    let threads = usize::try_from(arguments.max_serving_threads).ok().filter(|threads| *threads > 0);
    ServeOptions {
        address: ListenAddress::new(&arguments.host, arguments.port),
        health_address: arguments.health_addr.clone(),
        metrics_address: ListenAddress::new(&arguments.host, arguments.prometheus_port),
        certificate_directory: arguments.certificates.directory(),
        tls_min_version: arguments.tls_min_version,
        client_certificates: arguments.certificates.clients(),
        serving_threads: threads.unwrap_or_else(processors),
        provider_cache_lifetime: arguments.external_data.external_data_provider_response_cache_ttl,
        evaluation_limit: Duration::from_millis(arguments.evaluation_timeout),
        expands_generators: arguments.enable_generator_resource_expansion,
        max_request_bytes: arguments.max_request_bytes,
        shutdown_delay: Duration::from_secs(arguments.shutdown_delay),
        webhook_rules: arguments.certificates.webhook_rules(),
        reports: arguments.reports.options(),
        mutation: arguments.reports.mutation(),
        operations: Operations::new(&arguments.operation),
        build: build_options(arguments),
        keeps_whole_objects: arguments.inventory_keep_whole_objects,
        pod_namespace: arguments.pod_namespace.clone(),
        admits_uncompilable_templates: arguments.webhook.admit_uncompilable_templates,
        admits_unknown_actions: arguments.webhook.disable_enforcementaction_validation,
        checks_tls_for_health: arguments.enable_tls_healthcheck,
        exempt_namespaces: arguments.webhook.exempt_namespaces(),
        traces: arguments.traces.options(arguments.foreign.has_other_metrics_backend()),
    }
}

fn build_options(arguments: &ServeArguments) -> BuildOptions {
    let mut options = arguments.engine.build_options();
    options.compile.referential_rules = arguments.enable_referential_rules;
    if !arguments.external_data.enable_external_data {
        options.compile.access.disable_external_data();
    }
    options
}

fn source(arguments: &ServeArguments) -> PolicySource {
    if arguments.policies.is_empty() {
        return PolicySource::Cluster(ClusterOptions {
            kubeconfig: arguments.kubeconfig.clone(),
            pod_name: arguments.pod_name.clone(),
            pod_namespace: arguments.pod_namespace.clone(),
            operations: Operations::new(&arguments.operation),
            rotation: arguments.certificates.rotation(&arguments.pod_namespace, &arguments.operation),
        });
    }
    let (sender, feed) = mpsc::channel(16);
    let files = FileFeed::new(arguments.policies.clone());
    std::thread::Builder::new().name("policy files".to_owned()).spawn(move || feed_files(files, &sender)).ok();
    PolicySource::Feed(feed)
}

/// Sends what files say, for as long as somebody listens.
fn feed_files(mut files: FileFeed, sender: &mpsc::Sender<FeedEvent>) {
    let mut reported = Vec::new();
    let mut is_first = true;
    loop {
        let (changes, diagnostics) = files.poll();
        for diagnostic in diagnostics.iter().filter(|found| !reported.contains(*found)) {
            error!(place = diagnostic.place, help = diagnostic.help, "policy file refused: {}", diagnostic.message);
        }
        if !changes.is_empty() && !is_first {
            info!(changes = changes.len(), "policy files changed");
        }
        // A file that is broken is reported when it breaks; a path that cannot be listed, until it can.
        if !diagnostics.is_empty() || !changes.is_empty() {
            reported = diagnostics;
        }
        let events = [Some(FeedEvent::Changes(changes)), is_first.then_some(FeedEvent::Complete)];
        for event in events.into_iter().flatten() {
            let is_empty = matches!(&event, FeedEvent::Changes(changes) if changes.is_empty());
            if !is_empty && sender.blocking_send(event).is_err() {
                return;
            }
        }
        is_first = false;
        std::thread::sleep(POLL);
    }
}

/// SIGTERM or SIGINT asks the server to stop; the second one does not ask.
async fn wait_for_signals(stop: watch::Sender<bool>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        error!("cannot listen for signals; the process can only be killed");
        return std::future::pending().await;
    };
    for round in 0.. {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if round > 0 {
            std::process::exit(1);
        }
        let _ = stop.send(true);
    }
}
