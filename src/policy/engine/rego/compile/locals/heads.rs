//! Arguments, and the terms of a head that use what the body declares.
//!
//! Invariant: all branches of a rule share the names of its arguments; a comprehension in a head has a scope of its own
//! and sees what the body of its branch declares.

use std::collections::{HashMap, HashSet};

use super::Localizer;
use super::scope::{Occurrence, Scopes};
use crate::policy::engine::rego::compile::names::Names;
use crate::policy::engine::rego::compile::sink::Sink;
use crate::policy::engine::rego::compile::tree::{
    Skip, closure_body_mut, is_comprehension, is_root, parts_mut, take, terms_mut, walk_term,
};
use crate::policy::engine::rego::syntax::ast::{Body, ErrorClass, Expr, ExprKind, Rule, Term, TermKind};

pub(super) fn localize_rule(rule: &mut Rule, names: &mut Names, sink: &mut Sink) {
    rule.head.arguments.iter_mut().for_each(|argument| localize_comprehensions(argument, names, sink));
    let mut arguments = Localizer::new(Scopes::new(), names, sink);
    rule.head.arguments.iter_mut().for_each(|argument| localize_argument(argument, &mut arguments));
    let scopes = arguments.scopes;
    let head = &mut rule.head;
    let mut terms: Vec<&mut Term> = head.dynamic.iter_mut().chain(&mut head.key).chain(&mut head.value).collect();
    localize_branch(&mut terms, &mut rule.body, &scopes, names, sink);
    for branch in &mut rule.otherwise {
        let mut terms: Vec<&mut Term> = branch.value.iter_mut().collect();
        localize_branch(&mut terms, &mut branch.body, &scopes, names, sink);
    }
}

/// Variables in arguments, also inside arrays, values of objects and references.
fn localize_argument(argument: &mut Term, localizer: &mut Localizer<'_>) {
    let span = argument.span;
    match &mut argument.kind {
        TermKind::Variable(name) => {
            *name = match localizer.scopes.current_name(name) {
                Some(current) => current.to_owned(),
                None => {
                    let current = localizer.names.rename(name);
                    localizer.scopes.insert(name, current.clone(), Occurrence::Argument);
                    current
                }
            };
        }
        TermKind::Object(entries) => {
            entries.iter_mut().for_each(|(_, value)| localize_argument(value, localizer));
        }
        TermKind::Array(_) | TermKind::Reference { .. } => {
            parts_mut(argument).into_iter().for_each(|part| localize_argument(part, localizer));
        }
        TermKind::Call { .. } => {
            localizer.sink.report(ErrorClass::Compile, span, "rule arguments cannot contain calls");
        }
        _ => {}
    }
}

fn localize_branch(terms: &mut [&mut Term], body: &mut Body, arguments: &Scopes, names: &mut Names, sink: &mut Sink) {
    for term in terms.iter_mut() {
        localize_comprehensions(term, names, sink);
    }
    let mut used = HashSet::new();
    for term in terms.iter() {
        walk_term(term, Skip::default(), &mut |name| {
            used.insert(name.to_owned());
        });
    }
    let mut localizer = Localizer::new(arguments.clone(), names, sink);
    localizer.body(body, &used);
    let renamed: HashMap<String, String> = used
        .into_iter()
        .filter_map(|name| Some((name.clone(), localizer.scopes.current_name(&name)?.to_owned())))
        .collect();
    let hidden = |root: &str| localizer.scopes.declared_name(root).map(str::to_owned);
    let roots: HashMap<String, String> =
        ["input", "data"].iter().filter_map(|root| Some(((*root).to_owned(), hidden(root)?))).collect();
    for term in terms {
        rename(term, &renamed, &roots);
    }
}

/// Comprehensions of a head come before the body and see none of its declarations while they declare their own.
fn localize_comprehensions(term: &mut Term, names: &mut Names, sink: &mut Sink) {
    if is_comprehension(term) {
        Localizer::new(Scopes::new(), names, sink).comprehension(term);
    } else {
        parts_mut(term).into_iter().for_each(|part| localize_comprehensions(part, names, sink));
    }
}

fn rename(term: &mut Term, renamed: &HashMap<String, String>, roots: &HashMap<String, String>) {
    match &mut term.kind {
        TermKind::Variable(name) if is_root(name) => match roots.get(name) {
            Some(current) => *name = current.clone(),
            None => {
                let head = Box::new(take(term));
                term.kind = TermKind::Reference { head, path: Vec::new() };
            }
        },
        TermKind::Variable(name) => {
            if let Some(current) = renamed.get(name) {
                *name = current.clone();
            }
        }
        TermKind::Reference { head, path } => {
            match &mut head.kind {
                TermKind::Variable(name) if is_root(name) => {
                    if let Some(current) = roots.get(name) {
                        *name = current.clone();
                    }
                }
                _ => rename(head, renamed, roots),
            }
            path.iter_mut().for_each(|step| rename(step, renamed, roots));
        }
        _ => {
            if let Some(body) = closure_body_mut(term) {
                body.iter_mut().for_each(|expr| rename_in_expr(expr, renamed, roots));
            }
            parts_mut(term).into_iter().for_each(|part| rename(part, renamed, roots));
        }
    }
}

fn rename_in_expr(expr: &mut Expr, renamed: &HashMap<String, String>, roots: &HashMap<String, String>) {
    terms_mut(expr).into_iter().for_each(|term| rename(term, renamed, roots));
    if let ExprKind::Every { body, .. } = &mut expr.kind {
        body.iter_mut().for_each(|expr| rename_in_expr(expr, renamed, roots));
    }
}
