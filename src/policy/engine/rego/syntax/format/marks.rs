//! What the tree knows about tokens.

use std::collections::HashSet;

use crate::policy::engine::rego::syntax::ast::{Body, Expr, ExprKind, Module, Rule, RuleKind, Span, Term, TermKind};
use crate::policy::engine::rego::syntax::lexer::{Token, TokenKind};

/// Indices of tokens that have a meaning for the layout.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// First tokens of package, imports and rules, in order.
    pub(super) statements: Vec<usize>,
    /// Those of them that are imports.
    pub(super) imports: HashSet<usize>,
    /// First tokens of expressions.
    pub(super) expressions: HashSet<usize>,
    /// Opening braces of the bodies of rules and `else` branches.
    pub(super) rule_bodies: HashSet<usize>,
    pub(super) every_bodies: HashSet<usize>,
    /// The `|` of comprehensions.
    pub(super) bars: HashSet<usize>,
    /// Tokens that say what goes without saying: `= true` before a body.
    pub(super) redundant: HashSet<usize>,
    /// Opening braces of `{ true }` behind a value.
    pub(super) idle_bodies: HashSet<usize>,
    /// Brackets that enclose the element of a set (`p["x"]`), which is no step of a path.
    pub(super) set_keys: HashSet<usize>,
}

impl Marks {
    pub(super) fn of(module: &Module, tokens: &[Token]) -> Self {
        let mut collector = Collector { tokens, marks: Self::default() };
        collector.statement(module.package.span);
        for import in &module.imports {
            collector.statement(import.span);
            let index = collector.index(import.span.start);
            collector.marks.imports.insert(index);
        }
        for rule in &module.rules {
            collector.rule(rule);
        }
        collector.marks.statements.sort_unstable();
        collector.marks
    }
}

struct Collector<'a> {
    tokens: &'a [Token],
    marks: Marks,
}

impl Collector<'_> {
    /// The token that starts at an offset.
    fn index(&self, offset: u32) -> usize {
        self.tokens.partition_point(|token| token.span.start < offset)
    }

    fn kind(&self, index: usize) -> Option<TokenKind> {
        self.tokens.get(index).map(|token| token.kind)
    }

    fn statement(&mut self, span: Span) {
        let index = self.index(span.start);
        self.marks.statements.push(index);
    }

    fn rule(&mut self, rule: &Rule) {
        // Further bodies of a rule start with their brace.
        let start = self.index(rule.span.start);
        if self.kind(start) != Some(TokenKind::LeftBrace) {
            self.marks.statements.push(start);
        }
        let head = &rule.head;
        if head.kind == RuleKind::PartialSet
            && let Some(key) = &head.key
        {
            let bracket = self.index(key.span.start).saturating_sub(1);
            self.marks.set_keys.insert(bracket);
        }
        let terms = head.dynamic.iter().chain(&head.arguments).chain(&head.key).chain(&head.value);
        terms.for_each(|term| self.term(term));
        self.redundancies(rule);
        self.rule_body(&rule.body);
        for branch in &rule.otherwise {
            branch.value.iter().for_each(|value| self.term(value));
            self.rule_body(&branch.body);
        }
    }

    /// `p = true { … }` is `p { … }`, and `p = 1 { true }` is `p = 1`.
    fn redundancies(&mut self, rule: &Rule) {
        let start = self.index(rule.head.span.start);
        if self.kind(start + 1) == Some(TokenKind::LeftParenthesis) && rule.head.kind == RuleKind::Complete {
            self.marks.redundant.extend([start + 1, start + 2]); // `p() = 1`
        }
        let (Some(value), false) = (&rule.head.value, rule.body.is_empty()) else { return };
        if let [only] = rule.body.as_slice()
            && only.is_true()
        {
            let brace = self.index(only.span.start).saturating_sub(1);
            let is_only = rule.otherwise.is_empty() && self.kind(brace + 3) != Some(TokenKind::LeftBrace);
            let follows_value = self.index(value.span.end) == brace;
            if self.kind(brace) == Some(TokenKind::LeftBrace) && is_only && follows_value {
                self.marks.idle_bodies.insert(brace);
            }
        } else if is_true(value) && may_omit_true(rule) {
            let index = self.index(value.span.start);
            self.marks.redundant.extend([index.saturating_sub(1), index]);
        }
    }

    fn rule_body(&mut self, body: &Body) {
        if let Some(brace) = self.body(body).filter(|index| self.kind(*index) == Some(TokenKind::LeftBrace)) {
            self.marks.rule_bodies.insert(brace);
        }
    }

    /// The token before a body.
    fn body(&mut self, body: &Body) -> Option<usize> {
        for expression in body {
            let start = self.index(expression.span.start);
            self.marks.expressions.insert(start);
            self.expression(&expression.kind);
            for with in &expression.with {
                self.term(&with.target);
                self.term(&with.value);
            }
        }
        body.first().map(|first| self.index(first.span.start).saturating_sub(1))
    }

    fn expression(&mut self, kind: &ExprKind) {
        match kind {
            ExprKind::Term(term) => self.term(term),
            ExprKind::Unify(left, right) | ExprKind::Assign(left, right) => {
                self.term(left);
                self.term(right);
            }
            ExprKind::Some(_) => {}
            ExprKind::SomeIn { key, value, domain } => {
                key.iter().chain([value, domain]).for_each(|term| self.term(term));
            }
            ExprKind::Every { domain, body, .. } => {
                self.term(domain);
                let brace = self.body(body);
                self.marks.every_bodies.extend(brace);
            }
        }
    }

    fn term(&mut self, term: &Term) {
        match &term.kind {
            TermKind::Reference { head, path } => {
                self.term(head);
                path.iter().for_each(|step| self.term(step));
            }
            TermKind::Call { arguments: terms, .. } | TermKind::Array(terms) | TermKind::Set(terms) => {
                terms.iter().for_each(|term| self.term(term));
            }
            TermKind::Object(entries) => {
                for (key, value) in entries {
                    self.term(key);
                    self.term(value);
                }
            }
            TermKind::ArrayComprehension { head, body } | TermKind::SetComprehension { head, body } => {
                self.term(head);
                self.comprehension(body);
            }
            TermKind::ObjectComprehension { key, value, body } => {
                self.term(key);
                self.term(value);
                self.comprehension(body);
            }
            TermKind::Null | TermKind::Bool(_) | TermKind::Number(_) | TermKind::String(_) | TermKind::Variable(_) => {}
        }
    }

    fn comprehension(&mut self, body: &Body) {
        let bar = self.body(body);
        self.marks.bars.extend(bar);
    }
}

fn is_true(term: &Term) -> bool {
    matches!(term.kind, TermKind::Bool(true))
}

impl Expr {
    /// Nothing but `true`.
    pub(super) fn is_true(&self) -> bool {
        !self.is_negated && self.with.is_empty() && matches!(&self.kind, ExprKind::Term(term) if is_true(term))
    }
}

/// Whether a rule with a body has the value `true` when it says none. In v0, `p.q { … }` is a set.
fn may_omit_true(rule: &Rule) -> bool {
    !rule.is_default
        && match rule.head.kind {
            RuleKind::Complete => rule.head.path.len() == 1,
            RuleKind::Function => true,
            RuleKind::PartialSet | RuleKind::PartialObject => false,
        }
}
