//! One mutator on one object: down its location, making what is missing, to the place where it writes.
//!
//! What is made on the way stays only if something is written below it.

use serde_json::{Map, Value};
use thiserror::Error;

use super::draft::Draft;
use super::setters::{Metadata, Setter};
use crate::model::api::mutator::{KeyValue, LocationNode, Mutator, PathTests};
use crate::model::object::go_text;
use crate::model::object::{FieldPath, Segment};

/// Why a mutator cannot act on an object: the request cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MutateError {
    /// A step of the location leads into something else than it says.
    #[error("mismatch between path entry (type: {expected}) and received object (type: {found}). Path: {node}")]
    Mismatch {
        /// `object` or `List`.
        expected: &'static str,
        /// What is there, as Go names it.
        found: &'static str,
        /// The step.
        node: String,
    },
    /// Among elements that are told apart by a field, there is one that has no fields.
    #[error("cast error, unable to case {found} to map[string]interface{{}}")]
    NoElement {
        /// What it is, as Go names it.
        found: &'static str,
    },
    /// A ModifySet is to change something that is no list.
    #[error("{value} is not a list of values, cannot treat it as a set")]
    NoSet {
        /// What is there.
        value: String,
    },
    /// An AssignImage is to change something that is no string.
    #[error("expected value at AssignImage location to be a string, got {value} of type {found}")]
    NoImage {
        /// What is there.
        value: String,
        /// What it is, as Go names it.
        found: &'static str,
    },
    /// What a provider of external data is to be asked is no string.
    #[error("value assigned to external data placeholder is not a string, got {value} ({found})")]
    NoKey {
        /// What is there.
        value: String,
        /// What it is, as Go names it.
        found: &'static str,
    },
}

/// Lets a mutator act. Whether it wrote anything, be it what was there before.
///
/// # Errors
/// When the object is not of the shape that its location implies. The draft is then of no use any more.
pub(crate) fn apply(mutator: &Mutator, draft: &mut Draft, username: &str) -> Result<bool, MutateError> {
    let Draft { object, placeholders, is_changed } = draft;
    let metadata = Metadata::for_action(&mutator.action, object);
    let setter = Setter { action: &mutator.action, metadata, username, placeholders, is_changed };
    let mut walk = Walk { nodes: mutator.location.nodes(), tests: &mutator.path_tests, setter, path: Vec::new() };
    walk.node(object, 0)
}

struct Walk<'a> {
    nodes: &'a [LocationNode],
    tests: &'a PathTests,
    setter: Setter<'a>,
    /// The way down to here.
    path: Vec<Step<'a>>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> Walk<'a> {
    fn node(&mut self, current: &mut Value, depth: usize) -> Result<bool, MutateError> {
        match self.nodes.get(depth) {
            Some(LocationNode::Field(name)) => {
                let found = go_text::type_name(current);
                match current {
                    Value::Object(fields) => self.field(fields, name, depth),
                    _ => Err(self.mismatch("object", found, depth)),
                }
            }
            Some(LocationNode::Element { key, value }) => {
                let found = go_text::type_name(current);
                match (current, value) {
                    (Value::Array(elements), None) => self.all_elements(elements, depth),
                    (Value::Array(elements), Some(value)) if self.is_last(depth) => {
                        self.last_element(elements, key, value, depth)
                    }
                    (Value::Array(elements), Some(value)) => self.elements(elements, key, value, depth),
                    _ => Err(self.mismatch("List", found, depth)),
                }
            }
            // A location is not empty.
            None => Ok(false),
        }
    }

    fn field(&mut self, fields: &mut Map<String, Value>, name: &'a str, depth: usize) -> Result<bool, MutateError> {
        if !self.allows(fields.contains_key(name), depth) {
            return Ok(false);
        }
        self.path.push(Step::Key(name));
        let is_written = if self.is_last(depth) {
            self.write(fields, name)
        } else if let Some(next) = fields.get_mut(name) {
            self.node(next, depth + 1)
        } else {
            let mut next = self.missing(depth);
            let is_written = self.node(&mut next, depth + 1);
            if is_written == Ok(true) {
                fields.insert(name.to_owned(), next);
                *self.setter.is_changed = true;
            }
            is_written
        };
        self.path.pop();
        is_written
    }

    fn all_elements(&mut self, elements: &mut [Value], depth: usize) -> Result<bool, MutateError> {
        // That nothing is there can never be said of all elements.
        if !self.tests.allows_existing(depth) {
            return Ok(false);
        }
        let mut is_written = false;
        for (index, element) in elements.iter_mut().enumerate() {
            is_written |= self.below(index, element, depth)?;
        }
        Ok(is_written)
    }

    fn elements(
        &mut self,
        elements: &mut Vec<Value>,
        key: &str,
        wanted: &KeyValue,
        depth: usize,
    ) -> Result<bool, MutateError> {
        let (mut is_found, mut is_written) = (false, false);
        for (index, element) in elements.iter_mut().enumerate() {
            if !element.get(key).is_some_and(|value| wanted.is(value)) {
                continue;
            }
            if !self.tests.allows_existing(depth) {
                return Ok(false);
            }
            is_found = true;
            is_written |= self.below(index, element, depth)?;
        }
        if is_found || !self.tests.allows_missing(depth) {
            return Ok(is_written);
        }
        let mut element = Map::from_iter([(key.to_owned(), wanted.to_json())]).into();
        is_written = self.below(elements.len(), &mut element, depth)?;
        if is_written {
            elements.push(element);
            *self.setter.is_changed = true;
        }
        Ok(is_written)
    }

    /// Puts an element as a whole in place of the first of its key, or behind all others.
    fn last_element(
        &mut self,
        elements: &mut Vec<Value>,
        key: &str,
        wanted: &KeyValue,
        depth: usize,
    ) -> Result<bool, MutateError> {
        let mut place = None;
        for (index, element) in elements.iter().enumerate() {
            let Value::Object(fields) = element else {
                return Err(MutateError::NoElement { found: go_text::type_name(element) });
            };
            if fields.get(key).is_some_and(|value| wanted.is(value)) {
                place = Some(index);
                break;
            }
        }
        if !self.allows(place.is_some(), depth) {
            return Ok(false);
        }
        let Some(new) = self.setter.element() else { return Ok(false) };
        match place.and_then(|index| elements.get_mut(index)) {
            Some(element) => {
                if let Some(path) = self.place_with_placeholders(place.map(Step::Index)) {
                    *self.setter.is_changed |= self.setter.placeholders.forget(&path);
                }
                if element != new {
                    *element = new.clone();
                    *self.setter.is_changed = true;
                }
            }
            None => {
                elements.push(new.clone());
                *self.setter.is_changed = true;
            }
        }
        Ok(true)
    }

    fn below(&mut self, index: usize, element: &mut Value, depth: usize) -> Result<bool, MutateError> {
        self.path.push(Step::Index(index));
        let is_written = self.node(element, depth + 1);
        self.path.pop();
        is_written
    }

    fn write(&mut self, fields: &mut Map<String, Value>, name: &str) -> Result<bool, MutateError> {
        let path =
            if self.setter.is_of_external_data() { Some(self.place(None)) } else { self.place_with_placeholders(None) };
        self.setter.set(fields, name, path).map(|()| true)
    }

    /// The place that is written; `None` as long as no place waits for anything, which is nearly always.
    fn place_with_placeholders(&self, last: Option<Step<'a>>) -> Option<FieldPath> {
        (!self.setter.placeholders.is_empty()).then(|| self.place(last))
    }

    fn place(&self, last: Option<Step<'a>>) -> FieldPath {
        let to_segment = |step: &Step<'a>| match step {
            Step::Key(key) => Segment::Key((*key).to_owned()),
            Step::Index(index) => Segment::Index(*index),
        };
        let steps: Vec<Segment> = self.path.iter().chain(&last).map(to_segment).collect();
        FieldPath::root().join(&steps)
    }

    fn allows(&self, exists: bool, depth: usize) -> bool {
        if exists { self.tests.allows_existing(depth) } else { self.tests.allows_missing(depth) }
    }

    fn is_last(&self, depth: usize) -> bool {
        depth + 1 == self.nodes.len()
    }

    /// What the step after this one leads into.
    fn missing(&self, depth: usize) -> Value {
        match self.nodes.get(depth + 1) {
            Some(LocationNode::Element { .. }) => Value::Array(Vec::new()),
            _ => Value::Object(Map::new()),
        }
    }

    fn mismatch(&self, expected: &'static str, found: &'static str, depth: usize) -> MutateError {
        let node = self.nodes.get(depth).map(ToString::to_string).unwrap_or_default();
        MutateError::Mismatch { expected, found, node }
    }
}
