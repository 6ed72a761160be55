//! Which slots a step reads and writes.

use std::collections::BTreeSet;

use crate::policy::engine::rego::evaluate::plan::{Operand, Pattern, Step, Target, Template};

use super::fold;

/// Slots of a step, bodies in it included.
#[derive(Debug, Default)]
pub(super) struct Slots {
    pub reads: BTreeSet<u32>,
    /// What the step writes for the steps behind it.
    pub writes: BTreeSet<u32>,
    /// It reads a document, or something here that is not looked into.
    pub reads_document: bool,
}

impl Slots {
    pub(super) fn of(step: &Step) -> Self {
        let mut slots = Self::default();
        slots.step(step);
        slots
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Fail => {}
            Step::Match { value, .. } | Step::Count { value, .. } | Step::Walk { value, .. } => self.read(*value),
            Step::Build { template, .. } => self.template(template),
            Step::Navigate { head, path, .. } | Step::Stored { head, path, .. } | Step::Iterate { head, path, .. } => {
                self.read(*head);
                path.iter().for_each(|key| self.read(*key));
            }
            Step::Builtin { arguments, .. } | Step::Function { arguments, .. } => {
                arguments.iter().for_each(|argument| self.read(*argument));
            }
            Step::Compare { left, right, .. } => [left, right].into_iter().for_each(|operand| self.read(*operand)),
            Step::Calculate { operands, .. } => operands.iter().for_each(|operand| self.read(*operand)),
            Step::Member { item, collection, .. } => {
                [item, collection].into_iter().for_each(|operand| self.read(*operand));
            }
            Step::Not(body) => self.body(body, |_| {}),
            Step::Every { domain, key, value, body } => {
                self.read(*domain);
                self.body(body, |inner| {
                    inner.pattern(key);
                    inner.pattern(value);
                });
            }
            Step::Comprehension(made) => self.body(&made.body, |inner| {
                made.key.iter().chain([&made.value]).for_each(|template| inner.template(template));
            }),
            Step::Ask(ask) => {
                self.reads_document = true;
                ask.inputs.iter().for_each(|input| self.read(*input));
                ask.outputs.iter().for_each(|output| self.target(output));
            }
            Step::Input { .. }
            | Step::Base { .. }
            | Step::Document { .. }
            | Step::Rule { .. }
            | Step::Part { .. }
            | Step::Browse(_)
            | Step::Traced(_) => {
                self.reads_document = true;
            }
            Step::Folded { .. } | Step::Mocked { .. } | Step::With(_) | Step::Join(_) => self.reads_document = true,
        }
        if let Step::Iterate { key: pattern, .. } | Step::Walk { path: pattern, .. } = step {
            self.pattern(pattern);
        }
        if let Some(target) = fold::target(step) {
            self.target(target);
        }
    }

    /// A body within a step: what it writes is its own.
    fn body(&mut self, body: &[Step], then: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        body.iter().for_each(|step| inner.step(step));
        then(&mut inner);
        self.reads.extend(inner.reads.difference(&inner.writes));
        self.reads_document |= inner.reads_document;
    }

    fn read(&mut self, operand: Operand) {
        if let Operand::Slot(slot) = operand {
            self.reads.insert(slot);
        }
    }

    fn template(&mut self, template: &Template) {
        match template {
            Template::Operand(operand) => self.read(*operand),
            Template::Array(items) | Template::Set(items) => items.iter().for_each(|item| self.template(item)),
            Template::Object(entries) => entries.iter().for_each(|(key, value)| {
                self.template(key);
                self.template(value);
            }),
        }
    }

    fn pattern(&mut self, pattern: &Pattern) {
        match pattern {
            Pattern::Any => {}
            Pattern::Bind(slot) => {
                self.writes.insert(*slot);
            }
            Pattern::Equal(operand) => self.read(*operand),
            Pattern::Array(items) => items.iter().for_each(|item| self.pattern(item)),
            Pattern::Object(entries) => entries.iter().for_each(|(key, value)| {
                self.template(key);
                self.pattern(value);
            }),
            Pattern::Built(template) => self.template(template),
        }
    }

    fn target(&mut self, target: &Target) {
        match target {
            Target::Ignore | Target::Truthy => {}
            Target::Bind(slot) => {
                self.writes.insert(*slot);
            }
            Target::Equal(operand) => self.read(*operand),
            Target::Match(pattern) => self.pattern(pattern),
        }
    }
}
