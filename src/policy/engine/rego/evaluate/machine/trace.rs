//! What an evaluation tells its trace. All of this does nothing, at the price of one look, when there is none.

use crate::policy::engine::rego::evaluate::plan::{Clause, Group, Step, TracedStep, Witness};
use crate::policy::engine::rego::evaluate::trace::{Trace, shown};
use crate::policy::engine::rego::value::Value;

use super::{Evaluator, Flow, Outcome, Then};

/// The longest value that is shown where it may not matter.
const SHORT_BYTES: usize = 40;

/// Known by its address: nothing was put into a slot.
static UNDEFINED: Value = Value::Null;

impl<'a> Evaluator<'a> {
    /// Runs an expression and says how it went, then what is behind it.
    pub(super) fn traced(
        &mut self,
        step: &'a TracedStep,
        behind: &'a [Step],
        base: usize,
        then: &mut Then<'_, 'a>,
    ) -> Outcome<Flow> {
        let slots = step.writes.iter().map(|(_, slot)| slot).chain(step.witness.slots());
        slots.for_each(|slot| self.bind(*slot, &UNDEFINED, base));
        let depth = self.trace.as_ref().map_or(0, |trace| trace.depth);
        let inner = depth + if step.is_closure { 1 } else { 2 };
        let before = self.tell(|trace| {
            trace.depth = depth + 1;
            let before = trace.open(&step.place, &step.text);
            trace.depth = inner;
            before
        });
        self.cover_step(step);
        let mut holds = false;
        let flow = self.run(&step.body, base, &mut |this| {
            this.tell_result(step, depth + 1, if holds { usize::MAX } else { before }, |this| this.holding(step, base));
            holds = true;
            this.tell(|trace| trace.depth = depth);
            this.enter_step(step, base);
            let flow = this.run(behind, base, then);
            this.leave_step();
            this.tell(|trace| trace.depth = inner);
            flow
        })?;
        if !holds {
            self.tell_result(step, depth + 1, before, |this| this.failing(step, base));
        }
        self.tell(|trace| trace.depth = depth);
        Ok(flow)
    }

    pub(super) fn begin_trace(&mut self, path: &[&str]) {
        self.tell(|trace| {
            let package = path.split_last().map(|(_, package)| package.join(".")).unwrap_or_default();
            trace.package = package;
            trace.depth = 0;
        });
    }

    pub(super) fn end_trace(&mut self, result: &Outcome<Option<Value>>) {
        self.tell(|trace| {
            if let Err(error) = result {
                trace.line(None, "stops", || error.to_string());
            }
        });
    }

    /// A rule is worked out, or asked for again.
    #[inline]
    pub(super) fn trace_rule(&mut self, word: &'static str, group: &Group, value: Option<&Value>) {
        if let Some(trace) = &mut self.trace {
            let name = trace.name(group);
            trace.line(None, word, || result(&name, value));
        }
    }

    /// The same for a function.
    #[inline]
    pub(super) fn trace_call(
        &mut self,
        word: &'static str,
        group: &Group,
        arguments: &[&Value],
        value: Option<&Value>,
    ) {
        if let Some(trace) = &mut self.trace {
            let name = trace.name(group);
            let arguments = || arguments.iter().map(|argument| shown(argument)).collect::<Vec<_>>().join(", ");
            trace.line(None, word, || result(&format!("{name}({})", arguments()), value));
        }
    }

    /// One definition of a rule is tried.
    #[inline]
    pub(super) fn trace_clause(&mut self, clause: &Clause) {
        if let Some(trace) = &mut self.trace {
            trace.line(Some(&clause.place), "enter", || clause.head.as_deref().unwrap_or_default().to_owned());
        }
    }

    /// The definition is for other arguments.
    #[inline]
    pub(super) fn trace_mismatch(&mut self, value: &Value) {
        if let Some(trace) = &mut self.trace {
            trace.depth += 1;
            trace.line(None, "fails", || format!("it is not for {}", shown(value)));
            trace.depth -= 1;
        }
    }

    /// A function has no result, and says why.
    pub(super) fn trace_undefined(&mut self, reason: &str) {
        if let Some(trace) = &mut self.trace {
            trace.line(None, "error", || reason.to_owned());
        }
    }

    fn tell<T: Default>(&mut self, tell: impl FnOnce(&mut Trace) -> T) -> T {
        self.trace.as_deref_mut().map(tell).unwrap_or_default()
    }

    /// `before` is what `Trace::open` gave.
    fn tell_result(
        &mut self,
        step: &TracedStep,
        depth: usize,
        before: usize,
        describe: impl FnOnce(&Self) -> (&'static str, String),
    ) {
        // Taken out, as what describes looks at the slots.
        if let Some(trace) = self.trace.take() {
            trace.close(before);
            trace.depth = depth;
            trace.event(Some(&step.place), || describe(self));
            self.trace = Some(trace);
        }
    }

    /// The expression that holds, with its values.
    pub(super) fn held_text(&self, step: &TracedStep, base: usize) -> String {
        self.holding(step, base).1
    }

    fn holding(&self, step: &TracedStep, base: usize) -> (&'static str, String) {
        let written = self.values(&step.writes, base);
        let witness = match step.witness {
            Witness::Truth(slot) => self.value_in(slot, base),
            Witness::None | Witness::Side(_) | Witness::Sides(_) => None,
        };
        match (&*written, witness) {
            ([(name, value)], _) if **name == *step.text => ("value", format!("{name} = {value}")),
            ([], Some(value)) if *value != Value::Bool(true) => {
                ("holds", format!("{}, as {}", step.text, shown(value)))
            }
            _ => ("holds", format!("{}{}", step.text, listed(&written))),
        }
    }

    fn failing(&self, step: &TracedStep, base: usize) -> (&'static str, String) {
        let value = |slot: &u32| self.value_in(*slot, base);
        let found: Vec<Option<&Value>> = step.witness.slots().iter().map(value).collect();
        let reason = match &*found {
            [] => step.reason,
            [None] => "it is undefined",
            [Some(Value::Bool(false))] if matches!(step.witness, Witness::Truth(_)) => "it is false",
            [Some(value)] => {
                // The other side may be a variable; whole objects would only hide that.
                let mut short = self.values(&step.reads, base);
                short.retain(|(_, value)| value.len() <= SHORT_BYTES);
                return ("fails", format!("{}: it is {}{}", step.text, shown(value), listed(&short)));
            }
            [Some(one), Some(other)] => {
                return ("fails", format!("{}: {} is not {}", step.text, shown(one), shown(other)));
            }
            _ => "a side is undefined",
        };
        ("fails", format!("{}: {reason}{}", step.text, listed(&self.values(&step.reads, base))))
    }

    fn values<'s>(&self, variables: &'s [(Box<str>, u32)], base: usize) -> Vec<(&'s str, String)> {
        let value = |(name, slot): &'s (Box<str>, u32)| Some((&**name, shown(self.value_in(*slot, base)?)));
        variables.iter().filter_map(value).collect()
    }

    fn value_in(&self, slot: u32, base: usize) -> Option<&'a Value> {
        let value = self.slots.get(base + slot as usize).copied()?;
        (!std::ptr::eq(value, &raw const UNDEFINED)).then_some(value)
    }
}

impl Witness {
    fn slots(&self) -> &[u32] {
        match self {
            Self::None => &[],
            Self::Truth(slot) | Self::Side(slot) => std::slice::from_ref(slot),
            Self::Sides(slots) => slots,
        }
    }
}

impl Trace {
    fn name(&self, group: &Group) -> String {
        let name = group.name();
        let short = name.strip_prefix(&self.package).and_then(|name| name.strip_prefix('.')).map(str::to_owned);
        short.unwrap_or(name)
    }
}

fn result(name: &str, value: Option<&Value>) -> String {
    match value {
        Some(value) => format!("{name} = {}", shown(value)),
        None => format!("{name}: it is undefined"),
    }
}

fn listed(values: &[(&str, String)]) -> String {
    let list: Vec<String> = values.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    if list.is_empty() { String::new() } else { format!("; {}", list.join(", ")) }
}
