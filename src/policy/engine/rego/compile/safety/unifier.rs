//! Which variables two sides of a unification bind.
//!
//! Invariant: linear in the size of the terms but for the sets it keeps; no recursion deeper than the terms.

use std::collections::{HashMap, HashSet};

use super::outputs::{IsSafe, all_safe, is_reference_safe};
use crate::policy::engine::rego::compile::tree::{Skip, is_comprehension, is_root, is_scalar, walk_term};
use crate::policy::engine::rego::syntax::ast::{Term, TermKind};

/// Variables bound so far, and what others wait for.
pub(super) struct Unifier<'e, 's> {
    is_safe: IsSafe<'s>,
    unified: HashSet<&'e str>,
    /// A variable is bound when all that it waits for are; they are when it is.
    waiting: HashMap<&'e str, HashSet<&'e str>>,
    awaited: HashMap<&'e str, Vec<&'e str>>,
}

impl<'e, 's> Unifier<'e, 's> {
    /// What `left = right` binds, given what is bound.
    pub(super) fn unified(left: &'e Term, right: &'e Term, is_safe: IsSafe<'s>) -> HashSet<&'e str> {
        let mut unifier = Self { is_safe, unified: HashSet::new(), waiting: HashMap::new(), awaited: HashMap::new() };
        unifier.unify(left, right);
        unifier.unified
    }

    fn is_bound(&self, name: &str) -> bool {
        is_root(name) || (self.is_safe)(name) || self.unified.contains(name)
    }

    fn unify(&mut self, left: &'e Term, right: &'e Term) {
        match (&left.kind, &right.kind) {
            (TermKind::Variable(a), TermKind::Variable(b)) => {
                if self.is_bound(b) {
                    self.bind(a);
                } else if self.is_bound(a) {
                    self.bind(b);
                } else {
                    self.wait(a, b);
                    self.wait(b, a);
                }
            }
            (TermKind::Variable(name), TermKind::Array(_) | TermKind::Object(_)) => self.unify_all(name, right),
            (TermKind::Array(_) | TermKind::Object(_), TermKind::Variable(name)) => self.unify_all(name, left),
            (TermKind::Array(a), TermKind::Array(b)) => {
                if a.len() == b.len() {
                    a.iter().zip(b).for_each(|(a, b)| self.unify(a, b));
                }
            }
            (TermKind::Object(a), TermKind::Object(b)) => self.unify_objects(a, b),
            _ => {
                self.match_with(left, right, comprehension_on_the_right_binds);
                self.match_with(right, left, comprehension_on_the_left_binds);
            }
        }
    }

    fn unify_objects(&mut self, a: &'e [(Term, Term)], b: &'e [(Term, Term)]) {
        if a.len() != b.len() {
            return;
        }
        let by_key: HashMap<Key<'e>, &'e Term> =
            b.iter().filter_map(|(key, value)| Some((Key::of(key)?, value))).collect();
        for (key, value) in a {
            if let Some(other) = Key::of(key).and_then(|key| by_key.get(&key)) {
                self.unify(value, other);
            }
        }
    }

    /// A pattern and something that is no pattern.
    fn match_with(&mut self, pattern: &'e Term, other: &'e Term, binds: fn(&Term, &Term) -> bool) {
        let is_known = match &other.kind {
            TermKind::Reference { head, .. } => is_reference_safe(head, self.is_safe),
            TermKind::Call { .. } => all_safe(other, Skip::CLOSURES, self.is_safe),
            _ if is_comprehension(other) => binds(pattern, other),
            // Sets and scalars bind a variable alone, whatever is in them.
            TermKind::Set(_) => matches!(pattern.kind, TermKind::Variable(_)),
            _ => is_scalar(other) && matches!(pattern.kind, TermKind::Variable(_)),
        };
        if is_known {
            match &pattern.kind {
                TermKind::Variable(name) => self.bind(name),
                TermKind::Array(_) | TermKind::Object(_) => self.bind_all(pattern),
                _ => {}
            }
        }
    }

    fn unify_all(&mut self, name: &'e str, pattern: &'e Term) {
        if self.is_bound(name) {
            return self.bind_all(pattern);
        }
        let mut unbound = Vec::new();
        walk_term(pattern, Skip::PATTERN, &mut |inner| {
            if !self.is_bound(inner) {
                unbound.push(inner);
            }
        });
        if unbound.is_empty() {
            self.bind(name);
        }
        for inner in unbound {
            self.wait(name, inner);
        }
    }

    fn bind_all(&mut self, pattern: &'e Term) {
        let mut inner = Vec::new();
        walk_term(pattern, Skip::PATTERN, &mut |name| inner.push(name));
        inner.into_iter().for_each(|name| self.bind(name));
    }

    fn wait(&mut self, name: &'e str, awaited: &'e str) {
        if self.waiting.entry(name).or_default().insert(awaited) {
            self.awaited.entry(awaited).or_default().push(name);
        }
    }

    fn bind(&mut self, name: &'e str) {
        let mut next = vec![name];
        while let Some(name) = next.pop() {
            if is_root(name) {
                continue;
            }
            self.unified.insert(name);
            next.extend(self.waiting.remove(name).into_iter().flatten());
            for waiter in self.awaited.remove(name).into_iter().flatten() {
                if let Some(left) = self.waiting.get_mut(waiter) {
                    left.remove(name);
                    if left.is_empty() {
                        self.waiting.remove(waiter);
                        next.push(waiter);
                    }
                }
            }
        }
    }
}

/// OPA takes a list apart whatever the comprehension behind it makes, and an object never.
fn comprehension_on_the_right_binds(pattern: &Term, _: &Term) -> bool {
    matches!(pattern.kind, TermKind::Variable(_) | TermKind::Array(_))
}

/// In front of the pattern, the comprehension must make the same kind of collection.
fn comprehension_on_the_left_binds(pattern: &Term, comprehension: &Term) -> bool {
    match &pattern.kind {
        TermKind::Variable(_) => true,
        TermKind::Array(_) => matches!(comprehension.kind, TermKind::ArrayComprehension { .. }),
        TermKind::Object(_) => matches!(comprehension.kind, TermKind::ObjectComprehension { .. }),
        _ => false,
    }
}

/// What makes keys of two objects the same key.
#[derive(PartialEq, Eq, Hash)]
enum Key<'e> {
    Null,
    Bool(bool),
    Number(&'e str),
    String(&'e str),
    Variable(&'e str),
}

impl<'e> Key<'e> {
    fn of(term: &'e Term) -> Option<Self> {
        match &term.kind {
            TermKind::Null => Some(Self::Null),
            TermKind::Bool(value) => Some(Self::Bool(*value)),
            TermKind::Number(text) => Some(Self::Number(text)),
            TermKind::String(text) => Some(Self::String(text)),
            TermKind::Variable(name) => Some(Self::Variable(name)),
            _ => None,
        }
    }
}
