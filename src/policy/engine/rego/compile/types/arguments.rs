//! Fits terms to types, and learns the types of variables by it.
//!
//! Invariant: a variable without a type takes the one it is fitted to; one that has a type keeps it.

use super::body::BodyChecker;
use super::relations::{either, keys, select, unifies, values};
use super::{Key, Kind, Type, TypeRef};
use crate::policy::engine::rego::compile::tree::{is_comprehension, is_constant};
use crate::policy::engine::rego::syntax::ast::{Term, TermKind};

impl BodyChecker<'_> {
    /// The type of a term as far as it is known.
    pub(super) fn type_of(&mut self, term: &Term) -> TypeRef {
        let kind = match &term.kind {
            TermKind::Null => Kind::Null,
            TermKind::Bool(_) => Kind::Boolean,
            TermKind::Number(_) => Kind::Number,
            TermKind::String(_) => Kind::String,
            TermKind::Variable(name) => return self.variable(name).unwrap_or_else(Type::unknown),
            TermKind::Reference { head, path } => return self.type_of_reference(head, path),
            TermKind::Array(items) => {
                let items: Vec<TypeRef> = items.iter().map(|item| self.type_of(item)).collect();
                let rest = items.is_empty().then(Type::any);
                Kind::Array { items, rest }
            }
            TermKind::Object(entries) => return self.type_of_object(entries),
            TermKind::Set(items) => {
                let items: Vec<TypeRef> = items.iter().map(|item| self.type_of(item)).collect();
                Kind::Set(super::relations::any_of(items).unwrap_or_else(Type::any))
            }
            _ => return Type::unknown(),
        };
        Type::of(kind)
    }

    fn type_of_object(&mut self, entries: &[(Term, Term)]) -> TypeRef {
        let (mut fields, mut rest) = (Vec::new(), None);
        for (key, value) in entries {
            let value = self.type_of(value);
            match constant_key(key) {
                Some(key) => fields.push((key, value)),
                None => rest = Some((self.type_of(key), value)),
            }
        }
        if fields.is_empty() && rest.is_none() {
            rest = Some((Type::any(), Type::any()));
        }
        fields.sort_by(|(a, _), (b, _)| a.cmp(b));
        fields.dedup_by(|(a, _), (b, _)| a == b);
        Type::of(Kind::Object { fields, rest })
    }

    /// Whether two sides may be equal.
    pub(super) fn fit_sides(&mut self, a: &Term, b: &Term) -> bool {
        let (type_a, type_b) = (self.type_of(a), self.type_of(b));
        match (type_a.has_unknown, type_b.has_unknown) {
            (true, false) => self.fit(a, &type_b, false),
            (false, true) => self.fit(b, &type_a, false),
            (false, false) => unifies(&type_a, &type_b),
            (true, true) => self.fit_unknown_sides(a, b),
        }
    }

    fn fit_unknown_sides(&mut self, a: &Term, b: &Term) -> bool {
        match (&a.kind, &b.kind) {
            (TermKind::Array(items), TermKind::Array(others)) => {
                items.len() == others.len() && items.iter().zip(others).all(|(a, b)| self.fit_sides(a, b))
            }
            (TermKind::Object(entries), TermKind::Object(others)) => {
                let matches = entries.len() == others.len();
                matches
                    && entries.iter().all(|(key, value)| {
                        let Some(wanted) = constant_key(key) else {
                            return true;
                        };
                        let other = others.iter().find(|(key, _)| constant_key(key).as_ref() == Some(&wanted));
                        let is_open = others.iter().any(|(key, _)| constant_key(key).is_none());
                        other.map_or(is_open, |(_, other)| self.fit_sides(value, other))
                    })
            }
            _ => {
                self.fit(a, &Type::any(), false);
                let type_a = self.type_of(a);
                self.fit(b, &type_a, false)
            }
        }
    }

    /// Whether a term may be of a type. With `widen` a variable may be of this type, too.
    pub(super) fn fit(&mut self, term: &Term, wanted: &TypeRef, widen: bool) -> bool {
        match &term.kind {
            TermKind::Variable(name) => {
                match self.variable(name) {
                    Some(known) if !widen => return unifies(&known, wanted),
                    Some(known) => self.set_variable(name, either(&known, wanted)),
                    None => self.set_variable(name, wanted.clone()),
                }
                true
            }
            TermKind::Array(_) | TermKind::Object(_) | TermKind::Set(_) => self.fit_collection(term, wanted, widen),
            _ if is_comprehension(term) => true,
            _ => {
                let known = self.type_of(term);
                unifies(&known, wanted)
            }
        }
    }

    fn fit_collection(&mut self, term: &Term, wanted: &TypeRef, widen: bool) -> bool {
        if wanted.is_anything() {
            for part in crate::policy::engine::rego::compile::tree::parts(term) {
                self.fit(part, &Type::any(), true);
            }
            return true;
        }
        match (&term.kind, &wanted.kind) {
            (_, Kind::Any(options)) => {
                // Every option may teach something about the variables, so all are tried.
                let fitting = options.iter().filter(|option| self.fit(term, option, true));
                fitting.count() > 0
            }
            (TermKind::Array(terms), Kind::Array { items, rest }) => {
                if terms.len() != items.len() && rest.is_none() {
                    return false;
                }
                terms.iter().enumerate().all(|(index, term)| {
                    let wanted = items.get(index).or(rest.as_ref());
                    wanted.is_some_and(|wanted| self.fit(term, wanted, widen))
                })
            }
            (TermKind::Object(entries), Kind::Object { fields, rest }) => {
                if entries.len() != fields.len() && rest.is_none() {
                    return false;
                }
                entries.iter().all(|(key, value)| match constant_key(key) {
                    Some(key) => select(wanted, &key).is_some_and(|wanted| self.fit(value, &wanted, widen)),
                    None if is_constant(key) => true,
                    None => {
                        self.fit(value, &Type::any(), widen);
                        true
                    }
                })
            }
            (TermKind::Set(terms), Kind::Set(element)) => terms.iter().all(|term| self.fit(term, element, widen)),
            _ => false,
        }
    }

    /// The type below a path, `None` steps being anything.
    pub(super) fn type_below(&mut self, start: TypeRef, path: &[Term]) -> TypeRef {
        let mut current = start;
        for step in path {
            let below = match constant_key(step) {
                Some(key) => select(&current, &key),
                None => values(&current),
            };
            current = below.unwrap_or_else(Type::unknown);
        }
        current
    }

    /// The types that the keys of a type have, or a word that it has none.
    pub(super) fn keys_of(&self, of: &Type) -> Result<TypeRef, String> {
        keys(of).ok_or_else(|| format!("{of} has nothing below it"))
    }
}

/// A scalar as a key.
pub(super) fn constant_key(term: &Term) -> Option<Key> {
    match &term.kind {
        TermKind::Null => Some(Key::Null),
        TermKind::Bool(value) => Some(Key::Bool(*value)),
        TermKind::Number(text) => Some(Key::Number(text.clone())),
        TermKind::String(text) => Some(Key::String(text.clone())),
        _ => None,
    }
}
