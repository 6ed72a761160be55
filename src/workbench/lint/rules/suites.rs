//! AP016: tests that prove little.

use std::path::PathBuf;

use serde_json::Value as Json;

use super::{Findings, PolicyRule};
use crate::model::object::FieldPath;
use crate::workbench::lint::finding::Severity;
use crate::workbench::lint::policies::{Policies, Suite, file_of};

pub(super) const RULE: PolicyRule = PolicyRule {
    code: "AP016",
    name: "weak-suite",
    severity: Severity::Warning,
    summary: "A suite has no case that violates the policy, or a template has no suite",
    page: "\
A suite in which everything passes also passes for a policy that never fires: each template that it tests needs at least one \
case with a violation. A case without assertions proves nothing, and a test without cases neither, unless it is `invalid: true`.

Where there are suites among the inputs, templates that none of them tests are noted.",
    check,
};

fn check(policies: &Policies<'_>, findings: &mut Findings<'_>) {
    for suite in policies.suites.iter().filter(|suite| suite.is_subject) {
        let tests =
            suite.bundled.object.field(&["tests"]).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        for (index, test) in tests.iter().enumerate() {
            judge(suite, test, &FieldPath::from(["tests"]).index(index), findings);
        }
        never_fires(suite, tests, findings);
    }
    untested(policies, findings);
}

fn judge(suite: &Suite<'_>, test: &Json, at: &FieldPath, findings: &mut Findings<'_>) {
    let is = |value: &Json, key: &str| value.get(key) == Some(&Json::Bool(true));
    if is(test, "invalid") {
        return;
    }
    let name = test.get("name").and_then(Json::as_str).unwrap_or_default();
    let cases = test.get("cases").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    if cases.is_empty() {
        findings.value(suite.bundled, &at.key("name"), format!("test {name} has no cases"));
        return;
    }
    for (index, case) in cases.iter().enumerate().filter(|(_, case)| assertions(case).is_empty()) {
        let name = case.get("name").and_then(Json::as_str).unwrap_or_default();
        let at = at.key("cases").index(index).key("name");
        findings.value(suite.bundled, &at, format!("case {name} has no assertions, so it proves nothing"));
    }
}

/// Templates of which no test, of all those in the suite, expects a violation.
fn never_fires(suite: &Suite<'_>, tests: &[Json], findings: &mut Findings<'_>) {
    let template = |test: &Json| test.get("template").and_then(Json::as_str).unwrap_or_default().to_owned();
    let cases = |test: &Json| test.get("cases").and_then(Json::as_array).cloned().unwrap_or_default();
    let expects_some = |case: &Json| assertions(case).is_empty() || assertions(case).iter().any(expects_violation);
    let fires = |test: &Json| test.get("invalid") == Some(&Json::Bool(true)) || cases(test).iter().any(expects_some);
    let fired: Vec<String> = tests.iter().filter(|test| fires(test)).map(template).collect();
    let mut told: Vec<String> = Vec::new();
    for (index, test) in tests.iter().enumerate().filter(|(_, test)| !cases(test).is_empty()) {
        let name = template(test);
        if fired.contains(&name) || told.contains(&name) {
            continue;
        }
        let message = format!("no case for {name} expects a violation, so a policy that never fires passes, too");
        let at = FieldPath::from(["tests"]).index(index).key("template");
        findings.value(suite.bundled, &at, message);
        told.push(name);
    }
}

fn assertions(case: &Json) -> &[Json] {
    case.get("assertions").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn expects_violation(assertion: &Json) -> bool {
    match assertion.get("violations") {
        None => true,
        Some(Json::Bool(expected)) => *expected,
        Some(Json::Number(count)) => count.as_u64() != Some(0),
        Some(Json::String(word)) => word != "no",
        Some(_) => true,
    }
}

fn untested(policies: &Policies<'_>, findings: &mut Findings<'_>) {
    if !policies.suites.iter().any(|suite| suite.is_subject) {
        return;
    }
    let tested: Vec<PathBuf> = policies.suites.iter().flat_map(|suite| suite.files("template")).collect();
    let severity = std::mem::replace(&mut findings.severity, Severity::Note);
    for template in policies.templates.iter().filter(|template| template.is_subject) {
        if !tested.contains(&file_of(template.bundled)) {
            let at = FieldPath::from(["metadata", "name"]);
            let message = format!("no suite among the inputs tests template {}", template.parsed.object.name());
            findings.value(template.bundled, &at, message);
        }
    }
    findings.severity = severity;
}
