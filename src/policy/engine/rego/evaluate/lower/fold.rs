//! Finds what depends on nothing but a constraint's parameters, so that it is worked out once for each constraint.
//!
//! Assumes that parameters are at `input.parameters` and that a plan's caller says when they change (see `Folds`).
//! A step is folded when all it reads is constant, below `input.parameters`, or the single result of such steps, and
//! nothing in it has an effect or another answer each time. What a generator binds has many values and is never folded,
//! except within the step that runs the generator to its end, such as a comprehension.

use std::collections::BTreeSet;

use crate::policy::engine::rego::evaluate::plan::{
    Branch, Clause, Comprehension, Operand, Pattern, Plan, Step, Target, Template,
};

/// The key below `input`.
const PARAMETERS: &str = "parameters";

/// Builtins whose answer is not a matter of their arguments alone, or that do something.
pub(super) const NEVER: [&str; 15] = [
    // Whether a certificate or token is valid depends on the time.
    "crypto.x509.parse_and_verify_certificates",
    "crypto.x509.parse_and_verify_certificates_with_options",
    "external_data",
    "http.send",
    "internal.print",
    "io.jwt.decode_verify",
    "io.jwt.encode_sign",
    "io.jwt.encode_sign_raw",
    "net.lookup_ip_addr",
    "opa.runtime",
    "rand.intn",
    "rego.metadata.chain",
    "time.now_ns",
    "trace",
    "uuid.rfc4122",
];

/// Marks the steps of a finished plan.
pub(super) fn apply(plan: &mut Plan) {
    let facts = Facts::of(plan);
    let mut folds = 0;
    for group in &mut plan.groups {
        group.clauses.iter_mut().chain(&mut group.default).for_each(|clause| mark_clause(clause, &facts, &mut folds));
    }
    for ask in &mut plan.asks {
        ask.clauses.iter_mut().for_each(|clause| mark_clause(clause, &facts, &mut folds));
    }
    plan.folds = folds;
}

/// What is known about a plan.
pub(super) struct Facts {
    /// By the number of a path below `input`: whether it is `parameters` or below.
    paths: Vec<bool>,
    /// By the number of a group: whether its value, or its results for given arguments, depend on parameters only.
    groups: Vec<bool>,
}

/// Slots that hold a value that depends on parameters only.
pub(super) type Known = BTreeSet<u32>;

impl Facts {
    fn of(plan: &Plan) -> Self {
        let mut paths: Vec<bool> = Vec::with_capacity(plan.inputs.len());
        for (number, path) in plan.inputs.iter().enumerate() {
            let is_top = path.parent == 0 && path.key.as_str() == Some(PARAMETERS);
            let is_below = paths.get(path.parent as usize).is_some_and(|above| *above);
            paths.push(number > 0 && (is_top || is_below));
        }
        Self::with_paths(plan, paths)
    }

    /// The same where not even parameters are known: whether a step follows from the slots that it reads.
    pub(super) fn without_parameters(plan: &Plan) -> Self {
        Self::with_paths(plan, vec![false; plan.inputs.len()])
    }

    fn with_paths(plan: &Plan, paths: Vec<bool>) -> Self {
        let mut facts = Self { paths, groups: vec![true; plan.groups.len()] };
        // What one group is not, none that calls it is.
        let mut callers: Vec<Vec<usize>> = vec![Vec::new(); plan.groups.len()];
        let mut refuted = Vec::new();
        for (number, group) in plan.groups.iter().enumerate() {
            let mut called = Vec::new();
            let holds = group.clauses.iter().chain(&group.default).all(|clause| facts.of_clause(clause, &mut called));
            for other in called {
                if let Some(of) = callers.get_mut(other as usize) {
                    of.push(number);
                }
            }
            if !holds {
                refuted.push(number);
            }
        }
        facts.refute(refuted, &callers);
        facts
    }

    fn refute(&mut self, mut refuted: Vec<usize>, callers: &[Vec<usize>]) {
        while let Some(number) = refuted.pop() {
            match self.groups.get_mut(number) {
                Some(holds) if *holds => *holds = false,
                _ => continue,
            }
            refuted.extend(callers.get(number).into_iter().flatten());
        }
    }

    /// Whether a clause's results follow from its arguments and the parameters.
    fn of_clause(&self, clause: &Clause, called: &mut Vec<u32>) -> bool {
        let mut known = Known::new();
        clause.inputs.iter().for_each(|pattern| bind_pattern(pattern, &mut known));
        clause.branches.iter().all(|branch| self.of_body(&branch.body, &mut known.clone(), called))
    }

    /// Whether a body that is run to its end within one step reads nothing else.
    fn of_body(&self, body: &[Step], known: &mut Known, called: &mut Vec<u32>) -> bool {
        body.iter().all(|step| {
            let holds = self.of_step(step, known, called);
            bind_step(step, known);
            holds
        })
    }

    pub(super) fn of_step(&self, step: &Step, known: &Known, called: &mut Vec<u32>) -> bool {
        let operand = |one: &Operand| is_known(*one, known);
        let all = |operands: &[Operand]| operands.iter().all(operand);
        let reads = match step {
            Step::Fail => true,
            Step::Match { value, .. } | Step::Count { value, .. } | Step::Walk { value, .. } => operand(value),
            Step::Build { template, .. } => is_known_template(template, known),
            Step::Input { path, .. } => self.paths.get(*path as usize).is_some_and(|is_parameter| *is_parameter),
            Step::Navigate { head, path, .. } | Step::Stored { head, path, .. } | Step::Iterate { head, path, .. } => {
                operand(head) && all(path)
            }
            Step::Rule { group, .. } => self.of_group(*group, called),
            Step::Function { group, arguments, .. } => all(arguments) && self.of_group(*group, called),
            Step::Builtin { builtin, arguments, .. } => all(arguments) && !NEVER.contains(&builtin.name),
            Step::Compare { left, right, .. } => operand(left) && operand(right),
            Step::Calculate { operands, .. } => all(operands.as_slice()),
            Step::Member { item, collection, .. } => operand(item) && operand(collection),
            Step::Not(body) => self.of_body(body, &mut known.clone(), called),
            Step::Every { domain, key, value, body } => {
                let mut inner = known.clone();
                bind_pattern(key, &mut inner);
                bind_pattern(value, &mut inner);
                operand(domain) && self.of_body(body, &mut inner, called)
            }
            Step::Comprehension(comprehension) => self.of_comprehension(comprehension, known, called),
            Step::Base { .. }
            | Step::Document { .. }
            | Step::Part { .. }
            | Step::Browse(_)
            | Step::Ask(_)
            | Step::Mocked { .. }
            | Step::Folded { .. }
            | Step::Traced(_)
            | Step::Join(_)
            | Step::With(_) => false,
        };
        reads && patterns(step).iter().all(|pattern| is_known_pattern(pattern, known)) && is_known_target(step, known)
    }

    fn of_group(&self, group: u32, called: &mut Vec<u32>) -> bool {
        called.push(group);
        self.groups.get(group as usize).is_some_and(|holds| *holds)
    }

    fn of_comprehension(&self, comprehension: &Comprehension, known: &Known, called: &mut Vec<u32>) -> bool {
        let mut inner = known.clone();
        self.of_body(&comprehension.body, &mut inner, called)
            && comprehension.key.iter().chain([&comprehension.value]).all(|made| is_known_template(made, &inner))
    }
}

fn mark_clause(clause: &mut Clause, facts: &Facts, folds: &mut u32) {
    let Clause { slots, branches, .. } = clause;
    let mut marker = Marker { facts, folds, slots };
    for Branch { body, .. } in branches {
        marker.body(body, &mut Known::new());
    }
}

struct Marker<'m> {
    facts: &'m Facts,
    folds: &'m mut u32,
    /// The size of the clause's frame.
    slots: &'m mut u32,
}

impl Marker<'_> {
    fn body(&mut self, body: &mut [Step], known: &mut Known) {
        for step in body {
            let is_parametric = self.facts.of_step(step, known, &mut Vec::new());
            match step {
                Step::Function { target, .. } | Step::Rule { target, .. } | Step::Builtin { target, .. }
                    if is_parametric =>
                {
                    let target = target.clone();
                    self.fold(step, target);
                }
                Step::Comprehension(comprehension) if is_parametric => {
                    let target = comprehension.target.clone();
                    self.fold(step, target);
                }
                Step::Comprehension(comprehension) => self.body(&mut comprehension.body, &mut known.clone()),
                Step::Not(body) | Step::Every { body, .. } => self.body(body, &mut known.clone()),
                Step::Ask(ask) => self.body(&mut ask.whole, &mut known.clone()),
                _ => {}
            }
            // A generator's variables have many values.
            if is_parametric && !matches!(step, Step::Iterate { .. } | Step::Walk { .. }) {
                bind_step(step, known);
            }
        }
    }

    fn fold(&mut self, step: &mut Step, target: Target) {
        let slot = match target {
            Target::Bind(slot) => slot,
            _ => {
                *self.slots += 1;
                *self.slots - 1
            }
        };
        let mut inner = std::mem::replace(step, Step::Fail);
        match &mut inner {
            Step::Function { target, .. } | Step::Rule { target, .. } | Step::Builtin { target, .. } => {
                *target = Target::Bind(slot);
            }
            Step::Comprehension(comprehension) => comprehension.target = Target::Bind(slot),
            _ => {}
        }
        *step = Step::Folded { fold: *self.folds, step: Box::new(inner), slot, target };
        *self.folds += 1;
    }
}

fn is_known(operand: Operand, known: &Known) -> bool {
    match operand {
        Operand::Constant(_) => true,
        Operand::Slot(slot) => known.contains(&slot),
    }
}

fn is_known_template(template: &Template, known: &Known) -> bool {
    match template {
        Template::Operand(operand) => is_known(*operand, known),
        Template::Array(items) | Template::Set(items) => items.iter().all(|item| is_known_template(item, known)),
        Template::Object(entries) => {
            entries.iter().all(|(key, value)| is_known_template(key, known) && is_known_template(value, known))
        }
    }
}

/// Whether what a pattern compares with is known; what it binds does not matter.
fn is_known_pattern(pattern: &Pattern, known: &Known) -> bool {
    match pattern {
        Pattern::Any | Pattern::Bind(_) => true,
        Pattern::Equal(operand) => is_known(*operand, known),
        Pattern::Array(items) => items.iter().all(|item| is_known_pattern(item, known)),
        Pattern::Object(entries) => {
            entries.iter().all(|(key, value)| is_known_template(key, known) && is_known_pattern(value, known))
        }
        Pattern::Built(template) => is_known_template(template, known),
    }
}

fn is_known_target(step: &Step, known: &Known) -> bool {
    match target(step) {
        Some(Target::Equal(operand)) => is_known(*operand, known),
        Some(Target::Match(pattern)) => is_known_pattern(pattern, known),
        Some(Target::Ignore | Target::Truthy | Target::Bind(_)) | None => true,
    }
}

pub(super) fn bind_step(step: &Step, known: &mut Known) {
    patterns(step).iter().for_each(|pattern| bind_pattern(pattern, known));
    match target(step) {
        Some(Target::Bind(slot)) => {
            known.insert(*slot);
        }
        Some(Target::Match(pattern)) => bind_pattern(pattern, known),
        Some(Target::Ignore | Target::Truthy | Target::Equal(_)) | None => {}
    }
}

fn bind_pattern(pattern: &Pattern, known: &mut Known) {
    match pattern {
        Pattern::Bind(slot) => {
            known.insert(*slot);
        }
        Pattern::Array(items) => items.iter().for_each(|item| bind_pattern(item, known)),
        Pattern::Object(entries) => entries.iter().for_each(|(_, value)| bind_pattern(value, known)),
        Pattern::Any | Pattern::Equal(_) | Pattern::Built(_) => {}
    }
}

/// Patterns of a step that are seen outside of it.
fn patterns(step: &Step) -> Vec<&Pattern> {
    match step {
        Step::Iterate { key, .. } => vec![key],
        Step::Walk { path, .. } => vec![path],
        _ => Vec::new(),
    }
}

/// What a step does with its one result; the same steps for reading and for writing.
macro_rules! target_of {
    ($step:ident, $($borrow:tt)+) => {
        match $step {
            Step::Match { target, .. }
            | Step::Build { target, .. }
            | Step::Input { target, .. }
            | Step::Base { target, .. }
            | Step::Stored { target, .. }
            | Step::Part { target, .. }
            | Step::Document { target, .. }
            | Step::Navigate { target, .. }
            | Step::Rule { target, .. }
            | Step::Function { target, .. }
            | Step::Builtin { target, .. }
            | Step::Mocked { target, .. }
            | Step::Compare { target, .. }
            | Step::Calculate { target, .. }
            | Step::Count { target, .. }
            | Step::Member { target, .. }
            | Step::Folded { target, .. } => Some(target),
            Step::Iterate { value, .. } => Some(value),
            Step::Walk { node, .. } => Some(node),
            Step::Comprehension(comprehension) => Some($($borrow)+ comprehension.target),
            Step::Browse(browse) => Some($($borrow)+ browse.target),
            Step::Fail
            | Step::Ask(_)
            | Step::Not(_)
            | Step::Every { .. }
            | Step::With(_)
            | Step::Traced(_)
            | Step::Join(_) => None,
        }
    };
}

pub(super) fn target(step: &Step) -> Option<&Target> {
    target_of!(step, &)
}

pub(super) fn target_mut(step: &mut Step) -> Option<&mut Target> {
    target_of!(step, &mut)
}
