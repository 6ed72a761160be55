//! Checks that compiled modules fulfil the contract in `compiled`.
//!
//! Invariant: finds nothing in what `compile` gives; tests and debug builds run it each time.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::names::is_wildcard;
use super::tree::{bodies, closure_body, head_terms, is_comprehension, is_root, is_scalar, parts};
use crate::policy::engine::rego::compiled::Compiled;
use crate::policy::engine::rego::syntax::ast::{Body, Expr, ExprKind, Rule, RuleKind, Term, TermKind};

/// What is wrong, in words; empty when all is well.
pub fn verify_invariants(compiled: &Compiled) -> Vec<String> {
    let mut problems = Vec::new();
    let ordered: BTreeSet<&Vec<String>> = compiled.order.iter().collect();
    if ordered.len() != compiled.order.len() || !ordered.iter().copied().eq(compiled.groups.keys()) {
        problems.push("the order does not list each group once".to_owned());
    }
    let places: BTreeMap<&Vec<String>, usize> =
        compiled.order.iter().enumerate().map(|(index, path)| (path, index)).collect();
    for (path, group) in &compiled.groups {
        let mut verifier = Verifier { compiled, at: path.join("."), problems: &mut problems, calls: BTreeSet::new() };
        for rule in group.rules.iter().chain(&group.default) {
            verifier.rule(rule, group.kind, group.arity);
        }
        let calls = verifier.calls;
        for callee in calls {
            if places.get(&callee) >= places.get(path) {
                problems.push(format!("{} comes before {}, which it calls", path.join("."), callee.join(".")));
            }
        }
    }
    problems
}

struct Verifier<'c> {
    compiled: &'c Compiled,
    at: String,
    problems: &'c mut Vec<String>,
    calls: BTreeSet<Vec<String>>,
}

impl Verifier<'_> {
    fn rule(&mut self, rule: &Rule, kind: RuleKind, arity: usize) {
        if rule.head.kind != kind && !rule.is_default || rule.head.arguments.len() != arity {
            self.complain("a rule is not of the kind or arity of its group");
        }
        for term in head_terms(rule) {
            if !is_pattern(term) {
                self.complain("a head holds a term that must be evaluated");
            }
        }
        let mut known = HashSet::new();
        rule.head.arguments.iter().for_each(|term| variables(term, &mut known));
        let arguments = known.clone();
        let mut values = vec![rule.head.value.as_ref()];
        values.extend(rule.otherwise.iter().map(|branch| branch.value.as_ref()));
        for (index, (body, value)) in bodies(rule).zip(values).enumerate() {
            let mut known = arguments.clone();
            self.body(body, &mut known);
            let named = rule.head.dynamic.iter().chain(&rule.head.key).filter(|_| index == 0);
            let mut wanted = HashSet::new();
            named.chain(value).for_each(|term| variables(term, &mut wanted));
            if let Some(name) = wanted.difference(&known).next() {
                self.complain(&format!("{name} in a head is not bound"));
            }
        }
    }

    fn body(&mut self, body: &Body, known: &mut HashSet<String>) {
        for expr in body {
            self.expr(expr, known);
        }
    }

    fn expr(&mut self, expr: &Expr, known: &mut HashSet<String>) {
        for with in &expr.with {
            if !matches!(&with.target.kind, TermKind::Reference { .. })
                && !matches!(&with.target.kind, TermKind::Variable(name) if is_root(name))
            {
                self.complain("a target of with is no reference");
            }
            if !matches!(with.value.kind, TermKind::Reference { .. }) {
                self.known(&with.value, known);
            }
        }
        if expr.is_negated {
            let before = known.clone();
            let mut bound = known.clone();
            self.kind(expr, &mut bound);
            if bound.difference(&before).any(|name| !is_wildcard(name)) {
                self.complain("a negated expression binds a variable");
            }
        } else {
            self.kind(expr, known);
        }
    }

    fn kind(&mut self, expr: &Expr, bound: &mut HashSet<String>) {
        match &expr.kind {
            ExprKind::Term(term) => self.side(term, false, bound),
            ExprKind::Unify(left, right) => {
                self.side(right, true, bound);
                if matches!(left.kind, TermKind::Call { .. }) || is_comprehension(left) {
                    self.complain("a call or comprehension is on the left side");
                }
                self.side(left, false, bound);
            }
            ExprKind::Every { key, value, domain, body } => {
                self.known(domain, bound);
                let mut inside = bound.clone();
                inside.extend(key.iter().chain([value]).map(|variable| variable.name.clone()));
                self.body(body, &mut inside);
            }
            _ => self.complain("an expression that must be gone"),
        }
    }

    /// A whole side: what it may bind is bound afterwards.
    fn side(&mut self, term: &Term, may_be_closure: bool, bound: &mut HashSet<String>) {
        match &term.kind {
            TermKind::Reference { head, path } => {
                match &head.kind {
                    TermKind::Variable(name) if is_root(name) || bound.contains(name) => {}
                    _ => self.complain("the head of a reference is not bound"),
                }
                path.iter().for_each(|step| self.pattern(step, bound));
                if path.is_empty() {
                    self.complain("a reference has no step");
                }
            }
            TermKind::Call { function, arguments, .. } => {
                if let Some((_, path)) = function.path.split_first().filter(|(root, _)| *root == "data") {
                    self.calls.insert(path.to_vec());
                    let group = self.compiled.groups.get(path);
                    if group.is_none_or(|group| group.arity != arguments.len()) {
                        self.complain("a call of a function that is not there");
                    }
                }
                arguments.iter().for_each(|argument| self.known(argument, bound));
            }
            _ if is_comprehension(term) => {
                if !may_be_closure {
                    self.complain("a comprehension is not on a right side");
                }
                let mut inside = bound.clone();
                if let Some(body) = closure_body(term) {
                    self.body(body, &mut inside);
                }
                parts(term).into_iter().for_each(|part| self.known(part, &inside));
            }
            TermKind::Variable(name) if is_root(name) => {}
            _ => self.pattern(term, bound),
        }
    }

    fn pattern(&mut self, term: &Term, bound: &mut HashSet<String>) {
        if !is_pattern(term) {
            self.complain("an operand holds a reference, call or comprehension");
        }
        variables(term, bound);
    }

    fn known(&mut self, term: &Term, known: &HashSet<String>) {
        let mut names = HashSet::new();
        variables(term, &mut names);
        if !is_pattern(term) {
            self.complain("an operand holds a reference, call or comprehension");
        }
        if let Some(name) = names.difference(known).next() {
            self.complain(&format!("{name} is needed before it is bound"));
        }
    }

    fn complain(&mut self, problem: &str) {
        self.problems.push(format!("{}: {problem}", self.at));
    }
}

/// Variables, constants and collections of these.
fn is_pattern(term: &Term) -> bool {
    match &term.kind {
        TermKind::Variable(name) => !is_root(name),
        TermKind::Array(_) | TermKind::Set(_) | TermKind::Object(_) => parts(term).into_iter().all(is_pattern),
        _ => is_scalar(term),
    }
}

fn variables(term: &Term, into: &mut HashSet<String>) {
    if let TermKind::Variable(name) = &term.kind
        && !is_root(name)
    {
        into.insert(name.clone());
    }
    parts(term).into_iter().for_each(|part| variables(part, into));
}
