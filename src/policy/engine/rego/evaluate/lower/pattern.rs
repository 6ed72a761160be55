//! Terms as values to be made and values to be taken apart.

use crate::policy::engine::rego::evaluate::error::PlanError;
use crate::policy::engine::rego::evaluate::plan::{Operand, Pattern, Step, Target, Template};
use crate::policy::engine::rego::syntax::ast::{Term, TermKind};
use crate::policy::engine::rego::value::Value;

use super::clause::Frame;
use super::{scalar, unsafe_variable};

impl Frame<'_, '_> {
    /// The term's value, which must be known here; steps that make it go to `steps`.
    pub(super) fn operand(&mut self, term: &Term, steps: &mut Vec<Step>) -> Result<Operand, PlanError> {
        let template = self.template(term, steps)?;
        if let Template::Operand(operand) = template {
            return Ok(operand);
        }
        let slot = self.scope.temporary();
        steps.push(Step::Build { template, target: Target::Bind(slot) });
        Ok(Operand::Slot(slot))
    }

    /// How to make the term's value, all of whose variables must be bound here.
    pub(super) fn template(&mut self, term: &Term, steps: &mut Vec<Step>) -> Result<Template, PlanError> {
        if let Some(value) = scalar(term) {
            return Ok(self.constant(value));
        }
        match &term.kind {
            TermKind::Variable(name) if !is_root(name) => {
                if !self.scope.is_bound(name) {
                    return Err(unsafe_variable(name, term.span));
                }
                Ok(Template::Operand(Operand::Slot(self.scope.slot(name))))
            }
            TermKind::Array(items) => {
                let items = self.templates(items, steps)?;
                Ok(match self.all_constant(&items) {
                    Some(values) => self.constant(Value::array(values)),
                    None => Template::Array(items),
                })
            }
            TermKind::Set(items) => {
                let items = self.templates(items, steps)?;
                Ok(match self.all_constant(&items) {
                    Some(values) => self.constant(Value::set(values)),
                    None => Template::Set(items),
                })
            }
            TermKind::Object(entries) => self.object_template(entries, steps),
            _ => {
                let slot = self.scope.temporary();
                self.compute(term, Target::Bind(slot), steps)?;
                Ok(Template::Operand(Operand::Slot(slot)))
            }
        }
    }

    fn object_template(&mut self, entries: &[(Term, Term)], steps: &mut Vec<Step>) -> Result<Template, PlanError> {
        let mut templates = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            templates.push((self.template(key, steps)?, self.template(value, steps)?));
        }
        let keys: Vec<Template> = templates.iter().map(|(key, _)| key.clone()).collect();
        let values: Vec<Template> = templates.iter().map(|(_, value)| value.clone()).collect();
        let keys = self.all_constant(&keys);
        if let (Some(keys), Some(values)) = (&keys, self.all_constant(&values)) {
            return Ok(self.constant(Value::object(keys.iter().cloned().zip(values).collect())));
        }
        // Sorted here, entries need not be moved when the object is made.
        if let Some(keys) = keys {
            let mut sorted: Vec<_> = keys.into_iter().zip(templates).collect();
            sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
            templates = sorted.into_iter().map(|(_, entry)| entry).collect();
        }
        Ok(Template::Object(templates.into_boxed_slice()))
    }

    /// How to take a value apart along the term. Variables without a value are bound from here on.
    pub(super) fn pattern(&mut self, term: &Term, steps: &mut Vec<Step>) -> Result<Pattern, PlanError> {
        if self.is_ground(term) {
            return Ok(match self.template(term, steps)? {
                Template::Operand(operand) => Pattern::Equal(operand),
                template => Pattern::Built(template),
            });
        }
        match &term.kind {
            TermKind::Variable(name) => {
                let slot = self.scope.slot(name);
                let is_unread = self.scope.is_unread(name) && !self.reads_all;
                self.scope.bind(slot);
                Ok(if is_unread { Pattern::Any } else { Pattern::Bind(slot) })
            }
            TermKind::Array(items) => {
                let items = items.iter().map(|item| self.pattern(item, steps)).collect::<Result<_, _>>()?;
                Ok(Pattern::Array(items))
            }
            TermKind::Object(entries) => {
                let mut patterns = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    patterns.push((self.template(key, steps)?, self.pattern(value, steps)?));
                }
                Ok(Pattern::Object(patterns.into_boxed_slice()))
            }
            // A set cannot be taken apart: its variables are bound by now, or the module is unsafe.
            _ => Ok(Pattern::Built(self.template(term, steps)?)),
        }
    }

    /// What to do with a value that is unified with the term.
    pub(super) fn target(&mut self, term: &Term, steps: &mut Vec<Step>) -> Result<Target, PlanError> {
        Ok(match self.pattern(term, steps)? {
            Pattern::Any => Target::Ignore,
            Pattern::Bind(slot) => Target::Bind(slot),
            Pattern::Equal(operand) => Target::Equal(operand),
            pattern => Target::Match(pattern),
        })
    }

    /// All variables in the term have values here.
    pub(super) fn is_ground(&mut self, term: &Term) -> bool {
        match &term.kind {
            TermKind::Variable(name) => is_root(name) || self.scope.is_bound(name),
            TermKind::Array(items) | TermKind::Set(items) => items.iter().all(|item| self.is_ground(item)),
            TermKind::Object(entries) => {
                entries.iter().all(|(key, value)| self.is_ground(key) && self.is_ground(value))
            }
            _ => true,
        }
    }

    pub(super) fn constant(&mut self, value: Value) -> Template {
        Template::Operand(Operand::Constant(self.lowering.constant(value)))
    }

    /// The values, when all of the templates are constants.
    fn all_constant(&self, templates: &[Template]) -> Option<Vec<Value>> {
        let value = |template: &Template| match template {
            Template::Operand(Operand::Constant(number)) => self.lowering.plan.constants.get(*number as usize).cloned(),
            _ => None,
        };
        templates.iter().map(value).collect()
    }

    fn templates(&mut self, terms: &[Term], steps: &mut Vec<Step>) -> Result<Box<[Template]>, PlanError> {
        terms.iter().map(|term| self.template(term, steps)).collect()
    }
}

/// `input` and `data` are documents, not variables.
pub(super) fn is_root(name: &str) -> bool {
    name == "input" || name == "data"
}
