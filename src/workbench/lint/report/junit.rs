//! JUnit's XML: a suite for each file, a case for each object. An object with findings that make lint fail is a failed
//! case; what else was found is the case's output. An input that cannot be used is a case with an error.

use std::collections::BTreeMap;

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use super::groups::{by_file, rule_name};
use super::places::{Places, place_of};
use crate::model::object::ObjectKey;
use crate::workbench::diagnostic::Diagnostic;
use crate::workbench::lint::Report;
use crate::workbench::lint::finding::{Finding, Severity};

pub(super) fn render(report: &Report, places: &Places, fails_from: Severity) -> String {
    let mut suites: BTreeMap<&str, TestSuite> = BTreeMap::new();
    for problem in &report.problems {
        let file = place_of(problem).file;
        suites.entry(file).or_insert_with(|| TestSuite::new(file)).add_test_case(broken(problem, places));
    }
    for (file, group) in by_file(report) {
        let mut objects: BTreeMap<&ObjectKey, Object<'_>> = BTreeMap::new();
        for judged in &group.judged {
            let object = objects.entry(&judged.object).or_default();
            object.line = object.line.or(Some(judged.place.location.line));
        }
        for finding in &group.findings {
            objects.entry(&finding.object).or_default().findings.push(finding);
        }
        let suite = suites.entry(file).or_insert_with(|| TestSuite::new(file));
        let path = places.path(file);
        let cases = objects.iter().map(|(key, object)| {
            let mut case = case(key, object, fails_from);
            case.set_classname(file).extra.insert("file".into(), path.as_str().into());
            case
        });
        suite.add_test_cases(cases);
    }
    let mut document = Document::new("admit lint");
    document.add_test_suites(suites.into_values());
    // XML in memory; it has nothing to fail on.
    document.to_string().unwrap_or_default()
}

#[derive(Default)]
struct Object<'r> {
    line: Option<u32>,
    findings: Vec<&'r Finding>,
}

fn case(key: &ObjectKey, object: &Object<'_>, fails_from: Severity) -> TestCase {
    let (failures, others): (Vec<&Finding>, Vec<&Finding>) =
        object.findings.iter().partition(|finding| finding.severity >= fails_from);
    let status = failures.first().map_or_else(TestCaseStatus::success, |first| {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        let more = failures.len() - 1;
        let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
        status.set_message(format!("{}{more}", first.message)).set_type(first.rule.id.as_str());
        status.set_description(lines(&failures));
        status
    });
    let mut case = TestCase::new(key.to_string(), status);
    let line = failures.first().map(|first| first.place.location.line).or(object.line);
    if let Some(line) = line {
        case.extra.insert("line".into(), line.to_string().into());
    }
    if !others.is_empty() {
        case.set_system_out(lines(&others));
    }
    case
}

/// `pod.yaml:3:5: error[K8sX]: words`
fn lines(findings: &[&Finding]) -> String {
    let line = |finding: &&Finding| {
        let help = finding.help().map(|help| format!("\n  help: {help}")).unwrap_or_default();
        let (place, severity) = (&finding.place.location, finding.severity.as_str());
        format!("{place}: {severity}[{}]: {}{help}", rule_name(finding), finding.message)
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn broken(problem: &Diagnostic, places: &Places) -> TestCase {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_message(problem.message.as_str()).set_type("input").set_description(problem.to_string());
    let place = place_of(problem);
    let mut case = TestCase::new(problem.place.as_str(), status);
    case.set_classname(place.file);
    case.extra.insert("file".into(), places.path(place.file).into());
    if let Some((line, _)) = place.position {
        case.extra.insert("line".into(), line.to_string().into());
    }
    case
}
