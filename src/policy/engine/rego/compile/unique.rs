//! Gives variables of closures and branches names that occur once in their rule.
//!
//! Invariant: afterwards two variables of a rule that are not the same have different names. A variable of a closure is
//! the one around it when that is visible there, that is, occurs outside of closures in a body around or in the head.

use std::collections::{HashMap, HashSet};

use super::names::Names;
use super::tree::{
    Skip, closure_body_mut, is_comprehension, is_root, parts, parts_mut, terms_mut, walk_body, walk_term,
};
use crate::policy::engine::rego::syntax::ast::{Body, Expr, ExprKind, Module, Rule, Term, TermKind};

pub(super) fn rename(modules: &mut [Module], names: &mut Names) {
    for rule in modules.iter_mut().flat_map(|module| &mut module.rules) {
        rename_rule(rule, names);
    }
}

fn rename_rule(rule: &mut Rule, names: &mut Names) {
    let mut visible = HashSet::new();
    rule.head.arguments.iter().for_each(|term| note(term, &mut visible));
    let mut renamer = Renamer { names, used: visible.clone() };
    let mut inside = visible.clone();
    let head = &rule.head;
    head.dynamic.iter().chain(&head.key).chain(&head.value).for_each(|term| note(term, &mut inside));
    note_body(&rule.body, &mut inside);
    renamer.used.extend(inside.iter().cloned());
    renamer.closures_of_body(&mut rule.body, &mut inside);
    for branch in &mut rule.otherwise {
        let mut own = HashSet::new();
        branch.value.iter().for_each(|value| note(value, &mut own));
        note_body(&branch.body, &mut own);
        let renamed = renamer.claim(own, &visible);
        branch.value.iter_mut().for_each(|value| apply(value, &renamed));
        apply_to_body(&mut branch.body, &renamed);
        let mut inside = visible.clone();
        note_body(&branch.body, &mut inside);
        renamer.closures_of_body(&mut branch.body, &mut inside);
    }
}

struct Renamer<'p> {
    names: &'p mut Names,
    used: HashSet<String>,
}

impl Renamer<'_> {
    /// Takes names for the variables that are not visible around; those in use get others.
    fn claim(&mut self, own: HashSet<String>, visible: &HashSet<String>) -> HashMap<String, String> {
        let mut own: Vec<String> = own.into_iter().filter(|name| !visible.contains(name)).collect();
        own.sort_unstable();
        let mut renamed = HashMap::new();
        for name in own {
            if !self.used.insert(name.clone()) {
                let fresh = self.names.rename(&name);
                self.used.insert(fresh.clone());
                renamed.insert(name, fresh);
            }
        }
        renamed
    }

    fn closures_of_body(&mut self, body: &mut Body, visible: &mut HashSet<String>) {
        for expr in body {
            for term in terms_mut(expr) {
                self.closures_of_term(term, visible);
            }
            if let ExprKind::Every { key, value, body, .. } = &mut expr.kind {
                let variables = key.iter().chain([&*value]).map(|variable| variable.name.clone());
                let mut own: HashSet<String> = variables.collect();
                note_body(body, &mut own);
                let renamed = self.claim(own, visible);
                for variable in key.iter_mut().chain([&mut *value]) {
                    replace(&mut variable.name, &renamed);
                }
                apply_to_body(body, &renamed);
                let added = variables_of(key.iter().chain([&*value]).map(|variable| &variable.name), body);
                self.inside(body, added, visible);
            }
        }
    }

    fn closures_of_term(&mut self, term: &mut Term, visible: &mut HashSet<String>) {
        if !is_comprehension(term) {
            parts_mut(term).into_iter().for_each(|part| self.closures_of_term(part, visible));
            return;
        }
        let mut own = HashSet::new();
        parts(term).into_iter().for_each(|part| note(part, &mut own));
        if let Some(body) = closure_body_mut(term) {
            note_body(body, &mut own);
        }
        let renamed = self.claim(own, visible);
        apply(term, &renamed);
        if let Some(body) = closure_body_mut(term) {
            let added = variables_of(std::iter::empty(), body);
            self.inside(body, added, visible);
        }
    }

    /// Goes on inside a closure, where its variables are visible, too.
    fn inside(&mut self, body: &mut Body, added: HashSet<String>, visible: &mut HashSet<String>) {
        let added: Vec<String> = added.into_iter().filter(|name| visible.insert(name.clone())).collect();
        self.closures_of_body(body, visible);
        for name in added {
            visible.remove(&name);
        }
    }
}

fn variables_of<'n>(more: impl Iterator<Item = &'n String>, body: &[Expr]) -> HashSet<String> {
    let mut found: HashSet<String> = more.cloned().collect();
    note_body(body, &mut found);
    found
}

fn note(term: &Term, names: &mut HashSet<String>) {
    walk_term(term, Skip::CLOSURES, &mut |name| {
        names.insert(name.to_owned());
    });
}

fn note_body(body: &[Expr], names: &mut HashSet<String>) {
    walk_body(body, Skip::CLOSURES, &mut |name| {
        names.insert(name.to_owned());
    });
}

fn replace(name: &mut String, renamed: &HashMap<String, String>) {
    if let Some(fresh) = renamed.get(name) {
        name.clone_from(fresh);
    }
}

fn apply(term: &mut Term, renamed: &HashMap<String, String>) {
    if renamed.is_empty() {
        return;
    }
    if let TermKind::Variable(name) = &mut term.kind {
        if !is_root(name) {
            replace(name, renamed);
        }
        return;
    }
    parts_mut(term).into_iter().for_each(|part| apply(part, renamed));
    if let Some(body) = closure_body_mut(term) {
        apply_to_body(body, renamed);
    }
}

fn apply_to_body(body: &mut Body, renamed: &HashMap<String, String>) {
    if renamed.is_empty() {
        return;
    }
    for expr in body {
        terms_mut(expr).into_iter().for_each(|term| apply(term, renamed));
        if let ExprKind::Every { key, value, body, .. } = &mut expr.kind {
            for variable in key.iter_mut().chain([&mut *value]) {
                replace(&mut variable.name, renamed);
            }
            apply_to_body(body, renamed);
        }
    }
}
