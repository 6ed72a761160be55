//! The entries of a mapping, however it is kept.

use super::Value;
use super::tree::{Iter, Tree};

/// Entries in the order of their keys.
#[derive(Clone, Copy, Debug)]
pub enum Entries<'a> {
    Flat(&'a [(Value, Value)]),
    Tree(&'a Tree<Value, Value>),
}

impl<'a> Entries<'a> {
    pub fn len(self) -> usize {
        match self {
            Self::Flat(entries) => entries.len(),
            Self::Tree(tree) => tree.len(),
        }
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The entry at a position.
    #[inline]
    pub fn get(self, position: usize) -> Option<&'a (Value, Value)> {
        match self {
            Self::Flat(entries) => entries.get(position),
            Self::Tree(tree) => tree.at(position),
        }
    }

    #[inline]
    pub fn iter(self) -> Iter<'a, Value, Value> {
        match self {
            Self::Flat(entries) => Iter::of_slice(entries),
            Self::Tree(tree) => tree.iter(),
        }
    }

    /// From the last to the first.
    pub fn reversed(self) -> impl Iterator<Item = &'a (Value, Value)> {
        (0..self.len()).rev().filter_map(move |position| self.get(position))
    }

    pub fn to_vec(self) -> Vec<(Value, Value)> {
        self.iter().cloned().collect()
    }
}

impl<'a> IntoIterator for Entries<'a> {
    type Item = &'a (Value, Value);
    type IntoIter = Iter<'a, Value, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
