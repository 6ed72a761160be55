//! One page that needs nothing else: findings by file, in light and dark, to be filtered where the browser runs its script.
//!
//! Messages, names and excerpts are other people's words. All of them pass through [`escape`], and the page's policy lets
//! nothing be loaded from anywhere.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::excerpt::{Line, lines};
use super::groups::{FileGroup, SEVERITIES, by_file, counted, rule_name};
use super::text;
use crate::manifest::Location;
use crate::workbench::lint::Report;
use crate::workbench::lint::finding::{Finding, Precision, Rule};

const STYLE: &str = include_str!("html/style.css");
const SCRIPT: &str = include_str!("html/page.js");

/// Writing to a string cannot fail, so what it returns is not looked at here.
pub(super) fn render(report: &Report) -> String {
    let mut page = String::new();
    head(&mut page, report);
    problems(&mut page, report);
    filters(&mut page, report);
    page.push_str("<main>\n");
    for (name, group) in by_file(report) {
        if !group.findings.is_empty() {
            file(&mut page, name, &group);
        }
    }
    page.push_str("<p class=\"none\" hidden>No finding passes this filter.</p>\n</main>\n");
    rules(&mut page, report);
    let _ = write!(page, "<script>\n{SCRIPT}</script>\n</body>\n</html>\n");
    page
}

fn head(page: &mut String, report: &Report) {
    let summary = escape(text::summary(report).trim_end());
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n\
         <title>admit lint: {summary}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<h1>admit lint</h1>\n<p>{summary}.</p>\n</header>\n"
    );
}

fn problems(page: &mut String, report: &Report) {
    if report.problems.is_empty() {
        return;
    }
    let count = counted(report.problems.len(), "input");
    let _ = write!(page, "<section class=\"problems\">\n<h2>{count} could not be used</h2>\n");
    for problem in &report.problems {
        let (place, message) = (escape(&problem.place), escape(&problem.message));
        let _ = writeln!(page, "<p><code>{place}</code> {message}</p>");
        if let Some(excerpt) = &problem.excerpt {
            let excerpt = excerpt.lines().map(escape).collect::<Vec<_>>().join("\n");
            let _ = writeln!(page, "<pre>{excerpt}</pre>");
        }
        if let Some(help) = &problem.help {
            let _ = writeln!(page, "<p class=\"help\"><b>Help:</b> {}</p>", escape(help));
        }
    }
    page.push_str("</section>\n");
}

/// Hidden until the script shows them, as they do nothing without it.
fn filters(page: &mut String, report: &Report) {
    if report.findings.is_empty() {
        return;
    }
    page.push_str("<form class=\"filters\" hidden>\n");
    for (severity, word) in SEVERITIES {
        let count = report.count(severity);
        if count > 0 {
            let _ = writeln!(
                page,
                "<label class=\"{word}\"><input type=\"checkbox\" name=\"severity\" value=\"{word}\" checked> {}</label>",
                counted(count, word)
            );
        }
    }
    page.push_str("<label class=\"rule\">Rule <select name=\"rule\"><option value=\"\">all</option>");
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in &report.findings {
        *counts.entry(&finding.rule.id).or_default() += 1;
    }
    for (id, count) in counts {
        let id = escape(id);
        let _ = write!(page, "<option value=\"{id}\">{id} ({count})</option>");
    }
    page.push_str("</select></label>\n</form>\n");
}

fn file(page: &mut String, name: &str, group: &FileGroup<'_>) {
    let (shown, counts) = (escape(name), group.counts());
    let _ = write!(page, "<section class=\"file\">\n<h2><bdi>{shown}</bdi> <small>{counts}</small></h2>\n");
    for finding in &group.findings {
        article(page, finding);
    }
    page.push_str("</section>\n");
}

fn article(page: &mut String, finding: &Finding) {
    let (severity, rule) = (finding.severity.as_str(), escape(&finding.rule.id));
    let Location { line, column, .. } = finding.place.location;
    let (message, object) = (escape_lines(&finding.message), escape(&finding.object.to_string()));
    let _ = write!(
        page,
        "<article class=\"{severity}\" data-severity=\"{severity}\" data-rule=\"{rule}\">\n\
         <h3><span class=\"badge\">{severity}</span> <bdi>{message}</bdi></h3>\n\
         <p class=\"where\"><span>line {line}, column {column}</span> <bdi>{object}</bdi></p>\n"
    );
    excerpt(page, finding);
    let _ = writeln!(page, "<p class=\"policy\">{}</p>", policy(finding));
    if let Some(help) = finding.help() {
        let _ = writeln!(page, "<p class=\"help\"><b>Help:</b> {}</p>", escape(&help));
    }
    if let Some(fix) = &finding.fix {
        let _ = writeln!(page, "<p class=\"help\"><b>Fix:</b> {}</p>", escape(&fix.line()));
    }
    if !finding.related.is_empty() {
        let places =
            finding.related.iter().map(|place| format!("<code>{}</code>", escape(&place.location.to_string())));
        let _ = writeln!(page, "<p class=\"related\">See also {}</p>", places.collect::<Vec<_>>().join(", "));
    }
    page.push_str("</article>\n");
}

fn excerpt(page: &mut String, finding: &Finding) {
    let lines = lines(finding);
    if lines.is_empty() {
        return;
    }
    page.push_str("<pre class=\"excerpt\" tabindex=\"0\">");
    for Line { number, before, marked, after } in &lines {
        let (before, after) = (escape(before), escape(after));
        let marked = if marked.is_empty() { String::new() } else { format!("<mark>{}</mark>", escape(marked)) };
        let _ = writeln!(page, "<span class=\"number\">{number}</span><bdo dir=\"ltr\">{before}{marked}{after}</bdo>");
    }
    page.push_str("</pre>\n");
    let note = match (finding.precision, &finding.missing) {
        (Precision::Object, _) => "Which field it is about is not known.".to_owned(),
        (_, Some(missing)) => format!("<code>{}</code> is missing here.", escape(&missing.to_string())),
        (_, None) => format!("<code>{}</code>", escape(&finding.field.to_string())),
    };
    let implied = finding.implied.as_ref().map(|kind| format!(" Seen in the {} that it makes.", escape(kind)));
    let _ = writeln!(page, "<p class=\"field\">{note}{}</p>", implied.unwrap_or_default());
}

fn policy(finding: &Finding) -> String {
    let rule = &finding.rule;
    let about = rule.title.as_ref().or(rule.description.as_ref());
    let about = about.map(|about| format!(": {}", escape(about))).unwrap_or_default();
    format!("Policy {}{about}", linked(rule, &rule_name(finding)))
}

/// A link, if its address can do nothing but show a page.
fn linked(rule: &Rule, name: &str) -> String {
    let is_page = |docs: &&str| docs.starts_with("https://") || docs.starts_with("http://");
    match rule.docs.as_deref().filter(is_page) {
        Some(docs) => format!("<a href=\"{}\" rel=\"noreferrer\">{}</a>", escape(docs), escape(name)),
        None => format!("<b>{}</b>", escape(name)),
    }
}

fn rules(page: &mut String, report: &Report) {
    if report.rules.is_empty() {
        return;
    }
    let _ = write!(page, "<details>\n<summary>{} in force</summary>\n<dl>\n", counted(report.rules.len(), "rule"));
    for rule in &report.rules {
        let is_own = rule.constraint.is_empty();
        let name = if is_own { rule.id.clone() } else { format!("{}/{}", rule.id, rule.constraint) };
        let about = rule.description.as_ref().or(rule.title.as_ref()).map(|about| escape(about)).unwrap_or_default();
        let _ = writeln!(page, "<dt>{}</dt><dd>{about}</dd>", linked(rule, &name));
    }
    page.push_str("</dl>\n</details>\n");
}

/// Words of several lines.
fn escape_lines(text: &str) -> String {
    text.trim_end().lines().map(escape).collect::<Vec<_>>().join("<br>")
}

/// Text that is no markup, in elements and in attributes. Control characters have no place in HTML.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' => escaped.push('\t'),
            other if other.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}
