//! `admit demo`: the real webhook on loopback, judging what an API server would send it. Nothing is simulated but the
//! API server.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

use super::print;
use super::serve::{processors, runtime};
use crate::policy::snapshot::{BuildOptions, Change};
use crate::server::loopback::LoopbackClient;
use crate::server::{
    BoundAddresses, ExemptNamespaces, FeedEvent, ListenAddress, MutationOptions, Operations, PolicySource,
    ReportOptions, ServeOptions, TlsVersion, TraceOptions, WebhookRules, self_signed,
};
use crate::workbench::bundle::{BundledObject, feed_changes, read_texts};
use crate::workbench::requests;

/// The policies of the demonstration, and how it uses them.
const POLICIES: [(&str, &str); 5] = [
    ("requiredlabels/template.yaml", include_str!("../../../policies/general/requiredlabels/template.yaml")),
    ("containerlimits/template.yaml", include_str!("../../../policies/general/containerlimits/template.yaml")),
    ("allowedrepos/template.yaml", include_str!("../../../policies/general/allowedrepos/template.yaml")),
    (
        "uniqueserviceselector/template.yaml",
        include_str!("../../../policies/general/uniqueserviceselector/template.yaml"),
    ),
    ("constraints.yaml", include_str!("constraints.yaml")),
];
const CLUSTER: [(&str, &str); 1] = [("cluster.yaml", include_str!("cluster.yaml"))];
const MANIFESTS: [(&str, &str); 1] = [("manifests.yaml", include_str!("manifests.yaml"))];

/// Arguments of `admit demo`.
#[derive(Debug, Args)]
pub(super) struct DemoArguments {
    /// Leave the webhook up, and print how to ask it something with curl
    #[arg(long)]
    serve: bool,
}

/// Runs the command.
pub(super) fn run(arguments: &DemoArguments) -> Result<ExitCode> {
    let runtime = runtime().context("failed to start the async runtime")?;
    runtime.block_on(demonstrate(arguments))
}

async fn demonstrate(arguments: &DemoArguments) -> Result<ExitCode> {
    let directory = tempfile::tempdir().context("failed to make a directory for the certificate")?;
    let certificate = self_signed().context("failed to make a certificate")?;
    for (name, text) in
        [("ca.crt", &certificate.authority), ("tls.crt", &certificate.certificate), ("tls.key", &certificate.key)]
    {
        let path = directory.path().join(name);
        std::fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
    }
    let started = Instant::now();
    let (stop, shutdown) = watch::channel(false);
    let (bound_sender, bound) = oneshot::channel();
    let server = crate::server::run(options(directory.path()), PolicySource::Feed(feed()?), bound_sender, shutdown);
    let server = tokio::spawn(server);
    let Ok(addresses) = bound.await else {
        server.await??;
        anyhow::bail!("the server stopped before it listened");
    };
    let webhook = addresses.webhook.context("the server was started without its webhook")?;
    wait_until_ready(addresses).await?;
    let ready = started.elapsed();
    print(&format!(
        "admit {}: {} policies in force after {} ms, webhook on https://{}/v1/admit\n\n",
        env!("CARGO_PKG_VERSION"),
        POLICIES.len() - 1,
        ready.as_millis(),
        webhook
    ))?;
    ask_all(webhook, &certificate.authority).await?;
    if arguments.serve {
        leave_up(webhook, addresses.metrics, directory.path()).await?;
    } else {
        print("\nThe same webhook, to try for yourself:  admit demo --serve\n")?;
    }
    stop.send(true).ok();
    server.await??;
    Ok(ExitCode::SUCCESS)
}

fn options(directory: &Path) -> ServeOptions {
    let loopback = || ListenAddress::new("127.0.0.1", 0);
    ServeOptions {
        webhook_rules: WebhookRules { are_narrowed: false, pause: Duration::ZERO, configuration: String::new() },
        address: loopback(),
        health_address: loopback(),
        metrics_address: loopback(),
        certificate_directory: directory.to_owned(),
        tls_min_version: TlsVersion::Tls13,
        client_certificates: None,
        serving_threads: processors(),
        provider_cache_lifetime: Duration::from_secs(180),
        evaluation_limit: Duration::from_secs(1),
        expands_generators: true,
        max_request_bytes: 7 << 20,
        shutdown_delay: Duration::ZERO,
        reports: ReportOptions::default(),
        mutation: MutationOptions::default(),
        operations: Operations::default(),
        build: BuildOptions::default(),
        keeps_whole_objects: false,
        pod_namespace: "gatekeeper-system".to_owned(),
        admits_uncompilable_templates: false,
        admits_unknown_actions: false,
        checks_tls_for_health: false,
        exempt_namespaces: ExemptNamespaces::default(),
        traces: TraceOptions::default(),
    }
}

/// The embedded policies and cluster, as a feed that then stays silent.
fn feed() -> Result<mpsc::Receiver<FeedEvent>> {
    let (sender, feed) = mpsc::channel(2);
    let mut changes: Vec<Change> = Vec::new();
    for texts in [&POLICIES[..], &CLUSTER[..]] {
        changes.extend(objects(texts)?.iter().flat_map(|bundled| feed_changes(&bundled.object)));
    }
    sender.try_send(FeedEvent::Changes(changes)).context("failed to feed the policies")?;
    sender.try_send(FeedEvent::Complete).context("failed to feed the policies")?;
    // The feed must not end while the server runs.
    tokio::spawn(async move { sender.closed().await });
    Ok(feed)
}

fn objects(texts: &[(&str, &str)]) -> Result<Vec<BundledObject>> {
    let (objects, diagnostics) = read_texts(texts);
    ensure!(diagnostics.is_empty(), "an embedded manifest is broken: {}", diagnostics[0]);
    Ok(objects)
}

async fn wait_until_ready(addresses: BoundAddresses) -> Result<()> {
    for _ in 0..500 {
        if crate::server::loopback::is_ready(addresses.health).await {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    anyhow::bail!("the webhook did not become ready")
}

async fn ask_all(webhook: SocketAddr, authority: &str) -> Result<()> {
    let mut client = LoopbackClient::connect(webhook, authority).await?;
    for (position, bundled) in objects(&MANIFESTS)?.iter().enumerate() {
        let request = requests::creation(&bundled.object, &format!("demo-{position}"));
        let (status, body) = client.post("/v1/admit?timeout=3s", serde_json::to_vec(&request)?).await?;
        ensure!(status == 200, "the webhook answered HTTP {status}: {}", String::from_utf8_lossy(&body));
        let answer: Value = serde_json::from_slice(&body).context("the webhook's answer is not JSON")?;
        print(&describe(bundled, &answer))?;
    }
    Ok(())
}

/// One request and what became of it; each violation on a line of its own.
fn describe(bundled: &BundledObject, answer: &Value) -> String {
    let object = &bundled.object;
    let name = match object.namespace() {
        "" => object.name().to_owned(),
        namespace => format!("{namespace}/{}", object.name()),
    };
    let allowed = answer.pointer("/response/allowed").and_then(Value::as_bool).unwrap_or_default();
    let (color, word) = if allowed { (AnsiColor::Green, "admitted") } else { (AnsiColor::Red, "refused ") };
    let style = Style::new().fg_color(Some(color.into())).bold();
    let mut text = format!("{style}{word}{style:#}  {:<10} {name}\n", object.gvk().kind);
    let message = answer.pointer("/response/status/message").and_then(Value::as_str).unwrap_or_default();
    message.lines().for_each(|line| text.push_str(&format!("          {line}\n")));
    let warnings = answer.pointer("/response/warnings").and_then(Value::as_array);
    let yellow = Style::new().fg_color(Some(AnsiColor::Yellow.into()));
    for warning in warnings.into_iter().flatten().filter_map(Value::as_str) {
        text.push_str(&format!("          {yellow}warning:{yellow:#} {warning}\n"));
    }
    text
}

async fn leave_up(webhook: SocketAddr, metrics: SocketAddr, directory: &Path) -> Result<()> {
    let manifests = objects(&MANIFESTS)?;
    let refused = manifests.first().context("there is no manifest to ask about")?;
    let request = directory.join("request.json");
    let review = requests::creation(&refused.object, "from-curl");
    std::fs::write(&request, serde_json::to_vec_pretty(&review)?).context("failed to write the sample request")?;
    let directory = directory.display();
    print(&format!(
        "\nThe webhook stays up until you press Ctrl-C. Ask it something, and edit the request as you like:\n\n  \
         curl --cacert {directory}/ca.crt -H 'content-type: application/json' \\\n    \
         --data @{directory}/request.json https://{webhook}/v1/admit\n\n\
         Metrics: curl http://{metrics}/metrics\n"
    ))?;
    tokio::signal::ctrl_c().await.context("failed to wait for Ctrl-C")
}
