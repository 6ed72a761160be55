//! Rules and functions.

use crate::policy::engine::rego::evaluate::error::{Conflict, EvalError};
use crate::policy::engine::rego::evaluate::plan::{Clause, Group, Pattern};
use crate::policy::engine::rego::syntax::ast::RuleKind;
use crate::policy::engine::rego::value::Value;

use super::compute::is_same;
use super::memory::{CallKey, Memory};
use super::{Evaluator, Flow, NULL, Outcome};

impl<'a> Evaluator<'a> {
    /// The value of a rule: once for each world.
    pub(super) fn rule(&mut self, number: u32) -> Outcome<Option<&'a Value>> {
        let Some(group) = self.plan.groups.get(number as usize) else { return Ok(None) };
        match self.world.rules.get(number as usize) {
            Some(Memory::Known(value)) => {
                let value = *value;
                self.trace_rule("known", group, value);
                return Ok(value);
            }
            // A replaced function may lead back here, and then past what it stands for; `depth` bounds the rest.
            Some(Memory::Busy) if self.world.replaced.is_none() => {
                return Err(Box::new(EvalError::Recursion(group.name())));
            }
            Some(Memory::Busy | Memory::Unknown) | None => {}
        }
        if self.is_replaced(number) {
            return Ok(self.base(&group.path));
        }
        self.remember(number, Memory::Busy);
        self.descend()?;
        let value = match group.kind {
            RuleKind::Complete => self.decide(group, &[])?,
            RuleKind::PartialSet | RuleKind::PartialObject => Some(self.collect(group)?),
            RuleKind::Function => None,
        };
        self.depth += 1;
        self.remember(number, Memory::Known(value));
        self.trace_rule("leave", group, value);
        Ok(value)
    }

    /// The result of a function.
    pub(super) fn call(&mut self, number: u32, arguments: &[&'a Value]) -> Outcome<Option<&'a Value>> {
        let Some(group) = self.plan.groups.get(number as usize) else { return Ok(None) };
        let key = if group.is_memoised { CallKey::new(number, arguments) } else { None };
        if let Some(known) = key.as_ref().and_then(|key| self.world.calls.get(key)) {
            let known = *known;
            self.trace_call("known", group, arguments, known);
            return Ok(known);
        }
        self.descend()?;
        let value = self.decide(group, arguments)?;
        self.depth += 1;
        if let Some(key) = key {
            self.budget.reserve(size_of::<CallKey>())?;
            self.world.calls.insert(key, value);
        }
        self.trace_call("leave", group, arguments, value);
        Ok(value)
    }

    /// Room for a clause's variables on top of all others.
    pub(super) fn open_frame(&mut self, clause: &Clause, base: usize) {
        self.slots.resize(base + clause.slots as usize, &NULL);
        self.trace_clause(clause);
        self.cover_clause(clause);
    }

    pub(super) fn match_inputs(&mut self, inputs: &'a [Pattern], values: &[&'a Value], base: usize) -> Outcome<bool> {
        for (pattern, value) in inputs.iter().zip(values) {
            if !self.matches(pattern, value, base)? {
                self.trace_mismatch(value);
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn remember(&mut self, number: u32, memory: Memory<'a>) {
        if let Some(place) = self.world.rules.get_mut(number as usize) {
            *place = memory;
        }
    }

    /// The one value on which all clauses that hold agree.
    fn decide(&mut self, group: &'a Group, arguments: &[&'a Value]) -> Outcome<Option<&'a Value>> {
        let base = self.slots.len();
        let mut found = None;
        if let Some(decisive) = group.index.as_ref().and_then(|index| arguments.get(index.argument)) {
            self.observe_test(decisive);
        }
        match group.candidates(arguments) {
            Some(numbers) => {
                for number in numbers {
                    let Some(clause) = group.clauses.get(*number as usize) else { continue };
                    if self.clause(group, clause, arguments, base, &mut found)? {
                        break;
                    }
                }
            }
            None => {
                for clause in &group.clauses {
                    if self.clause(group, clause, arguments, base, &mut found)? {
                        break;
                    }
                }
            }
        }
        if let (None, Some(default)) = (found, &group.default) {
            self.clause(group, default, arguments, base, &mut found)?;
        }
        self.slots.truncate(base);
        Ok(found)
    }

    /// Runs one clause; says whether the result is certain now.
    fn clause(
        &mut self,
        group: &'a Group,
        clause: &'a Clause,
        arguments: &[&'a Value],
        base: usize,
        found: &mut Option<&'a Value>,
    ) -> Outcome<bool> {
        self.open_frame(clause, base);
        if !self.match_inputs(&clause.inputs, arguments, base)? {
            return Ok(false);
        }
        for branch in &clause.branches {
            let Some(output) = branch.outputs.first() else { continue };
            let mut holds = false;
            self.run(&branch.body, base, &mut |this| {
                let value = this.make(output, base)?;
                this.cover_head(clause, branch.line);
                if found.is_some_and(|found| !is_same(found, value)) {
                    return Err(EvalError::conflict(&clause.place, group.conflict()));
                }
                *found = Some(value);
                holds = true;
                Ok(if branch.is_single { Flow::Stop } else { Flow::Continue })
            })?;
            if holds {
                return Ok(group.is_uniform);
            }
        }
        Ok(false)
    }
}

impl Group {
    /// Clauses that can hold for these arguments; nothing when that cannot be told beforehand.
    fn candidates(&self, arguments: &[&Value]) -> Option<&[u32]> {
        let index = self.index.as_ref()?;
        let argument = *arguments.get(index.argument)?;
        let found = index.table.binary_search_by(|(key, _)| key.cmp(argument)).ok();
        Some(found.and_then(|at| index.table.get(at)).map_or(&index.rest, |(_, clauses)| clauses))
    }

    fn conflict(&self) -> Conflict {
        if self.kind == RuleKind::Function { Conflict::Function } else { Conflict::CompleteRule }
    }

    pub(super) fn name(&self) -> String {
        self.path.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(".")
    }
}
