//! Everything that is known of findings. Keys are only ever added within a version.

use serde_json::{Value, json};

use crate::workbench::lint::Report;
use crate::workbench::lint::finding::{Finding, Place, Severity};

pub(super) fn render(report: &Report) -> String {
    let findings: Vec<Value> = report.findings.iter().map(finding).collect();
    let problems: Vec<Value> = report
        .problems
        .iter()
        .map(|problem| json!({"place": problem.place, "message": problem.message, "help": problem.help}))
        .collect();
    let value = json!({
        "version": 1,
        "findings": findings,
        "problems": problems,
        "summary": {
            "objects": report.objects,
            "rules": report.constraints(),
            "errors": report.count(Severity::Error),
            "warnings": report.count(Severity::Warning),
            "notes": report.count(Severity::Note),
            "ignored": report.left_out.ignored,
            "known": report.left_out.known,
            "gone": report.left_out.gone,
            "unchanged": report.left_out.unchanged,
            "samples": report.left_out.samples,
        },
    });
    super::pretty(&value)
}

fn finding(finding: &Finding) -> Value {
    let rule = &finding.rule;
    json!({
        "rule": rule.id,
        "constraint": rule.constraint,
        "title": rule.title,
        "severity": finding.severity.as_str(),
        "message": finding.message,
        "help": finding.help(),
        "object": {
            "apiVersion": finding.object.gvk.api_version(),
            "kind": finding.object.gvk.kind,
            "namespace": finding.object.namespace,
            "name": finding.object.name,
        },
        "implied": finding.implied,
        "renderedFrom": finding.rendered_from,
        "place": place(&finding.place),
        "precision": finding.precision.as_str(),
        "field": finding.field.to_string(),
        "missing": finding.missing.as_ref().map(ToString::to_string),
        "passing": finding.passing,
        "related": finding.related.iter().map(place).collect::<Vec<_>>(),
        "fingerprint": finding.fingerprint,
    })
}

fn place(place: &Place) -> Value {
    let location = &place.location;
    json!({
        "file": location.file.as_ref(),
        "line": location.line,
        "column": location.column,
        "endLine": location.end_line,
        "endColumn": location.end_column,
    })
}
