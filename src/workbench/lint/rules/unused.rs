//! AP019: rules, functions and imports of a template that nothing uses.

use std::collections::BTreeSet;

use super::constant::Uses;
use super::{Findings, PolicyRule, Template};
use crate::policy::engine::rego::syntax::ast::{Import, Module, Term, TermKind};
use crate::workbench::lint::finding::Severity;
use crate::workbench::lint::policies::flow::{At, references};
use crate::workbench::lint::policies::{Code, Policies};

pub(super) const RULE: PolicyRule = PolicyRule {
    code: "AP019",
    name: "unused-rule",
    severity: Severity::Warning,
    summary: "A rule, function or import of a template is used by no violation",
    page: "\
Only `violation` is evaluated, with what it uses. A rule that it does not reach has no effect: a `deny` or `warn` of another \
engine's convention, a helper that was left over, or one whose call was lost. Libraries under `libs` are left alone, as they \
are shared.",
    check,
};

fn check(policies: &Policies<'_>, findings: &mut Findings<'_>) {
    for (template, code) in policies.codes() {
        let Some(main) = code.modules.first() else { continue };
        rules(template, code, main, findings);
        for (module, names) in code.modules.iter().map(|module| (module, heads(module))) {
            for import in module.imports.iter().filter(|import| !is_used(import, &names)) {
                let at = At { module: module.name.clone(), span: import.span };
                findings.code(template, &at, format!("nothing uses the import of {}", import.path.join(".")));
            }
        }
    }
}

fn rules(template: &Template<'_>, code: &Code, main: &Module, findings: &mut Findings<'_>) {
    let compiled = &code.compiled;
    let mut uses = Uses::default();
    uses.groups.insert(["template", "violation"].map(str::to_owned).to_vec());
    let mut reached: BTreeSet<Vec<String>> = BTreeSet::new();
    while let Some(path) = uses.groups.pop_first() {
        if !reached.insert(path.clone()) {
            continue;
        }
        let group = compiled.groups.get(&path);
        for rule in group.into_iter().flat_map(|group| group.rules.iter().chain(&group.default)) {
            references(rule, &mut |term| uses.add(compiled, term));
        }
    }
    let mut told = BTreeSet::new();
    for rule in &main.rules {
        let path: Vec<String> = std::iter::once("template".to_owned()).chain(rule.head.path.iter().cloned()).collect();
        let is_reached = reached.iter().any(|used| used.starts_with(&path) || path.starts_with(used));
        let name = rule.head.path.join(".");
        if !is_reached && !name.starts_with("test_") && told.insert(name.clone()) {
            let at = At { module: main.name.clone(), span: rule.head.span };
            findings.code(template, &at, format!("no violation uses {name}, so it has no effect"));
        }
    }
}

/// Names of all variables and called functions of a module.
fn heads(module: &Module) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for rule in &module.rules {
        references(rule, &mut |term: &Term| match &term.kind {
            TermKind::Variable(name) => {
                names.insert(name.as_str());
            }
            TermKind::Call { function, .. } => names.extend(function.path.first().map(String::as_str)),
            _ => {}
        });
    }
    names
}

fn is_used(import: &Import, names: &BTreeSet<&str>) -> bool {
    let is_language = matches!(import.path.first().map(String::as_str), Some("future" | "rego"));
    let name = import.alias.as_ref().or(import.path.last());
    is_language || name.is_none_or(|name| names.contains(name.as_str()))
}
