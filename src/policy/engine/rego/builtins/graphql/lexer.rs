//! The tokens of GraphQL, with gqlparser's rules: commas and byte order marks are blank anywhere, escapes that make no
//! character become U+FFFD.

use std::borrow::Cow;

use super::Refusal;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    End,
    /// `!`, `$`, `&`, `(`, `)`, `:`, `=`, `@`, `[`, `]`, `{`, `}` or `|`.
    Mark(u8),
    Spread,
    Name,
    Int,
    Float,
    String,
    Block,
    Comment,
}

#[derive(Clone, Debug)]
pub(super) struct Token<'a> {
    pub kind: TokenKind,
    /// Of marks empty.
    pub text: Cow<'a, str>,
}

/// Reads tokens off a text.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    rest: &'a str,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    /// The next token, or [`TokenKind::End`] at the end, as often as it is asked for.
    pub(super) fn token(&mut self) -> Result<Token<'a>, Refusal> {
        self.rest = self.rest.trim_start_matches(['\t', ' ', ',', '\n', '\r', '\u{feff}']);
        let Some(first) = self.rest.bytes().next() else { return Ok(Token { kind: TokenKind::End, text: "".into() }) };
        match first {
            b'!' | b'$' | b'&' | b'(' | b')' | b':' | b'=' | b'@' | b'[' | b']' | b'{' | b'}' | b'|' => {
                self.take(1);
                Ok(Token { kind: TokenKind::Mark(first), text: "".into() })
            }
            b'.' if self.rest.starts_with("...") => {
                self.take(3);
                Ok(Token { kind: TokenKind::Spread, text: "".into() })
            }
            b'#' => {
                let is_part = |character: char| character > '\u{1f}' || character == '\t';
                Ok(self.slice(TokenKind::Comment, self.count(is_part)))
            }
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
                Ok(self.slice(TokenKind::Name, self.count(is_part)))
            }
            b'-' | b'0'..=b'9' => self.number(),
            b'"' if self.rest.starts_with("\"\"\"") => self.block(),
            b'"' => self.string(),
            _ => Err(Refusal::invalid("unexpected character")),
        }
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn slice(&mut self, kind: TokenKind, length: usize) -> Token<'a> {
        Token { kind, text: self.take(length).into() }
    }

    /// Bytes of the characters at the front for which it holds.
    fn count(&self, is_part: impl Fn(char) -> bool) -> usize {
        self.rest.find(|character| !is_part(character)).unwrap_or(self.rest.len())
    }

    fn number(&mut self) -> Result<Token<'a>, Refusal> {
        let (length, is_float) = number_length(self.rest).ok_or_else(|| Refusal::invalid("invalid number"))?;
        Ok(self.slice(if is_float { TokenKind::Float } else { TokenKind::Int }, length))
    }

    fn string(&mut self) -> Result<Token<'a>, Refusal> {
        self.take(1);
        let mut written = String::new();
        loop {
            let plain =
                self.count(|character| !matches!(character, '"' | '\\') && (character >= ' ' || character == '\t'));
            let text = self.take(plain);
            match self.rest.bytes().next() {
                Some(b'"') => {
                    self.take(1);
                    let text = if written.is_empty() { text.into() } else { (written + text).into() };
                    return Ok(Token { kind: TokenKind::String, text });
                }
                Some(b'\\') => {
                    written.push_str(text);
                    written.push(self.escape()?);
                }
                _ => return Err(Refusal::invalid("unterminated string")),
            }
        }
    }

    /// What a backslash and the characters after it stand for.
    fn escape(&mut self) -> Result<char, Refusal> {
        let invalid = || Refusal::invalid("invalid escape sequence");
        let character = match self.rest.as_bytes().get(1) {
            Some(b'u') => {
                let digits = self.rest.get(2..6).filter(|digits| digits.bytes().all(|one| one.is_ascii_hexdigit()));
                let code = u32::from_str_radix(digits.ok_or_else(invalid)?, 16).map_err(|_| invalid())?;
                self.take(6);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(other @ (b'"' | b'/' | b'\\')) => char::from(*other),
            _ => return Err(invalid()),
        };
        self.take(2);
        Ok(character)
    }

    /// Of more than three quotes in a row, the last three end it.
    fn block(&mut self) -> Result<Token<'a>, Refusal> {
        self.take(3);
        let mut raw = String::new();
        loop {
            let plain =
                self.count(|character| !matches!(character, '"' | '\\') && (character >= ' ' || character == '\t'));
            raw.push_str(self.take(plain));
            let quotes = self.count(|character| character == '"');
            if quotes >= 3 {
                raw.push_str(&"\"".repeat(quotes - 3));
                self.take(quotes);
                return Ok(Token { kind: TokenKind::Block, text: without_indentation(&raw).into() });
            }
            match self.rest.bytes().next() {
                Some(b'\\') if self.rest.starts_with("\\\"\"\"") => {
                    self.take(4);
                    raw.push_str("\"\"\"");
                }
                Some(b'\r') => {
                    self.take(if self.rest.starts_with("\r\n") { 2 } else { 1 });
                    raw.push('\n');
                }
                Some(b'\n' | b'"' | b'\\') => raw.push_str(self.take(1)),
                _ => return Err(Refusal::invalid("unterminated string")),
            }
        }
    }
}

/// The length of the number at the front, and whether it is one with a fraction or an exponent.
pub(super) fn number_length(text: &str) -> Option<(usize, bool)> {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
    let some_digits = |from: usize| Some(digits(from)).filter(|count| *count > 0).map(|count| from + count);
    let start = usize::from(bytes.first() == Some(&b'-'));
    let mut end = some_digits(start)?;
    if bytes.get(start) == Some(&b'0') && end > start + 1 {
        return None;
    }
    let mut is_float = false;
    if bytes.get(end) == Some(&b'.') {
        is_float = true;
        end = some_digits(end + 1)?;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        is_float = true;
        let is_signed = matches!(bytes.get(end + 1), Some(b'-' | b'+'));
        end = some_digits(end + 1 + usize::from(is_signed))?;
    }
    Some((end, is_float))
}

/// The content of a block string: without the indentation that all lines share, and the blank lines around it. The first
/// line counts for the indentation, but keeps its own.
fn without_indentation(raw: &str) -> String {
    let indentation = |line: &str| line.bytes().position(|byte| byte != b' ' && byte != b'\t');
    let mut lines: Vec<&str> = raw.split('\n').collect();
    if let Some(common) = lines.iter().filter_map(|line| indentation(line)).min() {
        for line in lines.iter_mut().skip(1) {
            *line = line.get(common..).unwrap_or("");
        }
    }
    let is_blank = |line: &&&str| indentation(line).is_none();
    let start = lines.iter().take_while(is_blank).count();
    let end = lines.len() - lines.iter().rev().take_while(is_blank).count().min(lines.len() - start);
    lines.get(start..end).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_as_gqlparser_reads_them() {
        for (text, expected) in [
            (r#""a\u0041\n\"""#, Some("aA\n\"")),
            (r#""\ud800x""#, Some("\u{fffd}x")),
            (r#""\u00g0""#, None),
            (r#""\x""#, None),
            ("\"a\nb\"", None),
            ("\"\"", Some("")),
            ("\"\"\"\"\"\"", Some("")),
            ("\"\"\"a\"\"\"\"", Some("a\"")),
            ("\"\"\"\\\"\"\"a\\n\"\"\"", Some("\"\"\"a\\n")),
            ("\"\"\"\n  a\r\n    b\n \n\"\"\"", Some("a\n  b")),
            ("\"\"\"a\n  b\"\"\"", Some("a\n  b")),
            ("\"\"\"  a\n   b\"\"\"", Some("  a\n b")),
            ("\"\"\"\u{1}\"\"\"", None),
            ("\"\"\"a\"\"", None),
        ] {
            let found = Lexer::new(text).token().ok().map(|token| token.text.into_owned());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn numbers_are_as_gqlparser_reads_them() {
        for (text, expected) in [
            ("0", Some((1, false))),
            ("-12a", Some((3, false))),
            ("1.5e+3", Some((6, true))),
            ("1e5", Some((3, true))),
            ("01", None),
            ("-", None),
            ("1.", None),
            ("1e", None),
            ("1e+", None),
        ] {
            assert_eq!(number_length(text), expected, "{text}");
        }
    }
}
