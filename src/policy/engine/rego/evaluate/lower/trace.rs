//! Expressions for a plan that is traced: each is one step that knows its place, its text and its variables.
//!
//! Variables that the compile passes made have the span of what they stand for, so every variable has a text.

use crate::policy::engine::rego::evaluate::error::PlanError;
use crate::policy::engine::rego::evaluate::plan::{Operand, Place, Step, Target, TracedStep, Witness};
use crate::policy::engine::rego::syntax::ast::{Expr, ExprKind, FunctionName, Rule, Span, Term, TermKind};
use crate::policy::engine::rego::value::Value;

use super::clause::Frame;
use super::expression::is_computed;
use super::scope;

/// The most characters of an expression, and of a variable's text.
const MAX_TEXT: usize = 120;
const MAX_NAME: usize = 60;

impl Frame<'_, '_> {
    pub(super) fn traced(&mut self, expression: &Expr, steps: &mut Vec<Step>) -> Result<(), PlanError> {
        let before = self.scope.bound();
        let mut body = Vec::new();
        let witness = self.witnessed(expression, &mut body)?;
        let (mut reads, mut writes): (Vec<_>, Vec<_>) = (Vec::new(), Vec::new());
        for (name, span) in scope::variables_of(expression) {
            if !self.scope.is_bound(&name) {
                continue;
            }
            let (slot, text) = (self.scope.slot(&name), self.text(span, MAX_NAME));
            let list = if before.has(slot) { &mut reads } else { &mut writes };
            if !text.is_empty() && text != "_" && list.iter().all(|(_, known)| *known != slot) {
                list.push((text.into_boxed_str(), slot));
            }
        }
        steps.push(Step::Traced(Box::new(TracedStep {
            place: self.place(expression.span),
            column: expression.span.column,
            text: self.text(expression.span, MAX_TEXT).into_boxed_str(),
            reason: reason(expression),
            is_closure: is_closure(expression),
            witness,
            reads: reads.into_boxed_slice(),
            writes: writes.into_boxed_slice(),
            body: body.into_boxed_slice(),
        })));
        Ok(())
    }

    /// Values go by way of slots, so that it can be told whether they were undefined, false or something else.
    fn witnessed(&mut self, expression: &Expr, body: &mut Vec<Step>) -> Result<Witness, PlanError> {
        if expression.is_negated || !expression.with.is_empty() {
            return self.plain(expression, body).map(|()| Witness::None);
        }
        match &expression.kind {
            ExprKind::Term(term) => {
                let slot = self.scope.temporary();
                self.compute(term, Target::Bind(slot), body)?;
                body.push(Step::Match { value: Operand::Slot(slot), target: Target::Truthy });
                Ok(Witness::Truth(slot))
            }
            ExprKind::Unify(one, other) => match (is_computed(one), is_computed(other)) {
                (true, true) => {
                    let slots = [self.scope.temporary(), self.scope.temporary()];
                    self.compute(one, Target::Bind(slots[0]), body)?;
                    self.compute(other, Target::Bind(slots[1]), body)?;
                    let target = Target::Equal(Operand::Slot(slots[1]));
                    body.push(Step::Match { value: Operand::Slot(slots[0]), target });
                    Ok(Witness::Sides(slots))
                }
                (true, false) => self.witnessed_side(one, other, body),
                (false, true) => self.witnessed_side(other, one, body),
                (false, false) => self.plain(expression, body).map(|()| Witness::None),
            },
            _ => self.plain(expression, body).map(|()| Witness::None),
        }
    }

    fn witnessed_side(&mut self, computed: &Term, other: &Term, body: &mut Vec<Step>) -> Result<Witness, PlanError> {
        let slot = self.scope.temporary();
        self.compute(computed, Target::Bind(slot), body)?;
        let target = self.target(other, body)?;
        body.push(Step::Match { value: Operand::Slot(slot), target });
        Ok(Witness::Side(slot))
    }

    /// `print` with its place as another argument, where a plan is to have that.
    pub(super) fn placed_print(
        &mut self,
        function: &FunctionName,
        arguments: &[Operand],
        target: &Target,
    ) -> Option<Step> {
        let is_print = matches!(function.path.as_slice(), [space, name] if space == "internal" && name == "print");
        if !is_print || !self.lowering.watch.has_print_places {
            return None;
        }
        let builtin = self.lowering.builtin("internal.print")?;
        let place = Value::string(self.place(function.span).to_string());
        let place = Operand::Constant(self.lowering.constant(place));
        let arguments = arguments.iter().copied().chain([place]).collect();
        Some(Step::Builtin { builtin, arguments, target: target.clone() })
    }

    pub(super) fn place(&mut self, span: Span) -> Place {
        self.lowering.place(self.group, self.position, span.line)
    }

    pub(super) fn head_text(&mut self, rule: &Rule) -> Option<Box<str>> {
        self.lowering.watch.sources.as_ref()?;
        let text = self.text(rule.head.span, MAX_TEXT);
        let default = if rule.is_default { "default " } else { "" };
        Some(format!("{default}{}", text.strip_prefix("default ").unwrap_or(&text)).into_boxed_str())
    }

    /// What stands there in the source, on one line.
    fn text(&mut self, span: Span, most: usize) -> String {
        let module = self.place(span).module;
        let sources = self.lowering.watch.sources.as_ref();
        let source = sources.zip(module).and_then(|(sources, module)| sources.get(&*module)).copied();
        let offset = |offset: u32| usize::try_from(offset).unwrap_or(usize::MAX);
        let text = source.and_then(|text| text.get(offset(span.start)..offset(span.end))).unwrap_or_default();
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(most) {
            Some((cut, _)) => format!("{}…", line.get(..cut).unwrap_or_default()),
            None => line,
        }
    }
}

/// Why it does not hold, as far as that can be told beforehand.
fn reason(expression: &Expr) -> &'static str {
    match &expression.kind {
        _ if expression.is_negated => "what it negates holds",
        ExprKind::Every { .. } => "some element does not hold",
        ExprKind::Unify(..) if expression.with.is_empty() => "the sides do not match",
        ExprKind::Unify(..) => "the sides do not match, or are undefined",
        _ => "it is false or undefined",
    }
}

fn is_closure(expression: &Expr) -> bool {
    let is_comprehension = |term: &Term| {
        matches!(
            term.kind,
            TermKind::ArrayComprehension { .. }
                | TermKind::SetComprehension { .. }
                | TermKind::ObjectComprehension { .. }
        )
    };
    match &expression.kind {
        ExprKind::Every { .. } => true,
        ExprKind::Unify(one, other) => is_comprehension(one) || is_comprehension(other),
        ExprKind::Term(_) | ExprKind::Assign(..) | ExprKind::Some(_) | ExprKind::SomeIn { .. } => false,
    }
}
