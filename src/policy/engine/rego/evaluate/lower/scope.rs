//! The variables of one clause: their slots, and which of them have a value at the point reached.

use std::collections::BTreeMap;

use crate::policy::engine::rego::compiled::RuleGroup;
use crate::policy::engine::rego::syntax::ast::{Body, Expr, ExprKind, Rule, Span, Term, TermKind};
use crate::policy::engine::rego::value::Value;

use super::scalar;

/// Names and slots of one frame.
#[derive(Debug, Default)]
pub(super) struct Scope {
    slots: BTreeMap<String, u32>,
    /// By slot.
    bound: Vec<bool>,
    uses: BTreeMap<String, u32>,
}

/// What was bound at some point.
#[derive(Clone, Debug)]
pub(super) struct Bound(Vec<bool>);

impl Bound {
    pub(super) fn has(&self, slot: u32) -> bool {
        self.0.get(slot as usize).is_some_and(|bound| *bound)
    }
}

impl Scope {
    pub(super) fn new(uses: BTreeMap<String, u32>) -> Self {
        Self { uses, ..Self::default() }
    }

    /// A slot without a name, bound from now on.
    pub(super) fn temporary(&mut self) -> u32 {
        self.bound.push(true);
        self.size() - 1
    }

    /// The slot of a variable.
    pub(super) fn slot(&mut self, name: &str) -> u32 {
        if let Some(slot) = self.slots.get(name) {
            return *slot;
        }
        self.bound.push(false);
        let slot = self.size() - 1;
        self.slots.insert(name.to_owned(), slot);
        slot
    }

    pub(super) fn is_bound(&mut self, name: &str) -> bool {
        self.slots.get(name).and_then(|slot| self.bound.get(*slot as usize)).is_some_and(|bound| *bound)
    }

    pub(super) fn bind(&mut self, slot: u32) {
        if let Some(bound) = self.bound.get_mut(slot as usize) {
            *bound = true;
        }
    }

    /// Nothing reads the variable: it occurs once.
    pub(super) fn is_unread(&self, name: &str) -> bool {
        self.uses.get(name).is_none_or(|count| *count <= 1)
    }

    pub(super) fn size(&self) -> u32 {
        u32::try_from(self.bound.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn bound(&self) -> Bound {
        Bound(self.bound.clone())
    }

    /// Forgets what was bound since.
    pub(super) fn restore(&mut self, earlier: &Bound) {
        for (slot, bound) in self.bound.iter_mut().enumerate() {
            *bound = earlier.0.get(slot).copied().unwrap_or(false);
        }
    }
}

/// Counts the occurrences of variables in a rule.
pub(super) fn count_rule(rule: &Rule, uses: &mut BTreeMap<String, u32>) {
    let mut count = |term: &Term| {
        if let TermKind::Variable(name) = &term.kind {
            *uses.entry(name.clone()).or_default() += 1;
        }
    };
    let head = &rule.head;
    for term in head.dynamic.iter().chain(&head.arguments).chain(&head.key).chain(&head.value) {
        visit_term(term, &mut count);
    }
    visit_body(&rule.body, &mut count, &mut |_| {});
    for branch in &rule.otherwise {
        branch.value.iter().for_each(|value| visit_term(value, &mut count));
        visit_body(&branch.body, &mut count, &mut |_| {});
    }
    // `every` declares its key and value outside of terms.
    let mut declared = Vec::new();
    let mut declare = |expression: &Expr| {
        if let ExprKind::Every { key, value, .. } = &expression.kind {
            declared.extend(key.iter().chain([value]).map(|variable| variable.name.clone()));
        }
    };
    visit_body(&rule.body, &mut |_| {}, &mut declare);
    rule.otherwise.iter().for_each(|branch| visit_body(&branch.body, &mut |_| {}, &mut declare));
    for name in declared {
        *uses.entry(name).or_default() += 1;
    }
}

/// The variables of an expression and where they stand, but for those within its closures.
pub(super) fn variables_of(expression: &Expr) -> Vec<(String, Span)> {
    let mut found = Vec::new();
    let terms: Vec<&Term> = match &expression.kind {
        ExprKind::Term(one) | ExprKind::Every { domain: one, .. } => vec![one],
        ExprKind::Unify(one, other) | ExprKind::Assign(one, other) => vec![one, other],
        ExprKind::Some(_) | ExprKind::SomeIn { .. } => Vec::new(),
    };
    for term in terms {
        visit_term(term, &mut |term| {
            if let TermKind::Variable(name) = &term.kind {
                found.push((name.clone(), term.span));
            }
        });
    }
    found
}

/// Numbers the functions that `with` replaces, by their dotted names.
pub(super) fn collect_mocks(group: &RuleGroup, mocks: &mut BTreeMap<String, u32>) {
    visit_targets(group, &mut |target| {
        if let Some(name) = function_target(target) {
            let next = u32::try_from(mocks.len()).unwrap_or(u32::MAX);
            mocks.entry(name).or_insert(next);
        }
    });
}

/// The paths below `data` that some `with` replaces.
pub(super) fn replaced_data(group: &RuleGroup) -> Vec<Vec<Value>> {
    let mut paths = Vec::new();
    visit_targets(group, &mut |target| {
        let (head, path) = match &target.kind {
            TermKind::Reference { head, path } => (&head.kind, path.as_slice()),
            kind => (kind, [].as_slice()),
        };
        if matches!(head, TermKind::Variable(name) if name == "data") {
            paths.push(path.iter().map_while(scalar).collect());
        }
    });
    paths
}

fn visit_targets(group: &RuleGroup, visit: &mut dyn FnMut(&Term)) {
    let mut collect = |expression: &Expr| expression.with.iter().for_each(|with| visit(&with.target));
    for rule in group.rules.iter().chain(&group.default) {
        visit_body(&rule.body, &mut |_| {}, &mut collect);
        rule.otherwise.iter().for_each(|branch| visit_body(&branch.body, &mut |_| {}, &mut collect));
    }
}

/// The dotted name, for a target or replacement that could be a function: anything but a reference below `input`.
pub(super) fn function_target(target: &Term) -> Option<String> {
    match &target.kind {
        TermKind::Variable(name) if name != "input" && name != "data" => Some(name.clone()),
        TermKind::Reference { head, path } => {
            let TermKind::Variable(root) = &head.kind else { return None };
            if root == "input" {
                return None;
            }
            let mut name = root.clone();
            for step in path {
                let TermKind::String(step) = &step.kind else { return None };
                name.push('.');
                name.push_str(step);
            }
            Some(name)
        }
        _ => None,
    }
}

fn visit_body(body: &Body, visit: &mut dyn FnMut(&Term), visit_expression: &mut dyn FnMut(&Expr)) {
    for expression in body {
        visit_expression(expression);
        let mut term = |term: &Term| visit_all(term, visit, visit_expression);
        match &expression.kind {
            ExprKind::Term(one) => term(one),
            ExprKind::Unify(one, other) | ExprKind::Assign(one, other) => {
                term(one);
                term(other);
            }
            ExprKind::Some(_) => {}
            ExprKind::SomeIn { key, value, domain } => key.iter().chain([value, domain]).for_each(term),
            ExprKind::Every { domain, .. } => term(domain),
        }
        if let ExprKind::Every { body, .. } = &expression.kind {
            visit_body(body, visit, visit_expression);
        }
        for with in &expression.with {
            visit_all(&with.target, visit, visit_expression);
            visit_all(&with.value, visit, visit_expression);
        }
    }
}

fn visit_term(term: &Term, visit: &mut dyn FnMut(&Term)) {
    visit_all(term, visit, &mut |_| {});
}

fn visit_all(term: &Term, visit: &mut dyn FnMut(&Term), visit_expression: &mut dyn FnMut(&Expr)) {
    visit(term);
    let mut each = |terms: &[Term]| terms.iter().for_each(|term| visit_all(term, visit, visit_expression));
    match &term.kind {
        TermKind::Reference { head, path } => {
            each(std::slice::from_ref(head));
            each(path);
        }
        TermKind::Call { arguments, .. } => each(arguments),
        TermKind::Array(items) | TermKind::Set(items) => each(items),
        TermKind::Object(entries) => entries.iter().for_each(|(key, value)| {
            each(std::slice::from_ref(key));
            each(std::slice::from_ref(value));
        }),
        TermKind::ArrayComprehension { head, body } | TermKind::SetComprehension { head, body } => {
            each(std::slice::from_ref(head));
            visit_body(body, visit, visit_expression);
        }
        TermKind::ObjectComprehension { key, value, body } => {
            each(std::slice::from_ref(key));
            each(std::slice::from_ref(value));
            visit_body(body, visit, visit_expression);
        }
        TermKind::Null | TermKind::Bool(_) | TermKind::Number(_) | TermKind::String(_) | TermKind::Variable(_) => {}
    }
}
