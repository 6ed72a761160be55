//! GitLab's code quality report: a list of issues, each recognised by its fingerprint.

use serde_json::{Value, json};

use super::places::{Places, place_of};
use super::pretty;
use crate::workbench::diagnostic::Diagnostic;
use crate::workbench::lint::Report;
use crate::workbench::lint::finding::{Finding, Severity};

pub(super) fn render(report: &Report, places: &Places) -> String {
    let problems = report.problems.iter().enumerate().map(|(index, one)| problem(index, one, places));
    let findings = report.findings.iter().map(|one| finding(one, places));
    pretty(&problems.chain(findings).collect())
}

fn finding(finding: &Finding, places: &Places) -> Value {
    let location = &finding.place.location;
    let help = finding.help().map(|help| format!("; {help}")).unwrap_or_default();
    json!({
        "type": "issue",
        "check_name": finding.rule.id,
        "description": format!("{} ({}{help})", finding.message, finding.object),
        "categories": ["Security"],
        "fingerprint": finding.fingerprint,
        "severity": severity(finding),
        "location": {
            "path": places.path(&location.file),
            "lines": {"begin": location.line, "end": location.end_line},
            "positions": {
                "begin": {"line": location.line, "column": location.column},
                "end": {"line": location.end_line, "column": location.end_column},
            },
        },
    })
}

/// An input that was not judged is a hole in the report, so it stands in it.
fn problem(index: usize, problem: &Diagnostic, places: &Places) -> Value {
    let place = place_of(problem);
    let (line, column) = place.position.unwrap_or((1, 1));
    let help = problem.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
    json!({
        "type": "issue",
        "check_name": "input",
        "description": format!("cannot be used: {}{help}", problem.message),
        "categories": ["Bug Risk"],
        "fingerprint": format!("input-{index}-{}", places.path(place.file)),
        "severity": "blocker",
        "location": {
            "path": places.path(place.file),
            "lines": {"begin": line, "end": line},
            "positions": {"begin": {"line": line, "column": column}, "end": {"line": line, "column": column}},
        },
    })
}

/// What would be refused is at least major; above that, its author's rating counts.
fn severity(finding: &Finding) -> &'static str {
    match (finding.severity, finding.rule.severity.as_deref()) {
        (Severity::Note, _) => "info",
        (Severity::Warning, _) => "minor",
        (Severity::Error, Some("critical")) => "blocker",
        (Severity::Error, Some("high")) => "critical",
        (Severity::Error, _) => "major",
    }
}
