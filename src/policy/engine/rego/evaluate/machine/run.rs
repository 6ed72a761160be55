//! The steps of a body.

use std::sync::OnceLock;

use crate::policy::engine::rego::evaluate::error::{Conflict, EvalError};
use crate::policy::engine::rego::evaluate::observe::Within;
use crate::policy::engine::rego::evaluate::plan::{Collection, Comprehension, Operand, Pattern, Step, Target};
use crate::policy::engine::rego::value::Value;

use super::{Evaluator, Flow, NULL, Outcome, Then, VALUE_BYTES};

impl<'a> Evaluator<'a> {
    /// Runs the steps in the frame at `base`, and `then` for each solution, until one says stop.
    pub(super) fn run(&mut self, steps: &'a [Step], base: usize, then: &mut Then<'_, 'a>) -> Outcome<Flow> {
        self.descend()?;
        let flow = self.run_steps(steps, base, then);
        self.depth += 1;
        flow
    }

    fn run_steps(&mut self, mut steps: &'a [Step], base: usize, then: &mut Then<'_, 'a>) -> Outcome<Flow> {
        while let Some((step, behind)) = steps.split_first() {
            self.budget.step()?;
            steps = behind;
            let holds = match step {
                Step::Match { value, target } => {
                    let value = self.operand(*value, base);
                    self.settle(target, value, base)?
                }
                Step::Compare { comparison, left, right, target } => {
                    let (left, right) = (self.operand(*left, base), self.operand(*right, base));
                    self.observe_comparison(left, right, *comparison);
                    let holds = comparison.holds(left, right);
                    self.settle_bool(target, holds, base)?
                }
                Step::Input { path, target } => match self.input(*path) {
                    Some(value) => self.settle(target, value, base)?,
                    None => false,
                },
                Step::Navigate { head, path, target } => match self.navigate(*head, path, base) {
                    Some(value) => self.settle(target, value, base)?,
                    None => false,
                },
                Step::Iterate { head, path, key, value } => {
                    let Some(domain) = self.navigate(*head, path, base) else { return Ok(Flow::Continue) };
                    return self.iterate(domain, key, value, behind, base, then);
                }
                Step::Ask(ask) => return self.ask(ask, behind, base, then),
                Step::Walk { value, path, node } => {
                    let value = self.operand(*value, base);
                    return self.walk(value, path, node, behind, base, then);
                }
                Step::Browse(browse) => return self.browse(browse, behind, base, then),
                Step::With(with) => return self.with(with, behind, base, then),
                Step::Traced(traced) => return self.traced(traced, behind, base, then),
                Step::Join(join) => return self.join(join, behind, base, then),
                step => self.holds(step, base)?,
            };
            if !holds {
                return Ok(Flow::Continue);
            }
        }
        then(self)
    }

    /// Steps that hold at most once and are not on the hottest path.
    fn holds(&mut self, step: &'a Step, base: usize) -> Outcome<bool> {
        match step {
            Step::Function { group, arguments, target } => {
                let value = self.with_operands(arguments, base, |this, values| this.call(*group, values))?;
                self.settle_maybe(target, value, base)
            }
            Step::Rule { group, target } => {
                let value = self.rule(*group)?;
                self.settle_maybe(target, value, base)
            }
            Step::Part { group, keys, target } => {
                let value = self.part(*group, keys, base)?;
                self.settle_maybe(target, value, base)
            }
            Step::Builtin { builtin, arguments, target } => {
                self.observe_call(builtin, arguments, base);
                let value = self.with_operands(arguments, base, |this, values| this.builtin(builtin.call, values))?;
                match value {
                    Some(value) => self.settle_made(target, value, base),
                    None => Ok(false),
                }
            }
            Step::Calculate { arithmetic, builtin, operands, target } => {
                self.calculate(*arithmetic, builtin, operands, target, base)
            }
            Step::Count { value, builtin, target } => self.count(*value, builtin, target, base),
            Step::Member { item, collection, target } => {
                let (item, collection) = (self.operand(*item, base), self.operand(*collection, base));
                self.observe_member(item, collection);
                let is_member = is_member(item, collection);
                self.settle_bool(target, is_member, base)
            }
            Step::Build { template, target } => {
                let value = self.make(template, base)?;
                self.settle(target, value, base)
            }
            Step::Not(body) => {
                self.observe_within(Within::Negation, true);
                let exists = self.exists(body, base);
                self.observe_within(Within::Negation, false);
                Ok(!exists?)
            }
            Step::Every { domain, key, value, body } => self.every(*domain, key, value, body, base),
            Step::Comprehension(comprehension) => {
                self.observe_within(Within::Collection, true);
                let holds = self.comprehension(comprehension, base);
                self.observe_within(Within::Collection, false);
                holds
            }
            Step::Base { path, is_whole, target } => {
                let value = if *is_whole { self.whole_base(path)? } else { self.base(path) };
                self.settle_maybe(target, value, base)
            }
            Step::Stored { head, path, target } => {
                self.observe_way(*head, path, base);
                let head = self.operand(*head, base);
                let value = path.iter().try_fold(head, |at, key| self.stored(at, self.operand(*key, base)));
                self.settle_maybe(target, value, base)
            }
            Step::Document { document, target } => {
                let value = self.document(*document)?;
                self.settle_maybe(target, value, base)
            }
            Step::Folded { fold, step, slot, target } => self.folded(*fold, step, *slot, target, base),
            Step::Mocked { mock, arguments, target, call } => self.mocked(*mock, arguments, target, call, base),
            // The others are in `run_steps`.
            _ => Ok(false),
        }
    }

    /// A step whose value is the same in every evaluation with these parameters.
    fn folded(&mut self, fold: u32, step: &'a Step, slot: u32, target: &'a Target, base: usize) -> Outcome<bool> {
        let cell = self.world.folds.and_then(|folds| folds.cell(fold));
        if let Some(known) = cell.and_then(OnceLock::get) {
            return self.settle_maybe(target, known.as_ref(), base);
        }
        let value = self.single(step, base)?.then(|| self.operand(Operand::Slot(slot), base));
        // Another thread may have been faster; equal values, but all later steps go by one address.
        let value = cell.map_or(value, |cell| cell.get_or_init(|| value.cloned()).as_ref());
        self.settle_maybe(target, value, base)
    }

    /// Whether the body has a solution.
    pub(super) fn exists(&mut self, body: &'a [Step], base: usize) -> Outcome<bool> {
        let mut exists = false;
        self.run(body, base, &mut |_| {
            exists = true;
            Ok(Flow::Stop)
        })?;
        Ok(exists)
    }

    pub(super) fn single(&mut self, step: &'a Step, base: usize) -> Outcome<bool> {
        self.exists(std::slice::from_ref(step), base)
    }

    /// Calls with the operands' values, without allocating for the usual few.
    pub(super) fn with_operands<T>(
        &mut self,
        operands: &[Operand],
        base: usize,
        call: impl FnOnce(&mut Self, &[&'a Value]) -> Outcome<T>,
    ) -> Outcome<T> {
        let mut few: [&'a Value; 4] = [&NULL; 4];
        if let Some(few) = few.get_mut(..operands.len()) {
            for (value, operand) in few.iter_mut().zip(operands) {
                *value = self.operand(*operand, base);
            }
            return call(self, few);
        }
        let many: Vec<&'a Value> = operands.iter().map(|operand| self.operand(*operand, base)).collect();
        call(self, &many)
    }

    fn every(
        &mut self,
        domain: Operand,
        key: &'a Pattern,
        value: &'a Pattern,
        body: &'a [Step],
        base: usize,
    ) -> Outcome<bool> {
        let domain = self.operand(domain, base);
        if !matches!(domain, Value::Array(_) | Value::Object(_) | Value::Set(_)) {
            return Ok(false);
        }
        let mut all = true;
        self.each(domain, key, base, &mut |this, item| {
            all = this.matches(value, item, base)? && this.exists(body, base)?;
            Ok(if all { Flow::Continue } else { Flow::Stop })
        })?;
        Ok(all)
    }

    fn comprehension(&mut self, comprehension: &'a Comprehension, base: usize) -> Outcome<bool> {
        let Comprehension { collection, key, value, body, place, target } = comprehension;
        let made = match (collection, key) {
            (Collection::Object, Some(key)) => {
                let mut entries = Vec::new();
                self.run(body, base, &mut |this| {
                    let (key, value) = (this.build(key, base)?, this.build(value, base)?);
                    this.budget.reserve(2 * VALUE_BYTES)?;
                    entries.push((key, value));
                    Ok(Flow::Continue)
                })?;
                entries.sort_by(|(one, _), (other, _)| one.cmp(other));
                let clash =
                    |pair: &[(Value, Value)]| matches!(pair, [one, other] if one.0 == other.0 && one.1 != other.1);
                if entries.windows(2).any(clash) {
                    return Err(EvalError::conflict(place, Conflict::ObjectKey));
                }
                Value::object(entries)
            }
            _ => {
                let mut items = Vec::new();
                self.run(body, base, &mut |this| {
                    let value = this.build(value, base)?;
                    this.budget.reserve(VALUE_BYTES)?;
                    items.push(value);
                    Ok(Flow::Continue)
                })?;
                if *collection == Collection::Set { Value::set(items) } else { Value::array(items) }
            }
        };
        self.settle_made(target, made, base)
    }
}

/// `item in collection`
fn is_member(item: &Value, collection: &Value) -> bool {
    match collection {
        Value::Array(items) => items.contains(item),
        Value::Set(items) => items.contains(item),
        Value::Object(object) => object.entries().iter().any(|(_, value)| value == item),
        _ => false,
    }
}
