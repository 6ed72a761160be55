//! A location's text, in tokens.

use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

use crate::model::object::quote;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    Error,
    End,
    Identifier,
    Integer,
    LeftBracket,
    RightBracket,
    Separator,
    Glob,
    Colon,
}

/// A token and where it begins.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) literal: String,
    /// In characters, from 1.
    pub(super) column: usize,
}

/// As Gatekeeper names it in its errors.
impl fmt::Display for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            TokenKind::Error => "ERROR",
            TokenKind::End => "EOF",
            TokenKind::Identifier => "IDENT",
            TokenKind::Integer => "INT",
            TokenKind::LeftBracket => "LBRACKET",
            TokenKind::RightBracket => "RBRACKET",
            TokenKind::Separator => "SEPARATOR",
            TokenKind::Glob => "GLOB",
            TokenKind::Colon => "COLON",
        };
        write!(formatter, "{kind}: {}", quote(&self.literal))
    }
}

/// Reads one token after the other; at the end, `End` for ever.
pub(super) struct Scanner<'a> {
    rest: Peekable<Chars<'a>>,
    column: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text.chars().peekable(), column: 1 }
    }

    pub(super) fn token(&mut self) -> Token {
        self.take_while(|character| matches!(character, ' ' | '\t' | '\r' | '\n'));
        let column = self.column;
        let (kind, literal) = self.read();
        Token { kind, literal, column }
    }

    fn read(&mut self) -> (TokenKind, String) {
        let Some(first) = self.rest.peek().copied() else { return (TokenKind::End, String::new()) };
        if first.is_ascii_digit() {
            return (TokenKind::Integer, self.take_while(|character| character.is_ascii_digit()));
        }
        if is_of_identifier(first) {
            return (TokenKind::Identifier, self.take_while(is_of_identifier));
        }
        self.step();
        let kind = match first {
            '.' => TokenKind::Separator,
            '[' => TokenKind::LeftBracket,
            ']' => TokenKind::RightBracket,
            '*' => TokenKind::Glob,
            ':' => TokenKind::Colon,
            '"' | '\'' => return self.read_quoted(first),
            _ => TokenKind::Error,
        };
        (kind, first.to_string())
    }

    /// The text up to the closing quote; a backslash takes the next character as it is.
    fn read_quoted(&mut self, quote: char) -> (TokenKind, String) {
        let mut text = String::new();
        while let Some(character) = self.step() {
            match character {
                '\\' => text.extend(self.step()),
                _ if character == quote => return (TokenKind::Identifier, text),
                _ => text.push(character),
            }
        }
        (TokenKind::Error, text)
    }

    fn take_while(&mut self, is_wanted: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(character) = self.rest.next_if(|character| is_wanted(*character)) {
            self.column += 1;
            taken.push(character);
        }
        taken
    }

    fn step(&mut self) -> Option<char> {
        self.column += 1;
        self.rest.next()
    }
}

fn is_of_identifier(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}
