//! Arrays, sets, objects, and comprehensions of these.
//!
//! `[a | b]` may be a comprehension or a list with a union in it. It is a comprehension when what follows the `|` is a
//! body up to the closing bracket; otherwise, when a comma ended that body, it is a list. The parser tries the one and
//! goes back for the other; it remembers which brackets were lists, so that nesting them takes no exponential time.

use crate::policy::engine::rego::syntax::ast::{Body, Term, TermKind};
use crate::policy::engine::rego::syntax::lexer::TokenKind;

use super::cursor::{Failure, Parse, Parser};

impl Parser<'_> {
    pub(super) fn array(&mut self) -> Parse<Term> {
        let (open, start) = (self.position(), self.token().span);
        self.advance();
        if self.take(TokenKind::RightBracket) {
            return Ok(Term { span: self.span_from(start), kind: TermKind::Array(Vec::new()) });
        }
        // A comma before the first element is accepted, and then it is no comprehension.
        let has_leading_comma = self.take(TokenKind::Comma);
        let head = self.term()?;
        let may_be_comprehension = self.is(TokenKind::Or) && !has_leading_comma && !self.collections.contains(&open);
        if may_be_comprehension && let Some(body) = self.comprehension_or_list(open, TokenKind::RightBracket)? {
            let kind = TermKind::ArrayComprehension { head: Box::new(head), body };
            return Ok(Term { span: self.span_from(start), kind });
        }
        let first = self.infix_from(head, false)?;
        let items = self.elements_from(first, TokenKind::RightBracket, "`]`")?;
        Ok(Term { span: self.span_from(start), kind: TermKind::Array(items) })
    }

    pub(super) fn set_or_object(&mut self) -> Parse<Term> {
        let (open, start) = (self.position(), self.token().span);
        self.advance();
        if self.take(TokenKind::RightBrace) {
            return Ok(Term { span: self.span_from(start), kind: TermKind::Object(Vec::new()) });
        }
        let has_leading_comma = self.take(TokenKind::Comma);
        let head = self.term()?;
        let kind = if self.is(TokenKind::Or) && !has_leading_comma && !self.collections.contains(&open) {
            match self.comprehension_or_list(open, TokenKind::RightBrace)? {
                Some(body) => TermKind::SetComprehension { head: Box::new(head), body },
                None => self.set(head)?,
            }
        } else if self.is(TokenKind::Colon) {
            self.object(open, head, !has_leading_comma)?
        } else {
            let first = self.infix_from(head, false)?;
            if self.is(TokenKind::Colon) { self.object(open, first, !has_leading_comma)? } else { self.set(first)? }
        };
        Ok(Term { span: self.span_from(start), kind })
    }

    /// The body of a comprehension from its `|` on, or nothing when it is a union in a list.
    fn comprehension_or_list(&mut self, open: usize, close: TokenKind) -> Parse<Option<Body>> {
        let before = self.checkpoint();
        match self.comprehension_body(close) {
            Ok(body) => Ok(Some(body)),
            Err(_) if self.is(TokenKind::Comma) => {
                self.restore(before);
                self.collections.insert(open);
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    /// From the `|` to behind the closing bracket.
    fn comprehension_body(&mut self, close: TokenKind) -> Parse<Body> {
        self.advance();
        let body = self.body(close)?;
        self.advance();
        Ok(body)
    }

    fn set(&mut self, head: Term) -> Parse<TermKind> {
        let first = self.infix_from(head, false)?;
        Ok(TermKind::Set(self.elements_from(first, TokenKind::RightBrace, "`}`")?))
    }

    /// From the colon behind the first key on.
    fn object(&mut self, open: usize, key: Term, may_be_comprehension: bool) -> Parse<TermKind> {
        self.advance();
        let value = self.term()?;
        let mut failed = None;
        if self.is(TokenKind::Or) && may_be_comprehension && !self.collections.contains(&open) {
            let before = self.checkpoint();
            match self.comprehension_body(TokenKind::RightBrace) {
                Ok(body) => {
                    return Ok(TermKind::ObjectComprehension { key: Box::new(key), value: Box::new(value), body });
                }
                Err(failure) => failed = Some(failure),
            }
            self.restore(before);
            self.collections.insert(open);
        }
        self.entries_from(key, value).map_err(|failure| further(failure, failed))
    }

    fn entries_from(&mut self, key: Term, value: Term) -> Parse<TermKind> {
        let mut entries = vec![(key, self.infix_from(value, false)?)];
        while !self.take(TokenKind::RightBrace) {
            self.expect(TokenKind::Comma, "`,` or `}`")?;
            if self.take(TokenKind::RightBrace) {
                break;
            }
            let key = self.element()?;
            self.expect(TokenKind::Colon, "`:` and the value of the key")?;
            entries.push((key, self.element()?));
        }
        Ok(TermKind::Object(entries))
    }

    /// The rest of a list behind its first element, up to and including the closing bracket; a comma before that is
    /// allowed.
    pub(super) fn elements_from(&mut self, first: Term, close: TokenKind, closing: &str) -> Parse<Vec<Term>> {
        let mut items = vec![first];
        while !self.take(close) {
            self.expect(TokenKind::Comma, &format!("`,` or {closing}"))?;
            if self.take(close) {
                break;
            }
            items.push(self.element()?);
        }
        Ok(items)
    }
}

/// Of two attempts, what was wrong with the one that came further.
fn further(failure: Failure, other: Option<Failure>) -> Failure {
    match other {
        Some(other) if other.span.start > failure.span.start => other,
        _ => failure,
    }
}
