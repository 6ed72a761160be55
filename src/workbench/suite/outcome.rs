//! What came of running suites, as plain data for reports.

use std::time::Duration;

use super::coverage::Covered;
use crate::policy::engine::Coverage;
use crate::workbench::diagnostic::Diagnostic;

/// What came of one suite.
#[derive(Clone, Debug)]
pub struct SuiteOutcome {
    /// The suite's path as the user would write it.
    pub path: String,
    /// Its tests in the suite's order; none when the suite says `skip`.
    pub tests: Vec<TestOutcome>,
    /// Whether the suite says `skip`.
    pub is_skipped: bool,
}

/// What came of one test.
#[derive(Clone, Debug)]
pub struct TestOutcome {
    /// Its name.
    pub name: String,
    /// The outcome of what precedes the cases; see [`TestOutcome::has_failed`] for the test as a whole.
    pub status: Status,
    /// Its cases in the suite's order; none when what precedes them failed.
    pub cases: Vec<CaseOutcome>,
    /// Its template and what its cases evaluated of it; absent when what precedes the cases failed.
    pub(super) covered: Option<Covered>,
    /// How long the test took, its cases included.
    pub duration: Duration,
}

/// What came of one case.
#[derive(Clone, Debug)]
pub struct CaseOutcome {
    /// Its name.
    pub name: String,
    /// The outcome.
    pub status: Status,
    /// The messages of all violations, ordered by action and text.
    pub messages: Vec<String>,
    /// What the policy printed; none unless it was compiled with prints.
    pub prints: Vec<String>,
    /// The trace; absent unless the policy was compiled for it.
    pub trace: Option<String>,
    /// What was evaluated; absent unless the policy was compiled for that.
    pub(super) coverage: Option<Coverage>,
    /// How long it took.
    pub duration: Duration,
}

/// An outcome in one word, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// All is as expected.
    Passed,
    /// Left out, by the suite or by the filter.
    Skipped,
    /// Something is not as expected, or could not be tried.
    Failed(Failure),
}

/// Why a test or case failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// An assertion does not hold; with the assertion's place.
    Assertion(Diagnostic),
    /// The suite or a file that it names cannot be used.
    Input(Vec<Diagnostic>),
}

impl SuiteOutcome {
    /// Whether one of its tests failed.
    pub fn has_failed(&self) -> bool {
        self.tests.iter().any(TestOutcome::has_failed)
    }

    /// How long its tests took, whether or not they ran side by side.
    pub fn duration(&self) -> Duration {
        self.tests.iter().map(|test| test.duration).sum()
    }
}

impl TestOutcome {
    /// Whether the test or one of its cases failed.
    pub fn has_failed(&self) -> bool {
        self.status.has_failed() || self.cases.iter().any(|case| case.status.has_failed())
    }
}

impl Status {
    /// Whether this is a failure.
    pub fn has_failed(&self) -> bool {
        self.failure().is_some()
    }

    /// Why it failed, if it did.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) => Some(failure),
            Self::Passed | Self::Skipped => None,
        }
    }
}

impl Failure {
    /// What is wrong, each with its place.
    pub fn problems(&self) -> &[Diagnostic] {
        match self {
            Self::Assertion(problem) => std::slice::from_ref(problem),
            Self::Input(problems) => problems,
        }
    }
}

impl From<Diagnostic> for Failure {
    /// A problem of the input.
    fn from(problem: Diagnostic) -> Self {
        Self::Input(vec![problem])
    }
}
