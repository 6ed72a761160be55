//! Every suite under `policies/` passes: the same builder and the same call as in the cluster.

use std::path::Path;

use admit::policy::engine::{CompileOptions, RegoEngine};
use admit::policy::snapshot::BuildOptions;
use admit::workbench::suite::report::{Format, render};
use admit::workbench::suite::{Filter, SuiteOutcome, Suites};

/// Every case is judged twice, by evaluators that know nothing of each other.
fn both_engines() -> BuildOptions {
    BuildOptions { compile: CompileOptions { engine: RegoEngine::Both, ..CompileOptions::default() } }
}

#[test]
fn every_suite_of_the_library_passes() {
    let suites = Suites::load(&[Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/...")]);
    assert_eq!((suites.errors.as_slice(), suites.warnings.as_slice()), (&[][..], &[][..]));
    let outcomes = suites.run(&Filter::All, both_engines());
    let has_failed = outcomes.iter().any(SuiteOutcome::has_failed);
    assert!(!has_failed, "{}", render(Format::Text { verbose: false }, &outcomes));
    let cases: usize = outcomes.iter().flat_map(|suite| &suite.tests).map(|test| test.cases.len()).sum();
    assert!(outcomes.len() >= 4 && cases >= 150, "{} suites, {cases} cases", outcomes.len());
}
