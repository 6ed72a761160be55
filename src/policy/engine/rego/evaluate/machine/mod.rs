//! Runs a plan.
//!
//! A body runs step by step; a step that can hold in several ways runs the steps behind it once for each, by native
//! recursion, and what comes behind the body is a closure. Nothing is undone on the way back: see `plan`.
//!
//! Values are borrowed from the documents, from the plan's constants, or from an arena that lives as long as the evaluation.
//! Within an evaluation a value's address therefore stands for its content, which makes remembering calls cheap.

mod ask;
mod browse;
mod compute;
mod cover;
mod document;
mod iterate;
mod join;
mod memory;
mod observe;
mod partial;
mod replace;
mod rule;
mod run;
mod trace;

use std::sync::LazyLock;

use typed_arena::Arena;

use crate::policy::engine::external_data::Outside;
use crate::policy::engine::rego::builtins::{BuiltinError, Caches, CallContext};
use crate::policy::engine::rego::value::{Number, Value};

use super::budget::{Breach, Budget, Limits};
use super::error::EvalError;
use super::plan::{Operand, Plan, TracedStep};
use super::{Coverage, Globals, Host, Observer, Trace};
pub(super) use join::extract;
use memory::World;

/// Boxed, so that the common case fits into registers.
type Outcome<T> = Result<T, Box<EvalError>>;

/// Whether a generator goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Continue,
    Stop,
}

/// What comes behind a body, once for each of its solutions.
type Then<'t, 'a> = dyn FnMut(&mut Evaluator<'a>) -> Outcome<Flow> + 't;

static NULL: Value = Value::Null;
static TRUE: Value = Value::Bool(true);
static FALSE: Value = Value::Bool(false);
/// Indices and counts, nearly always.
static SMALL: LazyLock<Vec<Value>> = LazyLock::new(|| (0..256).map(|int| Value::Number(Number::Int(int))).collect());

/// What a value costs in the arena.
const VALUE_BYTES: usize = size_of::<Value>();

pub(super) fn evaluate(
    plan: &Plan,
    path: &[&str],
    globals: Globals<'_>,
    limits: &Limits,
    host: Host<'_>,
) -> Outcome<Option<Value>> {
    let arena = Arena::new();
    host.caches.begin_evaluation();
    let mut evaluator = Evaluator {
        plan,
        arena: &arena,
        slots: Vec::with_capacity(64),
        world: World { folds: globals.folds, joins: globals.joins, ..World::new(plan, globals.input, globals.data) },
        budget: Budget::new(limits),
        depth: limits.depth,
        small: &SMALL,
        caches: host.caches,
        now_ns: host.now_ns,
        prints: host.prints,
        trace: host.trace,
        observer: host.observer,
        coverage: host.coverage,
        outside: host.outside,
        trail: Vec::new(),
    };
    evaluator.begin_trace(path);
    evaluator.begin_coverage(path);
    let result = evaluator.at_path(path).map(Option::<&Value>::cloned);
    evaluator.end_trace(&result);
    result
}

/// One evaluation.
struct Evaluator<'a> {
    plan: &'a Plan,
    arena: &'a Arena<Value>,
    /// The frames of all active clauses.
    slots: Vec<&'a Value>,
    world: World<'a>,
    budget: Budget,
    /// How many more bodies fit within each other.
    depth: u32,
    small: &'a [Value],
    caches: &'a mut Caches,
    now_ns: i64,
    prints: Option<&'a mut Vec<String>>,
    trace: Option<&'a mut Trace>,
    observer: Option<&'a mut Observer>,
    coverage: Option<&'a mut Coverage>,
    outside: Option<Outside<'a>>,
    /// Expressions that hold, each with its frame, while what is behind them runs; kept for the coverage only.
    trail: Vec<(&'a TracedStep, usize)>,
}

impl<'a> Evaluator<'a> {
    #[inline]
    fn operand(&self, operand: Operand, base: usize) -> &'a Value {
        match operand {
            Operand::Slot(slot) => self.slots.get(base + slot as usize).copied().unwrap_or(&NULL),
            Operand::Constant(number) => self.plan.constants.get(number as usize).unwrap_or(&NULL),
        }
    }

    #[inline]
    fn bind(&mut self, slot: u32, value: &'a Value, base: usize) {
        if let Some(place) = self.slots.get_mut(base + slot as usize) {
            *place = value;
        }
    }

    /// A value that lives as long as the evaluation.
    fn keep(&mut self, value: Value) -> Outcome<&'a Value> {
        Ok(match value {
            Value::Null => &NULL,
            Value::Bool(true) => &TRUE,
            Value::Bool(false) => &FALSE,
            Value::Number(Number::Int(int)) if (0..256).contains(&int) => self.small.get(int as usize).unwrap_or(&NULL),
            value => {
                self.budget.reserve(VALUE_BYTES)?;
                self.arena.alloc(value)
            }
        })
    }

    fn index(&mut self, index: usize) -> Outcome<&'a Value> {
        match self.small.get(index) {
            Some(value) => Ok(value),
            None => self.keep(Value::Number(Number::Int(i64::try_from(index).unwrap_or(i64::MAX)))),
        }
    }

    /// One level deeper; undone by the caller with `self.depth += 1`.
    #[inline]
    fn descend(&mut self) -> Outcome<()> {
        match self.depth.checked_sub(1) {
            Some(left) => {
                self.depth = left;
                Ok(())
            }
            None => Err(Breach::Depth.into()),
        }
    }

    /// Calls a builtin; nothing when its result is undefined.
    fn builtin(
        &mut self,
        call: fn(&mut CallContext<'_>, &[&Value]) -> Result<Value, BuiltinError>,
        arguments: &[&Value],
    ) -> Outcome<Option<Value>> {
        let mut context = CallContext {
            caches: self.caches,
            budget: &mut self.budget,
            now_ns: self.now_ns,
            prints: self.prints.as_deref_mut(),
            outside: self.outside,
        };
        match call(&mut context, arguments) {
            Ok(value) => Ok(Some(value)),
            Err(BuiltinError::Undefined(text)) => {
                self.trace_undefined(&text);
                Ok(None)
            }
            Err(BuiltinError::Refused(text)) => Err(Box::new(EvalError::NobodyToAsk(text))),
            Err(BuiltinError::Halt(text)) => Err(Box::new(match self.budget.breach() {
                Some(breach) => EvalError::Limit(breach),
                None => EvalError::Halt(text),
            })),
        }
    }
}
