//! What a template's code reads of the request, the parameters and the inventory, and what it calls with that.
//!
//! Follows values through variables, rules and functions. Simplifying assumptions: every rule runs, and a variable is what
//! it was bound to first. What cannot be followed is `is_open`, and never a reason for a finding by itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::value::{Place, Value};
use crate::model::value::Step;
use crate::policy::engine::rego::compile::{bodies, closure_body, head_terms};
use crate::policy::engine::rego::compiled::{Compiled, RuleGroup};
use crate::policy::engine::rego::syntax::ast::{Body, Expr, ExprKind, Rule, RuleKind, Span, Term, TermKind};

/// Rules and functions within each other that are followed.
const DEEPEST: usize = 24;
/// Rules and functions that are followed at all, counted with each kind of arguments.
const MOST: usize = 3_000;
/// The name of a template's main module.
const MAIN: &str = "template";
/// Builtins whose result is made of the elements of their arguments.
const KEEPS_ELEMENTS: [&str; 18] = [
    "and",
    "or",
    "minus",
    "union",
    "intersection",
    "array.concat",
    "array.slice",
    "array.reverse",
    "array.flatten",
    "sort",
    "cast_array",
    "cast_set",
    "object.union",
    "object.filter",
    "object.remove",
    "json.filter",
    "json.remove",
    "json.patch",
];
/// Builtins that look at no more of a value than its type or size.
const LOOKS_ONLY: [&str; 10] = [
    "is_array",
    "is_boolean",
    "is_null",
    "is_number",
    "is_object",
    "is_set",
    "is_string",
    "type_name",
    "count",
    "object.keys",
];

/// A place in a module.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::workbench::lint) struct At {
    /// `template` or `libs[0]`.
    pub(in crate::workbench::lint) module: String,
    pub(in crate::workbench::lint) span: Span,
}

/// An operand of a call.
#[derive(Clone, Debug)]
pub(in crate::workbench::lint) struct Operand {
    pub(in crate::workbench::lint) value: Value,
    /// When it is written out.
    pub(in crate::workbench::lint) constant: Option<&'static str>,
}

/// A call of a builtin; `=` for what is unified.
#[derive(Clone, Debug)]
pub(in crate::workbench::lint) struct Call {
    pub(in crate::workbench::lint) name: String,
    pub(in crate::workbench::lint) operands: Vec<Operand>,
    pub(in crate::workbench::lint) at: At,
}

/// All of it.
#[derive(Debug, Default)]
pub(in crate::workbench::lint) struct Flow {
    /// Each step that is taken, and where its last step is written.
    pub(in crate::workbench::lint) reads: BTreeMap<Place, BTreeSet<At>>,
    /// What is read with all that is below.
    pub(in crate::workbench::lint) whole: BTreeSet<Place>,
    pub(in crate::workbench::lint) calls: Vec<Call>,
    /// Something could not be followed: there may be more reads.
    pub(in crate::workbench::lint) is_lost: bool,
}

impl Flow {
    /// Follows everything that the rules do.
    pub(in crate::workbench::lint) fn of(compiled: &Compiled) -> Self {
        let mut follower = Follower { compiled, flow: Self::default(), known: HashMap::new() };
        for group in compiled.groups.values().filter(|group| group.kind != RuleKind::Function) {
            let value = follower.group(group, &[], 0);
            if group.path.last().is_some_and(|name| name == "violation") {
                follower.consume(&value);
            }
        }
        follower.flow
    }

    /// Places at which every read is mistaken, with what is wrong: code that reads several places, and finds something at
    /// some of them, is as it should be.
    pub(in crate::workbench::lint) fn mistaken(&self, judge: impl Fn(&Place) -> Option<String>) -> Vec<(&At, String)> {
        let mut mistakes: BTreeMap<&At, Vec<Option<String>>> = BTreeMap::new();
        for (place, ats) in &self.reads {
            let mistake = judge(place);
            ats.iter().for_each(|at| mistakes.entry(at).or_default().push(mistake.clone()));
        }
        let only = |(at, found): (_, Vec<Option<String>>)| {
            let found: Option<Vec<String>> = found.into_iter().collect();
            Some((at, found?.into_iter().next()?))
        };
        mistakes.into_iter().filter_map(only).collect()
    }

    /// Whether something below one of these places, or all around one of them, is read.
    pub(in crate::workbench::lint) fn touches(&self, place: &[Step]) -> bool {
        let can_be = |one: &Step, other: &Step| one == other || *one == Step::Any || *other == Step::Any;
        let begins =
            |read: &Place| read.len() >= place.len() && read.iter().zip(place).all(|(one, two)| can_be(one, two));
        let is_around =
            |read: &Place| read.len() < place.len() && read.iter().zip(place).all(|(one, two)| can_be(one, two));
        self.reads.keys().any(begins) || self.whole.iter().any(is_around)
    }

    /// Whether all that is at the place may be read at once.
    pub(in crate::workbench::lint) fn is_whole(&self, place: &[Step]) -> bool {
        let can_be = |one: &Step, other: &Step| one == other || *one == Step::Any || *other == Step::Any;
        self.whole
            .iter()
            .any(|read| read.len() <= place.len() && read.iter().zip(place).all(|(one, two)| can_be(one, two)))
    }
}

struct Follower<'c> {
    compiled: &'c Compiled,
    flow: Flow,
    /// What rules give, by their arguments.
    known: HashMap<&'c [String], Vec<(Vec<Value>, Value)>>,
}

impl<'c> Follower<'c> {
    fn group(&mut self, group: &'c RuleGroup, arguments: &[Value], depth: usize) -> Value {
        let known = self.known.entry(&group.path).or_default();
        if let Some((_, value)) = known.iter().find(|(given, _)| given == arguments) {
            return value.clone();
        }
        if depth > DEEPEST || self.known.values().map(Vec::len).sum::<usize>() > MOST {
            self.flow.is_lost = true;
            return Value::open();
        }
        let mut value = Value::default();
        let modules = group.modules.iter().map(String::as_str).chain(std::iter::repeat(MAIN));
        for (rule, module) in group.rules.iter().zip(modules).chain(group.default.iter().map(|rule| (rule, MAIN))) {
            let mut scope = Scope { follower: self, module, variables: BTreeMap::new(), depth };
            value.merge(scope.rule(rule, arguments));
        }
        let value = value.bounded();
        self.known.entry(&group.path).or_default().push((arguments.to_vec(), value.clone()));
        value
    }

    /// All of a value is used in a way that is not followed.
    fn consume(&mut self, value: &Value) {
        let whole = &mut self.flow.whole;
        value.each_place(&mut |place| {
            whole.insert(place.clone());
        });
    }
}

struct Scope<'f, 'c> {
    follower: &'f mut Follower<'c>,
    module: &'f str,
    variables: BTreeMap<&'c str, Value>,
    depth: usize,
}

impl<'c> Scope<'_, 'c> {
    fn rule(&mut self, rule: &'c Rule, arguments: &[Value]) -> Value {
        for (pattern, value) in rule.head.arguments.iter().zip(arguments) {
            self.bind(pattern, value);
        }
        bodies(rule).for_each(|body| self.body(body));
        let head = &rule.head;
        let mut value = match &head.value {
            _ if head.kind == RuleKind::PartialSet => {
                let element = head.key.as_ref().map_or_else(Value::open, |key| self.term(key));
                Value::set(element)
            }
            Some(value) => self.term(value),
            None => Value::open(),
        };
        for branch in &rule.otherwise {
            value.merge(branch.value.as_ref().map_or_else(Value::open, |value| self.term(value)));
        }
        for step in head.dynamic.iter().rev().chain(head.key.iter().filter(|_| head.kind == RuleKind::PartialObject)) {
            let keys = self.term(step);
            value = Value { keys: Some(Box::new(keys)), ..Value::list(value) };
        }
        value
    }

    fn body(&mut self, body: &'c Body) {
        body.iter().for_each(|expr| self.expression(expr));
    }

    fn expression(&mut self, expr: &'c Expr) {
        for with in &expr.with {
            // Another document in place of the one that is followed here.
            self.follower.flow.is_lost = true;
            let value = self.term(&with.value);
            self.follower.consume(&value);
        }
        match &expr.kind {
            ExprKind::Term(Term { kind: TermKind::Call { function, arguments, .. }, span }) => {
                drop(self.call(&function.path, arguments, *span));
            }
            ExprKind::Term(term) => drop(self.term(term)),
            ExprKind::Unify(left, right) => self.unify(left, right, expr.span),
            ExprKind::Every { key, value, domain, body } => {
                let domain = self.term(domain);
                if let Some(key) = key {
                    self.variables.insert(&key.name, domain.step_variable());
                }
                let items = domain.step(&Step::Any);
                self.variables.insert(&value.name, items);
                self.body(body);
            }
            ExprKind::Assign(..) | ExprKind::Some(_) | ExprKind::SomeIn { .. } => self.follower.flow.is_lost = true,
        }
    }

    fn unify(&mut self, left: &'c Term, right: &'c Term, span: Span) {
        for (one, other) in [(left, right), (right, left)] {
            if self.is_new(one) {
                let value = self.term(other);
                self.bind(one, &value);
                return;
            }
        }
        for (one, other) in [(left, right), (right, left)] {
            if matches!(one.kind, TermKind::Array(_) | TermKind::Object(_)) {
                let value = self.term(other);
                self.bind(one, &value);
                return;
            }
        }
        let operands = vec![self.operand(left), self.operand(right)];
        self.called("=", operands, span);
    }

    fn is_new(&self, term: &Term) -> bool {
        let TermKind::Variable(name) = &term.kind else { return false };
        name != "input" && name != "data" && !self.variables.contains_key(name.as_str())
    }

    fn bind(&mut self, pattern: &'c Term, value: &Value) {
        match &pattern.kind {
            TermKind::Variable(name) if self.is_new(pattern) => {
                self.variables.insert(name, value.clone());
            }
            TermKind::Array(items) => {
                let item = value.step(&Step::Any);
                items.iter().for_each(|pattern| self.bind(pattern, &item));
            }
            TermKind::Object(entries) => entries.iter().for_each(|(key, pattern)| {
                let below = self.steps(key).iter().fold(Value::default(), |mut all, step| {
                    all.merge(value.step(step));
                    all
                });
                self.taken(&below, key.span);
                self.bind(pattern, &below);
            }),
            _ => {
                let pattern = self.term(pattern);
                self.follower.consume(&pattern);
                self.follower.consume(value);
            }
        }
    }

    fn term(&mut self, term: &'c Term) -> Value {
        match &term.kind {
            TermKind::Null | TermKind::Bool(_) | TermKind::Number(_) => Value::open(),
            TermKind::String(text) => Value::text(text),
            TermKind::Variable(name) if name == "input" => Value::root("input"),
            TermKind::Variable(name) => self.variables.get(name.as_str()).cloned().unwrap_or_else(Value::open),
            TermKind::Reference { head, path } => self.reference(head, path),
            TermKind::Call { function, arguments, .. } => self.call(&function.path, arguments, term.span),
            TermKind::Array(items) => {
                let items = self.all(items);
                Value::list(items)
            }
            TermKind::Set(items) => {
                let items = self.all(items);
                Value::set(items)
            }
            TermKind::Object(entries) => {
                let mut object = Value::default();
                for (key, value) in entries {
                    let (keys, value) = (self.term(key), self.term(value));
                    if keys.texts.is_empty() {
                        object.items.get_or_insert_default().merge(value);
                    } else {
                        keys.texts
                            .iter()
                            .for_each(|key| object.fields.entry(key.clone()).or_default().merge(value.clone()));
                    }
                }
                object
            }
            TermKind::ArrayComprehension { head, body } => {
                self.body(body);
                Value::list(self.term(head))
            }
            TermKind::SetComprehension { head, body } => {
                self.body(body);
                Value::set(self.term(head))
            }
            TermKind::ObjectComprehension { key, value, body } => {
                self.body(body);
                let keys = Some(Box::new(self.term(key)));
                Value { keys, ..Value::list(self.term(value)) }
            }
        }
    }

    fn all(&mut self, items: &'c [Term]) -> Value {
        let mut all = Value::default();
        for item in items {
            let item = self.term(item);
            all.merge(item);
        }
        all
    }

    fn reference(&mut self, head: &'c Term, path: &'c [Term]) -> Value {
        let is_data = matches!(&head.kind, TermKind::Variable(name) if name == "data");
        let (mut value, mut rest) = if is_data { self.data(path) } else { (self.term(head), path) };
        while let Some((step, behind)) = rest.split_first() {
            if self.is_new(step) {
                let keys = value.step_variable();
                self.bind(step, &keys);
                value = value.step(&Step::Any);
            } else {
                let mut below = Value::default();
                self.steps(step).iter().for_each(|step| below.merge(value.step(step)));
                value = below;
            }
            self.taken(&value, step.span);
            rest = behind;
        }
        value
    }

    /// The value of the rule that a path below `data` begins with, and the rest of the path.
    fn data(&mut self, path: &'c [Term]) -> (Value, &'c [Term]) {
        let compiled = self.follower.compiled;
        let mut name = Vec::new();
        for (position, step) in path.iter().enumerate() {
            let TermKind::String(text) = &step.kind else { break };
            if position == 0 && text == "inventory" {
                return (Value::root("inventory"), path.get(1..).unwrap_or_default());
            }
            name.push(text.clone());
            if let Some(group) = compiled.groups.get(&name).filter(|group| group.kind != RuleKind::Function) {
                let value = self.follower.group(group, &[], self.depth + 1);
                return (value, path.get(position + 1..).unwrap_or_default());
            }
        }
        self.follower.flow.is_lost = true;
        (Value::open(), &[])
    }

    /// The steps that a term may be.
    fn steps(&mut self, step: &'c Term) -> Vec<Step> {
        if let TermKind::Array(_) | TermKind::Set(_) | TermKind::Object(_) = &step.kind {
            return vec![Step::Any];
        }
        let value = self.term(step);
        if value.texts.is_empty() || value.is_open || !value.places.is_empty() {
            self.follower.consume(&value);
            return vec![Step::Any];
        }
        value.texts.iter().map(|text| Step::Key(text.clone())).collect()
    }

    fn taken(&mut self, value: &Value, span: Span) {
        for place in &value.places {
            let at = At { module: self.module.to_owned(), span };
            self.follower.flow.reads.entry(place.clone()).or_default().insert(at);
        }
    }

    fn call(&mut self, function: &'c [String], arguments: &'c [Term], span: Span) -> Value {
        let rules = function.split_first().filter(|(root, _)| *root == "data").map(|(_, path)| path);
        let compiled = self.follower.compiled;
        if let Some(group) = rules.and_then(|path| compiled.groups.get(path)) {
            let (given, output) = arguments.split_at(group.arity.min(arguments.len()));
            let given: Vec<Value> = given.iter().map(|argument| self.term(argument).bounded()).collect();
            let value = self.follower.group(group, &given, self.depth + 1);
            output.iter().for_each(|pattern| self.bind(pattern, &value));
            return value;
        }
        let name = function.join(".");
        if let ("object.get", [object, path, default]) = (name.as_str(), arguments) {
            let mut value = self.term(object);
            let whole = std::slice::from_ref(path);
            let steps = if let TermKind::Array(steps) = &path.kind { steps } else { whole };
            for step in steps {
                let mut below = Value::default();
                self.steps(step).iter().for_each(|step| below.merge(value.step(step)));
                self.taken(&below, step.span);
                value = below;
            }
            let default = self.term(default);
            value.merge(default);
            return value;
        }
        let mut operands = Vec::new();
        for argument in arguments {
            // What comes out, unless it is bound already.
            if !self.is_new(argument) {
                operands.push(self.operand(argument));
            }
        }
        if KEEPS_ELEMENTS.contains(&name.as_str()) {
            let mut value = Value::default();
            operands.into_iter().for_each(|operand| value.merge(operand.value));
            return value;
        }
        if !LOOKS_ONLY.contains(&name.as_str()) {
            operands.iter().for_each(|operand| self.follower.consume(&operand.value));
        }
        self.called(&name, operands, span);
        Value::open()
    }

    fn operand(&mut self, term: &'c Term) -> Operand {
        Operand { value: self.term(term), constant: constant(term) }
    }

    fn called(&mut self, name: &str, operands: Vec<Operand>, span: Span) {
        if name == "=" {
            operands.iter().for_each(|operand| self.follower.consume(&operand.value));
        }
        let at = At { module: self.module.to_owned(), span };
        self.follower.flow.calls.push(Call { name: name.to_owned(), operands, at });
    }
}

/// The type of a constant.
fn constant(term: &Term) -> Option<&'static str> {
    match &term.kind {
        TermKind::Null => Some("null"),
        TermKind::Bool(_) => Some("boolean"),
        TermKind::Number(_) => Some("number"),
        TermKind::String(_) => Some("string"),
        _ => None,
    }
}

/// Rules that a rule refers to, and whether it refers to a document: `input` or the inventory.
pub(in crate::workbench::lint) fn references<'c>(rule: &'c Rule, visit: &mut dyn FnMut(&'c Term)) {
    head_terms(rule).for_each(|term| visit_term(term, visit));
    bodies(rule).for_each(|body| visit_body(body, visit));
}

fn visit_body<'c>(body: &'c [Expr], visit: &mut dyn FnMut(&'c Term)) {
    use crate::policy::engine::rego::compile::terms;
    for expr in body {
        terms(expr).into_iter().for_each(|term| visit_term(term, visit));
        if let ExprKind::Every { body, .. } = &expr.kind {
            visit_body(body, visit);
        }
    }
}

fn visit_term<'c>(term: &'c Term, visit: &mut dyn FnMut(&'c Term)) {
    use crate::policy::engine::rego::compile::parts;
    visit(term);
    parts(term).into_iter().for_each(|part| visit_term(part, visit));
    if let Some(body) = closure_body(term) {
        visit_body(body, visit);
    }
}
