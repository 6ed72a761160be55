//! What an evaluation touches of one document: which of its values it tests, which it only passes through, and which keys
//! it looks for in vain.
//!
//! Values are known by where they are in memory: policies borrow them, and what is copied shares its text or its elements.
//! Only booleans and numbers lose their identity when a policy puts them into a value of its own.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::model::object::{FieldPath, Segment};
use crate::policy::engine::rego::value::Value;

/// Documents of more values are observed no further.
const MAX_NODES: usize = 100_000;
/// So many elements of a value that a policy has made are looked at.
const MAX_ELEMENTS: usize = 256;
/// As deep is looked into values that a policy has made.
const MAX_DEPTH: usize = 3;

/// Watches evaluations of policies that read this document.
#[derive(Debug, Default)]
pub struct Observer {
    #[expect(dead_code, reason = "while it lives, no other value gets an address of its parts")]
    document: Option<Value>,
    nodes: Vec<Node>,
    by_identity: HashMap<usize, Vec<u32>>,
    touches: BTreeMap<u32, Touch>,
    iterated: BTreeSet<u32>,
    /// With the number of the touch that it was.
    missed: BTreeMap<(u32, String), u32>,
    /// Which touch was the first of each.
    first: BTreeMap<u32, u32>,
    /// So many touches there were.
    count: u32,
}

#[derive(Debug)]
struct Node {
    parent: u32,
    segment: Option<Segment>,
}

/// What was done with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Touch {
    /// The way to something led through it, or it was only shown.
    Read,
    /// Something depended on what it is.
    Tested,
}

impl Observer {
    /// For evaluations that read this document.
    pub fn of(document: &Value) -> Self {
        let mut observer = Self { document: Some(document.clone()), ..Self::default() };
        let mut open = vec![(document, None, 0, None)];
        while let Some((value, key, parent, segment)) = open.pop() {
            let Ok(number) = u32::try_from(observer.nodes.len()) else { break };
            if observer.nodes.len() >= MAX_NODES {
                break;
            }
            observer.nodes.push(Node { parent, segment });
            // Policies take a mapping's keys as values: who depends on a key depends on the entry.
            for identity in [Some(identity(value)), key].into_iter().flatten() {
                observer.by_identity.entry(identity).or_default().push(number);
            }
            match value {
                Value::Array(items) => {
                    let items = items.iter().enumerate();
                    open.extend(items.map(|(index, item)| (item, None, number, Some(Segment::Index(index)))));
                }
                Value::Object(object) => {
                    let entries = object.entries().iter();
                    let named = entries.filter_map(|(key, item)| Some((item, key, key.as_str()?)));
                    open.extend(named.map(|(item, key, name)| {
                        (item, Some(identity(key)), number, Some(Segment::Key(name.to_owned())))
                    }));
                }
                _ => {}
            }
        }
        observer
    }

    /// What was touched, in the order of paths.
    pub fn touched(&self) -> BTreeMap<FieldPath, Touch> {
        self.touches.iter().map(|(number, touch)| (self.path(*number), *touch)).collect()
    }

    /// Collections whose elements were looked at one by one.
    pub fn iterated(&self) -> BTreeSet<FieldPath> {
        self.iterated.iter().map(|number| self.path(*number)).collect()
    }

    /// Mappings and the keys that were looked for and not found there.
    pub fn missed(&self) -> BTreeSet<(FieldPath, String)> {
        self.missed.keys().map(|(number, key)| (self.path(*number), key.clone())).collect()
    }

    /// When each was touched, or looked for in vain, for the first time: greater is later.
    pub fn order(&self) -> BTreeMap<FieldPath, u32> {
        let missed = self.missed.iter().map(|((number, key), order)| (self.path(*number).key(key), *order));
        missed.chain(self.first.iter().map(|(number, order)| (self.path(*number), *order))).collect()
    }

    fn path(&self, mut number: u32) -> FieldPath {
        let mut segments = Vec::new();
        while let Some(Node { parent, segment: Some(segment) }) = self.nodes.get(number as usize) {
            segments.push(segment.clone());
            number = *parent;
        }
        segments.into_iter().rev().fold(FieldPath::root(), |path, segment| match segment {
            Segment::Key(key) => path.key(key),
            Segment::Index(index) => path.index(index),
        })
    }

    pub(super) fn touch(&mut self, value: &Value, touch: Touch) {
        self.count = self.count.saturating_add(1);
        for number in self.by_identity.get(&identity(value)).into_iter().flatten() {
            self.first.entry(*number).or_insert(self.count);
            let known = self.touches.entry(*number).or_insert(touch);
            *known = touch.max(*known);
        }
    }

    pub(super) fn iterate(&mut self, value: &Value) {
        self.touch(value, Touch::Read);
        self.iterated.extend(self.by_identity.get(&identity(value)).into_iter().flatten());
    }

    /// Something depends on this value, which may have been made of values of the document.
    pub(super) fn test(&mut self, value: &Value) {
        self.test_within(value, MAX_DEPTH);
    }

    fn test_within(&mut self, value: &Value, depth: usize) {
        self.touch(value, Touch::Tested);
        let Some(depth) = depth.checked_sub(1) else { return };
        match value {
            _ if self.by_identity.contains_key(&identity(value)) => {}
            Value::Array(items) => items.iter().take(MAX_ELEMENTS).for_each(|item| self.test_within(item, depth)),
            Value::Set(set) => set.items().iter().take(MAX_ELEMENTS).for_each(|item| self.test_within(item, depth)),
            Value::Object(object) => {
                object.entries().iter().take(MAX_ELEMENTS).for_each(|(_, item)| self.test_within(item, depth));
            }
            _ => {}
        }
    }

    /// A step from a value by a key, whether or not it leads somewhere. What is there depends on the key.
    pub(super) fn step(&mut self, from: &Value, key: &Value) {
        self.touch(key, Touch::Tested);
        match (from.get(key), from, key) {
            (Some(found), ..) => self.touch(found, Touch::Read),
            (None, Value::Object(_), Value::String(key)) => {
                let Some(numbers) = self.by_identity.get(&identity(from)) else { return };
                for number in numbers {
                    self.missed.entry((*number, key.to_string())).or_insert(self.count);
                }
            }
            _ => {}
        }
    }

    /// The same for a builtin that takes a path, or a key, and a value for when there is nothing.
    pub(super) fn look_up(&mut self, from: &Value, path: &Value) {
        let single = std::slice::from_ref(path);
        let path: &[Value] = match path {
            Value::Array(keys) => keys,
            _ => single,
        };
        let mut at = from;
        for key in path {
            self.step(at, key);
            match at.get(key) {
                Some(found) => at = found,
                None => return,
            }
        }
        self.touch(at, Touch::Tested);
    }
}

/// What copies of a value have in common, as far as possible.
fn identity(value: &Value) -> usize {
    match value {
        Value::String(text) => Arc::as_ptr(text).cast::<u8>() as usize,
        Value::Array(items) => Arc::as_ptr(items) as usize,
        Value::Object(object) => Arc::as_ptr(object) as usize,
        Value::Set(set) => Arc::as_ptr(set) as usize,
        Value::Null | Value::Bool(_) | Value::Number(_) => std::ptr::from_ref(value) as usize,
    }
}
