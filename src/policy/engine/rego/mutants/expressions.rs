//! Changes to expressions and operators.

use super::{Finder, is_message};
use crate::policy::engine::rego::syntax::ast::{Body, Expr, ExprKind, FunctionName, Span, Term, TermKind};

/// Operators by the names of their functions: as written, and what is written instead.
const OPERATORS: [(&str, &str, &[&str]); 10] = [
    ("equal", "==", &["!="]),
    ("neq", "!=", &["=="]),
    ("lt", "<", &["<=", ">="]),
    ("lte", "<=", &["<", ">"]),
    ("gt", ">", &[">=", "<="]),
    ("gte", ">=", &[">", "<"]),
    ("plus", "+", &["-"]),
    ("minus", "-", &["+"]),
    ("mul", "*", &["/"]),
    ("div", "/", &["*"]),
];

/// Functions whose arguments are words for people.
const WORDING: [&str; 3] = ["sprintf", "print", "trace"];

impl Finder<'_> {
    pub(super) fn body(&mut self, body: &Body) {
        body.iter().for_each(|expression| self.expression(expression));
    }

    /// A body that never holds; the head's place is where a reader looks first.
    pub(super) fn never(&mut self, head: Span, body: &Body, change: &str) {
        let Some(first) = body.first() else { return };
        if matches!(first.kind, ExprKind::Term(Term { kind: TermKind::Bool(false), .. })) {
            return;
        }
        let before = self.range(first.span).and_then(|range| self.text.get(..range.start)).unwrap_or_default();
        // `p if x` has no brackets, and room for one expression only.
        let found = self.found.len();
        match before.trim_end().ends_with('{') {
            true => self.insert(first.span, "false; ", change.to_owned()),
            false => self.replace(first.span, "false".to_owned(), change.to_owned()),
        }
        for mutant in self.found.iter_mut().skip(found) {
            (mutant.line, mutant.column) = (head.line, head.column);
        }
    }

    fn expression(&mut self, expression: &Expr) {
        let Expr { span, kind, is_negated, .. } = expression;
        match kind {
            ExprKind::Some(_) => return,
            ExprKind::Term(Term { kind: TermKind::Bool(_), .. }) => return,
            ExprKind::Term(Term { kind: TermKind::Call { function, .. }, .. }) if is_wording(function) => return,
            ExprKind::Assign(Term { kind: TermKind::Variable(name), .. }, _) if is_message(name) => return,
            ExprKind::Unify(Term { kind: TermKind::Variable(name), .. }, _) if is_message(name) => return,
            // What they bind is needed, or they would be nothing to leave out.
            ExprKind::Assign(..) | ExprKind::SomeIn { .. } => {}
            ExprKind::Term(_) | ExprKind::Unify(..) | ExprKind::Every { .. } => {
                self.replace(*span, "true".to_owned(), format!("{} is left out", self.written(*span)));
            }
        }
        match kind {
            _ if *is_negated => self.without_not(*span),
            ExprKind::Term(term) if is_negatable(term) => {
                self.insert(*span, "not ", format!("{} is negated", self.written(*span)));
            }
            ExprKind::Unify(left, right) => self.unequal(left, right),
            _ => {}
        }
        self.terms_of(kind);
        expression.with.iter().for_each(|with| self.term(&with.value));
    }

    fn terms_of(&mut self, kind: &ExprKind) {
        match kind {
            ExprKind::Term(term) => self.term(term),
            ExprKind::Unify(left, right) | ExprKind::Assign(left, right) => {
                self.term(left);
                self.term(right);
            }
            ExprKind::SomeIn { domain, .. } => self.term(domain),
            ExprKind::Every { domain, body, .. } => {
                self.term(domain);
                self.body(body);
            }
            ExprKind::Some(_) => {}
        }
    }

    fn without_not(&mut self, span: Span) {
        let text = self.range(span).and_then(|range| self.text.get(range)).unwrap_or_default();
        if let Some(rest) = text.strip_prefix("not") {
            let replacement = rest.trim_start().to_owned();
            self.replace(span, replacement, "the `not` is left out".to_owned());
        }
    }

    /// `left = right` where both have values beforehand; else what comes of it does not compile.
    fn unequal(&mut self, left: &Term, right: &Term) {
        let between = Span { start: left.span.end, end: right.span.start, ..left.span };
        let Some(range) = self.range(between) else { return };
        let text = self.text.get(range).unwrap_or_default();
        let Some(at) = text.find('=').filter(|_| text.trim() == "=") else { return };
        let start = between.start.saturating_add(u32::try_from(at).unwrap_or(u32::MAX));
        let place = Span { start, end: start.saturating_add(1), ..left.span };
        self.replace(place, "!=".to_owned(), format!("the `=` behind {} is `!=`", self.written(left.span)));
    }

    /// Parts of a term.
    pub(super) fn term(&mut self, term: &Term) {
        self.constant(term);
        match &term.kind {
            TermKind::Call { function, .. } if is_wording(function) => {}
            TermKind::Call { function, arguments, is_infix } => {
                if *is_infix {
                    self.operator(function);
                }
                arguments.iter().for_each(|argument| self.term(argument));
            }
            TermKind::Reference { head, path } => {
                self.term(head);
                path.iter().for_each(|step| self.term(step));
            }
            TermKind::Array(items) | TermKind::Set(items) => items.iter().for_each(|item| self.term(item)),
            // Keys are names, and a wrong one is a typing error that shows.
            TermKind::Object(entries) => entries.iter().for_each(|(_, value)| self.term(value)),
            TermKind::ArrayComprehension { head, body } | TermKind::SetComprehension { head, body } => {
                self.term(head);
                self.body(body);
            }
            TermKind::ObjectComprehension { value, body, .. } => {
                self.term(value);
                self.body(body);
            }
            TermKind::Null | TermKind::Bool(_) | TermKind::Number(_) | TermKind::String(_) | TermKind::Variable(_) => {}
        }
    }

    fn operator(&mut self, function: &FunctionName) {
        let [name] = function.path.as_slice() else { return };
        let Some((_, written, others)) = OPERATORS.iter().find(|(known, ..)| known == name) else { return };
        for other in *others {
            self.replace(function.span, (*other).to_owned(), format!("`{written}` is `{other}`"));
        }
    }

    fn insert(&mut self, span: Span, text: &str, change: String) {
        self.replace(Span { end: span.start, ..span }, text.to_owned(), change);
    }
}

fn is_wording(function: &FunctionName) -> bool {
    matches!(function.path.as_slice(), [name] if WORDING.contains(&name.as_str()))
}

/// Comparisons have better opposites.
fn is_negatable(term: &Term) -> bool {
    match &term.kind {
        TermKind::Call { function, is_infix, .. } => {
            let is_known = |name: &String| OPERATORS.iter().any(|(known, ..)| known == name);
            !is_infix || !function.path.first().is_some_and(is_known)
        }
        TermKind::Variable(_) | TermKind::Reference { .. } => true,
        _ => false,
    }
}
