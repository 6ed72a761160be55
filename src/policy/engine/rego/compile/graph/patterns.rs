//! References as patterns: steps that are known, and steps that may be anything.
//!
//! Invariant: equal patterns are looked up once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::policy::engine::rego::compile::QUERY_PACKAGE;
use crate::policy::engine::rego::compile::rules::RuleTree;

/// A step of a pattern.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum Step {
    Name(String),
    /// Known only when evaluated.
    Anything,
    /// A constant that no package or rule has as its name.
    Nothing,
}

/// Distinct patterns and the rules that each may mean.
#[derive(Default)]
pub(super) struct Patterns {
    numbers: HashMap<Vec<Step>, usize>,
    meant: Vec<Vec<usize>>,
}

impl Patterns {
    pub(super) fn number(&mut self, pattern: Vec<Step>) -> usize {
        let next = self.numbers.len();
        *self.numbers.entry(pattern).or_insert(next)
    }

    /// Finds what each pattern means: rules on its way, since a rule's value may be stepped into, and all below its end.
    pub(super) fn look_up(&mut self, tree: &RuleTree, indexes: &BTreeMap<Vec<&str>, usize>) {
        let mut meant = vec![Vec::new(); self.numbers.len()];
        for (pattern, number) in &self.numbers {
            let mut found = BTreeSet::new();
            walk(tree, &mut Vec::new(), pattern, indexes, &mut found);
            if let Some(slot) = meant.get_mut(*number) {
                *slot = found.into_iter().collect();
            }
        }
        self.meant = meant;
    }

    pub(super) fn meant(&self, number: usize) -> &[usize] {
        self.meant.get(number).map_or(&[], Vec::as_slice)
    }
}

fn walk<'t>(
    node: &'t RuleTree,
    path: &mut Vec<&'t str>,
    pattern: &[Step],
    indexes: &BTreeMap<Vec<&str>, usize>,
    found: &mut BTreeSet<usize>,
) {
    if !node.rules.is_empty() {
        found.extend(indexes.get(path.as_slice()));
    }
    match pattern.split_first() {
        Some((Step::Nothing, _)) => {}
        Some((Step::Name(step), rest)) => {
            if let Some((step, child)) = node.children.get_key_value(step.as_str()) {
                path.push(step);
                walk(child, path, rest, indexes, found);
                path.pop();
            }
        }
        rest => {
            let rest = rest.map_or([].as_slice(), |(_, rest)| rest);
            // What asks cannot be asked for.
            let is_query = |step: &str| path.is_empty() && step == QUERY_PACKAGE;
            for (step, child) in node.children.iter().filter(|(step, _)| !is_query(step)).collect::<Vec<_>>() {
                path.push(step);
                walk(child, path, rest, indexes, found);
                path.pop();
            }
        }
    }
}
