//! Bodies and their expressions.

use crate::policy::engine::rego::syntax::ast::{Body, Expr, ExprKind, Span, Term, TermKind, Variable, With};
use crate::policy::engine::rego::syntax::lexer::{Keyword, TokenKind};

use super::cursor::{Failure, Parse, Parser};
use super::terms::is_root;

impl Parser<'_> {
    /// Expressions up to a closing bracket, which stays.
    pub(super) fn body(&mut self, close: TokenKind) -> Parse<Body> {
        let outer = self.enter()?;
        if self.is(close) {
            return Err(self.failure(
                self.token().span,
                "body is empty",
                Some("write `true` for a body that always holds"),
            ));
        }
        let opened = self.token_at(self.position().saturating_sub(1)).span;
        let mut body = Vec::new();
        loop {
            body.push(self.literal().map_err(|failure| self.blame_opening(failure, opened))?);
            if self.take(TokenKind::Semicolon) {
                continue;
            }
            if self.is(close) {
                break;
            }
            if !self.token().starts_line {
                let expected = format!("a new line, `;` or {}", closing(close));
                return Err(self.blame_opening(self.unexpected(&expected), opened));
            }
        }
        self.leave(outer);
        Ok(body)
    }

    /// At the end of the module it is not the end that is wrong.
    fn blame_opening(&self, mut failure: Failure, opened: Span) -> Failure {
        if self.is(TokenKind::End) && failure.help.is_none() {
            failure.help =
                Some(format!("what was opened in line {}, column {} is not closed", opened.line, opened.column));
        }
        failure
    }

    /// One expression.
    pub(super) fn literal(&mut self) -> Parse<Expr> {
        let start = self.token().span;
        if self.is_keyword_reference() {
            self.take_as_word();
            return self.expression(start, false);
        }
        let is_negated = self.take(TokenKind::Keyword(Keyword::Not));
        match self.kind() {
            TokenKind::Keyword(word @ (Keyword::Some | Keyword::Every)) if is_negated => {
                let word = if word == Keyword::Some { "some" } else { "every" };
                let help = format!("negate a rule or a comprehension that has the `{word}` in it");
                Err(self.failure(self.token().span, &format!("`not` cannot negate `{word}`"), Some(&help)))
            }
            TokenKind::Keyword(Keyword::Some) => self.some(start),
            TokenKind::Keyword(Keyword::Every) => self.every(start),
            _ => self.expression(start, is_negated),
        }
    }

    fn expression(&mut self, start: Span, is_negated: bool) -> Parse<Expr> {
        let left = self.infix()?;
        let kind = if self.take(TokenKind::Assign) {
            ExprKind::Assign(left, self.infix()?)
        } else if self.take(TokenKind::Unify) {
            ExprKind::Unify(left, self.infix()?)
        } else {
            operator_form(left)
        };
        self.with_modifiers(start, is_negated, kind)
    }

    fn with_modifiers(&mut self, start: Span, is_negated: bool, kind: ExprKind) -> Parse<Expr> {
        let mut with = Vec::new();
        while self.is_keyword(Keyword::With) {
            with.push(self.with()?);
        }
        Ok(Expr { span: self.span_from(start), is_negated, kind, with })
    }

    fn with(&mut self) -> Parse<With> {
        let start = self.token().span;
        self.advance();
        if !self.is(TokenKind::Word) {
            return Err(self.unexpected("`input`, `data`, a path below them, or the name of a function"));
        }
        let target = self.term()?;
        if !matches!(target.kind, TermKind::Variable(_) | TermKind::Reference { .. }) {
            let help = "`with` replaces `input`, `data`, paths below them, or functions by their name";
            return Err(self.failure(target.span, "this cannot be replaced by `with`", Some(help)));
        }
        self.expect(TokenKind::Keyword(Keyword::As), "`as` and the replacement")?;
        let value = self.infix()?;
        Ok(With { span: self.span_from(start), target, value })
    }

    /// `some x in xs` or `some x, y`.
    fn some(&mut self, start: Span) -> Parse<Expr> {
        self.advance();
        let before = self.checkpoint();
        let attempt = self.infix();
        if let Ok(Term { kind: TermKind::Call { function, arguments, .. }, span }) = attempt {
            let (key, value, domain) = self.membership_operands(&function.path, arguments, span)?;
            return self.with_modifiers(start, false, ExprKind::SomeIn { key, value, domain });
        }
        self.restore(before);
        let mut names = Vec::new();
        loop {
            if !self.is(TokenKind::Word) {
                return Err(self.unexpected("a variable"));
            }
            let span = self.token().span;
            let name = self.name();
            names.push(Variable { name, span });
            self.advance();
            if !self.take(TokenKind::Comma) {
                break;
            }
        }
        if self.is_keyword(Keyword::In)
            && let Err(failure) = attempt
        {
            return Err(failure);
        }
        Ok(Expr { span: self.span_from(start), is_negated: false, kind: ExprKind::Some(names), with: Vec::new() })
    }

    /// Key, value and domain of `v in xs` and `k, v in xs`.
    fn membership_operands(
        &self,
        function: &[String],
        arguments: Vec<Term>,
        span: Span,
    ) -> Parse<(Option<Term>, Term, Term)> {
        let is_membership = matches!(function, [first, second]
            if first == "internal" && matches!(second.as_str(), "member_2" | "member_3"));
        let mut operands = arguments.into_iter();
        match (is_membership, operands.len()) {
            (true, 2 | 3) => {}
            _ => return Err(self.failure(span, "expected `x in xs` or `k, v in xs`", None)),
        }
        let key = if operands.len() == 3 { operands.next() } else { None };
        match (operands.next(), operands.next()) {
            (Some(value), Some(domain)) => Ok((key, value, domain)),
            _ => Err(self.failure(span, "expected `x in xs` or `k, v in xs`", None)),
        }
    }

    /// `every v in xs { … }`
    fn every(&mut self, start: Span) -> Parse<Expr> {
        self.advance();
        let head = self.infix()?;
        let span = head.span;
        let (key, value, domain) = match head.kind {
            TermKind::Call { function, arguments, .. } => self.membership_operands(&function.path, arguments, span)?,
            _ => return Err(self.unexpected("`in` and what to iterate over, as in `every x in xs { … }`")),
        };
        let key = key.map(|key| self.every_variable(key)).transpose()?;
        let value = self.every_variable(value)?;
        self.expect(TokenKind::LeftBrace, "the body of `every` in braces")?;
        let body = self.body(TokenKind::RightBrace)?;
        self.advance();
        self.with_modifiers(start, false, ExprKind::Every { key, value, domain, body })
    }

    fn every_variable(&self, term: Term) -> Parse<Variable> {
        match term.kind {
            TermKind::Variable(name) if !is_root(&name) => Ok(Variable { name, span: term.span }),
            _ => Err(self.failure(term.span, "`every` needs a variable here", Some("compare it in the body instead"))),
        }
    }
}

impl Expr {
    /// Nothing but a set, which behind `if` is the braces of a body.
    pub(super) fn is_plain_set(&self) -> bool {
        matches!(&self.kind, ExprKind::Term(Term { kind: TermKind::Set(_), .. }))
    }
}

/// `eq(a, b)` is `a = b` and `assign(a, b)` is `a := b`.
fn operator_form(term: Term) -> ExprKind {
    let TermKind::Call { function, mut arguments, is_infix } = term.kind else { return ExprKind::Term(term) };
    let form = match (function.path.as_slice(), arguments.len()) {
        ([name], 2) if name == "eq" => Some(ExprKind::Unify as fn(Term, Term) -> ExprKind),
        ([name], 2) if name == "assign" => Some(ExprKind::Assign as fn(Term, Term) -> ExprKind),
        _ => None,
    };
    if let Some(form) = form
        && let (Some(right), Some(left)) = (arguments.pop(), arguments.pop())
    {
        return form(left, right);
    }
    ExprKind::Term(Term { span: term.span, kind: TermKind::Call { function, arguments, is_infix } })
}

fn closing(close: TokenKind) -> &'static str {
    match close {
        TokenKind::RightBrace => "`}`",
        TokenKind::RightBracket => "`]`",
        _ => "the end",
    }
}
