//! Operands: scalars, names, references, calls, and terms in parentheses.

use crate::policy::engine::rego::syntax::ast::{ErrorClass, FunctionName, Term, TermKind};
use crate::policy::engine::rego::syntax::lexer::{Keyword, TokenKind};
use crate::policy::engine::rego::syntax::literals;

use super::cursor::{Parse, Parser};

impl Parser<'_> {
    /// One operand, with the steps and calls that follow it without a gap.
    pub(super) fn term(&mut self) -> Parse<Term> {
        let outer = self.enter()?;
        let is_parenthesised = self.is(TokenKind::LeftParenthesis);
        let head = self.primary()?;
        let term = if self.is_step() { self.with_steps(head, is_parenthesised)? } else { head };
        self.leave(outer);
        Ok(term)
    }

    fn primary(&mut self) -> Parse<Term> {
        let span = self.token().span;
        let kind = match self.kind() {
            TokenKind::Keyword(Keyword::Null) => TermKind::Null,
            TokenKind::Keyword(Keyword::True) => TermKind::Bool(true),
            TokenKind::Keyword(Keyword::False) => TermKind::Bool(false),
            TokenKind::Quoted | TokenKind::Raw => TermKind::String(self.string()?),
            // Only in the heads of rules does `contains` mean anything else than the function.
            TokenKind::Word | TokenKind::Keyword(Keyword::Contains) => TermKind::Variable(self.name()),
            TokenKind::Minus | TokenKind::Dot | TokenKind::Number => return self.number(),
            TokenKind::LeftBracket => return self.array(),
            TokenKind::LeftBrace => return self.set_or_object(),
            TokenKind::LeftParenthesis => return self.parenthesised(),
            _ => return Err(self.unexpected("a term")),
        };
        self.advance();
        Ok(Term { span, kind })
    }

    /// The current word; `_` becomes a name of its own.
    pub(super) fn name(&mut self) -> String {
        match self.text(self.token()) {
            "_" => self.fresh_wildcard(),
            word => word.to_owned(),
        }
    }

    fn string(&self) -> Parse<String> {
        let token = self.token();
        let text = self.text(token);
        if token.kind == TokenKind::Raw {
            let inner = text.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
            return Ok(inner.unwrap_or_default().to_owned());
        }
        literals::unescape(text).map_err(|problem| self.failure(token.span, problem, None))
    }

    /// A sign and a leading point may stand apart from the digits.
    fn number(&mut self) -> Parse<Term> {
        let start = self.token().span;
        let mut text = String::new();
        for (kind, sign) in [(TokenKind::Minus, '-'), (TokenKind::Dot, '.')] {
            if self.take(kind) {
                text.push(sign);
            }
        }
        if !self.is(TokenKind::Number) {
            return Err(self.unexpected("a number"));
        }
        text.push_str(self.text(self.token()));
        self.advance();
        let span = self.span_from(start);
        literals::check_number(&text).map_err(|problem| self.failure(span, problem, None))?;
        Ok(Term { span, kind: TermKind::Number(text) })
    }

    fn parenthesised(&mut self) -> Parse<Term> {
        let start = self.token().span;
        self.advance();
        let inner = self.infix()?;
        self.expect(TokenKind::RightParenthesis, "an operator or `)`")?;
        Ok(Term { span: self.span_from(start), kind: inner.kind })
    }

    fn is_step(&self) -> bool {
        !self.token().has_gap
            && matches!(self.kind(), TokenKind::Dot | TokenKind::LeftBracket | TokenKind::LeftParenthesis)
    }

    fn with_steps(&mut self, head: Term, is_parenthesised: bool) -> Parse<Term> {
        self.check_reference_head(&head, is_parenthesised)?;
        let mut head = head;
        loop {
            let path = self.steps()?;
            if !self.is_adjacent(TokenKind::LeftParenthesis) {
                return Ok(self.reference(head, path));
            }
            head = self.call(head, path)?;
            // What a call returned cannot be called.
            if !self.is_step() || self.is(TokenKind::LeftParenthesis) {
                return Ok(head);
            }
        }
    }

    fn check_reference_head(&self, head: &Term, is_parenthesised: bool) -> Parse<()> {
        let found = match &head.kind {
            TermKind::Variable(name) if is_parenthesised && is_root(name) => "reference in parentheses",
            TermKind::Reference { .. } => "reference in parentheses",
            TermKind::Null => "null",
            TermKind::Bool(_) => "boolean",
            TermKind::Number(_) => "number",
            TermKind::String(_) => "string",
            _ => return Ok(()),
        };
        let message = format!("a {found} cannot be the head of a reference or call");
        Err(self.failure(head.span, &message, Some("assign it to a variable first")))
    }

    /// `.a["b"][x]`, possibly none.
    pub(super) fn steps(&mut self) -> Parse<Vec<Term>> {
        let mut path = Vec::new();
        loop {
            if self.is_adjacent(TokenKind::Dot) {
                self.advance();
                path.push(self.field()?);
            } else if self.is_adjacent(TokenKind::LeftBracket) {
                self.advance();
                path.push(self.infix()?);
                self.expect(TokenKind::RightBracket, "`]`")?;
            } else {
                return Ok(path);
            }
        }
    }

    /// The name behind a dot: any word, keywords included.
    fn field(&mut self) -> Parse<Term> {
        let token = self.token();
        if token.has_gap || !matches!(token.kind, TokenKind::Word | TokenKind::Keyword(_)) {
            let help = "write fields that are no plain names as `[\"…\"]`";
            return Err(self.unexpected_with_help("the name of a field right behind the `.`", Some(help)));
        }
        self.advance();
        Ok(Term { span: token.span, kind: TermKind::String(self.text(token).to_owned()) })
    }

    fn reference(&self, head: Term, path: Vec<Term>) -> Term {
        if path.is_empty() {
            return head;
        }
        Term { span: self.span_from(head.span), kind: TermKind::Reference { head: Box::new(head), path } }
    }

    /// `(…)` behind the name of a function.
    fn call(&mut self, head: Term, path: Vec<Term>) -> Parse<Term> {
        let function = self.function_name(&head, &path)?;
        let arguments = self.arguments()?;
        let span = self.span_from(head.span);
        if arguments.is_empty() && function.path == ["set"] {
            return Ok(Term { span, kind: TermKind::Set(Vec::new()) });
        }
        Ok(Term { span, kind: TermKind::Call { function, arguments, is_infix: false } })
    }

    fn function_name(&self, head: &Term, steps: &[Term]) -> Parse<FunctionName> {
        let span = self.span_from(head.span);
        let mut path = Vec::new();
        if let TermKind::Variable(name) = &head.kind {
            path.push(name.clone());
            path.extend(steps.iter().filter_map(|step| match &step.kind {
                TermKind::String(name) => Some(name.clone()),
                _ => None,
            }));
        }
        if path.len() != steps.len() + 1 {
            let help = Some("functions are called by their name: `f(x)`, `data.lib.f(x)`");
            return Err(self.failure_of(ErrorClass::Type, span, "only functions can be called", help));
        }
        Ok(FunctionName { path, span })
    }

    /// `(a, b)`; a comma behind the last one is allowed.
    pub(super) fn arguments(&mut self) -> Parse<Vec<Term>> {
        self.advance();
        if self.take(TokenKind::RightParenthesis) {
            return Ok(Vec::new());
        }
        let first = self.element()?;
        self.elements_from(first, TokenKind::RightParenthesis, "`)`")
    }
}

/// Names of the two documents that everything is found in.
pub(super) fn is_root(name: &str) -> bool {
    matches!(name, "input" | "data")
}

/// Whether no variable is in a term, so that it means the same whatever a rule binds.
pub(super) fn is_ground(term: &Term) -> bool {
    match &term.kind {
        TermKind::Null | TermKind::Bool(_) | TermKind::Number(_) | TermKind::String(_) => true,
        TermKind::Array(items) | TermKind::Set(items) => items.iter().all(is_ground),
        TermKind::Object(entries) => entries.iter().all(|(key, value)| is_ground(key) && is_ground(value)),
        TermKind::Reference { path, .. } => path.iter().all(is_ground),
        TermKind::Call { arguments, .. } => arguments.iter().all(is_ground),
        TermKind::Variable(name) => is_root(name),
        TermKind::ArrayComprehension { .. }
        | TermKind::SetComprehension { .. }
        | TermKind::ObjectComprehension { .. } => false,
    }
}
