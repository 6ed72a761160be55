//! Types of the rules, by path.
//!
//! Invariant: a path that is not here may hold anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::relations::{either, merge};
use super::{Key, Kind, Type, TypeRef};
use crate::policy::engine::rego::compile::signatures::Signature;

/// A whole document is described by its parts only up to so many.
const MOST_CHILDREN: usize = 500;

/// A step of a path.
#[derive(Debug, Default)]
pub(super) struct Documents {
    pub(super) value: Option<TypeRef>,
    pub(super) function: Option<Arc<Signature>>,
    pub(super) children: BTreeMap<String, Documents>,
}

impl Documents {
    pub(super) fn find<'s>(&self, path: impl IntoIterator<Item = &'s str>) -> Option<&Self> {
        path.into_iter().try_fold(self, |node, step| node.children.get(step))
    }

    /// Makes the path hold anything: a rule with mistakes does not cause others elsewhere.
    pub(super) fn give_up(&mut self, path: &[&str]) {
        let node = self.at(path);
        node.value = Some(Type::any());
        node.function = None;
    }

    /// One more clause of a function.
    pub(super) fn add_function(&mut self, path: &[&str], signature: Signature) {
        let node = self.at(path);
        if node.value.is_some() {
            return;
        }
        let merged = match node.function.take() {
            Some(known) if known.arguments.len() == signature.arguments.len() => {
                let pairs = known.arguments.iter().zip(&signature.arguments);
                let result = match (&known.result, &signature.result) {
                    (Some(a), Some(b)) => Some(either(a, b)),
                    (a, b) => a.clone().or(b.clone()),
                };
                Signature { arguments: pairs.map(|(a, b)| either(a, b)).collect(), result, ..signature }
            }
            _ => signature,
        };
        node.function = Some(Arc::new(merged));
    }

    /// One more rule, also seen by the objects that rules above it make.
    pub(super) fn add_value(&mut self, path: &[&str], value: &TypeRef) {
        let mut node = self;
        for (index, step) in path.iter().enumerate() {
            node = node.children.entry((*step).to_owned()).or_default();
            let rest = path.get(index + 1..).unwrap_or_default();
            if let (Some(known), false) = (&node.value, rest.is_empty()) {
                node.value = Some(with_field(known, rest, value));
            }
        }
        let merged = node.value.as_ref().map_or_else(|| value.clone(), |known| merge(known, value));
        let mut below = Vec::new();
        node.leaves(&mut Vec::new(), &mut below);
        let whole = below.iter().fold(merged, |whole, (path, leaf)| {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            with_field(&whole, &path, leaf)
        });
        node.value = Some(whole);
    }

    /// The type of all that is here and below.
    pub(super) fn extent(&self) -> TypeRef {
        if let Some(value) = &self.value {
            return value.clone();
        }
        let string = Type::of(Kind::String);
        if self.children.len() > MOST_CHILDREN {
            return Type::object_of(string, Type::any());
        }
        let fields = self.children.iter().map(|(step, child)| (Key::String(step.clone()), child.extent())).collect();
        Type::of(Kind::Object { fields, rest: Some((string, Type::any())) })
    }

    fn at(&mut self, path: &[&str]) -> &mut Self {
        path.iter().fold(self, |node, step| node.children.entry((*step).to_owned()).or_default())
    }

    fn leaves(&self, path: &mut Vec<String>, found: &mut Vec<(Vec<String>, TypeRef)>) {
        for (step, child) in &self.children {
            path.push(step.clone());
            match &child.value {
                Some(value) => found.push((path.clone(), value.clone())),
                None => child.leaves(path, found),
            }
            path.pop();
        }
    }
}

/// An object that may have one more field. What is no object stays as it is.
fn with_field(object: &TypeRef, path: &[&str], value: &TypeRef) -> TypeRef {
    let Kind::Object { fields, rest } = &object.kind else {
        return object.clone();
    };
    let inner =
        path.iter().skip(1).rev().fold(value.clone(), |inner, _| Type::object_of(Type::of(Kind::String), inner));
    let string = Type::of(Kind::String);
    let rest = match rest {
        Some((keys, values)) => (either(keys, &string), either(values, &inner)),
        None => (string, inner),
    };
    Type::of(Kind::Object { fields: fields.clone(), rest: Some(rest) })
}
