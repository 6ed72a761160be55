//! Which steps cannot fail: they hold or do not, but never end the evaluation with an error.
//!
//! What is skipped for objects that an index leaves out must be certain, so that no error is lost with it. In doubt a step
//! is not. Limits of an evaluation do not count: who does less reaches them later.

use std::collections::BTreeMap;

use crate::policy::engine::rego::evaluate::plan::{
    Clause, Collection, Comparison, Group, Operand, Pattern, Plan, Step, Target,
};
use crate::policy::engine::rego::syntax::ast::RuleKind;
use crate::policy::engine::rego::value::Value;

/// Builtins that have a result or none, whatever they are given.
const CERTAIN: [&str; 31] = [
    "array.concat",
    "concat",
    "contains",
    "count",
    "endswith",
    "glob.match",
    "indexof",
    "internal.member_2",
    "internal.member_3",
    "is_array",
    "is_boolean",
    "is_null",
    "is_number",
    "is_object",
    "is_set",
    "is_string",
    "lower",
    "object.get",
    "object.keys",
    "re_match",
    "regex.match",
    "replace",
    "sort",
    "split",
    "sprintf",
    "startswith",
    "trim",
    "trim_prefix",
    "trim_space",
    "trim_suffix",
    "upper",
];

/// Rules call each other no deeper in any policy worth an index.
const MOST_ROUNDS: usize = 32;

/// What is known about a plan's groups.
pub(super) struct Certainty {
    groups: Vec<bool>,
}

impl Certainty {
    pub(super) fn of(plan: &Plan) -> Self {
        let mut certainty = Self { groups: vec![true; plan.groups.len()] };
        for _ in 0..MOST_ROUNDS {
            let groups: Vec<bool> =
                plan.groups.iter().map(|group| certainty.of_group(group, &plan.constants)).collect();
            if groups == certainty.groups {
                return certainty;
            }
            certainty.groups = groups;
        }
        Self { groups: vec![false; plan.groups.len()] }
    }

    pub(super) fn of_step(&self, step: &Step) -> bool {
        match step {
            Step::Fail
            | Step::Match { .. }
            | Step::Build { .. }
            | Step::Input { .. }
            | Step::Base { .. }
            | Step::Navigate { .. }
            | Step::Stored { .. }
            | Step::Iterate { .. }
            | Step::Walk { .. }
            | Step::Compare { .. }
            | Step::Count { .. }
            | Step::Member { .. }
            // It is what it stands for: such a loop, and no more.
            | Step::Join(_) => true,
            Step::Rule { group, .. } | Step::Function { group, .. } => {
                self.groups.get(*group as usize).is_some_and(|holds| *holds)
            }
            Step::Part { .. } | Step::Browse(_) | Step::Traced(_) => false,
            Step::Builtin { builtin, .. } => CERTAIN.contains(&builtin.name),
            Step::Not(body) | Step::Every { body, .. } => self.of_body(body),
            // Two values for one key are an error.
            Step::Comprehension(made) => made.collection != Collection::Object && self.of_body(&made.body),
            Step::Document { .. }
            | Step::Ask(_)
            | Step::Mocked { .. }
            | Step::Calculate { .. }
            | Step::Folded { .. }
            | Step::With(_) => false,
        }
    }

    fn of_body(&self, body: &[Step]) -> bool {
        body.iter().all(|step| self.of_step(step))
    }

    fn of_group(&self, group: &Group, constants: &[Value]) -> bool {
        let mut clauses = group.clauses.iter().chain(&group.default);
        let bodies_are = clauses.all(|clause| clause.branches.iter().all(|branch| self.of_body(&branch.body)));
        bodies_are
            && match group.kind {
                RuleKind::PartialSet => true,
                RuleKind::PartialObject => false,
                RuleKind::Complete | RuleKind::Function => group.is_uniform || is_unambiguous(group, constants),
            }
    }
}

/// At most one clause holds, and in one way.
fn is_unambiguous(group: &Group, constants: &[Value]) -> bool {
    let is_single =
        |clause: &Clause| clause.branches.iter().all(|branch| branch.is_single || branch.body.iter().all(holds_once));
    let facts: Vec<Facts> = group.clauses.iter().map(|clause| Facts::of(clause, constants)).collect();
    let pairs = facts.iter().enumerate().flat_map(|(at, one)| facts.iter().skip(at + 1).map(move |other| (one, other)));
    group.clauses.iter().all(is_single) && pairs.into_iter().all(|(one, other)| one.excludes(other))
}

/// The step holds once or never.
pub(super) fn holds_once(step: &Step) -> bool {
    !matches!(
        step,
        Step::Iterate { .. } | Step::Walk { .. } | Step::Ask(_) | Step::With(_) | Step::Join(_) | Step::Mocked { .. }
    )
}

/// A place in the arguments: the number of an argument, and the way down from it.
type Way = (usize, Vec<Value>);

/// What a clause demands of places in its arguments.
#[derive(Default)]
struct Facts {
    is: BTreeMap<Way, Value>,
    is_not: BTreeMap<Way, Value>,
}

impl Facts {
    fn of(clause: &Clause, constants: &[Value]) -> Self {
        let mut facts = Self::default();
        let mut ways: BTreeMap<u32, Way> = BTreeMap::new();
        let constant = |operand: &Operand| match operand {
            Operand::Constant(number) => constants.get(*number as usize).cloned(),
            Operand::Slot(_) => None,
        };
        for (number, input) in clause.inputs.iter().enumerate() {
            match input {
                Pattern::Bind(slot) => {
                    ways.insert(*slot, (number, Vec::new()));
                }
                Pattern::Equal(operand) => {
                    facts.is.extend(constant(operand).map(|value| ((number, Vec::new()), value)));
                }
                _ => {}
            }
        }
        let [branch] = &*clause.branches else { return facts };
        for step in &branch.body {
            let way_of = |operand: &Operand| match operand {
                Operand::Slot(slot) => ways.get(slot).cloned(),
                Operand::Constant(_) => None,
            };
            match step {
                Step::Navigate { head, path, target } => {
                    let (Some((number, mut way)), Some(keys)) =
                        (way_of(head), path.iter().map(constant).collect::<Option<Vec<_>>>())
                    else {
                        continue;
                    };
                    way.extend(keys);
                    facts.learn(&mut ways, (number, way), target, constant);
                }
                Step::Match { value, target } => {
                    let Some(way) = way_of(value) else { continue };
                    facts.learn(&mut ways, way, target, constant);
                }
                Step::Compare { comparison, left, right, target: Target::Truthy } => {
                    let known = match (way_of(left), constant(right), way_of(right), constant(left)) {
                        (Some(way), Some(value), ..) | (.., Some(way), Some(value)) => Some((way, value)),
                        _ => None,
                    };
                    match comparison {
                        Comparison::Equal => facts.is.extend(known),
                        Comparison::Unequal => facts.is_not.extend(known),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        facts
    }

    fn learn(
        &mut self,
        ways: &mut BTreeMap<u32, Way>,
        way: Way,
        target: &Target,
        constant: impl Fn(&Operand) -> Option<Value>,
    ) {
        match target {
            Target::Bind(slot) => {
                ways.insert(*slot, way);
            }
            Target::Equal(operand) => self.is.extend(constant(operand).map(|value| (way, value))),
            _ => {}
        }
    }

    /// Both cannot hold for the same arguments.
    fn excludes(&self, other: &Self) -> bool {
        let differs = |(way, value): (&Way, &Value)| other.is.get(way).is_some_and(|theirs| theirs != value);
        let denies = |one: &Self, other: &Self| one.is.iter().any(|(way, value)| other.is_not.get(way) == Some(value));
        self.is.iter().any(differs) || denies(self, other) || denies(other, self)
    }
}
