//! Takes nested calls apart, and moves what must be evaluated out of heads.
//!
//! Invariant: afterwards a call is the whole of an expression, or the whole right side of a `Unify` whose left side is a
//! variable made for it; the head of a reference is a variable; heads of rules and comprehensions hold variables and
//! constants only; the domain of `every` is a variable. What was moved stands before its expression, and at the end of
//! the body where it came from a head.

use std::mem;

use super::names::Names;
use super::sink::Sink;
use super::tree::{
    closure_body_mut, head_terms, is_comprehension, parts_mut, requires_evaluation, take, unification, variable,
};
use super::with;
use super::{Context, tree};
use crate::policy::engine::rego::syntax::ast::{Body, Expr, ExprKind, Module, Rule, Term, TermKind};

pub(super) fn flatten(modules: &mut [Module], context: &Context<'_>, names: &mut Names, sink: &mut Sink) {
    for module in modules {
        sink.enter(&module.name);
        let mut flattener = Flattener { context, names, sink };
        for rule in &mut module.rules {
            flattener.rule(rule);
        }
    }
}

struct Flattener<'p> {
    context: &'p Context<'p>,
    names: &'p mut Names,
    sink: &'p mut Sink,
}

impl Flattener<'_> {
    fn rule(&mut self, rule: &mut Rule) {
        let mut from_arguments = Vec::new();
        for argument in &mut rule.head.arguments {
            self.settle(argument, &mut from_arguments);
        }
        let mut support = Vec::new();
        let head = &mut rule.head;
        for term in head.dynamic.iter_mut().chain(&mut head.key).chain(&mut head.value) {
            self.settle(term, &mut support);
        }
        self.body(&mut rule.body);
        rule.body.extend(support);
        rule.body.extend(from_arguments.iter().cloned());
        for branch in &mut rule.otherwise {
            let mut support = Vec::new();
            branch.value.iter_mut().for_each(|value| self.settle(value, &mut support));
            self.body(&mut branch.body);
            branch.body.extend(support);
            branch.body.extend(from_arguments.iter().cloned());
        }
        debug_assert!(!head_terms(rule).any(requires_evaluation), "heads need no evaluation");
    }

    fn body(&mut self, body: &mut Body) {
        let mut flat = Vec::with_capacity(body.len());
        for expr in mem::take(body) {
            self.expr(expr, &mut flat);
        }
        *body = flat;
    }

    fn expr(&mut self, mut expr: Expr, flat: &mut Body) {
        for with in &mut expr.with {
            self.nested(&mut with.value, flat);
            if with::must_be_hoisted(with, self.context, self.sink) {
                self.bind(&mut with.value, flat);
            }
        }
        let mut support = Vec::new();
        match &mut expr.kind {
            ExprKind::Term(term) => match &mut term.kind {
                TermKind::Call { arguments, .. } => {
                    arguments.iter_mut().for_each(|argument| self.nested(argument, &mut support));
                }
                _ => self.nested(term, &mut support),
            },
            ExprKind::Unify(left, right) => {
                self.nested(left, &mut support);
                self.nested(right, &mut support);
            }
            ExprKind::Every { domain, body, .. } => {
                self.nested(domain, &mut support);
                self.bind(domain, &mut support);
                self.body(body);
            }
            ExprKind::Assign(..) | ExprKind::Some(_) | ExprKind::SomeIn { .. } => {}
        }
        for mut made in support {
            made.with.clone_from(&expr.with);
            flat.push(made);
        }
        flat.push(expr);
    }

    /// A term of a head: afterwards it needs no evaluation.
    fn settle(&mut self, term: &mut Term, support: &mut Body) {
        self.nested(term, support);
        if requires_evaluation(term) {
            self.bind(term, support);
        }
    }

    /// Moves calls, and heads of references that are no variables, out of a term.
    fn nested(&mut self, term: &mut Term, support: &mut Body) {
        if is_comprehension(term) {
            return self.comprehension(term);
        }
        parts_mut(term).into_iter().for_each(|part| self.nested(part, support));
        match &mut term.kind {
            TermKind::Call { .. } => self.bind(term, support),
            TermKind::Reference { head, .. } if !matches!(head.kind, TermKind::Variable(_)) => {
                self.bind(head, support);
            }
            _ => {}
        }
    }

    fn comprehension(&mut self, term: &mut Term) {
        let mut support = Vec::new();
        parts_mut(term).into_iter().for_each(|part| self.settle(part, &mut support));
        if let Some(body) = closure_body_mut(term) {
            self.body(body);
            body.extend(support);
        }
    }

    /// Binds a variable to a term and puts the variable in its place.
    fn bind(&mut self, term: &mut Term, support: &mut Body) {
        let span = term.span;
        let name = self.names.fresh();
        let value = mem::replace(term, variable(&name, span));
        support.push(unification(variable(name, span), value, span));
    }
}

/// Moves steps of names that are neither variables nor scalars into the body: `p[input.x] = 1` becomes
/// `p[y] = 1 { y = input.x }`, before variables get their names.
pub(super) fn settle_names(modules: &mut [Module], names: &mut Names) {
    for rule in modules.iter_mut().flat_map(|module| &mut module.rules) {
        let mut support = Vec::new();
        for step in &mut rule.head.dynamic {
            let is_plain = match &step.kind {
                TermKind::Variable(name) => !tree::is_root(name),
                _ => tree::is_scalar(step),
            };
            if !is_plain {
                let span = step.span;
                let name = names.fresh();
                let value = take(step);
                *step = variable(&name, span);
                support.push(unification(variable(name, span), value, span));
            }
        }
        rule.body.extend(support);
    }
}
