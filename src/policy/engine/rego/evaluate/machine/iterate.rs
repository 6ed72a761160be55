//! Steps that hold once for each element.

use crate::policy::engine::rego::evaluate::plan::{Pattern, Step, Target};
use crate::policy::engine::rego::value::Value;

use super::{Evaluator, Flow, Outcome, Then};

/// Handles one element.
type Each<'t, 'a> = dyn FnMut(&mut Evaluator<'a>, &'a Value) -> Outcome<Flow> + 't;

impl<'a> Evaluator<'a> {
    pub(super) fn iterate(
        &mut self,
        domain: &'a Value,
        key: &'a Pattern,
        value: &'a Target,
        behind: &'a [Step],
        base: usize,
        then: &mut Then<'_, 'a>,
    ) -> Outcome<Flow> {
        self.each(domain, key, base, &mut |this, item| {
            if !this.settle(value, item, base)? {
                return Ok(Flow::Continue);
            }
            this.run(behind, base, then)
        })
    }

    /// Elements whose key matches. Scalars have none.
    pub(super) fn each(
        &mut self,
        domain: &'a Value,
        key: &'a Pattern,
        base: usize,
        each: &mut Each<'_, 'a>,
    ) -> Outcome<Flow> {
        self.observe_iteration(domain);
        match domain {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.budget.step()?;
                    if !matches!(key, Pattern::Any) {
                        let index = self.index(index)?;
                        if !self.matches(key, index, base)? {
                            continue;
                        }
                    }
                    if each(self, item)? == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
            }
            Value::Object(object) => {
                for (name, item) in object.entries() {
                    self.budget.step()?;
                    if self.matches(key, name, base)? && each(self, item)? == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
            }
            Value::Set(set) => {
                for item in set.items() {
                    self.budget.step()?;
                    if self.matches(key, item, base)? && each(self, item)? == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        Ok(Flow::Continue)
    }

    /// Every value within a value, itself first. Values may be nested deeper than the native stack allows, so the way down
    /// is kept on the heap.
    pub(super) fn walk(
        &mut self,
        root: &'a Value,
        path: &'a Pattern,
        node: &'a Target,
        behind: &'a [Step],
        base: usize,
        then: &mut Then<'_, 'a>,
    ) -> Outcome<Flow> {
        let mut trail: Vec<Value> = Vec::new();
        let mut open: Vec<(&'a Value, usize)> = Vec::new();
        let mut entered = Some(root);
        loop {
            if let Some(value) = entered.take() {
                self.budget.step()?;
                self.observe_iteration(value);
                if self.arrive(value, &trail, path, node, base)? && self.run(behind, base, then)? == Flow::Stop {
                    return Ok(Flow::Stop);
                }
                open.push((value, 0));
                continue;
            }
            let Some((value, position)) = open.last_mut() else { return Ok(Flow::Continue) };
            match child(value, *position) {
                Some((key, item)) => {
                    *position += 1;
                    if !matches!(path, Pattern::Any) {
                        trail.push(key);
                    }
                    entered = Some(item);
                }
                None => {
                    open.pop();
                    trail.pop();
                }
            }
        }
    }

    fn arrive(
        &mut self,
        value: &'a Value,
        trail: &[Value],
        path: &'a Pattern,
        node: &'a Target,
        base: usize,
    ) -> Outcome<bool> {
        if !matches!(path, Pattern::Any) {
            self.budget.reserve(size_of_val(trail))?;
            let keys = self.keep(Value::array(trail.to_vec()))?;
            if !self.matches(path, keys, base)? {
                return Ok(false);
            }
        }
        self.settle(node, value, base)
    }
}

fn child(value: &Value, position: usize) -> Option<(Value, &Value)> {
    use crate::policy::engine::rego::value::Number;
    match value {
        Value::Array(items) => {
            let index = Value::Number(Number::Int(i64::try_from(position).ok()?));
            items.get(position).map(|item| (index, item))
        }
        Value::Object(object) => object.entries().get(position).map(|(key, item)| (key.clone(), item)),
        Value::Set(set) => set.items().get(position).map(|item| (item.clone(), item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}
