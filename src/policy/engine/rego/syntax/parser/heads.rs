//! What stands before the body of a rule.

use crate::policy::engine::rego::syntax::ast::{Head, RuleKind, Span, Term, TermKind};
use crate::policy::engine::rego::syntax::lexer::{Keyword, TokenKind};

use super::cursor::{Parse, Parser};
use super::terms::is_ground;

/// A head as written; what kind of rule it belongs to shows only behind it.
pub(super) struct WrittenHead {
    pub(super) span: Span,
    pub(super) name: String,
    /// `.b[c]` of `a.b[c]`.
    pub(super) steps: Vec<Term>,
    /// White space is allowed before steps and arguments in rules that have a body, but not in facts.
    pub(super) has_gap: bool,
    pub(super) arguments: Option<Vec<Term>>,
    /// `contains key`
    pub(super) contains: Option<Term>,
    pub(super) value: Option<Term>,
    pub(super) is_assigned: bool,
}

impl Parser<'_> {
    /// From the name to the value.
    pub(super) fn head(&mut self) -> Parse<WrittenHead> {
        let span = self.token().span;
        let name = self.name();
        self.advance();
        let mut head = WrittenHead {
            span,
            name,
            steps: Vec::new(),
            has_gap: false,
            arguments: None,
            contains: None,
            value: None,
            is_assigned: false,
        };
        self.head_steps(&mut head)?;
        self.head_value(&mut head)?;
        head.span = self.span_from(span);
        Ok(head)
    }

    fn head_steps(&mut self, head: &mut WrittenHead) -> Parse<()> {
        let is_step = matches!(self.kind(), TokenKind::Dot | TokenKind::LeftBracket | TokenKind::LeftParenthesis);
        if !is_step {
            return Ok(());
        }
        head.has_gap = self.token().has_gap;
        head.steps = if head.has_gap { self.steps_behind_gap()? } else { self.steps()? };
        let may_be_call = self.is_adjacent(TokenKind::LeftParenthesis) || (head.steps.is_empty() && head.has_gap);
        if may_be_call && self.is(TokenKind::LeftParenthesis) {
            let arguments = self.arguments()?;
            if arguments.is_empty() && head.steps.is_empty() && head.name == "set" {
                return Err(self.failure(head.span, "an empty set cannot be the name of a rule", None));
            }
            head.arguments = Some(arguments);
            if !self.token().has_gap && matches!(self.kind(), TokenKind::Dot | TokenKind::LeftBracket) {
                return Err(self.unexpected("the value or the body of the function"));
            }
        }
        Ok(())
    }

    /// `p [x]`: a gap is accepted before the first step only.
    fn steps_behind_gap(&mut self) -> Parse<Vec<Term>> {
        let first = self.token().span;
        let first = match self.kind() {
            TokenKind::LeftBracket => {
                self.advance();
                let step = self.infix()?;
                self.expect(TokenKind::RightBracket, "`]`")?;
                step
            }
            TokenKind::Dot => {
                self.advance();
                let token = self.token();
                let (TokenKind::Word | TokenKind::Keyword(_)) = token.kind else {
                    return Err(self.unexpected("a name behind the `.`"));
                };
                self.advance();
                Term { span: first, kind: TermKind::String(self.text(token).to_owned()) }
            }
            _ => return Ok(Vec::new()),
        };
        let mut steps = vec![first];
        steps.extend(self.steps()?);
        Ok(steps)
    }

    fn head_value(&mut self, head: &mut WrittenHead) -> Parse<()> {
        match self.kind() {
            TokenKind::Keyword(Keyword::Contains) => {
                if head.arguments.is_some() {
                    let help = "a function has one value; let it return a set";
                    return Err(self.unexpected_with_help("the value or the body of the function", Some(help)));
                }
                self.advance();
                head.contains = Some(self.infix()?);
            }
            TokenKind::Assign | TokenKind::Unify => {
                head.is_assigned = self.is(TokenKind::Assign);
                self.advance();
                head.value = Some(self.infix()?);
            }
            _ => {}
        }
        Ok(())
    }
}

impl WrittenHead {
    pub(super) fn is_function(&self) -> bool {
        self.arguments.as_ref().is_some_and(|arguments| !arguments.is_empty())
    }

    /// `a.b.c`, when the whole name is constant.
    pub(super) fn dotted_name(&self) -> Option<String> {
        let mut name = self.name.clone();
        for step in &self.steps {
            let TermKind::String(step) = &step.kind else { return None };
            name.push('.');
            name.push_str(step);
        }
        Some(name)
    }

    /// `p[x]` without value and `if` is a set with element `x`, also where `x` is constant (`p.x`).
    pub(super) fn is_set_by_brackets(&self, has_if: bool) -> bool {
        self.is_single_step() && !has_if && self.value.is_none()
    }

    fn is_single_step(&self) -> bool {
        self.contains.is_none() && !self.is_function() && self.steps.len() == 1
    }

    /// Why there can be no `else`.
    pub(super) fn refuses_else(&self, has_if: bool) -> Option<&'static str> {
        if !self.steps.iter().all(is_ground) {
            return Some("`else` cannot follow a rule with variables in its name");
        }
        let has_key = match self.steps.first() {
            _ if self.contains.is_some() => true,
            Some(step) if self.is_single_step() => !has_if || matches!(step.kind, TermKind::Reference { .. }),
            _ => false,
        };
        has_key.then_some("`else` cannot follow a rule that defines a set or one key of an object")
    }

    /// The head as the tree has it.
    pub(super) fn finish(self, has_if: bool) -> Head {
        let is_set_by_brackets = self.is_set_by_brackets(has_if);
        let is_function = self.is_function();
        let mut steps = self.steps;
        let key = if is_set_by_brackets { steps.pop() } else { self.contains };
        let is_name = |step: &Term| matches!(step.kind, TermKind::String(_));
        let dynamic = steps.split_off(steps.iter().position(|step| !is_name(step)).unwrap_or(steps.len()));
        let mut path = vec![self.name];
        path.extend(steps.into_iter().filter_map(|step| match step.kind {
            TermKind::String(name) => Some(name),
            _ => None,
        }));
        let kind = match () {
            () if key.is_some() => RuleKind::PartialSet,
            () if is_function => RuleKind::Function,
            () if dynamic.is_empty() => RuleKind::Complete,
            () => RuleKind::PartialObject,
        };
        Head {
            span: self.span,
            path,
            dynamic,
            kind,
            arguments: self.arguments.unwrap_or_default(),
            key,
            value: self.value,
            is_assigned: self.is_assigned,
        }
    }
}
