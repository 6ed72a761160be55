//! Errors as people see them: where, what, the line, a caret, and what to do.

use super::ast::{RegoError, Span};

/// At most this many characters of a line are shown, around the place.
const WIDTH: usize = 100;

/// Several lines without colour, the last one without a line break.
///
/// ```text
/// template:3:9: rego_parse_error: found `}`, expected a term
///   3 | p { x + }
///     |         ^
/// help: …
/// ```
pub fn render(error: &RegoError, source: &str) -> String {
    let RegoError { class, module, span, message, help } = error;
    let mut text = format!("{module}:{}:{}: {}: {message}", span.line, span.column, class.as_str());
    if let Some(excerpt) = excerpt(*span, source) {
        text.push_str(&excerpt);
    }
    if let Some(help) = help {
        text.push_str("\nhelp: ");
        text.push_str(help);
    }
    text
}

fn excerpt(span: Span, source: &str) -> Option<String> {
    let number = usize::try_from(span.line).ok()?.checked_sub(1)?;
    let line = source.split('\n').nth(number)?.trim_end_matches('\r').trim_start_matches('\u{feff}');
    let column = usize::try_from(span.column).ok()?.saturating_sub(1);
    let skipped = column.saturating_sub(WIDTH / 2).min(line.chars().count().saturating_sub(WIDTH));
    let shown: String = line.chars().skip(skipped).take(WIDTH).map(visible).collect();
    let marked = source.get(span.start as usize..span.end as usize).and_then(|text| text.lines().next()).unwrap_or("");
    let room = shown.chars().count().saturating_sub(column - skipped).max(1);
    let carets = "^".repeat(marked.chars().count().clamp(1, room));
    let label = span.line.to_string();
    let blank = " ".repeat(label.len());
    let indent = " ".repeat(column - skipped);
    Some(format!("\n  {label} | {}\n  {blank} | {indent}{carets}", shown.trim_end()))
}

/// One column for each character, and nothing that a terminal acts on.
fn visible(one: char) -> char {
    match one {
        '\t' => ' ',
        _ if one.is_control() => char::REPLACEMENT_CHARACTER,
        _ => one,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::api::RegoVersion;
    use crate::policy::engine::rego::syntax::parser::parse_module;

    #[test]
    fn shows_place_and_help() {
        check(
            "package a\np { x + }",
            "m:2:9: rego_parse_error: found `}`, expected a term\n  2 | p { x + }\n    |         ^",
        );
        check(
            "package a\n\tp := \"é\" == $",
            "m:2:14: rego_parse_error: illegal character `$`\n  2 |  p := \"é\" == $\n    |              ^\nhelp: Rego has no such operator",
        );
        check("", "m:1:1: rego_parse_error: module is empty\n  1 | \n    | ^\nhelp: start with `package name`");
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let source = format!("package a\np = [{} +]", "1, ".repeat(1000));
        let errors = parse_module("m", &source, RegoVersion::V0).expect_err("has a mistake");
        let text = render(&errors[0], &source);
        assert!(text.lines().all(|line| line.len() < 120), "{text}");
        assert!(text.ends_with('^'), "{text}");
    }

    fn check(source: &str, expected: &str) {
        let errors = parse_module("m", source, RegoVersion::V0).expect_err("has a mistake");
        assert_eq!(render(&errors[0], source), expected);
    }
}
