//! The entries of a mapping, however it is kept.

use super::Value;
use super::tree::{Iter, Tree};

/// A key of a mapping, and its value.
pub type Entry<'a> = (&'a Value, &'a Value);

/// The same to keep.
pub fn owned((key, value): Entry<'_>) -> (Value, Value) {
    (key.clone(), value.clone())
}

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
    pub fn get(self, position: usize) -> Option<Entry<'a>> {
        match self {
            Self::Flat(entries) => entries.get(position).map(|(key, value)| (key, value)),
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
    pub fn reversed(self) -> impl Iterator<Item = Entry<'a>> {
        (0..self.len()).rev().filter_map(move |position| self.get(position))
    }

    pub fn to_vec(self) -> Vec<(Value, Value)> {
        self.iter().map(owned).collect()
    }
}

impl<'a> IntoIterator for Entries<'a> {
    type Item = Entry<'a>;
    type IntoIter = Iter<'a, Value, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
