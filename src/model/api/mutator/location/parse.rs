//! A location's tokens, in steps. One token ahead, as in Gatekeeper, so that the first error is the same.

use super::scan::{Scanner, Token, TokenKind};
use super::{KeyValue, LocationError, LocationNode};

pub(super) fn parse(text: &str) -> Result<Vec<LocationNode>, LocationError> {
    let mut scanner = Scanner::new(text);
    let current = scanner.token();
    let next = scanner.token();
    Parser { scanner, current, next }.parse()
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    current: Token,
    next: Token,
}

impl Parser<'_> {
    fn parse(mut self) -> Result<Vec<LocationNode>, LocationError> {
        let mut nodes = Vec::new();
        while self.current.kind == TokenKind::Identifier {
            nodes.push(LocationNode::Field(self.current.literal.clone()));
            if self.accept(TokenKind::LeftBracket) {
                nodes.push(self.element()?);
            }
            if self.accept(TokenKind::Separator) {
                if self.next.kind == TokenKind::End {
                    return Err(error(&self.current, "trailing separators are forbidden"));
                }
                self.step();
            } else if !self.accept(TokenKind::End) {
                return Err(self.unexpected("expected '.' or eof"));
            }
        }
        if self.current.kind != TokenKind::End {
            return Err(unexpected(&self.current, "expected field name or eof"));
        }
        Ok(nodes)
    }

    /// What follows `[`.
    fn element(&mut self) -> Result<LocationNode, LocationError> {
        if !self.accept(TokenKind::Identifier) {
            return Err(self.unexpected("expected keyField in listSpec"));
        }
        let key = self.current.literal.clone();
        if !self.accept(TokenKind::Colon) {
            return Err(self.unexpected(&format!("expected ':' following keyField {key}")));
        }
        let value = if self.accept(TokenKind::Glob) {
            None
        } else if self.accept(TokenKind::Identifier) {
            Some(KeyValue::Text(self.current.literal.clone()))
        } else if self.accept(TokenKind::Integer) {
            Some(integer(&self.current, &key)?)
        } else {
            return Err(self.unexpected("expected key value or glob in listSpec"));
        };
        if !self.accept(TokenKind::RightBracket) {
            return Err(self.unexpected("expected ']' following listSpec"));
        }
        Ok(LocationNode::Element { key, value })
    }

    fn step(&mut self) {
        self.current = std::mem::replace(&mut self.next, self.scanner.token());
    }

    /// Steps on if the next token is of that kind.
    fn accept(&mut self, kind: TokenKind) -> bool {
        let is_so = self.next.kind == kind;
        if is_so {
            self.step();
        }
        is_so
    }

    fn unexpected(&self, expected: &str) -> LocationError {
        unexpected(&self.next, expected)
    }
}

fn unexpected(token: &Token, expected: &str) -> LocationError {
    error(token, &format!("unexpected token: {expected}, got: {token}"))
}

fn error(token: &Token, message: &str) -> LocationError {
    LocationError { message: message.to_owned(), column: token.column }
}

fn integer(token: &Token, key: &str) -> Result<KeyValue, LocationError> {
    let overflow = |_| {
        let digits = &token.literal;
        let message =
            format!("invalid integer: overflow in integer string: {digits}: parsing key value for key: {key}");
        error(token, &message)
    };
    token.literal.parse().map(KeyValue::Integer).map_err(overflow)
}
