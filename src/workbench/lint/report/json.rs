//! Everything that is known of findings. Keys are only ever added within a version.

use serde_json::{Value, json};

use crate::manifest::Location;
use crate::workbench::lint::Report;
use crate::workbench::lint::finding::{Finding, Place, Severity};
use crate::workbench::lint::fix::Fix;

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
            "fixed": report.left_out.fixed,
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
        "fix": finding.fix.as_deref().map(fix),
        "related": finding.related.iter().map(place).collect::<Vec<_>>(),
        "fingerprint": finding.fingerprint,
    })
}

fn fix(fix: &Fix) -> Value {
    let edits = fix.edits.iter().map(|edit| json!({"place": location(&edit.location), "text": edit.text}));
    json!({
        "by": fix.by.as_str(),
        "mutators": fix.by.mutators(),
        "description": fix.description,
        "edits": edits.collect::<Vec<_>>(),
    })
}

fn place(place: &Place) -> Value {
    location(&place.location)
}

fn location(location: &Location) -> Value {
    json!({
        "file": location.file.as_ref(),
        "line": location.line,
        "column": location.column,
        "endLine": location.end_line,
        "endColumn": location.end_column,
    })
}
