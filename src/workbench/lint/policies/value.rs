//! What is known of a value without running the policy: where it comes from, and which texts it may be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::value::Step;

/// A path from `input` or `inventory` on.
pub(in crate::workbench::lint) type Place = Vec<Step>;

/// Longer paths are not followed.
const LONGEST: usize = 40;
/// Collections within each other that are told apart.
const DEEPEST: usize = 5;
/// More places than these are not told apart.
const MOST_PLACES: usize = 200;

/// Everything that a value may be, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::workbench::lint) struct Value {
    /// It may be what is at one of these places.
    pub(in crate::workbench::lint) places: BTreeSet<Place>,
    /// It may be one of these texts.
    pub(in crate::workbench::lint) texts: BTreeSet<Arc<str>>,
    /// Elements of an array or a set, or values of an object with keys that are not known.
    pub(super) items: Option<Box<Value>>,
    /// What an unbound variable as a step stands for, where that is known: elements of sets, keys of objects.
    pub(super) keys: Option<Box<Value>>,
    /// Values of an object.
    pub(super) fields: BTreeMap<Arc<str>, Value>,
    /// It may be something else, too.
    pub(in crate::workbench::lint) is_open: bool,
}

impl Value {
    /// Nothing is known.
    pub(super) fn open() -> Self {
        Self { is_open: true, ..Self::default() }
    }

    pub(super) fn root(name: &str) -> Self {
        Self { places: BTreeSet::from([vec![Step::Key(name.into())]]), ..Self::default() }
    }

    pub(super) fn text(text: &str) -> Self {
        Self { texts: BTreeSet::from([Arc::from(text)]), ..Self::default() }
    }

    pub(super) fn list(items: Self) -> Self {
        Self { items: Some(Box::new(items)), ..Self::default() }
    }

    pub(super) fn set(items: Self) -> Self {
        Self { keys: Some(Box::new(items.clone())), ..Self::list(items) }
    }

    /// One or the other.
    pub(super) fn merge(&mut self, other: Self) {
        self.places.extend(other.places);
        if self.places.len() > MOST_PLACES {
            self.places.clear();
            self.is_open = true;
        }
        self.texts.extend(other.texts);
        self.is_open |= other.is_open;
        for (mine, others) in [(&mut self.items, other.items), (&mut self.keys, other.keys)] {
            match (mine.as_mut(), others) {
                (Some(mine), Some(others)) => mine.merge(*others),
                (None, others @ Some(_)) => *mine = others,
                (_, None) => {}
            }
        }
        for (key, value) in other.fields {
            self.fields.entry(key).or_default().merge(value);
        }
    }

    /// What is one step below.
    pub(super) fn step(&self, step: &Step) -> Self {
        let mut below = Self { is_open: self.is_open, ..Self::default() };
        for place in self.places.iter().filter(|place| place.len() < LONGEST) {
            below.places.insert(place.iter().chain([step]).cloned().collect());
        }
        if let Some(items) = &self.items {
            below.merge((**items).clone());
        }
        match step {
            Step::Key(key) => match self.fields.get(key) {
                Some(field) => below.merge(field.clone()),
                None => below.is_open |= self.fields.is_empty() && self.places.is_empty() && self.items.is_none(),
            },
            Step::Any => self.fields.values().for_each(|field| below.merge(field.clone())),
        }
        below
    }

    /// What an unbound variable is that stands as a step below this.
    pub(super) fn step_variable(&self) -> Self {
        let mut keys = self.keys.as_deref().cloned().unwrap_or_else(Self::open);
        if !self.fields.is_empty() && self.keys.is_none() && self.items.is_none() && self.places.is_empty() {
            keys = Self { texts: self.fields.keys().cloned().collect(), is_open: self.is_open, ..Self::default() };
        }
        keys
    }

    /// Without the innermost parts of what is nested deeply, so that there are not too many values.
    pub(super) fn bounded(mut self) -> Self {
        self.cut(DEEPEST);
        self
    }

    fn cut(&mut self, left: usize) {
        if left == 0 {
            *self = Self::open();
            return;
        }
        self.items.iter_mut().chain(&mut self.keys).for_each(|part| part.cut(left - 1));
        self.fields.values_mut().for_each(|field| field.cut(left - 1));
    }

    /// All places in it.
    pub(super) fn each_place(&self, visit: &mut dyn FnMut(&Place)) {
        self.places.iter().for_each(&mut *visit);
        self.items.iter().chain(&self.keys).for_each(|part| part.each_place(visit));
        self.fields.values().for_each(|field| field.each_place(visit));
    }
}
