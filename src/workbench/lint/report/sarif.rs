//! SARIF 2.1.0, for code scanning.
//!
//! A rule of SARIF is a kind of constraint, since that is what people dismiss and suppress by; what its constraints do not
//! agree on is left out of it. Findings of standard input have no file that a scanner could show: they are left out,
//! and a notification says so.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::groups::{counted, rule_name};
use super::places::{File, Places, file_uri, percent_encode, place_of};
use super::pretty;
use crate::manifest::Location;
use crate::workbench::diagnostic::Diagnostic;
use crate::workbench::lint::Report;
use crate::workbench::lint::finding::{Finding, Place, Precision, Rule};
use crate::workbench::lint::fix::Fix;
use crate::workbench::lint::rules;

/// More results GitHub refuses, with the whole file. Of these it shows 5,000, the worst first.
pub(super) const MAX_RESULTS: usize = 25_000;
/// GitHub's limits for one rule, and for one result.
const MAX_TAGS: usize = 20;
const MAX_RELATED: usize = 100;
/// Characters that GitHub takes for a description.
const MAX_DESCRIPTION: usize = 1024;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
const ROOT: &str = "%SRCROOT%";

pub(super) fn render(report: &Report, places: &Places) -> String {
    let rules = by_id(report);
    let indexes: HashMap<&str, usize> = rules.keys().enumerate().map(|(index, id)| (*id, index)).collect();
    let (findings, left_out) = shown(report, places);
    let mut notifications: Vec<Value> = report.problems.iter().map(|one| notification(one, places)).collect();
    notifications.extend(left_out.into_iter().map(|text| json!({"level": "warning", "message": {"text": text}})));
    pretty(&json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "admit",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(|(id, rules)| descriptor(id, rules)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": {ROOT: {"uri": places.root_uri()}},
            "invocations": [{
                "executionSuccessful": report.problems.is_empty(),
                "toolExecutionNotifications": notifications,
            }],
            "results": findings.iter().map(|one| result(one, &indexes, places)).collect::<Vec<_>>(),
        }],
    }))
}

/// Rules in force, and those of findings that are of none of them, such as lint's own.
fn by_id(report: &Report) -> BTreeMap<&str, Vec<&Rule>> {
    let mut rules: BTreeMap<&str, Vec<&Rule>> = BTreeMap::new();
    let of_findings = report.findings.iter().map(|finding| &finding.rule);
    for rule in report.rules.iter().chain(of_findings).map(Arc::as_ref) {
        let known = rules.entry(&rule.id).or_default();
        if !known.contains(&rule) {
            known.push(rule);
        }
    }
    rules
}

/// The findings that a scanner can show, and words about the others.
fn shown<'r>(report: &'r Report, places: &Places) -> (Vec<&'r Finding>, Vec<String>) {
    let has_file = |finding: &&Finding| places.file(&finding.place.location.file) != File::Nameless;
    let (mut findings, nameless): (Vec<&Finding>, Vec<&Finding>) = report.findings.iter().partition(has_file);
    let mut left_out = Vec::new();
    if !nameless.is_empty() {
        let count = counted(nameless.len(), "finding");
        left_out.push(format!("left out {count} in standard input, which has no file to show; lint files instead"));
    }
    if findings.len() > MAX_RESULTS {
        let count = counted(findings.len() - MAX_RESULTS, "finding");
        left_out.push(format!("left out {count} of the least severity, as code scanning takes {MAX_RESULTS} results"));
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        findings.truncate(MAX_RESULTS);
    }
    (findings, left_out)
}

fn descriptor(id: &str, rules: &[&Rule]) -> Value {
    let title = agreed(rules, |rule| rule.title.as_deref());
    let description = agreed(rules, |rule| rule.description.as_deref());
    let docs = agreed(rules, |rule| rule.docs.as_deref()).filter(|docs| is_link(docs));
    let constraints: Vec<&str> =
        rules.iter().map(|rule| rule.constraint.as_str()).filter(|name| !name.is_empty()).collect();
    let short = title.map_or_else(|| format!("Policy {id}"), str::to_owned);
    let full = description.map_or_else(|| short.clone(), str::to_owned);
    let by = if constraints.is_empty() { String::new() } else { format!("Constraints: {}", constraints.join(", ")) };
    // Rules of lint's own have a page, in Markdown; what others say of themselves is words.
    let page = rules::find(id).filter(|_| constraints.is_empty()).map(|rule| rule.page.to_owned());
    let mut help = vec![page.clone().unwrap_or_else(|| full.clone())];
    let mut markdown = vec![page.unwrap_or_else(|| super::markdown::escape(&full))];
    if !by.is_empty() {
        markdown.push(super::markdown::escape(&by));
        help.push(by);
    }
    if let Some(docs) = docs {
        help.push(format!("See {docs}"));
        markdown.push(format!("See <{docs}>"));
    }
    let mut descriptor = json!({
        "id": id,
        "name": id,
        "shortDescription": {"text": shortened(&short)},
        "fullDescription": {"text": shortened(&full)},
        "help": {"text": help.join("\n\n"), "markdown": markdown.join("\n\n")},
        "properties": properties(rules),
    });
    if let (Some(docs), Some(descriptor)) = (docs, descriptor.as_object_mut()) {
        descriptor.insert("helpUri".to_owned(), docs.into());
    }
    descriptor
}

fn properties(rules: &[&Rule]) -> Value {
    let mut properties = Map::new();
    let mut tags = vec!["kubernetes".to_owned()];
    // The worst of them: code scanning has one for all.
    if let Some(score) = rules.iter().filter_map(|rule| score(rule)).max_by(f64::total_cmp) {
        properties.insert("security-severity".to_owned(), format!("{score:.1}").into());
        // Without this tag, GitHub does not look at the score.
        tags.push("security".to_owned());
    }
    // The schema wants each tag once.
    let categories: BTreeSet<&String> = rules.iter().filter_map(|rule| rule.category.as_ref()).collect();
    let new: Vec<String> = categories.into_iter().filter(|category| !tags.contains(category)).cloned().collect();
    tags.extend(new);
    tags.truncate(MAX_TAGS);
    properties.insert("tags".to_owned(), tags.into());
    properties.insert("precision".to_owned(), "very-high".into());
    Value::Object(properties)
}

/// In the middle of what GitHub calls by the same word.
fn score(rule: &Rule) -> Option<f64> {
    match rule.severity.as_deref()? {
        "critical" => Some(9.5),
        "high" => Some(8.0),
        "medium" => Some(5.5),
        "low" => Some(2.0),
        _ => None,
    }
}

/// What all of them say, if they say something, and the same.
fn agreed<'r>(rules: &[&'r Rule], said: impl Fn(&'r Rule) -> Option<&'r str>) -> Option<&'r str> {
    let first = said(rules.first()?).filter(|text| !text.is_empty())?;
    rules.iter().all(|rule| said(rule) == Some(first)).then_some(first)
}

fn is_link(text: &str) -> bool {
    let is_address = text.starts_with("https://") || text.starts_with("http://");
    let is_in_uri = |byte: u8| byte.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&byte);
    // Longer than the scheme, of characters that a URI may have.
    is_address && text.len() > "https://".len() && text.bytes().all(is_in_uri)
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_DESCRIPTION - 1) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn result(finding: &Finding, indexes: &HashMap<&str, usize>, places: &Places) -> Value {
    let help = finding.help().map(|help| format!("\nHelp: {help}")).unwrap_or_default();
    let text = format!("{}{help}", finding.message);
    let related = finding.related.iter().take(MAX_RELATED).enumerate();
    let related = related.filter_map(|(id, place)| related_location(id + 1, place, places));
    let mut result = json!({
        "ruleId": finding.rule.id,
        "ruleIndex": indexes.get(finding.rule.id.as_str()),
        "level": finding.severity.as_str(),
        "message": {"text": plain(&text)},
        "locations": [{
            "physicalLocation": physical(&finding.place.location, finding.precision, places),
            "logicalLocations": [{"fullyQualifiedName": finding.object.to_string(), "kind": "object"}],
        }],
        "relatedLocations": related.collect::<Vec<_>>(),
        "partialFingerprints": {"admit/v1": finding.fingerprint},
        "properties": {
            "rule": rule_name(finding),
            "constraint": finding.rule.constraint,
            "field": finding.missing.as_ref().unwrap_or(&finding.field).to_string(),
            "precision": finding.precision.as_str(),
            "passing": finding.passing,
            "implied": finding.implied,
        },
    });
    let fix = finding.fix.as_deref().and_then(|fix| self::fix(fix, places));
    if let (Some(fix), Some(result)) = (fix, result.as_object_mut()) {
        result.insert("fixes".to_owned(), json!([fix]));
    }
    result
}

/// All edits are of one file.
fn fix(fix: &Fix, places: &Places) -> Option<Value> {
    let artifact = artifact(&fix.edits.first()?.location.file, places)?;
    let replacements = fix.edits.iter().map(|edit| {
        let location = &edit.location;
        json!({
            "deletedRegion": {
                "startLine": location.line,
                "startColumn": location.column,
                "endLine": location.end_line,
                "endColumn": location.end_column,
            },
            "insertedContent": {"text": edit.text},
        })
    });
    let change = json!({"artifactLocation": artifact, "replacements": replacements.collect::<Vec<_>>()});
    Some(json!({"description": {"text": plain(&fix.line())}, "artifactChanges": [change]}))
}

fn related_location(id: usize, place: &Place, places: &Places) -> Option<Value> {
    let physical = physical(&place.location, Precision::Value, places)?;
    Some(json!({"id": id, "physicalLocation": physical, "message": {"text": "has part in it"}}))
}

/// Messages in SARIF may hold links, `[words](address)`, and those of policies shall not. Braces are not doubled as the
/// standard would have it: the readers that there are show them as they stand.
fn plain(text: &str) -> String {
    text.replace("](", "] (")
}

fn physical(location: &Location, precision: Precision, places: &Places) -> Option<Value> {
    let artifact = artifact(&location.file, places)?;
    let mut region = json!({"startLine": location.line, "startColumn": location.column});
    let is_empty = (location.line, location.column) == (location.end_line, location.end_column);
    // A region without an end is the rest of its line.
    if let Some(region) = region.as_object_mut().filter(|_| !is_empty && precision != Precision::Object) {
        region.insert("endLine".to_owned(), location.end_line.into());
        region.insert("endColumn".to_owned(), location.end_column.into());
    }
    Some(json!({"artifactLocation": artifact, "region": region}))
}

fn artifact(file: &str, places: &Places) -> Option<Value> {
    match places.file(file) {
        File::Inside(path) => Some(json!({"uri": percent_encode(&path), "uriBaseId": ROOT})),
        File::Outside(path) => Some(json!({"uri": file_uri(&path)})),
        File::Nameless => None,
    }
}

fn notification(problem: &Diagnostic, places: &Places) -> Value {
    let help = problem.help.as_ref().map(|help| format!("\nHelp: {help}")).unwrap_or_default();
    let text = format!("{}: {}{help}", problem.place, problem.message);
    let mut notification = json!({"level": "error", "message": {"text": plain(&text)}});
    let place = place_of(problem);
    let fields = notification.as_object_mut();
    if let (Some(fields), Some(artifact)) = (fields, artifact(place.file, places)) {
        let mut physical = json!({"artifactLocation": artifact});
        if let (Some((line, column)), Some(physical)) = (place.position, physical.as_object_mut()) {
            physical.insert("region".to_owned(), json!({"startLine": line, "startColumn": column}));
        }
        fields.insert("locations".to_owned(), json!([{"physicalLocation": physical}]));
    }
    notification
}
