//! Source text to tokens, each with its place.
//!
//! White space and comments are no tokens, but every token says whether white space or a line break stands before it:
//! a step of a reference must follow its head without a gap, and a line break ends an expression. Whether a word is a
//! keyword is known here only as far as the text goes; `in`, `every`, `contains` and `if` are keywords in some modules
//! and names in others, which the parser knows.

use super::ast::{Comment, Span};

/// One token. Its text is `source[span.start..span.end]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) span: Span,
    /// White space or a comment stands before it.
    pub(crate) has_gap: bool,
    /// A line break stands before it.
    pub(crate) starts_line: bool,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// The end of the source.
    End,
    Word,
    /// A word that is a keyword in some or all modules.
    Keyword(Keyword),
    Number,
    /// In double quotes, with escapes.
    Quoted,
    /// In backquotes.
    Raw,
    LeftParenthesis,
    RightParenthesis,
    LeftBracket,
    RightBracket,
    LeftBrace,
    RightBrace,
    Comma,
    Colon,
    Semicolon,
    Dot,
    /// `:=`
    Assign,
    /// `=`
    Unify,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
    Times,
    Divide,
    Remainder,
    And,
    Or,
}

/// A reserved word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyword {
    As,
    Default,
    Else,
    False,
    Import,
    Not,
    Null,
    Package,
    Some,
    True,
    With,
    /// From here on: keywords in v1, and in v0 after an import.
    Contains,
    Every,
    If,
    In,
}

/// A module as tokens.
#[derive(Debug)]
pub(crate) struct Lexed {
    /// The last one is [`TokenKind::End`].
    pub(crate) tokens: Vec<Token>,
    pub(crate) comments: Vec<Comment>,
    pub(crate) errors: Vec<LexError>,
}

/// Text that is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LexError {
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// Splits a module into its tokens. Text that is none is skipped and reported.
pub(crate) fn tokenize(source: &str) -> Lexed {
    let mut lexer = Lexer {
        source,
        offset: 0,
        line: 1,
        column: 1,
        lexed: Lexed { tokens: Vec::with_capacity(source.len() / 4), comments: Vec::new(), errors: Vec::new() },
    };
    if source.starts_with(BYTE_ORDER_MARK) {
        // It is no character of the first line: columns start behind it.
        lexer.offset = BYTE_ORDER_MARK.len_utf8();
    }
    lexer.run();
    lexer.lexed
}

const BYTE_ORDER_MARK: char = '\u{feff}';

impl Keyword {
    /// The keyword that a word is, in modules in which it is one.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "as" => Self::As,
            "contains" => Self::Contains,
            "default" => Self::Default,
            "else" => Self::Else,
            "every" => Self::Every,
            "false" => Self::False,
            "if" => Self::If,
            "import" => Self::Import,
            "in" => Self::In,
            "not" => Self::Not,
            "null" => Self::Null,
            "package" => Self::Package,
            "some" => Self::Some,
            "true" => Self::True,
            "with" => Self::With,
            _ => return None,
        })
    }

    /// Whether v0 knows it only after an import.
    pub(crate) fn is_future(self) -> bool {
        matches!(self, Self::Contains | Self::Every | Self::If | Self::In)
    }
}

struct Lexer<'a> {
    source: &'a str,
    offset: usize,
    line: u32,
    column: u32,
    lexed: Lexed,
}

impl Lexer<'_> {
    fn run(&mut self) {
        loop {
            let (has_gap, starts_line) = self.skip_blanks();
            let Some(first) = self.rest().chars().next() else {
                let span = self.span_to(self.offset);
                self.lexed.tokens.push(Token { kind: TokenKind::End, span, has_gap, starts_line });
                return;
            };
            let (kind, length) = match first {
                '"' => (Some(TokenKind::Quoted), self.quoted_length()),
                '`' => (Some(TokenKind::Raw), self.raw_length()),
                '0'..='9' => (Some(TokenKind::Number), self.number_length()),
                'a'..='z' | 'A'..='Z' | '_' => self.word(),
                _ => self.symbol(first),
            };
            let span = self.span_to(self.offset + length);
            self.reject_characters(span);
            self.advance_to(self.offset + length);
            if let Some(kind) = kind {
                self.lexed.tokens.push(Token { kind, span, has_gap, starts_line });
            }
        }
    }

    fn rest(&self) -> &str {
        self.source.get(self.offset..).unwrap_or_default()
    }

    /// Skips white space and comments; tells whether there were any, and whether a line ended.
    fn skip_blanks(&mut self) -> (bool, bool) {
        let start = self.offset;
        let line = self.line;
        loop {
            let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
            let length = self.rest().bytes().take_while(blank).count();
            self.advance_to(self.offset + length);
            if !self.rest().starts_with('#') {
                return (self.offset > start, self.line > line);
            }
            self.comment();
        }
    }

    fn comment(&mut self) {
        let rest = self.rest();
        let line = rest.split('\n').next().unwrap_or(rest);
        let text = line.strip_suffix('\r').unwrap_or(line);
        let text = text.strip_prefix('#').unwrap_or(text).to_owned();
        let end = self.offset + line.len();
        let span = self.span_to(end);
        self.reject_characters(span);
        self.lexed.comments.push(Comment { text, span });
        self.advance_to(end);
    }

    fn word(&self) -> (Option<TokenKind>, usize) {
        let rest = self.rest();
        let length = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        let keyword = rest.get(..length).and_then(Keyword::parse);
        (Some(keyword.map_or(TokenKind::Word, TokenKind::Keyword)), length)
    }

    fn symbol(&mut self, first: char) -> (Option<TokenKind>, usize) {
        let is_followed_by_equals = self.rest().as_bytes().get(1) == Some(&b'=');
        let either = |double: TokenKind, single: TokenKind| {
            if is_followed_by_equals { (Some(double), 2) } else { (Some(single), 1) }
        };
        let single = |kind: TokenKind| (Some(kind), 1);
        match first {
            '(' => single(TokenKind::LeftParenthesis),
            ')' => single(TokenKind::RightParenthesis),
            '[' => single(TokenKind::LeftBracket),
            ']' => single(TokenKind::RightBracket),
            '{' => single(TokenKind::LeftBrace),
            '}' => single(TokenKind::RightBrace),
            ',' => single(TokenKind::Comma),
            ';' => single(TokenKind::Semicolon),
            '.' => single(TokenKind::Dot),
            '+' => single(TokenKind::Plus),
            '-' => single(TokenKind::Minus),
            '*' => single(TokenKind::Times),
            '/' => single(TokenKind::Divide),
            '%' => single(TokenKind::Remainder),
            '&' => single(TokenKind::And),
            '|' => single(TokenKind::Or),
            ':' => either(TokenKind::Assign, TokenKind::Colon),
            '=' => either(TokenKind::Equal, TokenKind::Unify),
            '<' => either(TokenKind::LessOrEqual, TokenKind::Less),
            '>' => either(TokenKind::GreaterOrEqual, TokenKind::Greater),
            '!' if is_followed_by_equals => (Some(TokenKind::NotEqual), 2),
            _ => {
                self.illegal_character(first);
                (None, first.len_utf8())
            }
        }
    }

    fn illegal_character(&mut self, found: char) {
        if is_never_allowed(found) {
            return; // reported for every place that it may be in
        }
        let help = match found {
            '!' => Some("negate with `not`, compare with `!=`"),
            '\'' | '\u{2018}'..='\u{201f}' => Some("put strings in double quotes"),
            '$' | '@' | '?' | '~' | '^' | '\\' => Some("Rego has no such operator"),
            _ if found.is_alphanumeric() => Some("names consist of ASCII letters, digits and `_`"),
            _ => None,
        };
        self.report(
            self.span_to(self.offset + found.len_utf8()),
            format!("illegal character `{}`", found.escape_debug()),
            help,
        );
    }

    /// A string ends in its line. What its escapes mean is looked at when it is used.
    fn quoted_length(&mut self) -> usize {
        let mut is_escaped = false;
        for (index, byte) in self.rest().bytes().enumerate().skip(1) {
            match byte {
                b'\n' => return self.unterminated(index, "put text of several lines in backquotes"),
                _ if is_escaped => is_escaped = false,
                b'"' => return index + 1,
                b'\\' => is_escaped = true,
                _ => {}
            }
        }
        self.unterminated(self.rest().len(), "close the string with `\"`")
    }

    fn raw_length(&mut self) -> usize {
        match self.rest().bytes().skip(1).position(|byte| byte == b'`') {
            Some(length) => length + 2,
            None => self.unterminated(self.rest().len(), "close the raw string with a backquote"),
        }
    }

    fn unterminated(&mut self, length: usize, help: &str) -> usize {
        self.report(self.span_to(self.offset + 1), "string is not closed".to_owned(), Some(help));
        length
    }

    fn number_length(&mut self) -> usize {
        let bytes = self.rest().as_bytes();
        let digits = |from: usize| bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
        let mut length = digits(0);
        let mut problem = None;
        if bytes.get(length) == Some(&b'.') {
            let fraction = digits(length + 1);
            problem = (fraction == 0).then_some("expected digits behind the decimal point");
            length += 1 + fraction;
        }
        if matches!(bytes.get(length), Some(b'e' | b'E')) {
            length += 1;
            length += usize::from(matches!(bytes.get(length), Some(b'+' | b'-')));
            let exponent = digits(length);
            problem = problem.or((exponent == 0).then_some("expected digits in the exponent"));
            length += exponent;
        }
        let is_word = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
        let tail = bytes.iter().skip(length).take_while(is_word).count();
        if tail > 0 {
            problem = problem.or(Some("found letters in a number"));
        }
        if let Some(problem) = problem {
            self.report(self.span_to(self.offset + length + tail), format!("illegal number: {problem}"), None);
        }
        length + tail
    }

    /// Characters that may be nowhere in a module, not even in strings and comments.
    fn reject_characters(&mut self, span: Span) {
        let text = self.source.get(span.start as usize..span.end as usize).unwrap_or_default();
        let Some(found) = text.chars().find(|one| is_never_allowed(*one)) else { return };
        let name = if found == BYTE_ORDER_MARK { "byte order mark" } else { "null character" };
        self.report(span, format!("illegal {name}"), Some("remove it"));
    }

    fn report(&mut self, span: Span, message: String, help: Option<&str>) {
        self.lexed.errors.push(LexError { span, message, help: help.map(str::to_owned) });
    }

    /// From here to an offset.
    fn span_to(&self, end: usize) -> Span {
        let offset = |one: usize| u32::try_from(one).unwrap_or(u32::MAX);
        Span { line: self.line, column: self.column, start: offset(self.offset), end: offset(end) }
    }

    fn advance_to(&mut self, end: usize) {
        let passed = self.source.as_bytes().get(self.offset..end).unwrap_or_default();
        for byte in passed {
            if *byte == b'\n' {
                self.line += 1;
                self.column = 1;
            } else if !is_continuation(*byte) {
                self.column += 1;
            }
        }
        self.offset = end;
    }
}

fn is_never_allowed(one: char) -> bool {
    one == '\0' || one == BYTE_ORDER_MARK
}

/// The second and later bytes of a character in UTF-8.
fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}
