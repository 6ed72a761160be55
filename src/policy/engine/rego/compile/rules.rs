//! The rules of all modules by their whole path.
//!
//! Invariant: a rule stands under the ground part of its path, in the order of the modules and the source.

use std::collections::BTreeMap;

use crate::policy::engine::rego::compiled::Compiled;
use crate::policy::engine::rego::syntax::ast::{Module, RuleKind, Span};

/// What the passes ask about a rule without looking at the rule again.
#[derive(Clone, Copy, Debug)]
pub(super) struct RuleFacts {
    pub(super) module: usize,
    pub(super) rule: usize,
    pub(super) span: Span,
    pub(super) kind: RuleKind,
    pub(super) arity: usize,
    pub(super) is_default: bool,
    /// Whether its path ends where its ground part ends.
    pub(super) is_ground: bool,
}

/// A step of a path, with the rules that end here and what comes below.
#[derive(Debug, Default)]
pub(super) struct RuleTree {
    pub(super) rules: Vec<RuleFacts>,
    pub(super) children: BTreeMap<String, RuleTree>,
}

impl RuleTree {
    pub(super) fn new(modules: &[Module]) -> Self {
        let mut tree = Self::default();
        for (module_index, module) in modules.iter().enumerate() {
            for (rule_index, rule) in module.rules.iter().enumerate() {
                let steps = module.package.path.iter().chain(&rule.head.path);
                let node = steps.fold(&mut tree, |node, step| node.children.entry(step.clone()).or_default());
                node.rules.push(RuleFacts {
                    module: module_index,
                    rule: rule_index,
                    span: rule.span,
                    kind: rule.head.kind,
                    arity: rule.head.arguments.len(),
                    is_default: rule.is_default,
                    is_ground: rule.head.dynamic.is_empty(),
                });
            }
        }
        tree
    }

    /// With the rules of modules that are compiled already, of which only path, kind and arity are known.
    pub(super) fn with_groups(mut self, compiled: &Compiled) -> Self {
        for group in compiled.groups.values() {
            let node = group.path.iter().fold(&mut self, |node, step| node.children.entry(step.clone()).or_default());
            let (is_ground, span) =
                group.rules.first().map_or((true, Span::default()), |rule| (rule.head.dynamic.is_empty(), rule.span));
            let (module, rule, kind, arity) = (usize::MAX, usize::MAX, group.kind, group.arity);
            node.rules.push(RuleFacts { module, rule, span, kind, arity, is_default: false, is_ground });
        }
        self
    }

    /// The node of a path without its leading `data`.
    pub(super) fn find<'s>(&self, path: impl IntoIterator<Item = &'s str>) -> Option<&Self> {
        path.into_iter().try_fold(self, |node, step| node.children.get(step))
    }

    /// The rule at exactly this path, when there is one.
    pub(super) fn rule_at<'s>(&self, path: impl IntoIterator<Item = &'s str>) -> Option<&RuleFacts> {
        self.find(path)?.rules.first()
    }

    /// Whether functions are defined here.
    pub(super) fn is_function(&self) -> bool {
        self.rules.iter().any(|rule| rule.arity > 0)
    }

    /// Calls `visit` with the path of each node that has rules, parents first.
    pub(super) fn visit<'t>(&'t self, visit: &mut dyn FnMut(&[&'t str], &'t Self)) {
        let mut path = Vec::new();
        self.visit_below(&mut path, visit);
    }

    fn visit_below<'t>(&'t self, path: &mut Vec<&'t str>, visit: &mut dyn FnMut(&[&'t str], &'t Self)) {
        if !self.rules.is_empty() {
            visit(path, self);
        }
        for (step, child) in &self.children {
            path.push(step);
            child.visit_below(path, visit);
            path.pop();
        }
    }
}
