//! Markdown as GitHub and GitLab read it: counts by file, with what was found folded away below.

use std::fmt::Write;

use super::groups::{FileGroup, by_file, rule_name};
use super::{html, text};
use crate::workbench::lint::Report;
use crate::workbench::lint::finding::{Finding, Severity};

/// A summary of a job is at most 1 MiB for GitHub, a comment 65,536 characters; a table beyond this is read by nobody.
const MAX_BYTES: usize = 900_000;

pub(super) fn render(report: &Report) -> String {
    let mut text = format!("## admit lint\n\n{}\n", text::summary(report));
    problems(&mut text, report);
    let files = by_file(report);
    let files: Vec<_> = files.iter().filter(|(_, group)| !group.findings.is_empty()).collect();
    if files.is_empty() {
        return text;
    }
    text.push_str("| File | Errors | Warnings | Notes |\n| --- | ---: | ---: | ---: |\n");
    for (file, group) in &files {
        let count = |severity| group.count(severity);
        let (errors, warnings, notes) = (count(Severity::Error), count(Severity::Warning), count(Severity::Note));
        let _ = writeln!(text, "| {} | {errors} | {warnings} | {notes} |", code(file));
    }
    for (index, (file, group)) in files.iter().enumerate() {
        let details = details(file, group);
        if text.len() + details.len() > MAX_BYTES {
            let _ = writeln!(text, "\nDetails of {} more files are left out; see another format.", files.len() - index);
            break;
        }
        text.push_str(&details);
    }
    text
}

fn problems(text: &mut String, report: &Report) {
    if report.problems.is_empty() {
        return;
    }
    text.push_str("Input that cannot be used:\n\n");
    for problem in &report.problems {
        let help = problem.help.as_ref().map(|help| format!(" ({})", escape(help))).unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "- {}: {}{help}", code(&problem.place), escape(&problem.message));
    }
    text.push('\n');
}

fn details(file: &str, group: &FileGroup<'_>) -> String {
    let mut text = String::new();
    // Markdown does not reach into a block of tags.
    let name = html::escape(file);
    let _ = writeln!(text, "\n<details>\n<summary><code>{name}</code>: {}</summary>\n", group.counts());
    text.push_str("| Line | Severity | Rule | Object | Message |\n| ---: | --- | --- | --- | --- |\n");
    for finding in &group.findings {
        row(&mut text, finding);
    }
    text.push_str("\n</details>\n");
    text
}

fn row(text: &mut String, finding: &Finding) {
    let rule = code(&rule_name(finding));
    let rule = match finding.rule.docs.as_deref().filter(|docs| is_plain_link(docs)) {
        Some(docs) => format!("<a href=\"{docs}\">{rule}</a>"),
        None => rule,
    };
    let help = finding.help().map(|help| format!("<br>Help: {}", escape(&help))).unwrap_or_default();
    let fix = finding.fix.as_ref().map(|fix| format!("<br>Fix: {}", escape(&fix.line()))).unwrap_or_default();
    let (line, severity, message) = (finding.place.location.line, finding.severity.as_str(), escape(&finding.message));
    let _ = writeln!(
        text,
        "| {line} | {severity} | {rule} | {} | {message}{help}{fix} |",
        code(&finding.object.to_string())
    );
}

/// An address without a character that means something in Markdown or HTML.
fn is_plain_link(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:?#=%+".contains(&byte);
    text.starts_with("https://") && text.bytes().all(is_plain)
}

/// Words as code. A tag rather than backticks, which cannot hold backticks and bars of tables.
fn code(text: &str) -> String {
    format!("<code>{}</code>", escape(text))
}

/// Text that stays what it is: no markup, no tag, no line that ends a table's row, and nobody who is told of it.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // An empty comment between it and the name keeps people from being called.
            '@' => escaped.push_str("@<!-- -->"),
            '\r' if rest.peek() == Some(&'\n') => {}
            '\n' | '\r' => escaped.push_str("<br>"),
            '\t' => escaped.push(' '),
            other if other.is_control() => escaped.push('\u{fffd}'),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '+' | '!' | '|' | '~' | '$' => {
                escaped.push('\\');
                escaped.push(character);
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_words_words() {
        assert_eq!(escape("a|b `c` <img src=x>\r\nd\te"), "a\\|b \\`c\\` &lt;img src=x&gt;<br>d e");
        assert_eq!(escape("[x](javascript:y) @team \u{1b}"), "\\[x\\]\\(javascript:y\\) @<!-- -->team \u{fffd}");
        assert!(!is_plain_link("https://x.y/\"><script>") && !is_plain_link("javascript:x"));
    }
}
