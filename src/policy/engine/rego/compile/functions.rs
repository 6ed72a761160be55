//! Calls of functions that do not exist, or with another number of arguments; values of functions that have none.
//!
//! Invariant: afterwards every call has exactly as many arguments as its function; a call that a policy gave one more, for
//! its result, has become a `Unify` of that argument and the call.

use std::mem;

use super::Context;
use super::names::Names;
use super::sink::Sink;
use super::tree::{bodies_mut, closure_body_mut, parts_mut, terms_mut, unification};
use crate::policy::engine::rego::syntax::ast::{
    ErrorClass, Expr, ExprKind, FunctionName, Module, Span, Term, TermKind,
};

pub(super) fn check(modules: &mut [Module], context: &Context<'_>, names: &Names, sink: &mut Sink) {
    for module in modules {
        sink.enter(&module.name);
        for rule in &mut module.rules {
            bodies_mut(rule).for_each(|body| check_body(body, context, names, sink));
        }
    }
}

fn check_body(body: &mut [Expr], context: &Context<'_>, names: &Names, sink: &mut Sink) {
    let mut checker = Checker { context, names, sink };
    body.iter_mut().for_each(|expr| checker.expr(expr));
}

struct Checker<'p> {
    context: &'p Context<'p>,
    names: &'p Names,
    sink: &'p mut Sink,
}

impl Checker<'_> {
    fn expr(&mut self, expr: &mut Expr) {
        terms_mut(expr).into_iter().for_each(|term| self.closures(term));
        let span = expr.span;
        match &mut expr.kind {
            ExprKind::Term(Term { kind: TermKind::Call { function, arguments, .. }, .. }) => {
                let given = arguments.len();
                let Some(wanted) = self.wanted(function, span) else {
                    return;
                };
                if given == wanted + 1 && !is_equality(function) {
                    give_result_a_side(expr);
                } else if given != wanted {
                    self.mismatch(&function.clone(), given, wanted, span);
                }
            }
            ExprKind::Unify(_, Term { kind: TermKind::Call { function, arguments, .. }, .. }) => {
                let given = arguments.len();
                match self.wanted(function, span) {
                    Some(_) if is_equality(function) => {
                        let help = "`=` binds variables and has no value: compare with `==`";
                        self.sink.report_with_help(ErrorClass::UnsafeVariable, span, "expression is unsafe", help);
                    }
                    Some(wanted) if given != wanted => self.mismatch(&function.clone(), given, wanted, span),
                    _ => {}
                }
            }
            ExprKind::Every { body, .. } => body.iter_mut().for_each(|expr| self.expr(expr)),
            _ => {}
        }
    }

    fn closures(&mut self, term: &mut Term) {
        parts_mut(term).into_iter().for_each(|part| self.closures(part));
        if let Some(body) = closure_body_mut(term) {
            body.iter_mut().for_each(|expr| self.expr(expr));
        }
    }

    /// How many arguments the function takes; `None` where that is no matter, or it does not exist.
    fn wanted(&mut self, function: &FunctionName, span: Span) -> Option<usize> {
        if self.context.is_variadic(function) {
            return None;
        }
        let wanted = self.context.arity(function);
        if wanted.is_none() {
            let name = self.shown(function);
            let message = format!("undefined function {name}");
            match self.context.why_refused(&name) {
                Some(reason) => self.sink.report_with_help(ErrorClass::Type, span, message, reason),
                None => self.sink.report(ErrorClass::Type, span, message),
            }
        }
        wanted
    }

    fn mismatch(&mut self, function: &FunctionName, given: usize, wanted: usize, span: Span) {
        let name = self.shown(function);
        let plural = |count: usize| if count == 1 { "argument" } else { "arguments" };
        let help = format!("{name} takes {wanted} {}, {given} given", plural(wanted));
        if function.path.first().is_some_and(|root| root == "data") {
            let message = format!("function {name} has arity {wanted}, got {given} {}", plural(given));
            self.sink.report_with_help(ErrorClass::Type, span, message, help);
        } else {
            self.sink.report_with_help(ErrorClass::Type, span, format!("{name}: arity mismatch"), help);
        }
    }

    fn shown(&self, function: &FunctionName) -> String {
        let steps: Vec<&str> = function.path.iter().map(|step| self.names.shown(step)).collect();
        steps.join(".")
    }
}

/// `eq(x, y)`, which is `x = y` and nothing else.
fn is_equality(function: &FunctionName) -> bool {
    matches!(function.path.as_slice(), [name] if name == "eq")
}

/// `f(x, y)` of a function with one argument is `y = f(x)`.
fn give_result_a_side(expr: &mut Expr) {
    let ExprKind::Term(term) = &mut expr.kind else {
        return;
    };
    let span = term.span;
    let mut call = mem::replace(term, Term { span, kind: TermKind::Null });
    let TermKind::Call { arguments, .. } = &mut call.kind else {
        return;
    };
    if let Some(result) = arguments.pop() {
        expr.kind = unification(result, call, span).kind;
    }
}

/// Calls of functions without a result, where a result is used. Runs before calls are taken apart.
pub(super) fn check_void(modules: &mut [Module], context: &Context<'_>, sink: &mut Sink) {
    for module in modules {
        sink.enter(&module.name);
        for rule in &mut module.rules {
            for term in super::tree::head_terms_mut(rule) {
                void_in_term(term, context, sink);
            }
            bodies_mut(rule).for_each(|body| check_void_body(body, context, sink));
        }
    }
}

fn check_void_body(body: &mut [Expr], context: &Context<'_>, sink: &mut Sink) {
    for expr in body {
        let is_statement = matches!(&expr.kind, ExprKind::Term(Term { kind: TermKind::Call { .. }, .. }));
        let parts = terms_mut(expr).into_iter().enumerate();
        for (index, term) in parts {
            if is_statement && index == 0 {
                parts_mut(term).into_iter().for_each(|part| void_in_term(part, context, sink));
            } else {
                void_in_term(term, context, sink);
            }
        }
        if let ExprKind::Every { body, .. } = &mut expr.kind {
            check_void_body(body, context, sink);
        }
    }
}

fn void_in_term(term: &mut Term, context: &Context<'_>, sink: &mut Sink) {
    let span = term.span;
    if let TermKind::Call { function, .. } = &term.kind
        && context.is_void(function)
    {
        let message = format!("{}(…) used as value", function.path.join("."));
        sink.report(ErrorClass::Type, span, message);
    }
    parts_mut(term).into_iter().for_each(|part| void_in_term(part, context, sink));
    if let Some(body) = closure_body_mut(term) {
        check_void_body(body, context, sink);
    }
}
