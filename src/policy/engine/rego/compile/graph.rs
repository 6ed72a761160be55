//! Which rules depend on which.
//!
//! Invariant: `order` has every path with rules once, each after all it depends on, when nothing is recursive; recursion
//! is found through functions, whole packages, and references with variables in their path alike. Linear in the size of
//! the modules plus, for each distinct reference with variables, the rules that it may mean.

mod components;
mod patterns;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::rules::RuleTree;
use super::sink::Sink;
use super::tree::{bodies, closure_body, head_terms, is_constant, parts, terms};
use crate::policy::engine::rego::syntax::ast::{ErrorClass, Expr, ExprKind, Module, Rule, Term, TermKind};
use components::Components;
use patterns::{Patterns, Step};

/// No more recursive rules are reported.
const MOST_RECURSIONS: usize = 50;
/// Longer ways around are cut in the middle.
const LONGEST_WAY: usize = 20;

/// The paths of all rules and what they depend on.
pub(super) struct Graph<'t> {
    paths: Vec<Vec<&'t str>>,
    nodes: Vec<&'t RuleTree>,
    patterns: Patterns,
    /// For each path, then for each rule at it in the order of the tree, the patterns that it refers to.
    uses: Vec<Vec<BTreeSet<usize>>>,
}

impl<'t> Graph<'t> {
    pub(super) fn new(modules: &[Module], tree: &'t RuleTree) -> Self {
        let (mut paths, mut nodes) = (Vec::new(), Vec::new());
        tree.visit(&mut |path, node| {
            paths.push(path.to_vec());
            nodes.push(node);
        });
        let mut patterns = Patterns::default();
        let uses = nodes.iter().map(|node| {
            let rules = node.rules.iter().filter_map(|facts| modules.get(facts.module)?.rules.get(facts.rule));
            rules.map(|rule| uses_of_rule(rule, &mut patterns)).collect()
        });
        let uses = uses.collect();
        let indexes: BTreeMap<Vec<&str>, usize> =
            paths.iter().enumerate().map(|(index, path)| (path.clone(), index)).collect();
        patterns.look_up(tree, &indexes);
        Self { paths, nodes, patterns, uses }
    }

    /// Paths below `data`, each after all it depends on.
    pub(super) fn order(&self) -> Vec<Vec<String>> {
        let owned = |index: &usize| self.paths.get(*index).map(|path| path.iter().map(|it| (*it).to_owned()).collect());
        self.components().members.iter().flatten().filter_map(owned).collect()
    }

    /// Reports each rule that depends on itself.
    pub(super) fn check(&self, modules: &[Module], sink: &mut Sink) {
        let components = self.components();
        let most = sink.count() + MOST_RECURSIONS;
        for (index, node) in self.nodes.iter().enumerate() {
            for (facts, uses) in node.rules.iter().zip(self.uses.get(index).into_iter().flatten()) {
                if sink.count() >= most {
                    return;
                }
                let Some(path) = self.cycle(index, uses, &components) else {
                    continue;
                };
                if let Some(module) = modules.get(facts.module) {
                    sink.enter(&module.name);
                }
                let mut names: Vec<String> = path.iter().map(|step| self.shown(*step)).collect();
                if names.len() > LONGEST_WAY {
                    names.splice(LONGEST_WAY / 2..names.len() - LONGEST_WAY / 2, ["…".to_owned()]);
                }
                let message = format!("rule {} is recursive: {}", self.shown(index), names.join(" -> "));
                let help = "rules and functions may not depend on themselves; use `walk` or `graph.reachable`";
                sink.report_with_help(ErrorClass::Recursion, facts.span, message, help);
            }
        }
    }

    fn components(&self) -> Components {
        Components::new(self.paths.len(), &|index| self.targets(index))
    }

    fn targets(&self, index: usize) -> BTreeSet<usize> {
        self.uses.get(index).into_iter().flatten().flat_map(|uses| self.meant(uses)).collect()
    }

    fn meant(&self, uses: &BTreeSet<usize>) -> impl Iterator<Item = usize> {
        uses.iter().flat_map(|pattern| self.patterns.meant(*pattern)).copied()
    }

    /// The shortest way from a rule back to its path, both ends included.
    fn cycle(&self, start: usize, uses: &BTreeSet<usize>, components: &Components) -> Option<Vec<usize>> {
        let is_inside = |index: &usize| components.are_together(start, *index);
        let mut came_from: BTreeMap<usize, usize> = BTreeMap::new();
        let mut front: Vec<usize> = self.meant(uses).filter(is_inside).collect();
        came_from.extend(front.iter().map(|index| (*index, start)));
        while !front.is_empty() && !came_from.contains_key(&start) {
            let mut next = Vec::new();
            for index in front {
                for target in self.targets(index).into_iter().filter(is_inside) {
                    if let Entry::Vacant(slot) = came_from.entry(target) {
                        slot.insert(index);
                        next.push(target);
                    }
                }
            }
            front = next;
        }
        let mut path = vec![start];
        let mut current = *came_from.get(&start)?;
        while current != start && path.len() <= self.paths.len() {
            path.push(current);
            current = *came_from.get(&current)?;
        }
        path.push(start);
        path.reverse();
        Some(path)
    }

    fn shown(&self, index: usize) -> String {
        let path = self.paths.get(index).map_or_else(String::new, |path| path.join("."));
        format!("data.{path}")
    }
}

fn uses_of_rule(rule: &Rule, patterns: &mut Patterns) -> BTreeSet<usize> {
    let mut uses = BTreeSet::new();
    head_terms(rule).for_each(|term| collect_term(term, patterns, &mut uses));
    bodies(rule).for_each(|body| collect_body(body, patterns, &mut uses));
    uses
}

fn collect_body(body: &[Expr], patterns: &mut Patterns, uses: &mut BTreeSet<usize>) {
    for expr in body {
        terms(expr).into_iter().for_each(|term| collect_term(term, patterns, uses));
        if let ExprKind::Every { body, .. } = &expr.kind {
            collect_body(body, patterns, uses);
        }
    }
}

fn collect_term(term: &Term, patterns: &mut Patterns, uses: &mut BTreeSet<usize>) {
    match &term.kind {
        TermKind::Reference { head, path } if matches!(&head.kind, TermKind::Variable(name) if name == "data") => {
            let steps = path.iter().map(|step| match &step.kind {
                TermKind::String(text) => Step::Name(text.clone()),
                _ if is_constant(step) => Step::Nothing,
                _ => Step::Anything,
            });
            uses.insert(patterns.number(steps.collect()));
        }
        TermKind::Call { function, .. } => {
            if let Some((_, path)) = function.path.split_first().filter(|(root, _)| *root == "data") {
                uses.insert(patterns.number(path.iter().cloned().map(Step::Name).collect()));
            }
        }
        _ => {}
    }
    parts(term).into_iter().for_each(|part| collect_term(part, patterns, uses));
    if let Some(body) = closure_body(term) {
        collect_body(body, patterns, uses);
    }
}
