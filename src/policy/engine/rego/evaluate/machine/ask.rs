//! Members of partial rules of which parts are known.

use std::collections::BTreeSet;

use crate::policy::engine::rego::evaluate::error::{Conflict, EvalError};
use crate::policy::engine::rego::evaluate::plan::{Ask, AskStep, Clause, Step, Target, Template};
use crate::policy::engine::rego::value::Value;

use super::compute::is_same;
use super::memory::{CallKey, Memory};
use super::{Evaluator, Flow, Outcome, TRUE, Then, VALUE_BYTES};

/// Keeps the numbers of asks apart from those of functions in what is remembered.
const ASKS: u32 = 1 << 31;

impl<'a> Evaluator<'a> {
    pub(super) fn ask(
        &mut self,
        step: &'a AskStep,
        behind: &'a [Step],
        base: usize,
        then: &mut Then<'_, 'a>,
    ) -> Outcome<Flow> {
        let Some(ask) = self.plan.asks.get(step.ask as usize) else { return Ok(Flow::Continue) };
        let is_whole_known = matches!(self.world.rules.get(ask.group as usize), Some(Memory::Known(_)));
        if is_whole_known || self.is_replaced(ask.group) {
            return self.run(&step.whole, base, &mut |this| this.run(behind, base, then));
        }
        if !ask.is_object && !step.outputs.is_empty() {
            return self.stream(ask, step, behind, base, then);
        }
        let found = self.with_operands(&step.inputs, base, |this, inputs| this.ask_one(step.ask, ask, inputs))?;
        let holds = match (found, step.outputs.first()) {
            (Some(value), Some(target)) => self.settle(target, value, base)?,
            (found, _) => found.is_some(),
        };
        if holds { self.run(behind, base, then) } else { Ok(Flow::Continue) }
    }

    /// Whether a set has a member that is known in full, or the value of a key; remembered.
    fn ask_one(&mut self, number: u32, ask: &'a Ask, inputs: &[&'a Value]) -> Outcome<Option<&'a Value>> {
        let key = CallKey::new(number | ASKS, inputs);
        if let Some(known) = key.as_ref().and_then(|key| self.world.calls.get(key)) {
            return Ok(*known);
        }
        let base = self.slots.len();
        let mut found: Option<&'a Value> = None;
        for clause in &ask.clauses {
            let is_settled = self.ask_clause(clause, inputs, base, &mut |this| {
                if !ask.is_object {
                    found = Some(&TRUE);
                    return Ok(Flow::Stop);
                }
                let Some(output) = clause.branches.first().and_then(|branch| branch.outputs.first()) else {
                    return Ok(Flow::Continue);
                };
                let value = this.make(output, base)?;
                if found.is_some_and(|found| !is_same(found, value)) {
                    return Err(EvalError::conflict(&clause.place, Conflict::ObjectKey));
                }
                found = Some(value);
                Ok(Flow::Continue)
            })?;
            if is_settled == Flow::Stop {
                break;
            }
        }
        self.slots.truncate(base);
        if let Some(key) = key {
            self.budget.reserve(size_of::<CallKey>())?;
            self.world.calls.insert(key, found);
        }
        Ok(found)
    }

    /// Runs what is behind the ask for each member found; more than once for one that several clauses have, unless that
    /// can be told from the result.
    fn stream(
        &mut self,
        ask: &'a Ask,
        step: &'a AskStep,
        behind: &'a [Step],
        base: usize,
        then: &mut Then<'_, 'a>,
    ) -> Outcome<Flow> {
        let inner = self.slots.len();
        let mut seen: BTreeSet<Vec<Value>> = BTreeSet::new();
        for clause in &ask.clauses {
            let Some(branch) = clause.branches.first() else { continue };
            let flow = self.with_operands(&step.inputs, base, |this, inputs| {
                this.ask_clause(clause, inputs, inner, &mut |this| {
                    if step.is_distinct && !this.is_new(&branch.outputs, inner, &mut seen)? {
                        return Ok(Flow::Continue);
                    }
                    for (output, target) in branch.outputs.iter().zip(&step.outputs) {
                        if matches!(target, Target::Ignore) {
                            continue;
                        }
                        let value = this.make(output, inner)?;
                        if !this.settle(target, value, base)? {
                            return Ok(Flow::Continue);
                        }
                    }
                    this.run(behind, base, then)
                })
            })?;
            if flow == Flow::Stop {
                self.slots.truncate(inner);
                return Ok(Flow::Stop);
            }
        }
        self.slots.truncate(inner);
        Ok(Flow::Continue)
    }

    fn is_new(&mut self, outputs: &'a [Template], base: usize, seen: &mut BTreeSet<Vec<Value>>) -> Outcome<bool> {
        let mut member = Vec::with_capacity(outputs.len());
        for output in outputs {
            member.push(self.build(output, base)?);
        }
        self.budget.reserve(VALUE_BYTES * (member.len() + 2))?;
        Ok(seen.insert(member))
    }

    fn ask_clause(
        &mut self,
        clause: &'a Clause,
        inputs: &[&'a Value],
        base: usize,
        then: &mut Then<'_, 'a>,
    ) -> Outcome<Flow> {
        self.open_frame(clause, base);
        let Some(branch) = clause.branches.first() else { return Ok(Flow::Continue) };
        if !self.match_inputs(&clause.inputs, inputs, base)? {
            return Ok(Flow::Continue);
        }
        if self.coverage.is_none() {
            return self.run(&branch.body, base, then);
        }
        self.run(&branch.body, base, &mut |this| {
            this.cover_head(clause, 0);
            then(this)
        })
    }
}
