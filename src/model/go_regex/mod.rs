//! Regular expressions by Go's syntax (RE2's), for Rust's engine.
//!
//! Both match alike once the syntax is translated: `\w \d \s \b` are ASCII in Go, `\Q…\E` quotes, braces and brackets
//! that open nothing are themselves, octal escapes exist. What Go refuses is refused here, too, because a policy that
//! tests a pattern must get the same answer: stacked repetitions, counts above 1000, Rust's own extensions.

mod class;

use std::iter::Peekable;
use std::str::Chars;

use class::perl_class;
use regex::{Regex, RegexBuilder};

/// Memory of one compiled expression. `^[\w.-]{1,253}$` needs some hundred kilobytes.
const SIZE_LIMIT: usize = 10 << 20;

/// Memory of the states that matching keeps.
const DFA_SIZE_LIMIT: usize = 4 << 20;

/// Go's limit for the counts of `{n,m}`.
const MAX_REPEAT: u32 = 1000;

/// Deeper nesting is refused, by Go at 1000.
const NEST_LIMIT: u32 = 250;

/// Longest pattern. Larger ones come from data, not from people.
const MAX_PATTERN: usize = 64 << 10;

/// Compiles `pattern`.
///
/// # Errors
/// With what is wrong, in one line that begins as Go's does.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > MAX_PATTERN {
        return Err(format!("error parsing regexp: expression has more than {MAX_PATTERN} bytes"));
    }
    let translated = translate(pattern)?;
    let mut builder = RegexBuilder::new(&translated);
    builder.size_limit(SIZE_LIMIT).dfa_size_limit(DFA_SIZE_LIMIT).nest_limit(NEST_LIMIT);
    builder.build().map_err(|error| invalid(&reason(&error), pattern))
}

/// The last line of the engine's report; the lines above it draw the pattern again.
fn reason(error: &regex::Error) -> String {
    let report = error.to_string();
    match report.lines().last().unwrap_or_default().trim_start_matches("error: ") {
        "unclosed group" => "missing closing )".to_owned(),
        "unopened group" => "unexpected )".to_owned(),
        other => other.to_owned(),
    }
}

/// The same expression in Rust's syntax.
fn translate(pattern: &str) -> Result<String, String> {
    let mut translator = Translator { rest: pattern.chars().peekable(), output: String::new() };
    let mut previous = Previous::Nothing;
    while let Some(character) = translator.rest.next() {
        previous = translator.item(character, previous)?;
    }
    Ok(translator.output)
}

/// What stands before the place that is translated: whether a repetition may follow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Previous {
    Nothing,
    Item,
    Repetition,
}

struct Translator<'a> {
    rest: Peekable<Chars<'a>>,
    output: String,
}

impl Translator<'_> {
    fn item(&mut self, character: char, previous: Previous) -> Result<Previous, String> {
        match character {
            '\\' => self.escape(),
            '[' => self.class().map(|()| Previous::Item),
            '(' => self.group(),
            '|' => {
                self.output.push('|');
                Ok(Previous::Nothing)
            }
            '*' | '+' | '?' => self.repetition(&character.to_string(), previous),
            '{' => match self.counts()? {
                Some(counts) => self.repetition(&counts, previous),
                None => self.literal('{'),
            },
            '.' | '^' | '$' | ')' => {
                self.output.push(character);
                Ok(Previous::Item)
            }
            _ => self.literal(character),
        }
    }

    fn literal(&mut self, character: char) -> Result<Previous, String> {
        push_literal(&mut self.output, character);
        Ok(Previous::Item)
    }

    fn repetition(&mut self, operator: &str, previous: Previous) -> Result<Previous, String> {
        match previous {
            Previous::Nothing => return Err(invalid("missing argument to repetition operator", operator)),
            Previous::Repetition => return Err(invalid("invalid nested repetition operator", operator)),
            Previous::Item => {}
        }
        self.output.push_str(operator);
        if self.rest.next_if_eq(&'?').is_some() {
            self.output.push('?');
        }
        Ok(Previous::Repetition)
    }

    /// Behind `{`: `n}`, `n,}` or `n,m}`, which are consumed; anything else is not.
    fn counts(&mut self) -> Result<Option<String>, String> {
        let mut ahead = self.rest.clone();
        let mut text = String::from("{");
        loop {
            match ahead.next() {
                Some(character @ ('0'..='9' | ',')) if text.len() < 16 => text.push(character),
                Some('}') => break,
                _ => return Ok(None),
            }
        }
        let inner = text.get(1..).unwrap_or_default();
        let (least, most) = inner.split_once(',').unwrap_or((inner, inner));
        let is_number = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_digit())
                && (text == "0" || !text.starts_with('0'))
        };
        if !is_number(least) || !(most.is_empty() || is_number(most)) {
            return Ok(None);
        }
        let count = |text: &str| text.parse().unwrap_or(u32::MAX);
        if count(least) > MAX_REPEAT || (!most.is_empty() && (count(most) > MAX_REPEAT || count(least) > count(most))) {
            return Err(invalid("invalid repeat count", &format!("{text}}}")));
        }
        self.rest = ahead;
        Ok(Some(format!("{text}}}")))
    }

    /// Behind `(`: passes flags that Go knows.
    fn group(&mut self) -> Result<Previous, String> {
        self.output.push('(');
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(Previous::Nothing);
        }
        self.output.push('?');
        if matches!(self.rest.peek(), Some('P' | '<')) {
            return self.group_name();
        }
        loop {
            match self.rest.next() {
                Some(character @ ('i' | 'm' | 's' | 'U' | '-')) => self.output.push(character),
                Some(end @ (':' | ')')) => {
                    self.output.push(end);
                    return Ok(if end == ':' { Previous::Nothing } else { Previous::Item });
                }
                _ => return Err(invalid("invalid or unsupported Perl syntax", "(?")),
            }
        }
    }

    /// `P<name>` or `<name>`: letters, digits and underscores.
    fn group_name(&mut self) -> Result<Previous, String> {
        if self.rest.next_if_eq(&'P').is_some() {
            self.output.push('P');
        }
        if self.rest.next_if_eq(&'<').is_none() {
            return Err(invalid("invalid named capture", "(?P"));
        }
        self.output.push('<');
        let mut length = 0;
        loop {
            match self.rest.next() {
                // Go takes a leading digit; Rust does not, but nobody can tell by the name.
                Some(character) if character.is_ascii_alphanumeric() || character == '_' => {
                    if length == 0 && character.is_ascii_digit() {
                        self.output.push('_');
                    }
                    self.output.push(character);
                    length += 1;
                }
                Some('>') if length > 0 => break,
                _ => return Err(invalid("invalid named capture", "(?P<")),
            }
        }
        self.output.push('>');
        Ok(Previous::Nothing)
    }

    /// Behind a backslash outside of classes.
    fn escape(&mut self) -> Result<Previous, String> {
        let Some(character) = self.rest.next() else {
            return Err("error parsing regexp: trailing backslash at end of expression: ``".to_owned());
        };
        match character {
            'Q' => return self.quoted(),
            'b' => self.output.push_str("(?-u:\\b)"),
            'B' => self.output.push_str("(?-u:\\B)"),
            'A' | 'z' => {
                self.output.push('\\');
                self.output.push(character);
            }
            'p' | 'P' => self.unicode_class(character)?,
            _ => match perl_class(character) {
                Some((is_negated, ranges)) => {
                    self.output.push_str(if is_negated { "[^" } else { "[" });
                    self.output.push_str(ranges);
                    self.output.push(']');
                }
                None => {
                    let escaped = self.escaped_character(character)?;
                    push_literal(&mut self.output, escaped);
                }
            },
        }
        Ok(Previous::Item)
    }

    /// Behind `\Q`: everything up to `\E` is itself.
    fn quoted(&mut self) -> Result<Previous, String> {
        loop {
            let mut ahead = self.rest.clone();
            match (ahead.next(), ahead.next()) {
                (None, _) => return Ok(Previous::Item),
                (Some('\\'), Some('E')) => {
                    self.rest = ahead;
                    return Ok(Previous::Item);
                }
                (Some(character), _) => {
                    self.rest.next();
                    push_literal(&mut self.output, character);
                }
            }
        }
    }

    /// The character that an escape other than a class means.
    fn escaped_character(&mut self, character: char) -> Result<char, String> {
        let invalid_escape = || invalid("invalid escape sequence", &format!("\\{character}"));
        match character {
            // `\1` to `\7` alone would refer to a group, which Go does not have.
            '1'..='7' if !matches!(self.rest.peek(), Some('0'..='7')) => Err(invalid_escape()),
            '0'..='7' => {
                let mut code = character.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    match self.rest.peek().and_then(|digit| digit.to_digit(8)) {
                        Some(digit) => code = code * 8 + digit,
                        None => break,
                    }
                    self.rest.next();
                }
                char::from_u32(code).ok_or_else(invalid_escape)
            }
            'x' => self.hexadecimal().ok_or_else(invalid_escape),
            'a' => Ok('\u{7}'),
            'f' => Ok('\u{c}'),
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            't' => Ok('\t'),
            'v' => Ok('\u{b}'),
            _ if character.is_ascii() && !character.is_ascii_alphanumeric() => Ok(character),
            _ => Err(invalid_escape()),
        }
    }

    /// Behind `\x`: two digits, or any number of them in braces.
    fn hexadecimal(&mut self) -> Option<char> {
        let mut code = 0_u32;
        if self.rest.next_if_eq(&'{').is_some() {
            let mut count = 0;
            loop {
                match self.rest.next()? {
                    '}' if count > 0 => return char::from_u32(code),
                    digit => code = code.checked_mul(16)?.checked_add(digit.to_digit(16)?)?,
                }
                count += 1;
            }
        }
        for _ in 0..2 {
            code = code * 16 + self.rest.next()?.to_digit(16)?;
        }
        char::from_u32(code)
    }
}

/// Escaped wherever it could mean something else; `\<` and `\>` are no escapes to Rust but the edges of words.
fn push_literal(output: &mut String, character: char) {
    if character.is_ascii_punctuation() && !matches!(character, '<' | '>') {
        output.push('\\');
    }
    output.push(character);
}

fn invalid(what: &str, where_: &str) -> String {
    format!("error parsing regexp: {what}: `{where_}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_as_go_does() {
        for (pattern, text, expected) in [
            (r"^\w{1,63}$", "abc", true),
            (r"^[\w.-]{1,253}$", "a.b-c", true),
            (r"^\w$", "é", false),
            (r"^\d$", "٣", false),
            (r"^\s$", "\u{a0}", false),
            (r"^\W$", "é", true),
            (r"\bé", "éa", false),
            (r"\Qa.b\E+", "a.bbb", true),
            (r"a{,2}", "a{,2}", true),
            (r"^[[a]$", "[", true),
            (r"^[a&&b]+$", "a&b", true),
            (r"\x{1F600}|\101", "A", true),
            (r"(?i)^STRASSE$", "strasse", true),
            (r"(?P<n>a)(?<m>b)", "ab", true),
            (r"^[]a]+$", "]a", true),
            (r"[[:word:]-]", "-", true),
            ("^.$", "\n", false),
            ("a\\z", "a", true),
            ("^<a>$", "<a>", true),
            ("^[<>]$", "<", true),
            ("[a-c-e]", "-", true),
            (r#"labels: {"team"}"#, r#"labels: {"team"}"#, true),
            ("^{a}{2}$", "{a}}", true),
            ("a{2,}b{,3}", "aab{,3}", true),
            ("[^]]x", "]x", false),
            (r"\p{Greek}\{", "α{", true),
        ] {
            assert_eq!(compile(pattern).unwrap().is_match(text), expected, "{pattern}");
        }
    }

    #[test]
    fn says_what_is_wrong_in_one_line() {
        for (pattern, expected) in [
            ("a[", "missing closing ]: `[`"),
            ("(a", "missing closing ): `(a`"),
            ("a)", "unexpected ): `a)`"),
            ("a**", "invalid nested repetition operator: `*`"),
            (r"a\", "trailing backslash at end of expression: ``"),
        ] {
            assert_eq!(compile(pattern).unwrap_err(), format!("error parsing regexp: {expected}"));
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for pattern in [
            "a**",
            "a+*",
            "*a",
            "a{1001}",
            "a{2,1}",
            "(?x)a",
            "(?=a)",
            r"\1",
            r"\Z",
            r"\h",
            "[",
            "(",
            ")",
            "[z-a]",
            "[[:foo:]]",
            r"\p{Foo}",
            "(?P<n>a)(?P<n>b)",
            "a\\",
            "[a-\\d]",
            "((((((((((a{100}){100}){100}){100}){100}){100}){100}){100}){100}){100})",
        ] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
    }
}
