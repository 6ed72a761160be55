//! What an evaluation has found out already. A `with` starts over with a world of its own.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::policy::engine::rego::evaluate::plan::{Plan, Replacement};
use crate::policy::engine::rego::evaluate::{Folds, InputDocument, Joins};
use crate::policy::engine::rego::value::Value;

/// Documents, and what follows from them.
#[derive(Debug)]
pub(super) struct World<'a> {
    pub input: InputDocument<'a>,
    pub data: Option<&'a Value>,
    /// `data` as it is outside of all `with`.
    pub real: Option<&'a Value>,
    /// By the plan's number.
    pub inputs: Vec<Memory<'a>>,
    pub rules: Vec<Memory<'a>>,
    pub calls: HashMap<CallKey, Option<&'a Value>, BuildHasherDefault<AddressHasher>>,
    /// What is known of these parameters; absent where a `with` may have changed them.
    pub folds: Option<&'a Folds>,
    /// Indexes of the inventory; absent where a `with` may have changed it.
    pub joins: Option<&'a Joins>,
    /// Present while a `with` is in force.
    pub replaced: Option<Box<Replaced<'a>>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Memory<'a> {
    Unknown,
    /// Being worked out: who asks now, goes in a circle.
    Busy,
    Known(Option<&'a Value>),
}

/// What `with` has put in the place of rules and functions.
#[derive(Clone, Debug, Default)]
pub(super) struct Replaced<'a> {
    /// Groups whose value is base data now.
    pub groups: Vec<u32>,
    /// The paths below `data` that are replaced.
    pub targets: Vec<&'a [Value]>,
    pub mocks: Mocks<'a>,
}

/// Functions, what takes their place, and the value when it is one.
pub(super) type Mocks<'a> = Vec<(u32, Replacement, Option<&'a Value>)>;

/// A call: what is called, and where the arguments are. Addresses stand for values, see the module above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CallKey {
    pub called: u32,
    pub arguments: [usize; 4],
}

impl<'a> World<'a> {
    pub(super) fn new(plan: &Plan, input: InputDocument<'a>, data: Option<&'a Value>) -> Self {
        Self {
            input,
            data,
            real: data,
            inputs: vec![Memory::Unknown; plan.inputs.len()],
            rules: vec![Memory::Unknown; plan.groups.len()],
            calls: HashMap::default(),
            folds: None,
            joins: None,
            replaced: None,
        }
    }
}

impl CallKey {
    /// Nothing for calls with more arguments than fit.
    pub(super) fn new(called: u32, values: &[&Value]) -> Option<Self> {
        let mut arguments = [0; 4];
        if values.len() > arguments.len() {
            return None;
        }
        for (argument, value) in arguments.iter_mut().zip(values) {
            *argument = std::ptr::from_ref::<Value>(value).addr();
        }
        Some(Self { called, arguments })
    }

    /// The same where some of the values are not known; no value is at the address 0.
    pub(super) fn of_some(called: u32, values: &[Option<&Value>]) -> Option<Self> {
        let mut arguments = [0; 4];
        if values.len() > arguments.len() {
            return None;
        }
        for (argument, value) in arguments.iter_mut().zip(values) {
            *argument = value.map_or(0, |value| std::ptr::from_ref::<Value>(value).addr());
        }
        Some(Self { called, arguments })
    }
}

impl std::hash::Hash for CallKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u32(self.called);
        for argument in self.arguments {
            state.write_usize(argument);
        }
    }
}

/// Mixes a few machine words. Addresses cannot be chosen from outside, so nothing stronger is needed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        // An odd constant with bits all over, 2^64 / golden ratio.
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
}
