//! References: which document they start in, which of their steps iterate.

use crate::policy::engine::rego::evaluate::error::PlanError;
use crate::policy::engine::rego::evaluate::plan::{AskStep, BrowseStep, Operand, Step, Target, Way};
use crate::policy::engine::rego::syntax::ast::{RuleKind, Term, TermKind};
use crate::policy::engine::rego::value::Value;

use super::clause::Frame;
use super::{document, leaf, overlap, scalar, unsafe_variable};

/// As many as what is remembered of a call has room for.
const MAX_PART_KEYS: usize = 4;

impl Frame<'_, '_> {
    pub(super) fn reference(
        &mut self,
        head: &Term,
        path: &[Term],
        target: Target,
        steps: &mut Vec<Step>,
    ) -> Result<(), PlanError> {
        match &head.kind {
            TermKind::Variable(name) if name == "input" => {
                let (ground, rest) = ground_prefix(path);
                let path = self.lowering.input_path(&ground);
                self.source(rest, target, steps, |target| Step::Input { path, target })
            }
            TermKind::Variable(name) if name == "data" => self.data(path, target, steps),
            TermKind::Variable(name) => {
                if !self.scope.is_bound(name) {
                    return Err(unsafe_variable(name, head.span));
                }
                let slot = self.scope.slot(name);
                self.navigate(Operand::Slot(slot), path, target, steps)
            }
            _ => {
                let head = self.operand(head, steps)?;
                self.navigate(head, path, target, steps)
            }
        }
    }

    /// A step that reads a document, and the steps from there on.
    fn source(
        &mut self,
        rest: &[Term],
        target: Target,
        steps: &mut Vec<Step>,
        step: impl FnOnce(Target) -> Step,
    ) -> Result<(), PlanError> {
        if rest.is_empty() {
            steps.push(step(target));
            return Ok(());
        }
        let slot = self.scope.temporary();
        steps.push(step(Target::Bind(slot)));
        self.navigate(Operand::Slot(slot), rest, target, steps)
    }

    /// From a value along a path, with one `Iterate` for each step that binds something.
    pub(super) fn navigate(
        &mut self,
        mut head: Operand,
        mut path: &[Term],
        target: Target,
        steps: &mut Vec<Step>,
    ) -> Result<(), PlanError> {
        let mut ground = Vec::new();
        while let Some((term, rest)) = path.split_first() {
            path = rest;
            if self.is_ground(term) {
                ground.push(self.operand(term, steps)?);
                continue;
            }
            let walked = std::mem::take(&mut ground).into_boxed_slice();
            let key = self.pattern(term, steps)?;
            if rest.is_empty() {
                steps.push(Step::Iterate { head, path: walked, key, value: target });
                return Ok(());
            }
            let slot = self.scope.temporary();
            steps.push(Step::Iterate { head, path: walked, key, value: Target::Bind(slot) });
            head = Operand::Slot(slot);
        }
        steps.push(if ground.is_empty() {
            Step::Match { value: head, target }
        } else {
            Step::Navigate { head, path: ground.into_boxed_slice(), target }
        });
        Ok(())
    }

    /// A reference below `data`: base data, a rule, or a package.
    fn data(&mut self, path: &[Term], target: Target, steps: &mut Vec<Step>) -> Result<(), PlanError> {
        let mut document = 0;
        let mut rest = path;
        while let Some((term, behind)) = rest.split_first() {
            let Some(name) = scalar(term) else { break };
            let Some(child) = document::child(&self.lowering.plan, document, &name) else {
                if document == 0
                    || self.lowering.plan.documents.get(document as usize).is_some_and(|at| at.group.is_none())
                {
                    return self.base(path, target, steps);
                }
                break;
            };
            document = child;
            rest = behind;
        }
        let Some(at) = self.lowering.plan.documents.get(document as usize) else { return Ok(()) };
        match at.group {
            Some(group) => self.rule(group, rest, target, steps),
            None if rest.is_empty() => {
                steps.push(Step::Document { document, target });
                Ok(())
            }
            None => self.browse(document, rest, target, steps),
        }
    }

    fn base(&mut self, path: &[Term], target: Target, steps: &mut Vec<Step>) -> Result<(), PlanError> {
        let (ground, rest) = ground_prefix(path);
        let path = ground.into_boxed_slice();
        if rest.is_empty() {
            steps.push(Step::Base { path, is_whole: true, target });
            return Ok(());
        }
        let slot = self.scope.temporary();
        steps.push(Step::Base { path, is_whole: false, target: Target::Bind(slot) });
        self.stored(Operand::Slot(slot), rest, target, steps)
    }

    /// From a base document along a path, as `navigate`.
    fn stored(
        &mut self,
        mut head: Operand,
        mut path: &[Term],
        target: Target,
        steps: &mut Vec<Step>,
    ) -> Result<(), PlanError> {
        loop {
            let mut ground = Vec::new();
            while let Some((term, rest)) = path.split_first().filter(|(term, _)| self.is_ground(term)) {
                ground.push(self.operand(term, steps)?);
                path = rest;
            }
            let walked = ground.into_boxed_slice();
            let Some((term, rest)) = path.split_first() else {
                steps.push(Step::Stored { head, path: walked, target });
                return Ok(());
            };
            if !walked.is_empty() {
                let slot = self.scope.temporary();
                steps.push(Step::Stored { head, path: walked, target: Target::Bind(slot) });
                head = Operand::Slot(slot);
            }
            let key = self.pattern(term, steps)?;
            if rest.is_empty() {
                steps.push(Step::Iterate { head, path: Box::new([]), key, value: target });
                return Ok(());
            }
            let slot = self.scope.temporary();
            steps.push(Step::Iterate { head, path: Box::new([]), key, value: Target::Bind(slot) });
            (head, path) = (Operand::Slot(slot), rest);
        }
    }

    /// Through packages whose names are known only when it runs.
    fn browse(&mut self, document: u32, path: &[Term], target: Target, steps: &mut Vec<Step>) -> Result<(), PlanError> {
        let mut way = Vec::with_capacity(path.len());
        for term in path {
            // A collection may hold variables that earlier steps bind; it is made where it is matched.
            let is_plain = matches!(&term.kind, TermKind::Variable(_)) || scalar(term).is_some();
            way.push(if is_plain && self.is_ground(term) {
                Way::Known(self.operand(term, steps)?)
            } else {
                Way::Any(self.pattern(term, steps)?)
            });
        }
        steps.push(Step::Browse(Box::new(BrowseStep { document, way: way.into_boxed_slice(), target })));
        Ok(())
    }

    fn rule(&mut self, group: u32, rest: &[Term], target: Target, steps: &mut Vec<Step>) -> Result<(), PlanError> {
        let whole = |target| Step::Rule { group, target };
        let Some((key, behind)) = rest.split_first() else {
            steps.push(whole(target));
            return Ok(());
        };
        let keys = match self.lowering.rules(group) {
            Some(rules) if rules.kind == RuleKind::PartialSet => 0,
            Some(rules) if rules.kind == RuleKind::PartialObject => 1,
            _ => return self.source(rest, target, steps, whole),
        };
        let is_variable = matches!(&key.kind, TermKind::Variable(_)) && !self.is_ground(key);
        // What a `with` puts in the place of a set can be anything.
        if self.lowering.replaceable.contains(&group) {
            return self.source(rest, target, steps, whole);
        }
        if self.lowering.rules(group).is_some_and(|rules| !overlap::is_flat(rules)) {
            return self.part(group, rest, target, steps);
        }
        let is_streamed = is_variable && keys == 0 && !self.is_counted && leaf::is_leaf(self.lowering, group);
        if is_variable && !is_streamed {
            return self.source(rest, target, steps, whole);
        }
        // A key with parts is never false.
        let has_parts = matches!(&key.kind, TermKind::Array(_) | TermKind::Object(_) | TermKind::Set(_));
        let is_member_read =
            !behind.is_empty() || !matches!((&target, has_parts), (Target::Ignore, _) | (Target::Truthy, true));
        let reads_all = std::mem::replace(&mut self.reads_all, is_member_read);
        let slot = self.ask_step(group, key, keys == 1, steps)?;
        self.reads_all = reads_all;
        let Some(slot) = slot else { return self.source(rest, target, steps, whole) };
        if keys == 1 {
            return self.navigate(Operand::Slot(slot), behind, target, steps);
        }
        if !is_member_read {
            return Ok(());
        }
        let member = self.operand(key, steps)?;
        self.navigate(member, behind, target, steps)
    }

    /// Below a rule that makes objects within objects: only what the known keys lead to is evaluated.
    fn part(&mut self, group: u32, rest: &[Term], target: Target, steps: &mut Vec<Step>) -> Result<(), PlanError> {
        let depth = self.lowering.rules(group).map(overlap::depth).unwrap_or_default();
        let mut keys = Vec::new();
        for term in rest.iter().take(depth.min(MAX_PART_KEYS)) {
            keys.push(if self.is_ground(term) { Some(self.operand(term, steps)?) } else { None });
        }
        let keys = keys.into_boxed_slice();
        self.source(rest, target, steps, |target| {
            // As OPA, which does not look further then.
            let is_whole = keys.first().is_none_or(Option::is_none);
            if is_whole { Step::Rule { group, target } } else { Step::Part { group, keys, target } }
        })
    }

    /// Asks a partial rule; the slot is where the value for the key of an object goes. Nothing when the key has no shape to
    /// ask for.
    fn ask_step(
        &mut self,
        group: u32,
        key: &Term,
        is_object: bool,
        steps: &mut Vec<Step>,
    ) -> Result<Option<u32>, PlanError> {
        let before = self.scope.bound();
        let Some(question) = self.question(group, key, is_object, steps)? else { return Ok(None) };
        // The same by way of the whole rule binds the same variables.
        let after = self.scope.bound();
        self.scope.restore(&before);
        let slot = self.scope.temporary();
        let mut path = Vec::new();
        self.source(std::slice::from_ref(key), Target::Bind(slot), &mut path, |target| Step::Rule { group, target })?;
        self.scope.restore(&after);
        self.scope.bind(slot);
        let mut outputs = question.outputs;
        if is_object {
            outputs.push(Target::Bind(slot));
        }
        steps.push(Step::Ask(Box::new(AskStep {
            ask: question.ask,
            inputs: question.inputs.into_boxed_slice(),
            outputs: outputs.into_boxed_slice(),
            whole: path.into_boxed_slice(),
            is_distinct: self.is_counted,
        })));
        Ok(Some(slot))
    }
}

/// The leading constants of a path, and what is behind them.
fn ground_prefix(path: &[Term]) -> (Vec<Value>, &[Term]) {
    let ground: Vec<Value> = path.iter().map_while(scalar).collect();
    let rest = path.get(ground.len()..).unwrap_or_default();
    (ground, rest)
}
