//! One clause: its frame, what it takes, its bodies, what it gives.

use crate::policy::engine::rego::compiled::RuleGroup;
use crate::policy::engine::rego::evaluate::error::PlanError;
use crate::policy::engine::rego::evaluate::plan::{Branch, Clause, Operand, Pattern, Step, Template};
use crate::policy::engine::rego::syntax::ast::{Body, Rule, RuleKind, Term};
use crate::policy::engine::rego::value::Value;

use super::scope::{Bound, Scope};
use super::{Lowering, uses};

/// A clause while it is lowered.
pub(super) struct Frame<'l, 'c> {
    pub lowering: &'l mut Lowering<'c>,
    pub scope: Scope,
    pub group: &'l RuleGroup,
    pub position: usize,
    /// Inside the body of an array comprehension, where it shows how often something holds.
    pub is_counted: bool,
    /// Variables that the source reads once are read again by what is lowered now.
    pub reads_all: bool,
}

/// The clause for when the rule is evaluated as a whole, or called.
pub(super) fn whole(
    lowering: &mut Lowering<'_>,
    group: &RuleGroup,
    rule: &Rule,
    position: usize,
) -> Result<Clause, PlanError> {
    let mut frame = Frame::new(lowering, group, rule, position);
    let mut prelude = Vec::new();
    let mut inputs = Vec::with_capacity(rule.head.arguments.len());
    for argument in &rule.head.arguments {
        inputs.push(frame.pattern(argument, &mut prelude)?);
    }
    let entry = frame.scope.bound();
    let head = Head::of(rule);
    let mut branches = vec![frame.branch(prelude, &rule.body, &head, &entry)?];
    for otherwise in &rule.otherwise {
        frame.scope.restore(&entry);
        let head = Head { parts: Vec::new(), value: otherwise.value.as_ref(), has_value: true };
        let branch = frame.branch(Vec::new(), &otherwise.body, &head, &entry)?;
        branches.push(Branch { line: otherwise.span.line, ..branch });
    }
    Ok(frame.finish(rule, inputs, branches))
}

/// What a solution of a body gives.
pub(super) struct Head<'r> {
    pub parts: Vec<&'r Term>,
    pub value: Option<&'r Term>,
    /// An absent value is `true`.
    pub has_value: bool,
}

impl<'r> Head<'r> {
    fn of(rule: &'r Rule) -> Self {
        let head = &rule.head;
        match head.kind {
            RuleKind::PartialSet => {
                Self { parts: head.dynamic.iter().chain(&head.key).collect(), value: None, has_value: false }
            }
            RuleKind::Complete | RuleKind::Function | RuleKind::PartialObject => {
                Self { parts: head.dynamic.iter().collect(), value: head.value.as_ref(), has_value: true }
            }
        }
    }
}

impl<'l, 'c> Frame<'l, 'c> {
    pub(super) fn new(
        lowering: &'l mut Lowering<'c>,
        group: &'l RuleGroup,
        rule: &Rule,
        position: usize,
    ) -> Frame<'l, 'c> {
        Frame { lowering, scope: Scope::new(uses(rule)), group, position, is_counted: false, reads_all: false }
    }

    /// `entry` is what the inputs bind.
    fn branch(
        &mut self,
        mut steps: Vec<Step>,
        body: &Body,
        head: &Head<'_>,
        entry: &Bound,
    ) -> Result<Branch, PlanError> {
        self.body(body, &mut steps)?;
        let mut outputs = Vec::with_capacity(head.parts.len() + 1);
        for part in &head.parts {
            outputs.push(self.template(part, &mut steps)?);
        }
        match head.value {
            Some(value) => outputs.push(self.template(value, &mut steps)?),
            None if head.has_value => {
                let number = self.lowering.constant(Value::Bool(true));
                outputs.push(Template::Operand(Operand::Constant(number)));
            }
            None => {}
        }
        Ok(self.close(steps, outputs, entry))
    }

    pub(super) fn close(&self, body: Vec<Step>, outputs: Vec<Template>, entry: &Bound) -> Branch {
        let is_single = outputs.iter().all(|output| reads_only(output, entry));
        Branch { line: 0, body: body.into_boxed_slice(), outputs: outputs.into_boxed_slice(), is_single }
    }

    pub(super) fn finish(mut self, rule: &Rule, inputs: Vec<Pattern>, branches: Vec<Branch>) -> Clause {
        Clause {
            place: self.place(rule.span),
            head: self.head_text(rule),
            kind: rule.head.kind,
            slots: self.scope.size(),
            inputs: inputs.into_boxed_slice(),
            branches: branches.into_boxed_slice(),
        }
    }
}

fn reads_only(template: &Template, entry: &Bound) -> bool {
    match template {
        Template::Operand(Operand::Constant(_)) => true,
        Template::Operand(Operand::Slot(slot)) => entry.has(*slot),
        Template::Array(items) | Template::Set(items) => items.iter().all(|item| reads_only(item, entry)),
        Template::Object(entries) => {
            entries.iter().all(|(key, value)| reads_only(key, entry) && reads_only(value, entry))
        }
    }
}
