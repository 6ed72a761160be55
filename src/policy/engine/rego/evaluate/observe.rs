//! What an evaluation touches of one document: which of its values it tests, which it only passes through, and which keys
//! it looks for in vain.
//!
//! It also notes what each was compared with, and what for ([`Role`]): rules go on with what is just so, and find fault with
//! what is not so.
//!
//! Values are known by where they are in memory: policies borrow them, and what is copied shares its text or its elements.
//! Only booleans and numbers lose their identity when a policy puts them into a value of its own.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use crate::model::object::{FieldPath, Segment};
use crate::policy::engine::rego::value::Value;

/// Documents of more values are observed no further.
const MAX_NODES: usize = 100_000;
/// So many elements of a value that a policy has made are looked at.
const MAX_ELEMENTS: usize = 256;
/// As deep is looked into values that a policy has made.
const MAX_DEPTH: usize = 3;
/// So many values that one was compared with are kept.
const MAX_WANTED: usize = 4;
/// So many answers of look-ups wait for being tested.
const MAX_LOOSE: usize = 8;

/// A value of the document, or a key that is missing from one.
type Spot = (u32, Option<String>);

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
    roles: BTreeMap<Spot, Role>,
    wanted: BTreeMap<Spot, Vec<Value>>,
    /// What look-ups gave that has no identity, and whence.
    loose: VecDeque<(Value, Vec<Spot>)>,
    negations: u32,
    collections: u32,
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

/// What tests of a value were for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Which objects the rule is for: it goes on when the value is just so.
    Guard,
    /// That cannot be told.
    Open,
    /// What the rule finds fault with: it goes on when the value is not so.
    Check,
}

/// How a value is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Equal,
    Unequal,
    Other,
}

/// Where a test stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
    Negation,
    Collection,
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

    /// What each was tested for, what is missing included. Without one, that cannot be told.
    pub fn roles(&self) -> BTreeMap<FieldPath, Role> {
        self.roles.iter().map(|(spot, role)| (self.path_of(spot), *role)).collect()
    }

    /// What each was compared with, what is missing included.
    pub fn wanted(&self) -> BTreeMap<FieldPath, Vec<Value>> {
        self.wanted.iter().map(|(spot, values)| (self.path_of(spot), values.clone())).collect()
    }

    fn path_of(&self, (number, key): &Spot) -> FieldPath {
        let path = self.path(*number);
        key.iter().fold(path, |path, key| path.key(key.clone()))
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

    /// A negation or a collection begins or ends.
    pub(super) fn within(&mut self, within: Within, is_begin: bool) {
        let count = match within {
            Within::Negation => &mut self.negations,
            Within::Collection => &mut self.collections,
        };
        *count = if is_begin { count.saturating_add(1) } else { count.saturating_sub(1) };
    }

    /// Something depends on this value, which may have been made of values of the document.
    pub(super) fn test(&mut self, value: &Value, test: Test) {
        self.tested(value, test);
    }

    /// The same for two values that are compared.
    pub(super) fn compare(&mut self, left: &Value, right: &Value, test: Test) {
        let (lefts, rights) = (self.tested(left, test), self.tested(right, test));
        self.want(&lefts, right);
        self.want(&rights, left);
    }

    /// The same for a value that is to be one of several.
    pub(super) fn member(&mut self, item: &Value, collection: &Value) {
        let spots = self.tested(item, Test::Equal);
        self.tested(collection, Test::Other);
        match collection {
            Value::Array(items) => items.iter().take(MAX_WANTED).for_each(|one| self.want(&spots, one)),
            Value::Set(set) => set.items().iter().take(MAX_WANTED).for_each(|one| self.want(&spots, one)),
            _ => {}
        }
    }

    fn tested(&mut self, value: &Value, test: Test) -> Vec<Spot> {
        let role = self.role(test);
        self.test_within(value, MAX_DEPTH, role);
        if let Some(numbers) = self.by_identity.get(&identity(value)) {
            return numbers.iter().map(|number| (*number, None)).collect();
        }
        let position = self.loose.iter().position(|(loose, _)| loose == value);
        let spots = position.and_then(|position| self.loose.remove(position)).map(|(_, spots)| spots);
        let spots = spots.unwrap_or_default();
        for spot in &spots {
            // What stands for a missing field, and is compared, is not as it should be.
            let is_missing = spot.1.is_some() && self.collections == 0 && test != Test::Other;
            self.note(spot.clone(), if is_missing { Role::Check } else { role });
        }
        spots
    }

    fn role(&self, test: Test) -> Role {
        let is_negated = self.negations % 2 == 1;
        match (test, is_negated) {
            _ if self.collections > 0 => Role::Open,
            (Test::Equal, false) | (Test::Unequal, true) => Role::Guard,
            (Test::Other, false) => Role::Open,
            (Test::Equal | Test::Other, true) | (Test::Unequal, false) => Role::Check,
        }
    }

    fn note(&mut self, spot: Spot, role: Role) {
        let known = self.roles.entry(spot).or_insert(role);
        *known = role.max(*known);
    }

    fn want(&mut self, spots: &[Spot], value: &Value) {
        for spot in spots {
            let wanted = self.wanted.entry(spot.clone()).or_default();
            if wanted.len() < MAX_WANTED && !wanted.contains(value) {
                wanted.push(value.clone());
            }
        }
    }

    fn test_within(&mut self, value: &Value, depth: usize, role: Role) {
        self.touch(value, Touch::Tested);
        for number in self.by_identity.get(&identity(value)).cloned().into_iter().flatten() {
            self.note((number, None), role);
        }
        let Some(depth) = depth.checked_sub(1) else { return };
        match value {
            _ if self.by_identity.contains_key(&identity(value)) => {}
            Value::Array(items) => items.iter().take(MAX_ELEMENTS).for_each(|item| self.test_within(item, depth, role)),
            Value::Set(set) => {
                set.items().iter().take(MAX_ELEMENTS).for_each(|item| self.test_within(item, depth, role));
            }
            Value::Object(object) => {
                object.entries().iter().take(MAX_ELEMENTS).for_each(|(_, item)| self.test_within(item, depth, role));
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
                let role = self.role(Test::Other);
                for number in self.by_identity.get(&identity(from)).cloned().into_iter().flatten() {
                    self.missed.entry((number, key.to_string())).or_insert(self.count);
                    self.note((number, Some(key.to_string())), role);
                }
            }
            _ => {}
        }
    }

    /// The same for a builtin that takes a path, or a key, and a value for when there is nothing.
    pub(super) fn look_up(&mut self, from: &Value, path: &Value, default: &Value) {
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
                None => {
                    self.loosen(default, at, key.as_str());
                    return;
                }
            }
        }
        self.touch(at, Touch::Tested);
        if matches!(at, Value::Null | Value::Bool(_) | Value::Number(_)) {
            self.loosen(at, at, None);
        }
    }

    /// What a look-up gives has no identity: it is known by what it is, until it is tested.
    fn loosen(&mut self, value: &Value, at: &Value, key: Option<&str>) {
        let numbers = self.by_identity.get(&identity(at)).into_iter().flatten();
        let spots: Vec<Spot> = numbers.map(|number| (*number, key.map(str::to_owned))).collect();
        if self.loose.len() >= MAX_LOOSE {
            self.loose.pop_front();
        }
        if !spots.is_empty() {
            self.loose.push_back((value.clone(), spots));
        }
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
