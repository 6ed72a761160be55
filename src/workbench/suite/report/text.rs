//! The look of `go test`, to the byte that of `gator verify`, but that a mistake in a suite or in a file that it names
//! is followed by its place, and that traces are admit's own.

use std::fmt::Write;

use crate::workbench::diagnostic::Diagnostic;
use crate::workbench::suite::outcome::{CaseOutcome, Failure, Status, SuiteOutcome, TestOutcome};

pub(super) fn render(outcomes: &[SuiteOutcome], verbose: bool) -> String {
    let mut report = Report { text: String::new(), verbose };
    for outcome in outcomes {
        outcome.tests.iter().for_each(|test| report.test(test));
        let word = if outcome.has_failed() { "FAIL" } else { "ok" };
        report.line(format_args!("{word}\t{}\t{:.3}s", outcome.path, outcome.duration().as_secs_f64()));
    }
    let has_failed = outcomes.iter().any(SuiteOutcome::has_failed);
    report.line(format_args!("{}\n", if has_failed { "FAIL" } else { "PASS" }));
    report.text
}

struct Report {
    text: String,
    verbose: bool,
}

impl Report {
    fn test(&mut self, test: &TestOutcome) {
        if test.status == Status::Skipped {
            return self.verbose_line(format_args!("=== SKIP  {}", test.name));
        }
        self.verbose_line(format_args!("=== RUN   {}", test.name));
        test.cases.iter().for_each(|case| self.case(case));
        let seconds = test.duration.as_secs_f64();
        if !test.has_failed() {
            return self.verbose_line(format_args!("--- PASS: {}\t({seconds:.3}s)", test.name));
        }
        self.line(format_args!("--- FAIL: {}\t({seconds:.3}s)", test.name));
        if let Some(failure) = test.status.failure() {
            self.failure(failure, "  ");
        }
    }

    fn case(&mut self, case: &CaseOutcome) {
        let seconds = case.duration.as_secs_f64();
        if case.status == Status::Skipped {
            return self.verbose_line(format_args!("    === SKIP  {}", case.name));
        }
        self.verbose_line(format_args!("    === RUN   {}", case.name));
        self.prints(case);
        match &case.status {
            Status::Failed(failure) => {
                self.line(format_args!("    --- FAIL: {}\t({seconds:.3}s)", case.name));
                self.failure(failure, "        ");
            }
            Status::Passed | Status::Skipped => {
                self.verbose_line(format_args!("    --- PASS: {}\t({seconds:.3}s)", case.name));
            }
        }
        if let Some(trace) = &case.trace {
            self.trace(&case.name, trace);
        }
    }

    /// Without the lines of `verbose`, the heading says whose prints they are.
    fn prints(&mut self, case: &CaseOutcome) {
        if case.prints.is_empty() {
            return;
        }
        match self.verbose {
            true => self.line(format_args!("        === PRINT ===")),
            false => self.line(format_args!("    === PRINT {}", case.name)),
        }
        for line in case.prints.iter().flat_map(|text| text.split('\n')) {
            self.line(format_args!("        {line}"));
        }
    }

    fn trace(&mut self, name: &str, trace: &str) {
        self.line(format_args!("    --- TRACE: {name}"));
        for line in trace.lines() {
            self.line(format_args!("        {line}"));
        }
    }

    fn failure(&mut self, failure: &Failure, indent: &str) {
        match failure {
            // Messages may have several lines; only the first is indented, as in Gatekeeper.
            Failure::Assertion(problem) => self.line(format_args!("{indent}{}", problem.message)),
            Failure::Input(problems) => problems.iter().for_each(|problem| self.problem(problem, indent)),
        }
    }

    fn problem(&mut self, problem: &Diagnostic, indent: &str) {
        self.line(format_args!("{indent}{}", problem.message));
        let excerpt = problem.excerpt.iter().flat_map(|excerpt| excerpt.trim_end().lines().map(str::to_owned));
        let help = problem.help.iter().map(|help| format!("help: {help}"));
        for line in std::iter::once(format!("--> {}", problem.place)).chain(excerpt).chain(help) {
            self.line(format_args!("{indent}  {line}"));
        }
    }

    fn verbose_line(&mut self, line: std::fmt::Arguments<'_>) {
        if self.verbose {
            self.line(line);
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{line}");
    }
}
