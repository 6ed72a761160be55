//! Loops over the inventory that go by an index, and the keys of an object for it.

use crate::policy::engine::rego::builtins::Caches;
use crate::policy::engine::rego::evaluate::InputDocument;
use crate::policy::engine::rego::evaluate::budget::{Budget, Limits};
use crate::policy::engine::rego::evaluate::plan::{Coordinate, Join, JoinStep, Operand, Plan, Step};
use crate::policy::engine::rego::value::Value;

use super::compute::is_same;
use super::memory::World;
use super::{Arena, Evaluator, Flow, NULL, Outcome, SMALL, Then};

/// What finding one object's keys may take. An object that needs more is told as a failure, which means a scan.
const STEPS_OF_AN_OBJECT: u64 = 1_000_000;
/// The same for bodies within each other: snapshots are built on threads with small stacks.
const DEPTH_OF_AN_OBJECT: u32 = 100;
/// Keys "data.inventory" and "namespace" or "cluster" of a path, before the coordinates.
const ROOTS: usize = 2;

impl<'a> Evaluator<'a> {
    /// Runs what is behind for each object that can satisfy it, in the order of the scan.
    pub(super) fn join(
        &mut self,
        step: &'a JoinStep,
        behind: &'a [Step],
        base: usize,
        then: &mut Then<'_, 'a>,
    ) -> Outcome<Flow> {
        let index = self.world.joins.and_then(|joins| joins.index(step.join));
        let Some(index) = index.filter(|_| self.goes_by_names(&step.scan, base)) else {
            return self.run(&step.scan, base, &mut |this| this.run(behind, base, then));
        };
        if !self.exists(&step.probe, base)? {
            return Ok(Flow::Continue);
        }
        step.wanted.iter().for_each(|operand| self.observe_test(self.operand(*operand, base)));
        let key = self.key(&step.wanted, base);
        for place in index.find(&key) {
            self.budget.step()?;
            if self.arrive_at(&step.scan, place, base)? && self.run(behind, base, then)? == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::Continue)
    }

    /// A number may be the name of a field where base data is read, which only the scan knows.
    fn goes_by_names(&self, scan: &[Step], base: usize) -> bool {
        let is_name = |key: &Operand| matches!(self.operand(*key, base), Value::String(_));
        scan.iter().all(|step| match step {
            Step::Stored { path, .. } | Step::Iterate { path, .. } => path.iter().all(is_name),
            _ => true,
        })
    }

    fn key(&self, operands: &[Operand], base: usize) -> Value {
        match operands {
            [operand] => self.operand(*operand, base).clone(),
            many => Value::array(many.iter().map(|operand| self.operand(*operand, base).clone()).collect()),
        }
    }

    /// The scan's way to one object: every variable on it is bound as there.
    fn arrive_at(&mut self, scan: &'a [Step], place: &'a [Value], base: usize) -> Outcome<bool> {
        let mut rest = place.iter();
        for step in scan {
            let holds = match step {
                Step::Base { path, target, .. } => {
                    let constants = path.iter().skip(ROOTS);
                    let is_on_way = constants.into_iter().all(|key| rest.next() == Some(key));
                    is_on_way && self.settle_maybe(target, self.base(path), base)?
                }
                Step::Stored { head, path, target } => {
                    let is_on_way = self.is_on_way(path, &mut rest, base);
                    let value = self.navigate(*head, path, base);
                    is_on_way && self.settle_maybe(target, value, base)?
                }
                Step::Iterate { head, path, key, value } => {
                    let (true, Some(name)) = (self.is_on_way(path, &mut rest, base), rest.next()) else {
                        return Ok(false);
                    };
                    let item = self.navigate(*head, path, base).and_then(|domain| domain.get(name));
                    self.matches(key, name, base)? && self.settle_maybe(value, item, base)?
                }
                _ => false,
            };
            if !holds {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_on_way(&self, path: &[Operand], rest: &mut std::slice::Iter<'a, Value>, base: usize) -> bool {
        path.iter().all(|key| rest.next().is_some_and(|name| is_same(name, self.operand(*key, base))))
    }
}

impl Join {
    /// Whether the loop can come to this place.
    pub(in crate::policy::engine::rego::evaluate) fn is_at(&self, plan: &Plan, place: &[Value]) -> bool {
        let is_on_way = |coordinate: &Coordinate, name: &Value| match coordinate {
            Coordinate::Constant(constant) => constant == name,
            Coordinate::Known(Operand::Constant(number)) => plan.constants.get(*number as usize) == Some(name),
            Coordinate::Known(Operand::Slot(_)) | Coordinate::Any | Coordinate::Bind(_) => true,
        };
        place.len() == self.coordinates.len()
            && self.coordinates.iter().zip(place).all(|(coordinate, name)| is_on_way(coordinate, name))
    }
}

/// All keys of an object at a place that the loop can come to.
pub(in crate::policy::engine::rego::evaluate) fn extract(
    plan: &Plan,
    join: &Join,
    place: &[Value],
    object: &Value,
    caches: &mut Caches,
) -> Outcome<Vec<Value>> {
    let limits = Limits { steps: STEPS_OF_AN_OBJECT, depth: DEPTH_OF_AN_OBJECT, ..Limits::default() };
    let arena = Arena::new();
    let mut evaluator = Evaluator {
        plan,
        arena: &arena,
        slots: vec![&NULL; join.slots as usize],
        world: World::new(plan, InputDocument::Absent, None),
        budget: Budget::new(&limits),
        depth: limits.depth,
        small: &SMALL,
        caches,
        now_ns: 0,
        prints: None,
        trace: None,
        observer: None,
        coverage: None,
        outside: None,
        trail: Vec::new(),
    };
    for (coordinate, name) in join.coordinates.iter().zip(place) {
        if let Coordinate::Bind(slot) = coordinate {
            evaluator.bind(*slot, name, 0);
        }
    }
    evaluator.bind(join.object, object, 0);
    let mut keys = Vec::new();
    evaluator.run(&join.extract, 0, &mut |this| {
        keys.push(this.key(&join.keys, 0));
        Ok(Flow::Continue)
    })?;
    Ok(keys)
}
