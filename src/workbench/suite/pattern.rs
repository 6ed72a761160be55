//! Regular expressions of suites, written for Go's engine.
//!
//! Go and Rust share RE2's syntax but for corners. Two of them occur in messages of policies and are bridged here: a `{`
//! that begins no repetition is itself (`labels: {"team"}`), and so is a `[` inside a class.

use regex::Regex;

/// Compiles a pattern.
///
/// # Errors
/// With the reason in one line.
pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    Regex::new(&translate(pattern)).map_err(|error| {
        // The lines above the last one draw the pattern again.
        let report = error.to_string();
        report.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
    })
}

fn translate(pattern: &str) -> String {
    let mut translated = String::with_capacity(pattern.len());
    let mut is_class = false;
    let mut rest = pattern;
    while let Some(character) = rest.chars().next() {
        let (head, tail) = rest.split_at(character.len_utf8());
        match character {
            '\\' => {
                let escaped = tail.chars().next().map_or(0, char::len_utf8);
                let (escaped, after) = tail.split_at(escaped);
                translated.push('\\');
                translated.push_str(escaped);
                // `\p{Greek}` and `\x{1F600}` have braces of their own.
                let braces = if matches!(escaped, "p" | "P" | "x") { closed_brace(after) } else { 0 };
                let (braces, after) = after.split_at(braces);
                translated.push_str(braces);
                rest = after;
                continue;
            }
            '[' if is_class && !tail.starts_with(':') => translated.push_str("\\["),
            '[' if !is_class => {
                is_class = true;
                translated.push('[');
                // A `]` that comes first is a member of the class.
                let first = ["^]", "]"].into_iter().find(|first| tail.starts_with(first)).unwrap_or_default();
                translated.push_str(first);
                rest = tail.get(first.len()..).unwrap_or_default();
                continue;
            }
            '[' => {
                let length = rest.find(":]").map_or(1, |position| position + 2);
                let (named, after) = rest.split_at(length);
                translated.push_str(named);
                rest = after;
                continue;
            }
            ']' => {
                is_class = false;
                translated.push(']');
            }
            '{' if !is_class && !begins_repetition(tail) => translated.push_str("\\{"),
            _ => translated.push_str(head),
        }
        rest = tail;
    }
    translated
}

/// Length of a `{…}` at the start of the text; 0 when there is none.
fn closed_brace(text: &str) -> usize {
    if text.starts_with('{') { text.find('}').map_or(0, |position| position + 1) } else { 0 }
}

/// Whether this is what follows the `{` of `{2}`, `{2,}` or `{2,3}`.
fn begins_repetition(text: &str) -> bool {
    let Some((inside, _)) = text.split_once('}') else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match inside.split_once(',') {
        Some((least, most)) => is_number(least) && (most.is_empty() || is_number(most)),
        None => is_number(inside),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, text: &str, is_match: bool) {
        assert_eq!(compile(pattern).unwrap().is_match(text), is_match, "{pattern} on {text}");
    }

    #[test]
    fn reads_go_patterns() {
        check(r#"labels: {"team"}"#, r#"labels: {"team"}"#, true);
        check("^{a}{2}$", "{a}}", true);
        check("a{2,}b{,3}", "aab{,3}", true);
        check("[[a]x", "[x", true);
        check("[]]x", "]x", true);
        check("[^]]x", "]x", false);
        check("^[[:alpha:]_]+$", "a_b", true);
        check(r"\p{Greek}\{", "α{", true);
        check(r"\x{41}", "A", true);
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(compile("a[").unwrap_err(), "unclosed character class");
        assert_eq!(compile("(a").unwrap_err(), "unclosed group");
        assert_eq!(compile(r"a\").unwrap_err(), "incomplete escape sequence, reached end of pattern prematurely");
    }
}
