//! Which variables are visible where, and what they are called from now on.
//!
//! Invariant: a name is declared at most once a scope; the innermost scope wins.

use std::collections::HashMap;

/// How a variable first came up in its scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occurrence {
    /// As an argument of the function.
    Argument,
    /// Used without a declaration.
    Seen,
    /// Left of `:=`.
    Assigned,
    /// By `some` or `every`.
    Declared,
}

/// Scopes from the rule's inwards.
#[derive(Clone, Debug)]
pub(super) struct Scopes {
    scopes: Vec<Scope>,
}

type Scope = HashMap<String, (String, Occurrence)>;

impl Scopes {
    pub(super) fn new() -> Self {
        Self { scopes: vec![Scope::new()] }
    }

    pub(super) fn push(&mut self) {
        self.scopes.push(Scope::new());
    }

    pub(super) fn pop(&mut self) {
        self.scopes.pop();
    }

    /// The name that a variable goes by, when it was seen before.
    pub(super) fn current_name(&self, name: &str) -> Option<&str> {
        self.find(name).map(|(current, _)| current.as_str())
    }

    /// The name given to a variable that was declared, as opposed to only used.
    pub(super) fn declared_name(&self, name: &str) -> Option<&str> {
        self.find(name).filter(|(_, how)| *how != Occurrence::Seen).map(|(current, _)| current.as_str())
    }

    /// How it came up in the innermost scope.
    pub(super) fn occurrence(&self, name: &str) -> Option<Occurrence> {
        self.scopes.last()?.get(name).map(|(_, how)| *how)
    }

    pub(super) fn insert(&mut self, name: &str, current: String, how: Occurrence) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_owned(), (current, how));
        }
    }

    /// Names of the innermost scope that `some` or `every` declared: as given and as in the source.
    pub(super) fn declared_here(&self) -> impl Iterator<Item = (&str, &str)> {
        let entries = self.scopes.last().into_iter().flatten();
        entries
            .filter(|(_, (_, how))| *how == Occurrence::Declared)
            .map(|(name, (current, _))| (current.as_str(), name.as_str()))
    }

    fn find(&self, name: &str) -> Option<&(String, Occurrence)> {
        self.scopes.iter().rev().find_map(|scope| scope.get(name))
    }
}
