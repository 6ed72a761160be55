//! Operators: `a + b`, `x in xs`, `k, v in xs`.
//!
//! From the tightest to the loosest: `* / %`, `+ -`, `&`, `|`, comparison, `in`. All of them group to the left. A line
//! break before an operator does not end an expression.

use crate::policy::engine::rego::syntax::ast::{FunctionName, Span, Term, TermKind};
use crate::policy::engine::rego::syntax::lexer::{Keyword, TokenKind};

use super::cursor::{Parse, Parser};

/// An operator that binds its operands more or less tightly.
struct Operator {
    name: &'static str,
    /// From 1.
    tightness: u8,
    place: Span,
}

impl Parser<'_> {
    /// A term with operators. Outside of lists, where a comma separates elements, it may be `k, v in xs`.
    pub(super) fn infix(&mut self) -> Parse<Term> {
        let first = self.term()?;
        self.infix_from(first, true)
    }

    /// An element of a list.
    pub(super) fn element(&mut self) -> Parse<Term> {
        let first = self.term()?;
        self.infix_from(first, false)
    }

    /// Goes on behind the first operand.
    pub(super) fn infix_from(&mut self, first: Term, may_be_pair: bool) -> Parse<Term> {
        let outer = self.begin_chain();
        let mut left = self.binary(first)?;
        if may_be_pair && self.is(TokenKind::Comma) {
            left = self.pair_membership(left)?;
        }
        while self.is_keyword(Keyword::In) && !self.is_keyword_reference() {
            let operator = self.token().span;
            self.advance();
            let right = self.operand()?;
            left = self.call_operator(operator, "member_2", vec![left, right])?;
        }
        // The next line may start with a name such as `with.x` or `in[0]`.
        self.allow_keyword_reference();
        self.end_chain(outer);
        Ok(left)
    }

    /// `k, v in xs`, when that is what follows the `k`.
    fn pair_membership(&mut self, key: Term) -> Parse<Term> {
        let before = self.checkpoint();
        self.advance();
        let Ok(value) = self.operand() else {
            self.restore(before);
            return Ok(key);
        };
        let operator = self.token().span;
        if !self.take(TokenKind::Keyword(Keyword::In)) {
            self.restore(before);
            return Ok(key);
        }
        let domain = self.operand()?;
        self.call_operator(operator, "member_3", vec![key, value, domain])
    }

    /// An operand with all operators behind it that are tighter than `in`.
    fn operand(&mut self) -> Parse<Term> {
        let first = self.term()?;
        self.binary(first)
    }

    /// Operators that wait for their right side are on a list instead of the stack, which is needed for brackets.
    fn binary(&mut self, first: Term) -> Parse<Term> {
        let mut waiting: Vec<(Term, Operator)> = Vec::new();
        let mut last = first;
        loop {
            let next = self.operator();
            let tightness = next.as_ref().map_or(0, |operator| operator.tightness);
            while let Some((left, operator)) = waiting.pop_if(|(_, operator)| operator.tightness >= tightness) {
                last = self.call_operator(operator.place, operator.name, vec![left, last])?;
            }
            let Some(operator) = next else { return Ok(last) };
            self.advance();
            waiting.push((last, operator));
            last = self.term()?;
        }
    }

    fn call_operator(&mut self, place: Span, name: &str, arguments: Vec<Term>) -> Parse<Term> {
        self.lengthen_chain()?;
        let path = match name {
            "member_2" | "member_3" => vec!["internal".to_owned(), name.to_owned()],
            _ => vec![name.to_owned()],
        };
        let start = arguments.first().map_or(place, |first| first.span);
        let kind = TermKind::Call { function: FunctionName { path, span: place }, arguments, is_infix: true };
        Ok(Term { span: self.span_from(start), kind })
    }

    fn operator(&self) -> Option<Operator> {
        let (name, tightness) = match self.kind() {
            TokenKind::Equal => ("equal", 1),
            TokenKind::NotEqual => ("neq", 1),
            TokenKind::Less => ("lt", 1),
            TokenKind::LessOrEqual => ("lte", 1),
            TokenKind::Greater => ("gt", 1),
            TokenKind::GreaterOrEqual => ("gte", 1),
            TokenKind::Or => ("or", 2),
            TokenKind::And => ("and", 3),
            TokenKind::Plus => ("plus", 4),
            TokenKind::Minus => ("minus", 4),
            TokenKind::Times => ("mul", 5),
            TokenKind::Divide => ("div", 5),
            TokenKind::Remainder => ("rem", 5),
            _ => return None,
        };
        Some(Operator { name, tightness, place: self.token().span })
    }
}
