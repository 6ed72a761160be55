//! `admit bench`: how long policies take.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};

use super::engine::EngineArguments;
use super::external_data::ExternalDataArguments;
use super::print;
use crate::policy::snapshot::BuildOptions;
use crate::workbench::bench::report::{self, Format};
use crate::workbench::bench::{self, Baseline, BenchError, Measurement, Options, Threshold};
use crate::workbench::diagnostic::Diagnostic;

/// Below this, the slowest hundredth is a handful of samples.
const MEANINGFUL_ITERATIONS: usize = 1000;

/// Arguments of `admit bench`.
#[derive(Debug, Args)]
#[command(after_help = "Policies and objects come from the same files, as in `admit test`. Every object is judged by \
all constraints, so often as --iterations says.\n\nExamples:\n  admit bench -f policies/ -f pods.yaml\n  admit bench -f \
policies/ -f pods.yaml --save before.json\n  admit bench -f policies/ -f pods.yaml --compare before.json --threshold 20 \
--min-threshold 50us\n\nExit code: 0, 1 when something became slower than --compare allows or when an input cannot be \
used, 2 for a wrong command line.")]
pub(super) struct BenchArguments {
    /// File or directory of templates, constraints and objects; may be given several times
    #[arg(short, long = "filename", value_name = "PATH")]
    filenames: Vec<PathBuf>,
    /// Which engine to measure; cel and all are not supported yet
    #[arg(short, long, value_enum, default_value = "rego", ignore_case = true)]
    engine: Engine,
    /// How often each object is judged
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = MEANINGFUL_ITERATIONS)]
    iterations: usize,
    /// How often each object is judged before that, unmeasured
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    warmup: usize,
    /// How many threads judge at the same time
    #[arg(short, long, value_name = "NUMBER", default_value_t = 1)]
    concurrency: usize,
    /// How to print the measurement
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
    /// Add what each template took on each object
    #[arg(long)]
    stats: bool,
    /// Instead, print how much memory the objects take as inventory, of which a server keeps what the policies read
    #[arg(long, conflicts_with_all = ["save", "compare", "stats"])]
    inventory: bool,
    /// Keep the measurement in this file, YAML or JSON by its name
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Compare with a measurement that was kept
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// How much worse than the one compared with is a failure, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 10.0)]
    threshold: f64,
    /// And how much worse per review, as time; a fast policy varies by large percentages
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = bench::parse_duration)]
    min_threshold: Duration,
    #[command(flatten)]
    rego_engine: EngineArguments,
    #[command(flatten)]
    external_data: ExternalDataArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Engine {
    Rego,
    Cel,
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
    Yaml,
}

/// Runs the command.
pub(super) fn run(arguments: &BenchArguments) -> Result<ExitCode> {
    check(arguments)?;
    if arguments.inventory {
        return inventory(arguments);
    }
    let baseline = arguments.compare.as_deref().map(load_baseline).transpose()?;
    let measurement = bench::run(&arguments.filenames, options(arguments)?).map_err(|error| {
        if let BenchError::Input(problems) = &error {
            show(problems);
        }
        anyhow::Error::new(error).context("benchmark failed")
    })?;
    let format = match arguments.output {
        Output::Table => Format::Table,
        Output::Json => Format::Json,
        Output::Yaml => Format::Yaml,
    };
    print(&report::render(format, &measurement))?;
    if let Some(path) = &arguments.save {
        let text = report::render_baseline(&measurement, path);
        std::fs::write(path, text).with_context(|| format!("saving results: failed to write {}", path.display()))?;
        anstream::eprintln!("Results saved to: {}", path.display());
    }
    match baseline {
        None => Ok(ExitCode::SUCCESS),
        Some(None) => {
            anstream::eprintln!("warning: the baseline has no measurement of this engine; nothing was compared");
            Ok(ExitCode::SUCCESS)
        }
        Some(Some(baseline)) => compare(arguments, baseline, &measurement),
    }
}

fn inventory(arguments: &BenchArguments) -> Result<ExitCode> {
    let memory = bench::inventory(&arguments.filenames, build_options(arguments)?);
    let memory = memory.map_err(|error| {
        if let BenchError::Input(problems) = &error {
            show(problems);
        }
        anyhow::Error::new(error).context("benchmark failed")
    })?;
    let format = match arguments.output {
        Output::Table => Format::Table,
        Output::Json => Format::Json,
        Output::Yaml => Format::Yaml,
    };
    print(&report::render_inventory(format, &memory))?;
    Ok(ExitCode::SUCCESS)
}

fn check(arguments: &BenchArguments) -> Result<()> {
    ensure!(!arguments.filenames.is_empty(), "at least one --filename must be specified");
    ensure!(arguments.iterations > 0, "iterations must be positive");
    ensure!(arguments.concurrency > 0, "concurrency must be at least 1");
    ensure!(arguments.threshold >= 0.0, "threshold must not be negative");
    if arguments.engine != Engine::Rego {
        bail!("policies in CEL are not supported yet, so only `--engine rego` can be measured");
    }
    let (iterations, warmup) = (arguments.iterations, arguments.warmup);
    if warmup > iterations {
        anstream::eprintln!("warning: warmup ({warmup}) exceeds iterations ({iterations}). Consider reducing warmup.");
    }
    if iterations < MEANINGFUL_ITERATIONS {
        anstream::eprintln!(
            "warning: {iterations} iterations may not provide statistically meaningful P99 metrics. Consider using at \
             least {MEANINGFUL_ITERATIONS} iterations."
        );
    }
    Ok(())
}

fn build_options(arguments: &BenchArguments) -> Result<BuildOptions> {
    arguments.external_data.apply(arguments.rego_engine.build_options())
}

fn options(arguments: &BenchArguments) -> Result<Options> {
    Ok(Options {
        iterations: arguments.iterations,
        warmup: arguments.warmup,
        concurrency: arguments.concurrency,
        stats: arguments.stats,
        build: build_options(arguments)?,
    })
}

/// Before anything is measured: nobody wants to wait for a mistyped name.
fn load_baseline(path: &Path) -> Result<Option<Baseline>> {
    ensure!(path.exists(), "baseline file does not exist: {}", path.display());
    Baseline::load(path).map_err(|problems| {
        show(&problems);
        anyhow::anyhow!("failed to load the baseline; nothing was measured")
    })
}

fn compare(arguments: &BenchArguments, baseline: Baseline, measurement: &Measurement) -> Result<ExitCode> {
    let threshold = Threshold { percent: arguments.threshold, absolute: arguments.min_threshold };
    let comparison = bench::compare(baseline, Baseline::from(measurement), threshold);
    let text = report::render_comparison(&comparison);
    match arguments.output {
        Output::Table => print(&text)?,
        // Data alone goes to stdout.
        Output::Json | Output::Yaml => anstream::eprint!("{text}"),
    }
    Ok(if comparison.regressions().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(problems: &[Diagnostic]) {
    for problem in problems {
        anstream::eprintln!("error: {problem}");
    }
}
