//! Which lines of a template count as covered, compared with what `opa eval --coverage` of OPA 1.10 says about the same
//! module and the same input.

use std::path::Path;

use admit::policy::engine::CompileOptions;
use admit::policy::snapshot::BuildOptions;
use admit::workbench::suite::coverage::{TemplateCoverage, summarize};
use admit::workbench::suite::{Filter, SuiteOutcome, Suites};

/// The line of the file that comes before the module's first.
const OFFSET: u32 = 20;

/// Lines of the module that OPA says are covered, and those that it says are not.
const COVERED: &[u32] =
    &[5, 6, 7, 8, 9, 13, 14, 17, 24, 26, 27, 28, 32, 33, 34, 37, 41, 42, 43, 44, 47, 48, 49, 50, 52, 58, 59, 62];
const NOT_COVERED: &[u32] = &[3, 12, 19, 20, 21, 31, 35, 39, 55, 57];

/// OPA's index of rules passes over this clause without evaluating the line; here it is evaluated and does not hold.
const EVALUATED_HERE: u32 = 20;

fn run(directory: &Path, suite: &str) -> Vec<TemplateCoverage> {
    let suites = Suites::load(&[directory.join(suite)]);
    assert_eq!((suites.errors.as_slice(), suites.warnings.as_slice()), (&[][..], &[][..]));
    let options = BuildOptions {
        compile: CompileOptions { is_covered: true, ..CompileOptions::default() },
        ..BuildOptions::default()
    };
    let outcomes = suites.run(&Filter::All, options);
    assert!(!outcomes.iter().any(SuiteOutcome::has_failed), "{outcomes:#?}");
    summarize(&outcomes)
}

#[test]
fn lines_are_covered_as_opa_counts_them() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("template.yaml", include_str!("coverage/template.yaml")),
        ("constraint.yaml", include_str!("coverage/constraint.yaml")),
        ("pod.yaml", include_str!("coverage/pod.yaml")),
        ("suite.yaml", include_str!("coverage/suite.yaml")),
    ] {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    let found = run(directory.path(), "suite.yaml");
    let [template] = found.as_slice() else { panic!("{found:?}") };
    let lines = |is_covered: bool| -> Vec<u32> {
        let lines = template.lines.iter().filter(|(_, count)| (**count > 0) == is_covered);
        lines.map(|(line, _)| line - OFFSET).collect()
    };
    let mut expected: Vec<u32> = COVERED.iter().copied().chain([EVALUATED_HERE]).collect();
    expected.sort_unstable();
    assert_eq!(lines(true), expected);
    let expected: Vec<u32> = NOT_COVERED.iter().copied().filter(|line| *line != EVALUATED_HERE).collect();
    assert_eq!(lines(false), expected);
}

/// The library is a model for others: its tests evaluate all of it.
#[test]
fn every_line_of_the_library_is_covered() {
    let found = run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policies"), "...");
    assert!(found.len() >= 4, "{found:?}");
    for template in found {
        assert!(template.not_covered().is_empty(), "{}: {:?}", template.file, template.not_covered());
        assert_eq!(template.covered_rules(), template.rules.len(), "{}", template.file);
    }
}
