//! How a scalar or key is written: plain where every reader of YAML takes it for the same text, else in quotes.

use serde_json::Value;

use crate::model::value::yaml_scalar::{Scalar, resolve_plain};

/// How strings are quoted where there is a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quoting {
    /// Not at all, unless they have to be.
    Plain,
    Single,
    Double,
}

impl Quoting {
    /// That of a scalar by its text.
    pub(super) fn of(text: &str) -> Self {
        match text.chars().next() {
            Some('"') => Self::Double,
            Some('\'') => Self::Single,
            _ => Self::Plain,
        }
    }
}

/// A scalar in one line of YAML.
pub(super) fn scalar(value: &Value, quoting: Quoting) -> String {
    match value {
        Value::String(text) => string(text, quoting),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// A string or key in one line of YAML.
pub(super) fn string(text: &str, quoting: Quoting) -> String {
    match quoting {
        Quoting::Plain if is_safe(text) => text.to_owned(),
        Quoting::Single if text.chars().all(is_printable) => format!("'{}'", text.replace('\'', "''")),
        Quoting::Plain | Quoting::Single | Quoting::Double => quoted(text),
    }
}

/// Text between double quotes, as JSON has it too.
pub(super) fn quoted(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + 2);
    written.push('"');
    for character in text.chars() {
        match character {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            _ if is_printable(character) => written.push(character),
            _ => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    written.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    written.push('"');
    written
}

/// Whether a string of several lines can stand as they are below a `|`.
pub(super) fn fits_literal(text: &str) -> bool {
    let is_fine = |character: char| is_printable(character) || matches!(character, '\n' | '\t');
    let lines: Vec<&str> = text.strip_suffix('\n').unwrap_or(text).split('\n').collect();
    text.contains('\n')
        && text.chars().all(is_fine)
        && lines.first().is_some_and(|first| !first.is_empty() && !first.starts_with([' ', '\t', '#']))
        && lines.last().is_some_and(|last| !last.trim().is_empty())
        && lines.iter().all(|line| line.is_empty() || !line.trim().is_empty())
}

/// Characters that stand for themselves in quotes.
fn is_printable(character: char) -> bool {
    !character.is_control() && !matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}'..='\u{ffff}')
}

/// Whether every reader takes the plain text for this string, also in brackets.
fn is_safe(text: &str) -> bool {
    let is_number_like = text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first))
        && text.chars().all(|one| one.is_ascii_hexdigit() || "+-._:xXoOeE".contains(one));
    let is_word = matches!(
        text.to_ascii_lowercase().as_str(),
        "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" | "null" | "~" | "=" | "<<" | "---" | "..."
    );
    // `-`, `?` and `:` start a plain scalar only when something follows them that is no blank.
    let starts_well = text.starts_with(|first: char| first.is_alphanumeric() || "_/.$^()+-\\;<".contains(first))
        && !(text.starts_with('-') && text.get(1..2).is_none_or(|next| next == " "));
    let is_calm = |character: char| is_printable(character) && !"[]{},\u{a0}".contains(character);
    starts_well
        && !is_number_like
        && !is_word
        && text.chars().all(is_calm)
        && text.trim() == text
        && !text.contains(": ")
        && !text.ends_with(':')
        && !text.contains(" #")
        && matches!(resolve_plain(text.into()), Scalar::Text(_))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quotes_what_somebody_could_take_for_something_else() {
        for plain in ["nginx:1.25", "100m", "1Gi", "a b", "/tmp", "IfNotPresent", "--flag", "é", "a#b", "it's", "$(X)"]
        {
            assert_eq!(string(plain, Quoting::Plain), plain);
        }
        for text in [
            "",
            "yes",
            "Off",
            "NULL",
            "~",
            "1",
            "0x1F",
            "1e3",
            "1:30",
            "2001-01-01",
            "10.0",
            ".5",
            "-",
            "- a",
            "a: b",
            "a:",
            "a #b",
            "#a",
            "*",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a",
            "[a",
            "a]",
            "{a",
            "a,b",
            " a",
            "a ",
            "|",
            ">",
            "?",
            "<<",
            "'a",
            "\"a",
            "...",
            "---",
        ] {
            assert_eq!(string(text, Quoting::Plain), quoted(text), "{text}");
        }
    }

    #[test]
    fn keeps_the_quotes_that_fit() {
        assert_eq!(scalar(&json!("it's"), Quoting::Single), "'it''s'");
        assert_eq!(scalar(&json!("a\tb"), Quoting::Single), "\"a\\tb\"");
        assert_eq!(scalar(&json!("é\u{7}😀\u{feff}"), Quoting::Double), "\"é\\u0007😀\\ufeff\"");
        assert_eq!(scalar(&json!(1.5), Quoting::Double), "1.5");
        assert_eq!(scalar(&json!(null), Quoting::Single), "null");
    }

    #[test]
    fn several_lines_are_literal_only_when_nothing_can_go_wrong() {
        assert!(fits_literal("a\n  b\n\nc\n"));
        for text in ["a", " a\nb", "\na", "a\n\n", "a\n ", "a\r\nb", "#a\nb", "a\n \nb"] {
            assert!(!fits_literal(text), "{text:?}");
        }
    }
}
