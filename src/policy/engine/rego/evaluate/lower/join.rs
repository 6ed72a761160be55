//! Loops over the inventory that look for objects with a certain value: `other := data.inventory…; f(other) == g(input)`.
//!
//! What can be found by index is the conjunction of all equalities behind the loop between a value that follows from the
//! object alone and a value that is known before the loop. The loop stays what it is for the objects that the index
//! leaves, so an index may leave too many, but never too few: the body that finds an object's keys is made of steps that
//! the scan runs too. What the scan would do with the objects left out must not be able to fail; steps of the keys' body
//! are tried on all objects when the index is made, all others must be certain.

use std::collections::{BTreeMap, BTreeSet};

use crate::policy::engine::rego::evaluate::plan::{
    Clause, Comparison, Coordinate, InventoryLoop, Join, JoinStep, Operand, Pattern, Plan, Step, Target,
};
use crate::policy::engine::rego::value::Value;

use super::certain::{Certainty, holds_once};
use super::fold::{self, Facts, NEVER};
use super::slots::Slots;

/// Reasons for a scan, for authors.
const NOT_OBJECTS: &str = "it does not visit whole objects, one by one";
const NO_EQUALITY: &str =
    "no value of the object alone is compared, with `==`, to a value that is known before the loop";
const CAN_FAIL: &str = "an expression before the comparison can fail, which leaving objects out would hide";

/// Replaces the loops of a finished plan.
pub(super) fn apply(plan: &mut Plan) {
    let reads_inventory = |clause: &Clause| clause.branches.iter().any(|branch| has_loop(&branch.body));
    let clauses = plan.groups.iter().flat_map(|group| group.clauses.iter().chain(&group.default));
    if !clauses.chain(plan.asks.iter().flat_map(|ask| &ask.clauses)).any(reads_inventory) {
        return;
    }
    let mut joiner = Joiner {
        facts: Facts::without_parameters(plan),
        certainty: Certainty::of(plan),
        constants: plan.constants.clone(),
        joins: Vec::new(),
        loops: Vec::new(),
    };
    for group in &mut plan.groups {
        group.clauses.iter_mut().chain(&mut group.default).for_each(|clause| joiner.clause(clause));
    }
    for ask in &mut plan.asks {
        ask.clauses.iter_mut().for_each(|clause| joiner.clause(clause));
    }
    joiner.loops.dedup();
    plan.joins = joiner.joins;
    plan.loops = joiner.loops;
}

fn has_loop(body: &[Step]) -> bool {
    body.iter().any(|step| match step {
        Step::Base { .. } => is_inventory(step),
        Step::Not(body) | Step::Every { body, .. } => has_loop(body),
        Step::Comprehension(made) => has_loop(&made.body),
        _ => false,
    })
}

fn is_inventory(step: &Step) -> bool {
    matches!(step, Step::Base { path, .. } if path.first().and_then(Value::as_str) == Some("inventory"))
}

struct Joiner {
    facts: Facts,
    certainty: Certainty,
    constants: Vec<Value>,
    joins: Vec<Join>,
    loops: Vec<InventoryLoop>,
}

impl Joiner {
    fn clause(&mut self, clause: &mut Clause) {
        let Clause { place, slots, branches, .. } = clause;
        let module = place.module.as_deref().unwrap_or_default();
        for branch in branches {
            self.body(&mut branch.body, slots, (module, place.line));
        }
    }

    fn body(&mut self, body: &mut Box<[Step]>, slots: &mut u32, place: (&str, u32)) {
        for step in body.iter_mut() {
            match step {
                Step::Not(body) | Step::Every { body, .. } => self.body(body, slots, place),
                Step::Comprehension(made) => self.body(&mut made.body, slots, place),
                _ => {}
            }
        }
        let mut steps = std::mem::take(body).into_vec();
        let mut at = 0;
        while at < steps.len() {
            let Some(rest) = steps.get(at..).filter(|rest| rest.first().is_some_and(is_inventory)) else {
                at += 1;
                continue;
            };
            let chain = Chain::of(rest);
            let length = chain.as_ref().map_or(1, |chain| chain.length);
            let over = self.show(rest.get(..length).unwrap_or_default());
            let found = chain.ok_or(NOT_OBJECTS).and_then(|chain| {
                let behind = rest.get(length..).unwrap_or_default();
                Search::new(self, &chain, slots).run(behind).map(|(join, probe, wanted)| (chain, join, probe, wanted))
            });
            let reason = found.as_ref().err().copied();
            self.loops.push(InventoryLoop { module: place.0.to_owned(), line: place.1, over, reason });
            if let Ok((chain, join, probe, wanted)) = found {
                let scan: Box<[Step]> = steps.drain(at..at + chain.length).collect();
                let number = u32::try_from(self.joins.len()).unwrap_or(u32::MAX);
                steps.insert(at, Step::Join(Box::new(JoinStep { join: number, scan, probe, wanted })));
                self.joins.push(join);
            }
            at += 1;
        }
        *body = steps.into_boxed_slice();
    }

    /// The way of a loop, as an author would write it.
    fn show(&self, chain: &[Step]) -> String {
        let mut shown = "data".to_owned();
        let operand = |operand: &Operand| match operand {
            Operand::Constant(number) => self.constants.get(*number as usize).map(|key| format!("[{key}]")),
            Operand::Slot(_) => None,
        };
        for step in chain {
            match step {
                Step::Base { path, .. } => path.iter().for_each(|key| shown += &format!("[{key}]")),
                Step::Stored { path, .. } => {
                    path.iter().for_each(|key| shown += &operand(key).unwrap_or_else(|| "[…]".to_owned()));
                }
                Step::Iterate { path, .. } => {
                    path.iter().for_each(|key| shown += &operand(key).unwrap_or_else(|| "[…]".to_owned()));
                    shown += "[_]";
                }
                _ => {}
            }
        }
        shown
            .replace("[\"inventory\"]", ".inventory")
            .replace("[\"namespace\"]", ".namespace")
            .replace("[\"cluster\"]", ".cluster")
    }
}

/// The steps that visit objects, one by one.
struct Chain {
    length: usize,
    coordinates: Vec<Coordinate>,
    /// Slots of mappings on the way.
    between: Vec<u32>,
    object: u32,
}

impl Chain {
    fn of(steps: &[Step]) -> Option<Self> {
        let (first, rest) = steps.split_first()?;
        let Step::Base { path, target: Target::Bind(mapping), .. } = first else { return None };
        let depth = match path.get(1)?.as_str()? {
            "namespace" => 4,
            "cluster" => 3,
            _ => return None,
        };
        let mut coordinates: Vec<Coordinate> = path.iter().skip(2).cloned().map(Coordinate::Constant).collect();
        let (mut head, mut between) = (*mapping, vec![*mapping]);
        for (position, step) in rest.iter().enumerate() {
            let (from, path, key, slot) = match step {
                Step::Iterate { head, path, key, value: Target::Bind(slot) } => (head, path, Some(key), *slot),
                Step::Stored { head, path, target: Target::Bind(slot) } => (head, path, None, *slot),
                _ => return None,
            };
            if *from != Operand::Slot(head) {
                return None;
            }
            coordinates.extend(path.iter().map(|key| Coordinate::Known(*key)));
            if let Some(key) = key {
                coordinates.push(coordinate(key)?);
            }
            if coordinates.len() >= depth {
                let is_loop = coordinates.len() == depth && key.is_some();
                return is_loop.then_some(Self { length: position + 2, coordinates, between, object: slot });
            }
            head = slot;
            between.push(slot);
        }
        None
    }
}

fn coordinate(key: &Pattern) -> Option<Coordinate> {
    match key {
        Pattern::Any => Some(Coordinate::Any),
        Pattern::Bind(slot) => Some(Coordinate::Bind(*slot)),
        _ => None,
    }
}

/// What a value behind the loop follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// The object and its place.
    Object,
    /// What is known before the loop.
    Before,
    Mixed,
}

/// The search for equalities behind one loop.
struct Search<'s> {
    joiner: &'s Joiner,
    slots: &'s mut u32,
    /// Slots written by the loop and behind it. All others were written before.
    origins: BTreeMap<u32, Origin>,
    coordinates: Vec<Coordinate>,
    object: u32,
    extract: Vec<Step>,
    probe: Vec<Step>,
    keys: Vec<Operand>,
    wanted: Vec<Operand>,
}

type Found = (Join, Box<[Step]>, Box<[Operand]>);

impl<'s> Search<'s> {
    fn new(joiner: &'s Joiner, chain: &Chain, slots: &'s mut u32) -> Self {
        let mut origins: BTreeMap<u32, Origin> = chain.between.iter().map(|slot| (*slot, Origin::Mixed)).collect();
        origins.insert(chain.object, Origin::Object);
        origins.extend(chain.coordinates.iter().filter_map(|coordinate| match coordinate {
            Coordinate::Bind(slot) => Some((*slot, Origin::Object)),
            _ => None,
        }));
        Self {
            joiner,
            slots,
            origins,
            coordinates: chain.coordinates.clone(),
            object: chain.object,
            extract: Vec::new(),
            probe: Vec::new(),
            keys: Vec::new(),
            wanted: Vec::new(),
        }
    }

    fn run(mut self, behind: &[Step]) -> Result<Found, &'static str> {
        let mut reason = NO_EQUALITY;
        // What comes behind the last equality is not worth finding out beforehand.
        let mut lengths = (0, 0);
        for step in behind {
            if has_effect(step) {
                reason = CAN_FAIL;
                break;
            }
            if self.equality(step) {
                lengths = (self.extract.len(), self.probe.len());
            } else if !self.other(step) {
                reason = CAN_FAIL;
                break;
            }
        }
        if self.keys.is_empty() {
            return Err(reason);
        }
        self.extract.truncate(lengths.0);
        self.probe.truncate(lengths.1);
        let join = Join {
            coordinates: self.coordinates.into_boxed_slice(),
            object: self.object,
            extract: self.extract.into_boxed_slice(),
            keys: self.keys.into_boxed_slice(),
            slots: *self.slots,
        };
        Ok((join, self.probe.into_boxed_slice(), self.wanted.into_boxed_slice()))
    }

    /// Whether the step compares what follows from the object with what was known before.
    fn equality(&mut self, step: &Step) -> bool {
        if let Step::Compare { comparison: Comparison::Equal, left, right, target: Target::Truthy } = step {
            let (key, wanted) = match (self.origin(*left), self.origin(*right)) {
                (Some(Origin::Object), Some(Origin::Before)) => (*left, *right),
                (Some(Origin::Before), Some(Origin::Object)) => (*right, *left),
                _ => return false,
            };
            self.keys.push(key);
            self.wanted.push(wanted);
            return true;
        }
        let Some(Target::Equal(operand)) = fold::target(step) else { return false };
        let slot = *self.slots;
        let retargeted = with_target(step, slot);
        let is_found = match self.origin(*operand) {
            Some(Origin::Before) if self.follows_from_object(&retargeted) => {
                self.write(&retargeted, Origin::Object);
                self.extract.push(retargeted);
                self.keys.push(Operand::Slot(slot));
                self.wanted.push(*operand);
                true
            }
            Some(Origin::Object) if self.follows_from_before(&retargeted) => {
                self.write(&retargeted, Origin::Before);
                self.probe.push(retargeted);
                self.keys.push(*operand);
                self.wanted.push(Operand::Slot(slot));
                true
            }
            _ => false,
        };
        *self.slots += u32::from(is_found);
        is_found
    }

    /// Any other step; false when it may fail for an object that would be left out.
    fn other(&mut self, step: &Step) -> bool {
        if self.follows_from_object(step) {
            self.write(step, Origin::Object);
            self.extract.push(step.clone());
        } else if !self.joiner.certainty.of_step(step) {
            return false;
        } else if self.follows_from_before(step) {
            self.write(step, Origin::Before);
            self.probe.push(step.clone());
        } else {
            self.write(step, Origin::Mixed);
        }
        true
    }

    fn follows_from_object(&self, step: &Step) -> bool {
        let known: BTreeSet<u32> =
            self.origins.iter().filter(|(_, origin)| **origin == Origin::Object).map(|(slot, _)| *slot).collect();
        self.joiner.facts.of_step(step, &known, &mut Vec::new())
    }

    /// The step can be run before the loop: all that it reads is there, and it has one result or none and cannot fail.
    fn follows_from_before(&self, step: &Step) -> bool {
        let is_before = |slot: &u32| self.origin(Operand::Slot(*slot)) == Some(Origin::Before);
        holds_once(step) && self.joiner.certainty.of_step(step) && Slots::of(step).reads.iter().all(is_before)
    }

    /// Nothing for constants: an equality with a constant leaves too many objects to be worth an index.
    fn origin(&self, operand: Operand) -> Option<Origin> {
        match operand {
            Operand::Constant(_) => None,
            Operand::Slot(slot) => Some(self.origins.get(&slot).copied().unwrap_or(Origin::Before)),
        }
    }

    fn write(&mut self, step: &Step, origin: Origin) {
        self.origins.extend(Slots::of(step).writes.into_iter().map(|slot| (slot, origin)));
    }
}

fn has_effect(step: &Step) -> bool {
    match step {
        Step::Builtin { builtin, .. } => NEVER.contains(&builtin.name),
        Step::Not(body) | Step::Every { body, .. } => body.iter().any(has_effect),
        Step::Comprehension(made) => made.body.iter().any(has_effect),
        _ => false,
    }
}

/// The same step, its result bound instead of compared.
fn with_target(step: &Step, slot: u32) -> Step {
    let mut step = step.clone();
    if let Some(target) = fold::target_mut(&mut step) {
        *target = Target::Bind(slot);
    }
    step
}
