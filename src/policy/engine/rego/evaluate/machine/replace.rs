//! `with`: an expression in another world.

use crate::policy::engine::rego::evaluate::InputDocument;
use crate::policy::engine::rego::evaluate::plan::{Change, Operand, Replacement, Step, Target, WithStep};
use crate::policy::engine::rego::value::Value;

use super::memory::{Mocks, World};
use super::{Evaluator, Flow, Outcome, Then, VALUE_BYTES};

impl<'a> Evaluator<'a> {
    /// Runs the expression in its world, and what is behind it back in this one.
    pub(super) fn with(
        &mut self,
        with: &'a WithStep,
        behind: &'a [Step],
        base: usize,
        then: &mut Then<'_, 'a>,
    ) -> Outcome<Flow> {
        let mut other = self.changed(with, base)?;
        std::mem::swap(&mut self.world, &mut other);
        let flow = self.run(&with.body, base, &mut |this| {
            std::mem::swap(&mut this.world, &mut other);
            let flow = this.run(behind, base, then);
            std::mem::swap(&mut this.world, &mut other);
            flow
        });
        std::mem::swap(&mut self.world, &mut other);
        flow
    }

    /// The rule's value is what a `with` put there.
    pub(super) fn is_replaced(&self, group: u32) -> bool {
        self.world.replaced.as_ref().is_some_and(|replaced| replaced.groups.contains(&group))
    }

    /// A call that some `with` in the policy replaces, though perhaps not now.
    pub(super) fn mocked(
        &mut self,
        mock: u32,
        arguments: &[Operand],
        target: &'a Target,
        call: &'a Step,
        base: usize,
    ) -> Outcome<bool> {
        let replaced = self.world.replaced.as_ref();
        // The innermost `with` counts.
        let found = replaced.and_then(|replaced| replaced.mocks.iter().rev().find(|(number, ..)| *number == mock));
        let Some((_, replacement, value)) = found.copied() else { return self.single(call, base) };
        match replacement {
            Replacement::Value(_) => self.settle_maybe(target, value, base),
            Replacement::Group(group) => {
                // Within it nothing is replaced, so that it can call what it stands for.
                let mocks = self.swap_mocks(Vec::new());
                let value = self.with_operands(arguments, base, |this, values| this.call(group, values))?;
                self.swap_mocks(mocks);
                self.settle_maybe(target, value, base)
            }
            Replacement::Builtin(builtin) => {
                let value = self.with_operands(arguments, base, |this, values| this.builtin(builtin.call, values))?;
                match value {
                    Some(value) => self.settle_made(target, value, base),
                    None => Ok(false),
                }
            }
        }
    }

    fn swap_mocks(&mut self, mocks: Mocks<'a>) -> Mocks<'a> {
        self.world.replaced.as_mut().map_or_else(Vec::new, |replaced| std::mem::replace(&mut replaced.mocks, mocks))
    }

    fn changed(&mut self, with: &'a WithStep, base: usize) -> Outcome<World<'a>> {
        let mut world = World::new(self.plan, self.world.input, self.world.data);
        world.real = self.world.real;
        let mut replaced = self.world.replaced.as_deref().cloned().unwrap_or_default();
        for change in &with.changes {
            match change {
                Change::Input { path, value } => {
                    let value = self.operand(*value, base);
                    let input = self.whole(world.input);
                    world.input = InputDocument::Whole(self.grafted(input, path, value)?);
                }
                Change::Data { path, value, groups } => {
                    let value = self.operand(*value, base);
                    world.data = Some(self.grafted(world.data, path, value)?);
                    replaced.groups.extend_from_slice(groups);
                    replaced.targets.push(path);
                }
                Change::Function { mock, replacement } => {
                    let value = match replacement {
                        Replacement::Value(operand) => Some(self.operand(*operand, base)),
                        Replacement::Builtin(_) | Replacement::Group(_) => None,
                    };
                    replaced.mocks.push((*mock, *replacement, value));
                }
            }
        }
        world.replaced = Some(Box::new(replaced));
        Ok(world)
    }

    /// The document with another value at a path; what is no object on the way there is replaced by one.
    fn grafted(&mut self, document: Option<&'a Value>, path: &[Value], value: &'a Value) -> Outcome<&'a Value> {
        let Some((key, rest)) = path.split_first() else { return Ok(value) };
        let mut entries = match document {
            Some(Value::Object(object)) => object.entries().to_vec(),
            _ => Vec::new(),
        };
        self.budget.reserve(2 * VALUE_BYTES * (entries.len() + 1))?;
        let inner = self.grafted(document.and_then(|document| document.get(key)), rest, value)?;
        // Of equal keys the last one counts.
        entries.push((key.clone(), inner.clone()));
        self.keep(Value::object(entries))
    }
}
