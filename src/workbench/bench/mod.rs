//! How long policies take: every object of the input, judged again and again by all constraints of the input.
//!
//! What is measured is the call that the webhook makes, the conversion of the object to what policies see included; the
//! connection, TLS and JSON of a request are not. Memory of reviews is deliberately absent: counting needs an allocator
//! of its own for the whole process, which would slow the webhook in the same binary.

mod baseline;
mod comparison;
mod constraints;
mod go_duration;
mod inventory;
mod measure;
pub mod report;
mod setup;

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use super::diagnostic::Diagnostic;
use crate::policy::evaluate::ReviewFailure;
use crate::policy::snapshot::{BuildOptions, Store};

pub use baseline::Baseline;
pub use comparison::{Comparison, Metric, Threshold, compare};
pub use constraints::{ConstraintCost, TemplateStats};
pub use go_duration::{InvalidDuration, parse as parse_duration};
pub use inventory::{InventoryMemory, inventory};
pub use measure::Latencies;
pub use setup::SetupBreakdown;

/// The name of the only engine there is so far.
const ENGINE: &str = "rego";

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// How often each object is judged; at least once.
    pub iterations: usize,
    /// How often each object is judged before that, unmeasured.
    pub warmup: usize,
    /// How many threads judge at the same time; at least one.
    pub concurrency: usize,
    /// Whether to collect [`TemplateStats`].
    pub stats: bool,
    /// How policies are compiled, by which engine they run.
    pub build: BuildOptions,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// Templates in force.
    pub templates: usize,
    /// Constraints in force.
    pub constraints: usize,
    /// Objects that were judged.
    pub objects: usize,
    /// As asked for.
    pub options: Options,
    /// How long it took to get ready.
    pub setup: SetupBreakdown,
    /// How long all measured reviews took together, on the clock.
    pub total: Duration,
    /// How long single reviews took.
    pub latencies: Latencies,
    /// Violations of all measured reviews.
    pub violations: usize,
    /// The constraints by what they cost, the dearest first.
    pub costs: Vec<ConstraintCost>,
    /// Templates at work on single objects; empty unless asked for.
    pub stats: Vec<TemplateStats>,
}

/// Why nothing was measured.
#[derive(Debug, Error)]
pub enum BenchError {
    /// Something in the input is wrong.
    #[error("{} in the input; nothing was measured", plural(.0.len(), "problem"))]
    Input(Vec<Diagnostic>),
    /// The input lacks something.
    #[error("no {0} found in input")]
    Missing(&'static str),
    /// An object could not be judged.
    #[error("reviewing {object}: {failure}")]
    Review {
        /// Which object.
        object: String,
        /// Why not.
        failure: ReviewFailure,
    },
}

/// Reads the files and measures the policies in them on the objects in them.
///
/// # Errors
/// When the input cannot be used as a whole: a benchmark of half of the policies would look like one of all.
pub fn run(paths: &[PathBuf], options: Options) -> Result<Measurement, BenchError> {
    let (prepared, breakdown) = setup::prepare(paths, Store::default(), options.build)?;
    let reviews = setup::reviews(&prepared);
    if options.warmup > 0 {
        measure::measure(&prepared.snapshot, &reviews, options.warmup, options.concurrency)?;
    }
    let measured = measure::measure(&prepared.snapshot, &reviews, options.iterations, options.concurrency)?;
    let costs = constraints::costs(&prepared, &reviews, options.iterations)?;
    let stats = if options.stats { constraints::stats(&prepared, &reviews)? } else { Vec::new() };
    Ok(Measurement {
        templates: prepared.snapshot.templates().count(),
        constraints: prepared.snapshot.constraints().len(),
        objects: reviews.len(),
        setup: breakdown,
        total: measured.total,
        latencies: Latencies::from_samples(measured.samples),
        violations: measured.violations,
        costs,
        stats,
        options,
    })
}

impl Measurement {
    /// How many reviews were measured.
    pub fn reviews(&self) -> usize {
        self.objects * self.options.iterations
    }

    /// Throughput.
    pub fn reviews_per_second(&self) -> f64 {
        let seconds = self.total.as_secs_f64();
        let reviews = u32::try_from(self.reviews()).unwrap_or(u32::MAX);
        if seconds > 0.0 { f64::from(reviews) / seconds } else { 0.0 }
    }
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("{count} {noun}") } else { format!("{count} {noun}s") }
}
