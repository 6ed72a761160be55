//! Commands of GitHub's workflows, which become annotations of the lines of a pull request.

use std::fmt::Write;

use super::groups::rule_name;
use super::places::{File, Places, place_of};
use super::text;
use crate::manifest::Location;
use crate::workbench::lint::Report;
use crate::workbench::lint::finding::{Finding, Precision, Severity};

pub(super) fn render(report: &Report, places: &Places) -> String {
    let mut text = String::new();
    for problem in &report.problems {
        let place = place_of(problem);
        let mut properties = file(places, place.file);
        if let Some((line, column)) = place.position {
            properties.push(("line", line.to_string()));
            properties.push(("col", column.to_string()));
        }
        properties.push(("title", "input that cannot be used".to_owned()));
        let help = problem.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
        command(&mut text, "error", &properties, &format!("{}{help}", problem.message));
    }
    for finding in &report.findings {
        show(&mut text, finding, places);
    }
    text.push_str(&text::summary(report));
    text
}

fn show(text: &mut String, finding: &Finding, places: &Places) {
    let name = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let mut properties = file(places, &finding.place.location.file);
    if !properties.is_empty() {
        properties.extend(lines(&finding.place.location, finding.precision));
    }
    properties.push(("title", rule_name(finding)));
    let help = finding.help().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
    let fix = finding.fix.as_ref().map(|fix| format!("\nfix: {}", fix.line())).unwrap_or_default();
    command(text, name, &properties, &format!("{}\n{}{help}{fix}", finding.message, finding.object));
}

fn file(places: &Places, name: &str) -> Vec<(&'static str, String)> {
    match places.file(name) {
        File::Inside(path) | File::Outside(path) => vec![("file", path)],
        File::Nameless => Vec::new(),
    }
}

/// Columns are for places within one line only; the last is the last character's.
fn lines(location: &Location, precision: Precision) -> Vec<(&'static str, String)> {
    let mut lines = vec![("line", location.line.to_string()), ("endLine", location.end_line.to_string())];
    if location.line == location.end_line && precision != Precision::Object {
        lines.push(("col", location.column.to_string()));
        lines.push(("endColumn", location.end_column.saturating_sub(1).max(location.column).to_string()));
    }
    lines
}

fn command(text: &mut String, name: &str, properties: &[(&str, String)], message: &str) {
    let properties: Vec<String> =
        properties.iter().map(|(key, value)| format!("{key}={}", escape_property(value))).collect();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "::{name} {}::{}", properties.join(","), escape(message));
}

/// A command ends with its line. Other control characters would reach the terminals of those who read the log.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '%' => escaped.push_str("%25"),
            '\r' => escaped.push_str("%0D"),
            '\n' => escaped.push_str("%0A"),
            '\t' => escaped.push('\t'),
            other if other.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

fn escape_property(text: &str) -> String {
    escape(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_ends_a_property() {
        assert_eq!(escape("100%: a,b\r\n\u{1b}[0m"), "100%25: a,b%0D%0A\u{fffd}[0m");
        assert_eq!(escape_property("100%: a,b::c"), "100%25%3A a%2Cb%3A%3Ac");
    }
}
