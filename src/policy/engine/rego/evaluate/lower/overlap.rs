//! Rules below the path of a rule whose name goes on with a variable: `p.b.r contains "z"` beside `p[x].r contains y`.
//!
//! OPA evaluates all of them together, as one document that grows from `p`. So do we: they become clauses of the upper
//! group, with their further steps as constants. As in OPA, which looks at nothing but heads and first bodies there, their
//! defaults and `else` branches do not count.

use std::borrow::Cow;

use crate::policy::engine::rego::compiled::{Compiled, RuleGroup};
use crate::policy::engine::rego::syntax::ast::{Rule, RuleKind, Span, Term, TermKind};

/// The modules with joined groups; untouched where nothing overlaps, as nearly everywhere.
pub(super) fn join(compiled: &Compiled) -> Cow<'_, Compiled> {
    let joins: Vec<(&Vec<String>, &Vec<String>)> =
        compiled.groups.keys().filter_map(|path| Some((open_above(compiled, path)?, path))).collect();
    if joins.is_empty() {
        return Cow::Borrowed(compiled);
    }
    let mut joined = compiled.clone();
    for (above, below) in joins {
        let Some(group) = joined.groups.remove(below) else { continue };
        if let Some(upper) = joined.groups.get_mut(above) {
            absorb(upper, group);
        }
    }
    joined.order.retain(|path| joined.groups.contains_key(path));
    Cow::Owned(joined)
}

/// The topmost group above the path that has a rule with a variable in its name.
fn open_above<'c>(compiled: &'c Compiled, path: &[String]) -> Option<&'c Vec<String>> {
    let above = (0..path.len()).filter_map(|length| compiled.groups.get_key_value(path.get(..length)?));
    above.filter(|(_, group)| is_open(group)).map(|(path, _)| path).next()
}

fn is_open(group: &RuleGroup) -> bool {
    group.rules.iter().any(|rule| !rule.head.dynamic.is_empty())
}

fn absorb(upper: &mut RuleGroup, lower: RuleGroup) {
    let depth = upper.path.len();
    // Places of clauses are found by position.
    upper.modules.resize(upper.rules.len(), upper.modules.last().cloned().unwrap_or_default());
    for (position, mut rule) in lower.rules.into_iter().enumerate() {
        let steps = lower.path.get(depth..).unwrap_or_default();
        prefix(&mut rule, steps);
        upper.rules.push(rule);
        upper.modules.push(lower.modules.get(position).cloned().unwrap_or_default());
    }
}

fn prefix(rule: &mut Rule, steps: &[String]) {
    let span: Span = rule.head.span;
    let constant = |step: &String| Term { span, kind: TermKind::String(step.clone()) };
    rule.head.dynamic.splice(..0, steps.iter().map(constant));
    rule.otherwise.clear();
}

/// Whether every member is a key with a value, or every member an element: nothing nested.
pub(super) fn is_flat(group: &RuleGroup) -> bool {
    let is_set = group.kind == RuleKind::PartialSet;
    let keys = usize::from(!is_set);
    let fits = |rule: &Rule| rule.head.dynamic.len() == keys && (rule.head.kind == RuleKind::PartialSet) == is_set;
    group.rules.iter().all(fits)
}

/// How many steps below its path a group's longest name has, the element of a set as the last.
pub(super) fn depth(group: &RuleGroup) -> usize {
    group.rules.iter().map(|rule| rule.head.dynamic.len() + rule.head.key.iter().len()).max().unwrap_or_default()
}
