//! From compiled modules to a plan.
//!
//! One `Clauses` numbers a rule's variables and decides what binds them; `Lowering` holds what all rules share. Rules are
//! lowered one by one from a list, never one from within another, so the depth of the native stack depends on the nesting
//! of expressions only, which the parser bounds.

mod ask;
mod certain;
mod clause;
mod document;
mod expression;
mod fold;
mod index;
mod join;
mod leaf;
mod overlap;
mod pattern;
mod reference;
mod scope;
mod slots;
mod trace;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::policy::engine::rego::builtins::Builtin;
use crate::policy::engine::rego::compiled::{Compiled, RuleGroup};
use crate::policy::engine::rego::syntax::ast::{FunctionName, Rule, RuleKind, Span, Term, TermKind};
use crate::policy::engine::rego::value::Value;

use super::error::PlanError;
use super::plan::{Ask, Group, InputPath, Place, Plan};
use super::trace::Watch;
use ask::Shape;

/// Where builtins are found.
pub(super) type Lookup<'c> = &'c dyn Fn(&str) -> Option<&'static Builtin>;

pub(super) fn lower(compiled: &Compiled, lookup: Lookup<'_>, watch: &Watch<'_>) -> Result<Plan, PlanError> {
    let joined = overlap::join(compiled);
    let compiled = &*joined;
    let mut lowering = Lowering::new(compiled, lookup, watch);
    for group in compiled.groups.values() {
        let lowered = lowering.group(group)?;
        lowering.plan.groups.push(lowered);
    }
    // Lowering one ask can find others; the list of shapes is bounded, see `ask`.
    while let Some((group, shape)) = lowering.asked.get(lowering.plan.asks.len()).cloned() {
        let Some(rules) = lowering.rules(group) else { break };
        let clauses = ask::clauses(&mut lowering, rules, &shape)?;
        lowering.plan.asks.push(Ask { group, clauses, is_object: rules.kind == RuleKind::PartialObject });
    }
    let mut plan = lowering.plan;
    if watch.sources.is_none() {
        join::apply(&mut plan);
        fold::apply(&mut plan);
    }
    Ok(plan)
}

/// What all rules share while they are lowered.
struct Lowering<'c> {
    groups: Vec<&'c RuleGroup>,
    lookup: Lookup<'c>,
    watch: &'c Watch<'c>,
    plan: Plan,
    /// Scalars that are in `plan.constants` already, by type and text.
    scalars: BTreeMap<(u8, String), u32>,
    input_paths: BTreeMap<(u32, Value), u32>,
    /// Shapes in which partial rules are asked; the position is the number of the ask.
    asked: Vec<(u32, Shape)>,
    /// Functions that some `with` replaces.
    mocks: BTreeMap<String, u32>,
    /// Groups that some `with` replaces by a value.
    replaceable: BTreeSet<u32>,
    modules: BTreeSet<Arc<str>>,
}

impl<'c> Lowering<'c> {
    fn new(compiled: &'c Compiled, lookup: Lookup<'c>, watch: &'c Watch<'c>) -> Self {
        let mut plan = Plan::default();
        plan.inputs.push(InputPath { parent: 0, key: Value::Null });
        for (number, path) in (0u32..).zip(compiled.groups.keys()) {
            plan.names.insert(path.clone(), number);
        }
        document::plant(&mut plan, compiled.packages.iter());
        let mut mocks = BTreeMap::new();
        for group in compiled.groups.values() {
            scope::collect_mocks(group, &mut mocks);
        }
        let targets = compiled.groups.values().flat_map(scope::replaced_data);
        let replaceable = targets.flat_map(|path| document::groups_below(&plan, &path)).collect();
        plan.mocks = u32::try_from(mocks.len()).unwrap_or(u32::MAX);
        Self {
            groups: compiled.groups.values().collect(),
            lookup,
            watch,
            plan,
            scalars: BTreeMap::new(),
            input_paths: BTreeMap::new(),
            asked: Vec::new(),
            mocks,
            replaceable,
            modules: BTreeSet::new(),
        }
    }

    fn group(&mut self, group: &RuleGroup) -> Result<Group, PlanError> {
        let mut clauses = Vec::with_capacity(group.rules.len());
        for (position, rule) in group.rules.iter().enumerate() {
            clauses.push(clause::whole(self, group, rule, position)?);
        }
        let default = match &group.default {
            Some(rule) => Some(clause::whole(self, group, rule, usize::MAX)?),
            None => None,
        };
        // A trace shows every clause, and why it does not hold.
        let index = match &self.watch.sources {
            None => index::of_clauses(&clauses, &self.plan.constants),
            Some(_) => None,
        };
        Ok(Group {
            path: group.path.iter().map(Value::string).collect(),
            kind: group.kind,
            is_uniform: index::is_uniform(&clauses, &self.plan.constants),
            is_memoised: index::is_worth_remembering(&clauses),
            clauses: clauses.into_boxed_slice(),
            default,
            index,
        })
    }

    fn rules(&self, group: u32) -> Option<&'c RuleGroup> {
        self.groups.get(group as usize).copied()
    }

    fn place(&mut self, group: &RuleGroup, position: usize, line: u32) -> Place {
        let module = group.modules.get(position).or(group.modules.first()).map(|name| {
            if let Some(known) = self.modules.get(name.as_str()) {
                return known.clone();
            }
            let shared: Arc<str> = Arc::from(name.as_str());
            self.modules.insert(shared.clone());
            shared
        });
        Place { module, line }
    }

    fn builtin(&self, name: &str) -> Option<&'static Builtin> {
        (self.lookup)(name)
    }

    /// The number of a constant; equal scalars that print alike share one, so that they have one address.
    fn constant(&mut self, value: Value) -> u32 {
        let key = match &value {
            Value::Null => Some((0, String::new())),
            Value::Bool(bool) => Some((1, bool.to_string())),
            Value::Number(number) => Some((2, format!("{number:?}"))),
            Value::String(text) => Some((3, text.to_string())),
            Value::Array(_) | Value::Object(_) | Value::Set(_) => None,
        };
        if let Some(number) = key.as_ref().and_then(|key| self.scalars.get(key)) {
            return *number;
        }
        let number = u32::try_from(self.plan.constants.len()).unwrap_or(u32::MAX);
        self.plan.constants.push(value);
        if let Some(key) = key {
            self.scalars.insert(key, number);
        }
        number
    }

    /// The number of a ground path below `input`.
    fn input_path(&mut self, keys: &[Value]) -> u32 {
        keys.iter().fold(0, |parent, key| {
            let next = u32::try_from(self.plan.inputs.len()).unwrap_or(u32::MAX);
            let number = *self.input_paths.entry((parent, key.clone())).or_insert(next);
            if number == next {
                self.plan.inputs.push(InputPath { parent, key: key.clone() });
            }
            number
        })
    }
}

/// The value of a term that is a scalar.
fn scalar(term: &Term) -> Option<Value> {
    Some(match &term.kind {
        TermKind::Null => Value::Null,
        TermKind::Bool(bool) => Value::Bool(*bool),
        TermKind::Number(text) => Value::Number(super::literal::number(text)),
        TermKind::String(text) => Value::string(text),
        _ => return None,
    })
}

/// `a.b.c`
fn dotted(name: &FunctionName) -> String {
    name.path.join(".")
}

fn unsafe_variable(name: &str, span: Span) -> PlanError {
    PlanError { line: span.line, message: format!("var {name} is unsafe") }
}

/// Every variable of a rule, with how often it occurs.
fn uses(rule: &Rule) -> BTreeMap<String, u32> {
    let mut uses = BTreeMap::new();
    scope::count_rule(rule, &mut uses);
    uses
}
