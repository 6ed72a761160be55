//! Rules: their forms, their bodies, `else`, and what v1 demands of them.

use crate::policy::engine::rego::syntax::ast::{Body, Else, Head, Rule, RuleKind, Span, Term, TermKind};
use crate::policy::engine::rego::syntax::lexer::{Keyword, TokenKind};

use super::builtin_names::is_builtin;
use super::cursor::{Failure, LOOSE_BODY, LOOSE_NAME, Parse, Parser};
use super::heads::WrittenHead;
use super::terms::is_root;

/// How a rule was written, as far as v1 cares.
struct Form {
    span: Span,
    name: Option<String>,
    kind: RuleKind,
    has_if: bool,
    has_contains: bool,
    has_body: bool,
    /// Neither value nor body, and not an element of a set.
    is_bare: bool,
}

impl Parser<'_> {
    /// One rule, or several when it has several bodies.
    pub(super) fn rule(&mut self) -> Parse<Vec<Rule>> {
        let start = self.token().span;
        self.allow_keyword_reference();
        let is_default = self.take(TokenKind::Keyword(Keyword::Default));
        if is_default {
            self.allow_keyword_reference();
        }
        if !self.is(TokenKind::Word) {
            return Err(self.no_rule());
        }
        let head = self.head()?;
        if is_default {
            return Ok(vec![self.default_rule(start, head)?]);
        }
        let has_if = self.take(TokenKind::Keyword(Keyword::If));
        let has_body = has_if || self.is(TokenKind::LeftBrace);
        self.check_head(&head, has_body)?;
        let form = form_of(&head, has_if, has_body);
        let refuses_else = head.refuses_else(has_if);
        let mut rule = Rule {
            span: self.span_from(start),
            is_default: false,
            head: head.finish(has_if),
            body: Vec::new(),
            otherwise: Vec::new(),
        };
        self.check_form(&form);
        if !has_body {
            return Ok(vec![rule]);
        }
        rule.body = if has_if { self.body_behind_if()? } else { self.braced_body()? };
        self.else_branches(&mut rule, refuses_else)?;
        rule.span = self.span_from(start);
        self.further_bodies(rule)
    }

    /// What cannot begin a rule.
    fn no_rule(&self) -> Failure {
        if matches!(self.kind(), TokenKind::LeftParenthesis | TokenKind::Number | TokenKind::Minus) {
            return self.failure(self.token().span, LOOSE_NAME, Some("start it with its name"));
        }
        let help = match self.kind() {
            TokenKind::LeftBrace => Some("a body must follow the head of a rule"),
            TokenKind::RightBrace => Some("there is one `}` too many above or here"),
            TokenKind::Keyword(Keyword::Else) => Some("`else` must follow the body of a rule with one value"),
            TokenKind::Keyword(Keyword::Package | Keyword::Import) => None,
            TokenKind::Keyword(_) => Some("expressions must be in the body of a rule"),
            _ => None,
        };
        self.unexpected_with_help("a rule", help)
    }

    /// Mistakes that show only when it is known whether a body follows.
    fn check_head(&self, head: &WrittenHead, has_body: bool) -> Parse<()> {
        if has_body {
            return Ok(());
        }
        self.check_stray_call(head)?;
        let is_fact = head.value.is_some()
            || head.contains.is_some()
            || (head.is_function() && !head.has_gap)
            || (!head.steps.is_empty() && head.arguments.is_none());
        let expected = "a value or a body";
        if !is_fact {
            return Err(self.unexpected(expected));
        }
        if head.has_gap && head.contains.is_none() {
            let help = "remove the white space behind the name of the rule";
            return Err(self.failure(head.span, "found white space before a step of the name", Some(help)));
        }
        // Statements may share a line, but these would go on with this one.
        match self.kind() {
            TokenKind::Semicolon => {
                let help = "write one rule per line, and conditions in the body of a rule";
                Err(self.unexpected_with_help("a body or the next rule", Some(help)))
            }
            _ => Ok(()),
        }
    }

    /// `count(x)` is an expression outside of a rule rather than a function named like a builtin.
    fn check_stray_call(&self, head: &WrittenHead) -> Parse<()> {
        let is_call = head.is_function() && head.value.is_none();
        let Some(name) = head.dotted_name().filter(|name| is_call && is_builtin(name)) else { return Ok(()) };
        let message = format!("found a call of builtin `{name}` outside of a rule");
        Err(self.failure(head.span, &message, Some("put it in the body of a rule")))
    }

    fn default_rule(&mut self, start: Span, head: WrittenHead) -> Parse<Rule> {
        let span = self.span_from(start);
        if head.contains.is_some() || (head.value.is_none() && head.steps.len() == 1) {
            let help = "write `default name := value`";
            return Err(self.failure(span, "a default rule must have one value", Some(help)));
        }
        if let Some(found) = head.value.as_ref().and_then(not_constant) {
            let message = format!("the value of a default rule cannot contain a {}", describe(found));
            return Err(self.failure(found.span, &message, Some("write a constant or a comprehension")));
        }
        let mut seen: Vec<&str> = Vec::new();
        for argument in head.arguments.iter().flatten() {
            let TermKind::Variable(name) = &argument.kind else {
                let message = format!("the arguments of a default function cannot contain a {}", describe(argument));
                return Err(self.failure(argument.span, &message, Some("write variables or `_`")));
            };
            if is_root(name) || seen.contains(&name.as_str()) {
                let message = format!("argument `{name}` of a default function must be a variable of its own");
                return Err(self.failure(argument.span, &message, Some("write variables or `_`")));
            }
            seen.push(name);
        }
        // A default is a value of a whole document even where its name looks like an element of one.
        let head = head.finish(true);
        Ok(Rule { span, is_default: true, head, body: Vec::new(), otherwise: Vec::new() })
    }

    fn braced_body(&mut self) -> Parse<Body> {
        self.expect(TokenKind::LeftBrace, "`{` and the body of the rule")?;
        let body = self.body(TokenKind::RightBrace)?;
        self.advance();
        Ok(body)
    }

    /// A single expression or a body. Braces may be either: `{x}` is a body, but `{"a": 1}`, `{x | …}` and `{x} == y`
    /// are expressions. A set alone is no expression here, not even behind `not`.
    fn body_behind_if(&mut self) -> Parse<Body> {
        let is_braced = self.is(TokenKind::LeftBrace);
        let (before, start) = (self.checkpoint(), self.token().span);
        let failure = match self.literal() {
            Ok(expression) if !expression.is_plain_set() => return Ok(vec![expression]),
            Ok(_) => {
                self.failure(start, "found a set behind `if`, expected a condition", Some("compare it with something"))
            }
            Err(failure) => failure,
        };
        let after = self.checkpoint();
        self.restore(before);
        if is_braced {
            return self.braced_body();
        }
        // OPA takes any token for the brace.
        self.advance();
        let is_body_to_opa = self.body(TokenKind::RightBrace).is_ok();
        self.restore(after);
        if is_body_to_opa {
            return Err(self.failure(start, LOOSE_BODY, Some("write `if { … }`")));
        }
        Err(failure)
    }

    fn else_branches(&mut self, rule: &mut Rule, refused: Option<&str>) -> Parse<()> {
        if !self.starts_with(Keyword::Else) {
            return Ok(());
        }
        if let Some(reason) = refused {
            let help = "write another rule with the opposite condition";
            return Err(self.failure(self.token().span, reason, Some(help)));
        }
        while self.is_keyword(Keyword::Else) {
            let branch = self.else_branch(&rule.head)?;
            rule.otherwise.push(branch);
        }
        Ok(())
    }

    fn else_branch(&mut self, head: &Head) -> Parse<Else> {
        let start = self.token().span;
        let arguments = self.renew_wildcards(head.arguments.clone());
        self.advance();
        let has_assignment = self.take(TokenKind::Assign);
        let has_value = has_assignment || self.take(TokenKind::Unify);
        let is_assigned = has_assignment || (!has_value && head.is_assigned);
        let value = if has_value { Some(self.infix()?) } else { None };
        let has_if = self.take(TokenKind::Keyword(Keyword::If));
        let body = if self.is(TokenKind::LeftBrace) {
            if !has_if {
                self.demand_of_v1(
                    start,
                    "`if` is required before the body of an `else`",
                    "write `else := value if { … }`",
                );
            }
            self.braced_body()?
        } else if has_if {
            vec![self.literal()?]
        } else if has_value {
            Vec::new()
        } else {
            return Err(self.unexpected("`:=` and the value of the `else`, or its body"));
        };
        Ok(Else { span: self.span_from(start), arguments, is_assigned, value, body })
    }

    /// `{…}` behind a rule: more rules with the same head.
    fn further_bodies(&mut self, first: Rule) -> Parse<Vec<Rule>> {
        let mut rules = vec![first];
        while self.is(TokenKind::LeftBrace) {
            let span = self.token().span;
            let Some(first) = rules.first() else { break };
            if !first.otherwise.is_empty() {
                return Err(self.unexpected("`else` or the next rule"));
            }
            let head = first.head.clone();
            let body = self.braced_body()?;
            let span = self.span_from(span);
            let head = Head { span, arguments: self.renew_wildcards(head.arguments), ..head };
            rules.push(Rule { span, is_default: false, head, body, otherwise: Vec::new() });
        }
        Ok(rules)
    }

    fn renew_wildcards(&mut self, arguments: Vec<Term>) -> Vec<Term> {
        let renew = |argument: Term| match argument.kind {
            TermKind::Variable(name) if name.starts_with('$') => {
                Term { kind: TermKind::Variable(self.fresh_wildcard()), ..argument }
            }
            _ => argument,
        };
        arguments.into_iter().map(renew).collect()
    }

    /// What v0 accepts and v1 does not.
    fn check_form(&mut self, form: &Form) {
        if let Some(name) = form.name.as_ref().filter(|name| Keyword::parse(name).is_some()) {
            self.demand_of_v1(form.span, &format!("keyword `{name}` cannot be the name of a rule"), "rename it");
        }
        let needs_if = form.has_body && !form.has_if;
        let needs_contains = form.kind == RuleKind::PartialSet && !form.has_contains;
        let what = if form.kind == RuleKind::Function { "function" } else { "rule" };
        if needs_contains && form.has_body {
            let help = "write `name contains element if { … }`";
            self.demand_of_v1(form.span, "`contains` and `if` are required for rules that define a set", help);
        } else if needs_contains {
            let help = "write `name contains element`";
            self.demand_of_v1(form.span, "`contains` is required for rules that define a set", help);
        } else if needs_if {
            self.demand_of_v1(form.span, &format!("`if` is required before the body of a {what}"), "write `if {`");
        } else if form.is_bare {
            let message = format!("a {what} must have a value or a body");
            self.demand_of_v1(form.span, &message, "write `name := value` or `name if { … }`");
        }
    }
}

fn form_of(head: &WrittenHead, has_if: bool, has_body: bool) -> Form {
    let is_set_by_brackets = head.is_set_by_brackets(has_if);
    let kind = match () {
        () if head.contains.is_some() || is_set_by_brackets => RuleKind::PartialSet,
        () if head.is_function() => RuleKind::Function,
        () => RuleKind::Complete,
    };
    Form {
        span: head.span,
        name: (head.steps.is_empty() || is_set_by_brackets).then(|| head.name.clone()),
        kind,
        has_if,
        has_contains: head.contains.is_some(),
        has_body,
        is_bare: !has_body && head.value.is_none() && head.contains.is_none() && !head.is_function(),
    }
}

/// The first part of a value that is not constant. Comprehensions count as constant.
fn not_constant(term: &Term) -> Option<&Term> {
    match &term.kind {
        TermKind::Variable(_) | TermKind::Reference { .. } | TermKind::Call { .. } => Some(term),
        TermKind::Array(items) | TermKind::Set(items) => items.iter().find_map(not_constant),
        TermKind::Object(entries) => {
            entries.iter().find_map(|(key, value)| not_constant(key).or_else(|| not_constant(value)))
        }
        _ => None,
    }
}

fn describe(term: &Term) -> &'static str {
    match &term.kind {
        TermKind::Null => "null",
        TermKind::Bool(_) => "boolean",
        TermKind::Number(_) => "number",
        TermKind::String(_) => "string",
        TermKind::Variable(_) => "variable",
        TermKind::Reference { .. } => "reference",
        TermKind::Call { .. } => "call",
        TermKind::Array(_) => "array",
        TermKind::Object(_) => "object",
        TermKind::Set(_) => "set",
        TermKind::ArrayComprehension { .. }
        | TermKind::SetComprehension { .. }
        | TermKind::ObjectComprehension { .. } => "comprehension",
    }
}
