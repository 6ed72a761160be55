//! What an evaluation tells about its coverage. All of this does nothing, at the price of one look, when nobody asks.

use crate::policy::engine::rego::evaluate::coverage::{Held, Proof};
use crate::policy::engine::rego::evaluate::plan::{Clause, Group, Place, TracedStep};
use crate::policy::engine::rego::value::Value;

use super::Evaluator;

impl<'a> Evaluator<'a> {
    pub(super) fn begin_coverage(&mut self, path: &[&str]) {
        if let Some(coverage) = self.coverage.as_deref_mut() {
            coverage.root = path.iter().map(|&step| step.to_owned()).collect();
        }
    }

    /// A clause is tried.
    #[inline]
    pub(super) fn cover_clause(&mut self, clause: &Clause) {
        if let Some(coverage) = self.coverage.as_deref_mut() {
            coverage.evaluate(&clause.place, 0);
        }
    }

    /// A clause, or what follows with `else` in that line, has a solution.
    #[inline]
    pub(super) fn cover_head(&mut self, clause: &Clause, line: u32) {
        if let Some(coverage) = self.coverage.as_deref_mut() {
            let line = if line == 0 { clause.place.line } else { line };
            coverage.hold(&Place { line, ..clause.place.clone() }, 0);
        }
    }

    /// The same for what has no `else`, where a member of the rule is found.
    #[inline]
    pub(super) fn cover_member(&mut self, group: &Group, clause: &Clause, member: &Value) {
        self.cover_head(clause, 0);
        let is_asked =
            |root: &[String]| root.iter().map(String::as_str).eq(group.path.iter().filter_map(Value::as_str));
        if !self.coverage.as_deref().is_some_and(|coverage| coverage.wants_proof() && is_asked(&coverage.root)) {
            return;
        }
        let steps = self.trail.iter().map(|(step, base)| Held::at(&step.place, self.held_text(step, *base))).collect();
        let head = Held::at(&clause.place, clause.head.as_deref().unwrap_or_default().to_owned());
        if let Some(coverage) = self.coverage.as_deref_mut() {
            coverage.prove(Proof { member: member.to_json(), head, steps });
        }
    }

    /// An expression is evaluated.
    #[inline]
    pub(super) fn cover_step(&mut self, step: &TracedStep) {
        if let Some(coverage) = self.coverage.as_deref_mut() {
            coverage.evaluate(&step.place, step.column);
        }
    }

    /// It holds; what is behind it runs until [`Evaluator::leave_step`].
    #[inline]
    pub(super) fn enter_step(&mut self, step: &'a TracedStep, base: usize) {
        if let Some(coverage) = self.coverage.as_deref_mut() {
            coverage.hold(&step.place, step.column);
            self.trail.push((step, base));
        }
    }

    #[inline]
    pub(super) fn leave_step(&mut self) {
        if self.coverage.is_some() {
            self.trail.pop();
        }
    }
}
