//! Suites with their tests and cases as JSON. The format is admit's own: gator has none. Keys are added, never changed.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Quality;
use super::quality::{Coverage, Mutants};
use crate::workbench::suite::outcome::{CaseOutcome, Failure, Status, SuiteOutcome, TestOutcome};

pub(super) fn render(outcomes: &[SuiteOutcome], quality: Quality<'_>) -> String {
    let suites: Vec<Suite<'_>> = outcomes.iter().map(|outcome| Suite::new(outcome, quality)).collect();
    // Strings, numbers and lists: serialising them cannot fail.
    let text = serde_json::to_string_pretty(&suites).unwrap_or_default();
    format!("{text}\n")
}

#[derive(Serialize)]
struct Suite<'a> {
    path: &'a str,
    result: &'static str,
    seconds: f64,
    tests: Vec<Test<'a>>,
    /// Of the templates of its tests; the figures are those of all suites together.
    #[serde(skip_serializing_if = "Option::is_none")]
    coverage: Option<Vec<Coverage<'a>>>,
    /// The same.
    #[serde(skip_serializing_if = "Option::is_none")]
    mutants: Option<Vec<Mutants<'a>>>,
}

#[derive(Serialize)]
struct Test<'a> {
    name: &'a str,
    result: &'static str,
    seconds: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<Problem<'a>>,
    cases: Vec<Case<'a>>,
}

#[derive(Serialize)]
struct Case<'a> {
    name: &'a str,
    result: &'static str,
    seconds: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<Problem<'a>>,
    /// The messages of all violations.
    violations: &'a [String],
    /// Lines that the policy printed, each with its place.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    prints: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<&'a str>,
}

#[derive(Serialize)]
struct Problem<'a> {
    message: &'a str,
    place: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
}

impl<'a> Suite<'a> {
    fn new(outcome: &'a SuiteOutcome, quality: Quality<'a>) -> Self {
        let result = match (outcome.is_skipped, outcome.has_failed()) {
            (true, _) => "skip",
            (false, true) => "fail",
            (false, false) => "pass",
        };
        let tests = outcome.tests.iter().map(Test::new).collect();
        let files: BTreeSet<String> = outcome.tests.iter().filter_map(TestOutcome::template_file).collect();
        let coverage =
            quality.coverage.map(|all| all.iter().filter(|one| files.contains(&one.file)).map(Coverage::new).collect());
        let mutants =
            quality.mutants.map(|all| all.iter().filter(|one| files.contains(&one.file)).map(Mutants::new).collect());
        Self { path: &outcome.path, result, seconds: outcome.duration().as_secs_f64(), tests, coverage, mutants }
    }
}

impl<'a> Test<'a> {
    fn new(outcome: &'a TestOutcome) -> Self {
        Self {
            name: &outcome.name,
            result: if outcome.has_failed() { "fail" } else { result(&outcome.status) },
            seconds: outcome.duration.as_secs_f64(),
            problems: problems(&outcome.status),
            cases: outcome.cases.iter().map(Case::new).collect(),
        }
    }
}

impl<'a> Case<'a> {
    fn new(outcome: &'a CaseOutcome) -> Self {
        Self {
            name: &outcome.name,
            result: result(&outcome.status),
            seconds: outcome.duration.as_secs_f64(),
            problems: problems(&outcome.status),
            violations: &outcome.messages,
            prints: &outcome.prints,
            trace: outcome.trace.as_deref(),
        }
    }
}

fn result(status: &Status) -> &'static str {
    match status {
        Status::Passed => "pass",
        Status::Skipped => "skip",
        Status::Failed(_) => "fail",
    }
}

fn problems(status: &Status) -> Vec<Problem<'_>> {
    let problems = status.failure().map(Failure::problems).unwrap_or_default();
    problems.iter().map(|one| Problem { message: &one.message, place: &one.place, help: one.help.as_deref() }).collect()
}
