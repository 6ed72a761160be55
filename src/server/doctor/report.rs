//! Findings for people and for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{Finding, Severity};

const ALL: [Severity; 4] = [Severity::Error, Severity::Warning, Severity::NotChecked, Severity::Info];

/// A paragraph a finding, and a line with their numbers.
pub(super) fn table(findings: &[Finding]) -> String {
    let mut text = String::new();
    for one in findings {
        let place = if one.field.is_empty() { one.object.clone() } else { format!("{}: {}", one.object, one.field) };
        // Writing to a String does not fail.
        let _ = writeln!(text, "{:<12} {:<22} {place}", one.severity.as_str().to_uppercase(), one.check);
        for (label, line) in [("found", &one.found), ("why", &one.why), ("do", &one.help)] {
            if !line.is_empty() {
                let _ = writeln!(text, "    {label:<6} {line}");
            }
        }
        text.push('\n');
    }
    let numbers: Vec<String> = ALL.iter().map(|severity| number(findings, *severity)).collect();
    text + &numbers.join(", ") + "\n"
}

fn number(findings: &[Finding], severity: Severity) -> String {
    let count = count(findings, severity);
    let word = severity.as_str();
    match (severity, count) {
        (Severity::Error | Severity::Warning, 1) | (Severity::NotChecked | Severity::Info, _) => {
            format!("{count} {word}")
        }
        _ => format!("{count} {word}s"),
    }
}

fn count(findings: &[Finding], severity: Severity) -> usize {
    findings.iter().filter(|finding| finding.severity == severity).count()
}

/// `{"findings": [...], "summary": {...}}`.
pub(super) fn json(findings: &[Finding]) -> String {
    let key = |severity: Severity| severity.as_str().replace(' ', "-");
    let finding = |one: &Finding| {
        json!({"severity": key(one.severity), "check": one.check, "object": one.object, "field": one.field,
            "found": one.found, "why": one.why, "help": one.help})
    };
    let listed: Vec<Value> = findings.iter().map(finding).collect();
    let summary: Value = ALL.iter().map(|one| (key(*one), Value::from(count(findings, *one)))).collect();
    let document = json!({"findings": listed, "summary": summary});
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_has_its_paragraph_and_is_counted() {
        let finding = Finding {
            severity: Severity::Error,
            check: "own-namespace",
            object: "ValidatingWebhookConfiguration a".to_owned(),
            field: "webhooks[0].rules".to_owned(),
            found: "x".to_owned(),
            why: "y".to_owned(),
            help: "z".to_owned(),
        };
        assert_eq!(
            table(std::slice::from_ref(&finding)),
            "ERROR        own-namespace          ValidatingWebhookConfiguration a: webhooks[0].rules\n    found  x\n    \
             why    y\n    do     z\n\n1 error, 0 warnings, 0 not checked, 0 info\n"
        );
        let document: Value = serde_json::from_str(&json(&[finding])).unwrap();
        assert_eq!(document["findings"][0]["severity"], "error");
        assert_eq!(document["summary"], json!({"error": 1, "warning": 0, "not-checked": 0, "info": 0}));
    }
}
