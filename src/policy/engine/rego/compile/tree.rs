//! Walking and making parts of the tree.
//!
//! Invariant: the walks name each variable in the order of the source, leave out `input`, `data` and the names of
//! functions, and recurse no deeper than the tree, whose depth `depth` has bounded before.

use std::mem;

use crate::policy::engine::rego::syntax::ast::{Body, Expr, ExprKind, Module, Rule, Span, Term, TermKind, With};

/// What a walk over variables leaves out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Skip {
    /// `x` of `x[y]`.
    pub(super) heads: bool,
    /// Comprehensions and bodies of `every`.
    pub(super) closures: bool,
    pub(super) sets: bool,
    /// Keys of objects.
    pub(super) keys: bool,
}

impl Skip {
    /// What the safety check leaves out: only closures, which are bodies of their own.
    pub(super) const CLOSURES: Self = Self { heads: false, closures: true, sets: false, keys: false };
    /// What a pattern that is matched against something known binds.
    pub(super) const PATTERN: Self = Self { heads: true, closures: true, sets: false, keys: true };
    /// What the output of a call binds.
    pub(super) const OUTPUT: Self = Self { heads: true, closures: true, sets: true, keys: true };
}

/// Whether a name is one of the two documents rather than a variable.
pub(super) fn is_root(name: &str) -> bool {
    matches!(name, "input" | "data")
}

pub(super) fn variable(name: impl Into<String>, span: Span) -> Term {
    Term { span, kind: TermKind::Variable(name.into()) }
}

pub(super) fn string(text: impl Into<String>, span: Span) -> Term {
    Term { span, kind: TermKind::String(text.into()) }
}

/// `data.a.b` of its steps, root first; the root alone is a reference without steps.
pub(super) fn reference(steps: &[String], span: Span) -> Term {
    let (root, rest) = steps.split_first().map_or(("data", [].as_slice()), |(root, rest)| (root.as_str(), rest));
    let path = rest.iter().map(|step| string(step, span)).collect();
    Term { span, kind: TermKind::Reference { head: Box::new(variable(root, span)), path } }
}

pub(super) fn truth(span: Span) -> Expr {
    expression(ExprKind::Term(Term { span, kind: TermKind::Bool(true) }), span)
}

pub(super) fn unification(left: Term, right: Term, span: Span) -> Expr {
    expression(ExprKind::Unify(left, right), span)
}

fn expression(kind: ExprKind, span: Span) -> Expr {
    Expr { span, is_negated: false, kind, with: Vec::new() }
}

/// Moves a term out of the tree.
pub(super) fn take(term: &mut Term) -> Term {
    let span = term.span;
    mem::replace(term, Term { span, kind: TermKind::Null })
}

pub(super) fn is_scalar(term: &Term) -> bool {
    use TermKind::{Bool, Null, Number, String};
    matches!(term.kind, Null | Bool(_) | Number(_) | String(_))
}

/// Whether a term is a value already.
pub(super) fn is_constant(term: &Term) -> bool {
    match &term.kind {
        TermKind::Array(items) | TermKind::Set(items) => items.iter().all(is_constant),
        TermKind::Object(entries) => entries.iter().all(|(key, value)| is_constant(key) && is_constant(value)),
        _ => is_scalar(term),
    }
}

pub(super) fn is_comprehension(term: &Term) -> bool {
    use TermKind::{ArrayComprehension, ObjectComprehension, SetComprehension};
    matches!(term.kind, ArrayComprehension { .. } | SetComprehension { .. } | ObjectComprehension { .. })
}

/// Whether a term has a part that must be evaluated in a body before it is a value.
pub(super) fn requires_evaluation(term: &Term) -> bool {
    match &term.kind {
        TermKind::Array(items) | TermKind::Set(items) => items.iter().any(requires_evaluation),
        TermKind::Object(entries) => {
            entries.iter().any(|(key, value)| requires_evaluation(key) || requires_evaluation(value))
        }
        TermKind::Variable(name) => is_root(name),
        _ => !is_scalar(term),
    }
}

/// The direct parts of a term; for a comprehension the terms before its body.
pub fn parts(term: &Term) -> Vec<&Term> {
    match &term.kind {
        TermKind::Reference { head, path } => std::iter::once(head.as_ref()).chain(path).collect(),
        TermKind::Call { arguments, .. } => arguments.iter().collect(),
        TermKind::Array(items) | TermKind::Set(items) => items.iter().collect(),
        TermKind::Object(entries) => entries.iter().flat_map(|(key, value)| [key, value]).collect(),
        TermKind::ArrayComprehension { head, .. } | TermKind::SetComprehension { head, .. } => vec![head.as_ref()],
        TermKind::ObjectComprehension { key, value, .. } => vec![key.as_ref(), value.as_ref()],
        _ => Vec::new(),
    }
}

/// As [`parts`].
pub(super) fn parts_mut(term: &mut Term) -> Vec<&mut Term> {
    match &mut term.kind {
        TermKind::Reference { head, path } => std::iter::once(head.as_mut()).chain(path).collect(),
        TermKind::Call { arguments, .. } => arguments.iter_mut().collect(),
        TermKind::Array(items) | TermKind::Set(items) => items.iter_mut().collect(),
        TermKind::Object(entries) => entries.iter_mut().flat_map(|(key, value)| [key, value]).collect(),
        TermKind::ArrayComprehension { head, .. } | TermKind::SetComprehension { head, .. } => vec![head.as_mut()],
        TermKind::ObjectComprehension { key, value, .. } => vec![key.as_mut(), value.as_mut()],
        _ => Vec::new(),
    }
}

/// The body of a comprehension.
pub fn closure_body(term: &Term) -> Option<&Body> {
    match &term.kind {
        TermKind::ArrayComprehension { body, .. }
        | TermKind::SetComprehension { body, .. }
        | TermKind::ObjectComprehension { body, .. } => Some(body),
        _ => None,
    }
}

/// As [`closure_body`].
pub(in crate::policy::engine::rego) fn closure_body_mut(term: &mut Term) -> Option<&mut Body> {
    match &mut term.kind {
        TermKind::ArrayComprehension { body, .. }
        | TermKind::SetComprehension { body, .. }
        | TermKind::ObjectComprehension { body, .. } => Some(body),
        _ => None,
    }
}

/// The terms that stand directly in an expression, those of `with` last.
pub fn terms(expr: &Expr) -> Vec<&Term> {
    let mut terms = match &expr.kind {
        ExprKind::Term(term) => vec![term],
        ExprKind::Unify(left, right) | ExprKind::Assign(left, right) => vec![left, right],
        ExprKind::SomeIn { key, value, domain } => key.iter().chain([value, domain]).collect(),
        ExprKind::Every { domain, .. } => vec![domain],
        ExprKind::Some(_) => Vec::new(),
    };
    terms.extend(expr.with.iter().flat_map(|with| [&with.target, &with.value]));
    terms
}

/// As [`terms`].
pub(super) fn terms_mut(expr: &mut Expr) -> Vec<&mut Term> {
    let mut terms = match &mut expr.kind {
        ExprKind::Term(term) => vec![term],
        ExprKind::Unify(left, right) | ExprKind::Assign(left, right) => vec![left, right],
        ExprKind::SomeIn { key, value, domain } => key.iter_mut().chain([value, domain]).collect(),
        ExprKind::Every { domain, .. } => vec![domain],
        ExprKind::Some(_) => Vec::new(),
    };
    terms.extend(expr.with.iter_mut().flat_map(|with| [&mut with.target, &mut with.value]));
    terms
}

/// The bodies of a rule and its `else` branches.
pub fn bodies(rule: &Rule) -> impl Iterator<Item = &Body> {
    std::iter::once(&rule.body).chain(rule.otherwise.iter().map(|branch| &branch.body))
}

/// As [`bodies`].
pub(in crate::policy::engine::rego) fn bodies_mut(rule: &mut Rule) -> impl Iterator<Item = &mut Body> {
    std::iter::once(&mut rule.body).chain(rule.otherwise.iter_mut().map(|branch| &mut branch.body))
}

/// The terms of a rule outside its bodies: arguments, name, key, value, values of its branches.
pub fn head_terms(rule: &Rule) -> impl Iterator<Item = &Term> {
    let head = &rule.head;
    let named = head.arguments.iter().chain(&head.dynamic).chain(&head.key).chain(&head.value);
    named.chain(rule.otherwise.iter().filter_map(|branch| branch.value.as_ref()))
}

/// As [`head_terms`].
pub(super) fn head_terms_mut(rule: &mut Rule) -> impl Iterator<Item = &mut Term> {
    let head = &mut rule.head;
    let named = head.arguments.iter_mut().chain(&mut head.dynamic).chain(&mut head.key).chain(&mut head.value);
    named.chain(rule.otherwise.iter_mut().filter_map(|branch| branch.value.as_mut()))
}

pub(super) fn walk_module<'a>(module: &'a Module, skip: Skip, visit: &mut dyn FnMut(&'a str)) {
    for rule in &module.rules {
        head_terms(rule).for_each(|term| walk_term(term, skip, visit));
        bodies(rule).for_each(|body| walk_body(body, skip, visit));
    }
}

pub(super) fn walk_body<'a>(body: &'a [Expr], skip: Skip, visit: &mut dyn FnMut(&'a str)) {
    for expr in body {
        walk_expr(expr, skip, visit);
    }
}

pub(super) fn walk_expr<'a>(expr: &'a Expr, skip: Skip, visit: &mut dyn FnMut(&'a str)) {
    match &expr.kind {
        ExprKind::Term(term) => walk_term(term, skip, visit),
        ExprKind::Unify(left, right) | ExprKind::Assign(left, right) => {
            walk_term(left, skip, visit);
            walk_term(right, skip, visit);
        }
        ExprKind::Some(declared) => declared.iter().for_each(|variable| visit(&variable.name)),
        ExprKind::SomeIn { key, value, domain } => {
            key.iter().chain([value, domain]).for_each(|term| walk_term(term, skip, visit));
        }
        ExprKind::Every { key, value, domain, body } => {
            walk_term(domain, skip, visit);
            if !skip.closures {
                key.iter().chain([value]).for_each(|variable| visit(&variable.name));
                walk_body(body, skip, visit);
            }
        }
    }
    for with in &expr.with {
        walk_with(with, skip, visit);
    }
}

/// The head of a target, and of a value that names a function, are no variables.
pub(super) fn walk_with<'a>(with: &'a With, skip: Skip, visit: &mut dyn FnMut(&'a str)) {
    if let TermKind::Reference { path, .. } = &with.target.kind {
        path.iter().for_each(|step| walk_term(step, skip, visit));
    }
    match &with.value.kind {
        TermKind::Reference { path, .. } => path.iter().for_each(|step| walk_term(step, skip, visit)),
        _ => walk_term(&with.value, skip, visit),
    }
}

pub(super) fn walk_term<'a>(term: &'a Term, skip: Skip, visit: &mut dyn FnMut(&'a str)) {
    match &term.kind {
        TermKind::Variable(name) => {
            if !is_root(name) {
                visit(name);
            }
        }
        TermKind::Reference { head, path } => {
            if !skip.heads {
                walk_term(head, skip, visit);
            }
            path.iter().for_each(|step| walk_term(step, skip, visit));
        }
        TermKind::Set(_) if skip.sets => {}
        TermKind::Object(entries) if skip.keys => {
            entries.iter().for_each(|(_, value)| walk_term(value, skip, visit));
        }
        _ if skip.closures && is_comprehension(term) => {}
        _ => {
            parts(term).into_iter().for_each(|part| walk_term(part, skip, visit));
            closure_body(term).into_iter().for_each(|body| walk_body(body, skip, visit));
        }
    }
}
