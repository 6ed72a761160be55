//! Rules that cannot stand side by side.
//!
//! Invariant: afterwards all rules of a path are of one kind and arity with at most one default, nothing is defined below
//! a complete rule or a function, no function below a rule whose name goes on with a variable, and no rule has the path of a package.

use super::rules::RuleTree;
use super::sink::Sink;
use crate::policy::engine::rego::syntax::ast::{ErrorClass, Module, RuleKind};

pub(super) fn check(modules: &[Module], tree: &RuleTree, sink: &mut Sink) {
    tree.visit(&mut |path, node| check_node(path, node, (modules, tree), sink));
    check_packages(modules, tree, sink);
}

fn check_node(path: &[&str], node: &RuleTree, (modules, tree): (&[Module], &RuleTree), sink: &mut Sink) {
    let Some(first) = node.rules.first() else {
        return;
    };
    enter(first.module, modules, sink);
    let name = format!("data.{}", path.join("."));
    if node.rules.iter().any(|rule| rule.is_ground) && has_rules_below(node) {
        let below = paths_below(&name, node).join(" ");
        let message = format!("rule {name} conflicts with [{below}]");
        let help = "a rule with one value cannot have others below it: rename one of them";
        return sink.report_with_help(ErrorClass::Type, first.span, message, help);
    }
    let is_open = node.rules.iter().any(|rule| !rule.is_ground);
    if let Some(function) = functions_below(&name, node).first().filter(|_| is_open) {
        let message = format!("rule {name} conflicts with function {function}");
        let help = "nothing could call a function below a rule whose name goes on with a variable: rename one of them";
        return sink.report_with_help(ErrorClass::Type, first.span, message, help);
    }
    let is_complete = |rule: &super::rules::RuleFacts| rule.kind != RuleKind::PartialSet && rule.is_ground;
    let is_set = |rule: &super::rules::RuleFacts| rule.kind == RuleKind::PartialSet;
    let is_mixed = node.rules.iter().any(|rule| {
        is_set(rule) != is_set(first)
            || is_set(rule) && rule.is_ground != first.is_ground && !is_below_open(path, tree)
            || rule.arity != first.arity
            || is_complete(rule) != is_complete(first)
    });
    if is_mixed {
        let others = node.rules.iter().find(|rule| rule.kind != first.kind || rule.arity != first.arity);
        let help = others.map_or_else(String::new, |other| {
            let line = other.span.line;
            format!("all rules of one name must define the same kind of value; see also line {line}")
        });
        return sink.report_with_help(ErrorClass::Type, first.span, format!("conflicting rules {name} found"), help);
    }
    let defaults: Vec<_> = node.rules.iter().filter(|rule| rule.is_default).collect();
    if defaults.len() > 1 {
        let places: Vec<String> = defaults
            .iter()
            .map(|rule| {
                let module = modules.get(rule.module).map_or("", |module| module.name.as_str());
                format!("{module}:{}", rule.span.line)
            })
            .collect();
        let message = format!("multiple default rules {name} found at {}", places.join(", "));
        let span = defaults.first().map_or(first.span, |rule| rule.span);
        sink.report(ErrorClass::Type, span, message);
    }
}

/// A package that has the path of a rule would hide it.
fn check_packages(modules: &[Module], tree: &RuleTree, sink: &mut Sink) {
    for module in modules {
        let path = module.package.path.iter().map(String::as_str);
        let Some(rule) = tree.rule_at(path).filter(|rule| rule.is_ground) else {
            continue;
        };
        let Some(owner) = modules.get(rule.module) else {
            continue;
        };
        sink.enter(&owner.name);
        let package = module.package.path.join(".");
        let line = rule.span.line;
        let name = &owner.name;
        let message = format!("package {package} conflicts with rule data.{package} defined at {name}:{line}");
        sink.report(ErrorClass::Type, owner.package.span, message);
    }
}

fn enter(module: usize, modules: &[Module], sink: &mut Sink) {
    if let Some(module) = modules.get(module) {
        sink.enter(&module.name);
    }
}

fn has_rules_below(node: &RuleTree) -> bool {
    node.children.values().any(|child| !child.rules.is_empty() || has_rules_below(child))
}

/// Whether a rule whose name goes on with a variable stands above, of whose document all below becomes a part.
fn is_below_open(path: &[&str], tree: &RuleTree) -> bool {
    let above = (0..path.len()).filter_map(|length| tree.rule_at(path.get(..length)?.iter().copied()));
    above.into_iter().any(|rule| !rule.is_ground)
}

fn functions_below(name: &str, node: &RuleTree) -> Vec<String> {
    let below = node.children.iter().flat_map(|(step, child)| {
        let path = format!("{name}.{step}");
        if child.is_function() { vec![path] } else { functions_below(&path, child) }
    });
    below.collect()
}

/// The topmost rules below.
fn paths_below(name: &str, node: &RuleTree) -> Vec<String> {
    let below = node.children.iter().flat_map(|(step, child)| {
        let path = format!("{name}.{step}");
        if child.rules.is_empty() { paths_below(&path, child) } else { vec![path] }
    });
    below.collect()
}
