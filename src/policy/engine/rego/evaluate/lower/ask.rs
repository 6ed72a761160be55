//! Partial rules asked for certain members: the known parts of the key are unified with the head before the body runs.
//!
//! `general_violation[{"msg": msg, "field": "containers"}]` asks for the shape `{"field": known, "msg": wanted}`. All calls
//! of that shape share one lowering of the rule's clauses, in which `"containers"` is an input and `msg` an output.

use crate::policy::engine::rego::compiled::RuleGroup;
use crate::policy::engine::rego::evaluate::error::PlanError;
use crate::policy::engine::rego::evaluate::plan::{Clause, Operand, Pattern, Step, Target, Template};
use crate::policy::engine::rego::syntax::ast::{Rule, RuleKind, Term, TermKind};
use crate::policy::engine::rego::value::Value;

use super::clause::Frame;
use super::{Lowering, scalar};

/// Each shape costs a lowering of all clauses; beyond so many the whole rule is evaluated instead.
const MAX_SHAPES_OF_A_RULE: usize = 12;
/// The same for the whole plan, because clauses lowered for one ask hold asks themselves.
const MAX_SHAPES: usize = 2_000;

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Known,
    Wanted,
    Array(Vec<Shape>),
    /// Sorted by key.
    Object(Vec<(Value, Shape)>),
}

/// An ask as the caller makes it.
pub(super) struct Question {
    pub ask: u32,
    pub inputs: Vec<Operand>,
    pub outputs: Vec<Target>,
}

impl Frame<'_, '_> {
    /// How to ask for the key; nothing when only the whole rule can tell.
    pub(super) fn question(
        &mut self,
        group: u32,
        key: &Term,
        must_be_known: bool,
        steps: &mut Vec<Step>,
    ) -> Result<Option<Question>, PlanError> {
        let mut inputs = Vec::new();
        let mut wanted = Vec::new();
        let shape = self.shape(key, &mut inputs, &mut wanted, steps)?;
        let shape = shape.filter(|shape| !must_be_known || *shape == Shape::Known);
        let Some(ask) = shape.and_then(|shape| self.lowering.ask(group, shape)) else { return Ok(None) };
        // Only now, so that of two wanted parts with the same variable both are wanted.
        let outputs = wanted.into_iter().map(|term| self.target(term, steps)).collect::<Result<_, _>>()?;
        Ok(Some(Question { ask, inputs, outputs }))
    }

    fn shape<'t>(
        &mut self,
        key: &'t Term,
        inputs: &mut Vec<Operand>,
        wanted: &mut Vec<&'t Term>,
        steps: &mut Vec<Step>,
    ) -> Result<Option<Shape>, PlanError> {
        if self.is_ground(key) {
            inputs.push(self.operand(key, steps)?);
            return Ok(Some(Shape::Known));
        }
        match &key.kind {
            TermKind::Variable(_) => {
                wanted.push(key);
                Ok(Some(Shape::Wanted))
            }
            TermKind::Array(items) => {
                let mut shapes = Vec::with_capacity(items.len());
                for item in items {
                    let Some(shape) = self.shape(item, inputs, wanted, steps)? else { return Ok(None) };
                    shapes.push(shape);
                }
                Ok(Some(Shape::Array(shapes)))
            }
            TermKind::Object(entries) => {
                let Some(entries) = sorted_entries(entries) else { return Ok(None) };
                let mut shapes = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    let Some(shape) = self.shape(value, inputs, wanted, steps)? else { return Ok(None) };
                    shapes.push((key, shape));
                }
                Ok(Some(Shape::Object(shapes)))
            }
            _ => Ok(None),
        }
    }
}

impl Lowering<'_> {
    fn ask(&mut self, group: u32, shape: Shape) -> Option<u32> {
        let same = |(other, known): &(u32, Shape)| *other == group && *known == shape;
        if let Some(number) = self.asked.iter().position(same) {
            return u32::try_from(number).ok();
        }
        let of_rule = self.asked.iter().filter(|(other, _)| *other == group).count();
        if of_rule >= MAX_SHAPES_OF_A_RULE || self.asked.len() >= MAX_SHAPES {
            return None;
        }
        self.asked.push((group, shape));
        u32::try_from(self.asked.len() - 1).ok()
    }
}

/// The clauses of a partial rule for members of that shape. Those that cannot have such a member are left out.
pub(super) fn clauses(
    lowering: &mut Lowering<'_>,
    group: &RuleGroup,
    shape: &Shape,
) -> Result<Box<[Clause]>, PlanError> {
    let mut clauses = Vec::with_capacity(group.rules.len());
    for (position, rule) in group.rules.iter().enumerate() {
        clauses.extend(clause(lowering, group, rule, position, shape)?);
    }
    Ok(clauses.into_boxed_slice())
}

fn clause(
    lowering: &mut Lowering<'_>,
    group: &RuleGroup,
    rule: &Rule,
    position: usize,
    shape: &Shape,
) -> Result<Option<Clause>, PlanError> {
    let key = if group.kind == RuleKind::PartialObject { rule.head.dynamic.first() } else { rule.head.key.as_ref() };
    let Some(key) = key else { return Ok(None) };
    let mut frame = Frame::new(lowering, group, rule, position);
    let mut steps = Vec::new();
    let mut meeting = Meeting::default();
    if !frame.meet(key, shape, &mut meeting, &mut steps)? {
        return Ok(None);
    }
    let entry = frame.scope.bound();
    frame.body(&rule.body, &mut steps)?;
    for (term, target) in std::mem::take(&mut meeting.late) {
        let value = frame.operand(term, &mut steps)?;
        steps.push(Step::Match { value, target });
    }
    let mut outputs = Vec::with_capacity(meeting.outputs.len() + 1);
    for output in meeting.outputs {
        outputs.push(match output {
            Output::Term(term) => frame.template(term, &mut steps)?,
            Output::Slot(slot) => Template::Operand(Operand::Slot(slot)),
        });
    }
    if group.kind == RuleKind::PartialObject {
        outputs.push(match &rule.head.value {
            Some(value) => frame.template(value, &mut steps)?,
            None => frame.constant(Value::Bool(true)),
        });
    }
    let branch = frame.close(steps, outputs, &entry);
    Ok(Some(frame.finish(rule, meeting.inputs, vec![branch])))
}

/// A head's key beside what is known of it. Inputs and outputs are in the order in which the shape has them.
#[derive(Default)]
struct Meeting<'r> {
    inputs: Vec<Pattern>,
    outputs: Vec<Output<'r>>,
    /// Compared after the body, because only then the term has a value.
    late: Vec<(&'r Term, Target)>,
}

enum Output<'r> {
    Term(&'r Term),
    Slot(u32),
}

impl Frame<'_, '_> {
    /// Whether the key can have that shape.
    fn meet<'r>(
        &mut self,
        key: &'r Term,
        shape: &Shape,
        meeting: &mut Meeting<'r>,
        steps: &mut Vec<Step>,
    ) -> Result<bool, PlanError> {
        match (shape, &key.kind) {
            (Shape::Known, _) if can_be_matched(key) => {
                meeting.inputs.push(self.pattern(key, steps)?);
                Ok(true)
            }
            (Shape::Wanted, _) => {
                meeting.outputs.push(Output::Term(key));
                Ok(true)
            }
            (Shape::Array(shapes), TermKind::Array(items)) => {
                if shapes.len() != items.len() {
                    return Ok(false);
                }
                for (shape, item) in shapes.iter().zip(items) {
                    if !self.meet(item, shape, meeting, steps)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Shape::Object(shapes), TermKind::Object(entries)) => match sorted_entries(entries) {
                Some(entries) => self.meet_object(entries, shapes, meeting, steps),
                None => Ok(self.meet_late(key, shape, meeting)),
            },
            // OPA compares sets as they are when the rule is asked: one with a variable in it equals nothing.
            (Shape::Known, _) => Ok(false),
            _ if scalar(key).is_some() => Ok(false),
            _ => Ok(self.meet_late(key, shape, meeting)),
        }
    }

    fn meet_object<'r>(
        &mut self,
        entries: Vec<(Value, &'r Term)>,
        shapes: &[(Value, Shape)],
        meeting: &mut Meeting<'r>,
        steps: &mut Vec<Step>,
    ) -> Result<bool, PlanError> {
        if entries.len() != shapes.len() {
            return Ok(false);
        }
        for ((key, term), (wanted, shape)) in entries.into_iter().zip(shapes) {
            if key != *wanted || !self.meet(term, shape, meeting, steps)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes the key apart when the body has given it a value.
    fn meet_late<'r>(&mut self, key: &'r Term, shape: &Shape, meeting: &mut Meeting<'r>) -> bool {
        let target = match self.late_pattern(shape, meeting) {
            Some(Pattern::Equal(operand)) => Target::Equal(operand),
            Some(pattern) => Target::Match(pattern),
            None => return false,
        };
        meeting.late.push((key, target));
        true
    }

    fn late_pattern(&mut self, shape: &Shape, meeting: &mut Meeting<'_>) -> Option<Pattern> {
        Some(match shape {
            Shape::Known => {
                let slot = self.scope.temporary();
                meeting.inputs.push(Pattern::Bind(slot));
                Pattern::Equal(Operand::Slot(slot))
            }
            Shape::Wanted => {
                let slot = self.scope.temporary();
                meeting.outputs.push(Output::Slot(slot));
                Pattern::Bind(slot)
            }
            Shape::Array(shapes) => {
                Pattern::Array(shapes.iter().map(|shape| self.late_pattern(shape, meeting)).collect::<Option<_>>()?)
            }
            Shape::Object(shapes) => {
                let mut entries = Vec::with_capacity(shapes.len());
                for (key, shape) in shapes {
                    entries.push((self.constant(key.clone()), self.late_pattern(shape, meeting)?));
                }
                Pattern::Object(entries.into_boxed_slice())
            }
        })
    }
}

/// A value can be taken apart along the term before its variables are bound.
fn can_be_matched(term: &Term) -> bool {
    match &term.kind {
        TermKind::Variable(_) => true,
        TermKind::Array(items) => items.iter().all(can_be_matched),
        TermKind::Object(entries) => entries.iter().all(|(key, value)| scalar(key).is_some() && can_be_matched(value)),
        _ => scalar(term).is_some(),
    }
}

/// The entries by key, when all keys are scalars and none is there twice.
fn sorted_entries(entries: &[(Term, Term)]) -> Option<Vec<(Value, &Term)>> {
    let mut sorted: Vec<(Value, &Term)> =
        entries.iter().map(|(key, value)| Some((scalar(key)?, value))).collect::<Option<_>>()?;
    sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
    let is_strict = sorted.windows(2).all(|pair| matches!(pair, [(one, _), (other, _)] if one < other));
    is_strict.then_some(sorted)
}
