//! Groups the rules of compiled modules by path.
//!
//! Invariant: a group has the rules of one path in the order of the modules and the source, its default apart.

use crate::policy::engine::rego::compiled::{Compiled, RuleGroup};
use crate::policy::engine::rego::syntax::ast::Module;

pub(super) fn add(modules: Vec<Module>, compiled: &mut Compiled) {
    for module in modules {
        compiled.packages.insert(module.package.path.clone());
        for rule in module.rules {
            let mut path = module.package.path.clone();
            path.extend(rule.head.path.iter().cloned());
            let group = compiled.groups.entry(path.clone()).or_insert_with(|| RuleGroup {
                path,
                kind: rule.head.kind,
                arity: rule.head.arguments.len(),
                default: None,
                rules: Vec::new(),
                modules: Vec::new(),
            });
            if rule.is_default {
                group.default = Some(rule);
            } else {
                group.kind = rule.head.kind;
                group.rules.push(rule);
                group.modules.push(module.name.clone());
            }
        }
    }
}
