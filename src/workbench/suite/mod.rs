//! Suites: tests of policies, as `gator verify` runs them. Paths in, the outcome of every test and case out.
//!
//! ```text
//! paths ─ find ─► documents ─ read ─► Suite ─ run ─► SuiteOutcome ─ report ─► text, JSON, JUnit
//!                                               ├─ policy     template and constraint to a snapshot
//!                                               ├─ subject    a case's file to a review
//!                                               ├─ assertion  violations to a verdict on the case
//!                                               ├─ mutation   mutators and an object to what it becomes
//!                                               ├─ coverage   what of the templates was evaluated
//!                                               └─ mutants    what tests do not notice
//! ```
//!
//! Promises: a case is judged by the builder and the call that the webhook uses; suites and their tests run side by
//! side, outcomes are in the order of paths and files. What a suite asks for and cannot have (an `expansion`) fails its
//! test; nothing is passed over in silence.

mod assertion;
pub mod coverage;
mod definition;
mod expansions;
mod filter;
mod find;
pub mod mutants;
mod mutation;
mod outcome;
mod policy;
mod read;
pub mod report;
mod run;
mod strict;
mod subject;

use std::path::PathBuf;

use rayon::prelude::*;

use super::cores::on_all_cores;
use super::diagnostic::Diagnostic;
use crate::policy::snapshot::BuildOptions;
use mutants::TemplateMutants;

pub use filter::{Filter, FilterError};
pub use outcome::{CaseOutcome, Failure, Status, SuiteOutcome, TestOutcome};

/// Suites that were found, ready to run.
#[derive(Debug, Default)]
pub struct Suites {
    suites: Vec<definition::Suite>,
    /// Why some cannot be run; nothing should be run then, as the others would look like all of them.
    pub errors: Vec<Diagnostic>,
    /// What is probably not meant as it is written.
    pub warnings: Vec<Diagnostic>,
}

impl Suites {
    /// Finds and reads the suites at the paths: a file, the files of a directory, or `directory/...` for everything
    /// below it.
    pub fn load(paths: &[PathBuf]) -> Self {
        let found = find::find(paths);
        let mut loaded = Self { suites: Vec::new(), errors: found.errors, warnings: found.warnings };
        for document in found.suites {
            loaded.suites.push(read::read(document, &mut loaded.errors, &mut loaded.warnings));
        }
        loaded
    }

    /// Runs what the filter lets through; outcomes are in the order of the suites' paths.
    pub fn run(&self, filter: &Filter, options: BuildOptions) -> Vec<SuiteOutcome> {
        on_all_cores(|| self.suites.par_iter().map(|suite| run::run(suite, filter, options)).collect())
    }

    /// Changes the templates of the tests that the filter lets through, each at most so often, and tells what no case
    /// notices. All of those tests must pass; those that do not are not asked.
    pub fn mutate(&self, filter: &Filter, options: BuildOptions, most: usize) -> Vec<TemplateMutants> {
        on_all_cores(|| mutants::run(self, filter, options, most))
    }

    /// How many suites there are.
    pub fn len(&self) -> usize {
        self.suites.len()
    }

    /// Whether no suite was found.
    pub fn is_empty(&self) -> bool {
        self.suites.is_empty()
    }
}
