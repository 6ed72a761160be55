//! Gives every declared variable a name of its own.
//!
//! Invariant: afterwards `Assign`, `Some` and `SomeIn` are gone; arguments and all variables declared by `:=`, `some` or
//! `every` have names that occur nowhere else, so no later pass has to think about shadowing; `input` and `data` alone are
//! references without steps. Declaring twice, using before declaring and declaring without using are errors, as in OPA.

mod heads;
mod patterns;
mod scope;

use std::collections::HashSet;
use std::mem;

use super::names::Names;
use super::sink::Sink;
use super::tree::{
    Skip, closure_body_mut, is_comprehension, is_root, parts_mut, take, truth, variable, walk_body, walk_term,
};
use crate::policy::engine::rego::syntax::ast::{
    Body, ErrorClass, Expr, ExprKind, FunctionName, Module, Span, Term, TermKind, Variable, With,
};
use scope::{Occurrence, Scopes};

pub(super) fn localize(modules: &mut [Module], names: &mut Names, sink: &mut Sink) {
    for module in modules {
        sink.enter(&module.name);
        for rule in &mut module.rules {
            heads::localize_rule(rule, names, sink);
        }
    }
}

/// As [`localize`], for a query. Gives the names that its variables have afterwards, with those they had.
pub(super) fn localize_query(body: &mut Body, names: &mut Names, sink: &mut Sink) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    walk_body(body, Skip::CLOSURES, &mut |name| variables.push(name.to_owned()));
    let mut localizer = Localizer::new(Scopes::new(), names, sink);
    localizer.body(body, &HashSet::new());
    let mut known = HashSet::new();
    variables.retain(|name| known.insert(name.clone()));
    let named = variables.into_iter().filter_map(|name| {
        let current = localizer.scopes.current_name(&name)?.to_owned();
        Some((current, name))
    });
    named.collect()
}

struct Localizer<'p> {
    scopes: Scopes,
    names: &'p mut Names,
    sink: &'p mut Sink,
    errors_before: usize,
}

impl<'p> Localizer<'p> {
    fn new(scopes: Scopes, names: &'p mut Names, sink: &'p mut Sink) -> Self {
        let errors_before = sink.count();
        Self { scopes, names, sink, errors_before }
    }

    /// `used` are names that are used outside the body, in its head.
    fn body(&mut self, body: &mut Body, used: &HashSet<String>) {
        let places = declaration_places(body);
        let span = body.first().map(|expr| expr.span).unwrap_or_default();
        let is_fact = body.is_empty();
        *body = mem::take(body).into_iter().filter_map(|expr| self.expr(expr)).collect();
        self.check_all_used(body, used, &places, span);
        if body.is_empty() && !is_fact {
            body.push(truth(span));
        }
    }

    fn expr(&mut self, mut expr: Expr) -> Option<Expr> {
        match mem::replace(&mut expr.kind, ExprKind::Some(Vec::new())) {
            ExprKind::Assign(left, right) => self.assignment(&mut expr, left, right),
            ExprKind::Some(variables) => {
                for variable in variables {
                    self.declare(&variable.name, Occurrence::Declared, variable.span);
                }
                return None;
            }
            ExprKind::SomeIn { key, value, domain } => self.some_in(&mut expr, key, value, domain),
            ExprKind::Every { key, value, domain, body } => self.every(&mut expr, key, value, domain, body),
            ExprKind::Term(mut term) => {
                self.statement(&mut term);
                expr.kind = ExprKind::Term(term);
                self.withs(&mut expr.with);
            }
            ExprKind::Unify(mut left, mut right) => {
                self.term(&mut left);
                self.term(&mut right);
                expr.kind = ExprKind::Unify(left, right);
                self.withs(&mut expr.with);
            }
        }
        Some(expr)
    }

    fn assignment(&mut self, expr: &mut Expr, mut left: Term, mut right: Term) {
        if expr.is_negated {
            self.sink.report(ErrorClass::Compile, expr.span, "cannot assign vars inside negated expression");
        }
        self.term(&mut right);
        expr.with.iter_mut().for_each(|with| self.term(&mut with.value));
        self.assigned(&mut left);
        expr.kind = ExprKind::Unify(left, right);
    }

    /// The left side of `:=`: a variable, or an array or object of patterns. Keys of objects are left as they are.
    fn assigned(&mut self, pattern: &mut Term) {
        let span = pattern.span;
        match &mut pattern.kind {
            TermKind::Variable(name) => {
                if let Some(current) = self.declare(name, Occurrence::Assigned, span) {
                    *name = current;
                }
            }
            TermKind::Array(items) => items.iter_mut().for_each(|item| self.assigned(item)),
            TermKind::Object(entries) => entries.iter_mut().for_each(|(_, value)| self.assigned(value)),
            kind => {
                let message = format!("cannot assign to {}", patterns::kind_name(kind));
                self.sink.report(ErrorClass::Compile, span, message);
            }
        }
    }

    /// `some k, v in xs` is `v = xs[k]` with the variables of `k` and `v` declared, except those `xs` uses.
    fn some_in(&mut self, expr: &mut Expr, key: Option<Term>, value: Term, domain: Term) {
        let key = key.unwrap_or_else(|| variable(self.names.fresh(), expr.span));
        for name in patterns::outputs_of_some(&key, &value, &domain) {
            self.declare(&name, Occurrence::Declared, expr.span);
        }
        let span = domain.span;
        let element = match domain.kind {
            TermKind::Reference { head, mut path } => {
                path.push(key);
                TermKind::Reference { head, path }
            }
            _ => TermKind::Reference { head: Box::new(domain), path: vec![key] },
        };
        let (mut value, mut element) = (value, Term { span, kind: element });
        self.term(&mut value);
        self.term(&mut element);
        expr.kind = ExprKind::Unify(value, element);
        self.withs(&mut expr.with);
    }

    fn every(
        &mut self,
        expr: &mut Expr,
        mut key: Option<Variable>,
        mut value: Variable,
        mut domain: Term,
        mut body: Body,
    ) {
        self.term(&mut domain);
        self.scopes.push();
        for variable in key.iter_mut().chain([&mut value]) {
            if super::names::is_wildcard(&variable.name) {
                continue;
            }
            if let Some(current) = self.declare(&variable.name, Occurrence::Declared, variable.span) {
                variable.name = current;
            }
        }
        self.body(&mut body, &HashSet::new());
        // OPA walks the whole statement again inside the scope of its variables: a domain that uses an undeclared
        // variable of the same name is unsafe.
        self.term(&mut domain);
        self.withs(&mut expr.with);
        self.scopes.pop();
        expr.kind = ExprKind::Every { key, value, domain, body };
    }

    /// A term that is an expression: here a call of a hidden function is found later, as an undefined function.
    fn statement(&mut self, term: &mut Term) {
        let TermKind::Call { function, arguments, .. } = &mut term.kind else {
            return self.term(term);
        };
        if let Some(name) = function.path.first_mut() {
            match self.scopes.current_name(name) {
                Some(current) => *name = current.to_owned(),
                None => self.scopes.insert(name, name.clone(), Occurrence::Seen),
            }
        }
        arguments.iter_mut().for_each(|argument| self.term(argument));
    }

    fn term(&mut self, term: &mut Term) {
        if is_comprehension(term) {
            return self.comprehension(term);
        }
        let span = term.span;
        match &mut term.kind {
            TermKind::Variable(name) if is_root(name) => match self.scopes.declared_name(name) {
                Some(current) => *name = current.to_owned(),
                None => {
                    let head = Box::new(take(term));
                    term.kind = TermKind::Reference { head, path: Vec::new() };
                }
            },
            TermKind::Variable(name) => self.rename(name),
            TermKind::Reference { head, path } => {
                if path.is_empty() {
                    return;
                }
                match &mut head.kind {
                    TermKind::Variable(name) => self.rename(name),
                    _ => self.term(head),
                }
                path.iter_mut().for_each(|step| self.term(step));
            }
            TermKind::Call { function, arguments, .. } => {
                self.called(function, span);
                arguments.iter_mut().for_each(|argument| self.term(argument));
            }
            _ => parts_mut(term).into_iter().for_each(|part| self.term(part)),
        }
    }

    fn called(&mut self, function: &FunctionName, span: Span) {
        let Some(name) = function.path.first() else {
            return;
        };
        match self.scopes.current_name(name) {
            Some(current) if current != name => {
                let message = format!("called function {} shadowed", function.path.join("."));
                self.sink.report(ErrorClass::Compile, span, message);
            }
            Some(_) => {}
            None => self.scopes.insert(name, name.clone(), Occurrence::Seen),
        }
    }

    fn comprehension(&mut self, term: &mut Term) {
        let mut used = HashSet::new();
        for part in super::tree::parts(term) {
            walk_term(part, Skip::default(), &mut |name| {
                used.insert(name.to_owned());
            });
        }
        self.scopes.push();
        if let Some(body) = closure_body_mut(term) {
            self.body(body, &used);
        }
        parts_mut(term).into_iter().for_each(|part| self.term(part));
        self.scopes.pop();
    }

    /// The target keeps `input` even where a variable hides it.
    fn withs(&mut self, withs: &mut [With]) {
        for with in withs {
            match &mut with.target.kind {
                TermKind::Variable(name) if is_root(name) => {
                    let head = Box::new(take(&mut with.target));
                    with.target.kind = TermKind::Reference { head, path: Vec::new() };
                }
                TermKind::Variable(name) => self.rename(name),
                TermKind::Reference { path, .. } => path.iter_mut().for_each(|step| self.term(step)),
                _ => self.term(&mut with.target),
            }
            self.term(&mut with.value);
        }
    }

    fn rename(&mut self, name: &mut String) {
        match self.scopes.current_name(name) {
            Some(current) => *name = current.to_owned(),
            None => self.scopes.insert(name, name.clone(), Occurrence::Seen),
        }
    }

    fn declare(&mut self, name: &str, how: Occurrence, span: Span) -> Option<String> {
        let complaint = match self.scopes.occurrence(name) {
            None => {
                let current = self.names.rename(name);
                self.scopes.insert(name, current.clone(), how);
                return Some(current);
            }
            Some(Occurrence::Seen) => format!("var {name} referenced above"),
            Some(Occurrence::Assigned) => format!("var {name} assigned above"),
            Some(Occurrence::Declared) => format!("var {name} declared above"),
            Some(Occurrence::Argument) => format!("arg {name} redeclared"),
        };
        let help = format!("give it another name, or compare with `==` where {name} is meant");
        self.sink.report_with_help(ErrorClass::Compile, span, complaint, help);
        None
    }

    /// A variable that `some` or `every` declares must be used in its scope. After other errors this one is noise.
    fn check_all_used(&mut self, body: &Body, used: &HashSet<String>, places: &[(String, Span)], span: Span) {
        if self.sink.count() > self.errors_before || self.scopes.declared_here().next().is_none() {
            return;
        }
        let mut occurring = HashSet::new();
        walk_body(body, Skip::default(), &mut |name| {
            occurring.insert(name);
        });
        let is_used = |(current, name): &(&str, &str)| occurring.contains(current) || used.contains(*name);
        let mut unused: Vec<(&str, &str)> = self.scopes.declared_here().filter(|pair| !is_used(pair)).collect();
        unused.sort_unstable();
        for (_, name) in unused {
            if self.names.is_nameless(name) {
                continue;
            }
            let place = places.iter().find(|(declared, _)| declared == name).map_or(span, |(_, place)| *place);
            let message = format!("declared var {name} unused");
            self.sink.report_with_help(ErrorClass::Compile, place, message, "remove it, or write `_` in its place");
        }
    }
}

/// Where `some` declares which names.
fn declaration_places(body: &[Expr]) -> Vec<(String, Span)> {
    let mut places = Vec::new();
    for expr in body {
        match &expr.kind {
            ExprKind::Some(variables) => {
                places.extend(variables.iter().map(|variable| (variable.name.clone(), expr.span)));
            }
            ExprKind::SomeIn { key, value, .. } => {
                for pattern in key.iter().chain([value]) {
                    walk_term(pattern, Skip::default(), &mut |name| places.push((name.to_owned(), expr.span)));
                }
            }
            _ => {}
        }
    }
    places
}
