//! JUnit's XML: a `testsuite` for each Suite, a `testcase` for each case, its test as the class name. A test without
//! cases (`invalid: true`, or one that could not be prepared) is a `testcase` under its own name. What a case printed and
//! its trace are its `system-out`.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::workbench::suite::outcome::{Failure, Status, SuiteOutcome, TestOutcome};

pub(super) fn render(outcomes: &[SuiteOutcome]) -> String {
    let mut report = Report::new("admit verify");
    report.set_time(outcomes.iter().map(SuiteOutcome::duration).sum());
    report.add_test_suites(outcomes.iter().map(suite));
    // XML in memory; it has nothing to fail on.
    report.to_string().unwrap_or_default()
}

fn suite(outcome: &SuiteOutcome) -> TestSuite {
    let mut suite = TestSuite::new(outcome.path.as_str());
    suite.set_time(outcome.duration());
    suite.add_test_cases(outcome.tests.iter().flat_map(cases));
    suite
}

fn cases(test: &TestOutcome) -> Vec<TestCase> {
    if test.cases.is_empty() {
        let mut case = TestCase::new(test.name.as_str(), status(&test.status));
        case.set_classname(test.name.as_str()).set_time(test.duration);
        return vec![case];
    }
    let to_case = |outcome: &crate::workbench::suite::CaseOutcome| {
        let mut case = TestCase::new(outcome.name.as_str(), status(&outcome.status));
        case.set_classname(test.name.as_str()).set_time(outcome.duration);
        let shown = outcome.prints.iter().map(|line| format!("{line}\n")).chain(outcome.trace.clone());
        let shown: String = shown.collect();
        if !shown.is_empty() {
            case.set_system_out(shown);
        }
        case
    };
    test.cases.iter().map(to_case).collect()
}

fn status(status: &Status) -> TestCaseStatus {
    let failure = match status {
        Status::Passed => return TestCaseStatus::success(),
        Status::Skipped => return TestCaseStatus::skipped(),
        Status::Failed(failure) => failure,
    };
    let (kind, word) = match failure {
        Failure::Assertion(_) => (NonSuccessKind::Failure, "assertion"),
        Failure::Input(_) => (NonSuccessKind::Error, "input"),
    };
    let problems = failure.problems();
    let mut status = TestCaseStatus::non_success(kind);
    if let Some(first) = problems.first() {
        status.set_message(first.message.as_str());
    }
    let description = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    status.set_type(word).set_description(description);
    status
}
