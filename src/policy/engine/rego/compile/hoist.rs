//! Evaluates operands before the expressions that use them.
//!
//! Invariant: afterwards no argument of a call, no element of a collection and no step of a reference is a reference or
//! a comprehension; each such operand is bound to a variable right before its expression, outside its negation and with
//! its `with`. So an undefined operand makes the body undefined, also under `not`. Only the two sides of a `Unify` and
//! a term alone keep a reference; comprehensions stand on the right side of a `Unify` only.

use std::mem;

use super::names::Names;
use super::tree::{bodies_mut, closure_body_mut, is_comprehension, parts_mut, unification, variable};
use crate::policy::engine::rego::syntax::ast::{Body, Expr, ExprKind, Module, Term, TermKind};

pub(super) fn hoist(modules: &mut [Module], names: &mut Names) {
    for rule in modules.iter_mut().flat_map(|module| &mut module.rules) {
        bodies_mut(rule).for_each(|body| hoist_body(body, names));
    }
}

fn hoist_body(body: &mut Body, names: &mut Names) {
    let mut done = Vec::with_capacity(body.len());
    for mut expr in mem::take(body) {
        let mut hoister = Hoister { names, before: Vec::new() };
        hoister.expr(&mut expr);
        for mut made in hoister.before {
            made.with.clone_from(&expr.with);
            done.push(made);
        }
        done.push(expr);
    }
    *body = done;
}

struct Hoister<'p> {
    names: &'p mut Names,
    before: Body,
}

impl Hoister<'_> {
    fn expr(&mut self, expr: &mut Expr) {
        match &mut expr.kind {
            ExprKind::Unify(left, right) => {
                match right.kind {
                    TermKind::Call { .. } => self.operand(left),
                    _ => self.side(left),
                }
                self.side(right);
                if is_comprehension(left) {
                    mem::swap(left, right);
                }
                if is_comprehension(left) {
                    self.bind(left);
                }
            }
            ExprKind::Term(term) => {
                self.side(term);
                if is_comprehension(term) {
                    self.bind(term);
                }
            }
            ExprKind::Every { domain, body, .. } => {
                self.operand(domain);
                hoist_body(body, self.names);
            }
            ExprKind::Assign(..) | ExprKind::Some(_) | ExprKind::SomeIn { .. } => {}
        }
    }

    /// A place where a reference, a call or a comprehension may stay.
    fn side(&mut self, term: &mut Term) {
        if is_comprehension(term) {
            return self.closure(term);
        }
        match &mut term.kind {
            TermKind::Reference { path, .. } => path.iter_mut().for_each(|step| self.operand(step)),
            TermKind::Call { arguments, .. } => arguments.iter_mut().for_each(|argument| self.operand(argument)),
            _ => self.operand(term),
        }
    }

    /// A place for variables, constants and collections.
    fn operand(&mut self, term: &mut Term) {
        if is_comprehension(term) {
            self.closure(term);
            return self.bind(term);
        }
        match &mut term.kind {
            TermKind::Reference { path, .. } => {
                path.iter_mut().for_each(|step| self.operand(step));
                self.bind(term);
            }
            _ => parts_mut(term).into_iter().for_each(|part| self.operand(part)),
        }
    }

    fn closure(&mut self, term: &mut Term) {
        if let Some(body) = closure_body_mut(term) {
            hoist_body(body, self.names);
        }
    }

    fn bind(&mut self, term: &mut Term) {
        let span = term.span;
        let name = self.names.fresh();
        let value = mem::replace(term, variable(&name, span));
        self.before.push(unification(variable(name, span), value, span));
    }
}
