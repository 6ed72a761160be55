//! References through packages whose steps are known only now: `data.lib[x].limit`.
//!
//! As OPA: only what the steps lead to is evaluated; a step that binds sees the names of the base document first, then
//! those of packages and rules, a name that is both twice.

use crate::policy::engine::rego::evaluate::plan::{BrowseStep, Step, Way};
use crate::policy::engine::rego::value::Value;

use super::{Evaluator, Flow, Outcome, Then};

/// How far the way has gone: a package with the base document there, or only a value.
#[derive(Clone, Copy)]
struct Spot<'a> {
    document: Option<u32>,
    value: Option<&'a Value>,
    is_base: bool,
}

impl<'a> Evaluator<'a> {
    pub(super) fn browse(
        &mut self,
        step: &'a BrowseStep,
        behind: &'a [Step],
        base: usize,
        then: &mut Then<'_, 'a>,
    ) -> Outcome<Flow> {
        let mut spot = self.spot(step.document);
        spot.document = spot.document.filter(|document| !self.is_covered(*document));
        self.follow(spot, &step.way, base, &mut |this, value| {
            if this.settle(&step.target, value, base)? { this.run(behind, base, then) } else { Ok(Flow::Continue) }
        })
    }

    fn spot(&self, document: u32) -> Spot<'a> {
        let path = self.plan.documents.get(document as usize).map(|document| document.path.as_slice());
        Spot { document: Some(document), value: self.base(path.unwrap_or_default()), is_base: true }
    }

    fn follow(
        &mut self,
        spot: Spot<'a>,
        way: &'a [Way],
        base: usize,
        end: &mut dyn FnMut(&mut Self, &'a Value) -> Outcome<Flow>,
    ) -> Outcome<Flow> {
        self.budget.step()?;
        let Some((step, rest)) = way.split_first() else {
            let value = match spot.document {
                Some(document) => self.document(document)?,
                None => spot.value,
            };
            return value.map_or(Ok(Flow::Continue), |value| end(self, value));
        };
        let pattern = match step {
            Way::Known(operand) => {
                let next = self.step_into(spot, self.operand(*operand, base))?;
                return next.map_or(Ok(Flow::Continue), |next| self.follow(next, rest, base, end));
            }
            Way::Any(pattern) => pattern,
        };
        for key in self.keys(spot)? {
            if !self.matches(pattern, key, base)? {
                continue;
            }
            if let Some(next) = self.step_into(spot, key)?
                && self.follow(next, rest, base, end)? == Flow::Stop
            {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::Continue)
    }

    fn keys(&mut self, spot: Spot<'a>) -> Outcome<Vec<&'a Value>> {
        let mut keys: Vec<&'a Value> = match spot.value {
            Some(Value::Array(items)) => (0..items.len()).map(|index| self.index(index)).collect::<Outcome<_>>()?,
            Some(Value::Object(object)) => object.entries().iter().map(|(key, _)| key).collect(),
            Some(Value::Set(set)) => set.items().iter().collect(),
            _ => Vec::new(),
        };
        let plan = self.plan;
        let document = spot.document.and_then(|document| plan.documents.get(document as usize));
        let children = document.iter().flat_map(|document| &document.children);
        keys.extend(children.filter(|(_, child)| !self.is_hidden(*child)).map(|(name, _)| name));
        self.budget.reserve(size_of_val(keys.as_slice()))?;
        Ok(keys)
    }

    /// Nothing where the key leads nowhere.
    fn step_into(&mut self, spot: Spot<'a>, key: &'a Value) -> Outcome<Option<Spot<'a>>> {
        let documents = &self.plan.documents;
        let child = spot.document.and_then(|document| documents.get(document as usize)?.child(key));
        let child = child.filter(|child| !self.is_covered(*child) && !self.is_hidden(*child));
        let Some(child) = child else {
            let value =
                spot.value.and_then(|value| if spot.is_base { self.stored(value, key) } else { value.get(key) });
            return Ok(value.map(|value| Spot { document: None, value: Some(value), is_base: spot.is_base }));
        };
        match documents.get(child as usize).and_then(|document| document.group) {
            Some(group) => {
                let value = self.rule(group)?;
                Ok(value.map(|value| Spot { document: None, value: Some(value), is_base: false }))
            }
            None => Ok(Some(self.spot(child))),
        }
    }
}
