//! How go-yaml v2 writes a string: plain where nothing could be mistaken, else in quotes, or line by line.

use crate::model::value::yaml_scalar::{Scalar, resolve_plain};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
}

pub(super) fn style(text: &str, is_key: bool) -> Style {
    let traits = Traits::of(text);
    if text.contains('\n') {
        let is_literal = !is_key && !traits.has_special && !traits.space_before_break && !text.ends_with(' ');
        return if is_literal { Style::Literal } else { Style::DoubleQuoted };
    }
    let is_text = matches!(resolve_plain(text.into()), Scalar::Text(_)) && !is_date(text);
    if !is_text || is_base_60(text) {
        return Style::DoubleQuoted;
    }
    let is_surrounded = text.starts_with(' ') || text.ends_with(' ');
    match (traits.has_special, traits.has_indicators || is_surrounded) {
        (true, _) => Style::DoubleQuoted,
        (false, true) => Style::SingleQuoted,
        (false, false) => Style::Plain,
    }
}

/// What of YAML's own characters is in a text.
struct Traits {
    /// At a place where it would mean something outside of brackets.
    has_indicators: bool,
    /// Characters that only double quotes can hold.
    has_special: bool,
    space_before_break: bool,
}

impl Traits {
    fn of(text: &str) -> Self {
        let mut has_indicators = text.starts_with("---") || text.starts_with("...");
        let (mut has_special, mut space_before_break) = (false, false);
        let mut previous = None;
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let next = characters.peek().copied();
            let before_blank = next.is_none_or(is_blank);
            let after_blank = previous.is_none_or(is_blank);
            has_indicators |= match (character, previous) {
                (
                    '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`',
                    None,
                ) => true,
                ('?' | '-', None) | (':', _) => before_blank,
                ('#', _) => after_blank,
                _ => false,
            };
            has_special |= !is_printable(character) || (is_break(character) && character != '\n');
            space_before_break |= is_break(character) && previous == Some(' ');
            previous = Some(character);
        }
        Self { has_indicators, has_special, space_before_break }
    }
}

/// What go-yaml takes for printable; nothing beyond the basic plane is.
pub(super) fn is_printable(character: char) -> bool {
    matches!(character, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}') && character != '\u{feff}'
}

fn is_break(character: char) -> bool {
    matches!(character, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t') || is_break(character)
}

fn is_date(text: &str) -> bool {
    matches!(super::yaml_scalar::resolve(text.into(), Some("tag:yaml.org,2002:timestamp"), true), Some(Scalar::Text(_)))
}

/// `1:30`, which YAML 1.1 had for 90.
fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut parts = unsigned.split(':');
    let is_digit = |byte: u8| byte.is_ascii_digit() || byte == b'_';
    let starts = parts
        .next()
        .is_some_and(|first| first.starts_with(|digit: char| digit.is_ascii_digit()) && first.bytes().all(is_digit));
    let rest: Vec<_> = parts.collect();
    let Some((last, middle)) = rest.split_last() else { return false };
    let (last, fraction) = last.split_once('.').unwrap_or((last, ""));
    let is_part = |part: &str| match part.as_bytes() {
        [digit] => digit.is_ascii_digit(),
        [b'0'..=b'5', digit] => digit.is_ascii_digit(),
        _ => false,
    };
    starts && middle.iter().all(|part| is_part(part)) && is_part(last) && fraction.bytes().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_where_they_have_to_be() {
        let check = |text: &str, expected: Style| assert_eq!(style(text, false), expected, "{text:?}");
        check("a b", Style::Plain);
        check("a: b", Style::SingleQuoted);
        check("a:b", Style::Plain);
        check("-a", Style::Plain);
        check("- a", Style::SingleQuoted);
        check("yes", Style::DoubleQuoted);
        check("", Style::DoubleQuoted);
        check("1:30", Style::DoubleQuoted);
        check("2001-01-01", Style::DoubleQuoted);
        check("a\tb", Style::DoubleQuoted);
        check("a\nb", Style::Literal);
        check("a \nb", Style::DoubleQuoted);
        check("😀", Style::DoubleQuoted);
    }
}
