//! AP018: a violation that says the same of every object.

use std::collections::BTreeSet;

use super::{Findings, PolicyRule};
use crate::policy::engine::rego::compiled::Compiled;
use crate::policy::engine::rego::syntax::ast::{Rule, Term, TermKind};
use crate::workbench::lint::finding::Severity;
use crate::workbench::lint::policies::Policies;
use crate::workbench::lint::policies::flow::{At, references};

pub(super) const RULE: PolicyRule = PolicyRule {
    code: "AP018",
    name: "constant-violation",
    severity: Severity::Warning,
    summary: "A violation does not depend on input: it fires always or never",
    page: "\
Neither the body of this `violation`, nor any rule that it uses, looks at the request, the parameters or the inventory. It \
says the same about every object: that it is refused, or nothing. Often a condition is commented out, or a rule compares \
two constants.",
    check,
};

fn check(policies: &Policies<'_>, findings: &mut Findings<'_>) {
    for (template, code) in policies.codes() {
        let name = ["template", "violation"].map(str::to_owned);
        let Some(group) = code.compiled.groups.get(name.as_slice()) else { continue };
        for rule in &group.rules {
            if !depends_on_input(&code.compiled, rule) {
                let at = At { module: "template".to_owned(), span: rule.head.span };
                findings.code(template, &at, "this violation does not depend on input: it fires always or never");
            }
        }
    }
}

fn depends_on_input(compiled: &Compiled, rule: &Rule) -> bool {
    let mut used = Uses::default();
    references(rule, &mut |term| used.add(compiled, term));
    let mut done = BTreeSet::new();
    while let Some(path) = used.groups.pop_first() {
        if used.is_varying {
            return true;
        }
        let group = compiled.groups.get(&path).filter(|_| done.insert(path.clone()));
        for rule in group.into_iter().flat_map(|group| group.rules.iter().chain(&group.default)) {
            references(rule, &mut |term| used.add(compiled, term));
        }
        used.groups.retain(|path| !done.contains(path));
    }
    used.is_varying
}

/// What rules refer to.
#[derive(Default)]
pub(super) struct Uses {
    pub(super) groups: BTreeSet<Vec<String>>,
    /// The request, the inventory, or something that is not known.
    pub(super) is_varying: bool,
}

impl Uses {
    pub(super) fn add(&mut self, compiled: &Compiled, term: &Term) {
        match &term.kind {
            TermKind::Variable(name) => self.is_varying |= name == "input",
            TermKind::Call { function, .. } => match function.path.split_first() {
                Some((root, path)) if root == "data" => {
                    self.groups.insert(path.to_vec());
                }
                _ => {
                    self.is_varying |=
                        matches!(function.path.join(".").as_str(), "time.now_ns" | "http.send" | "external_data");
                }
            },
            TermKind::Reference { head, path } if matches!(&head.kind, TermKind::Variable(name) if name == "data") => {
                self.data(compiled, path);
            }
            _ => {}
        }
    }

    fn data(&mut self, compiled: &Compiled, path: &[Term]) {
        let mut name = Vec::new();
        for step in path {
            let TermKind::String(text) = &step.kind else { break };
            name.push(text.clone());
            if compiled.groups.contains_key(&name) {
                self.groups.insert(name);
                return;
            }
        }
        // A whole package, or the inventory.
        self.is_varying = true;
        self.groups.extend(compiled.groups.keys().filter(|path| path.starts_with(&name)).cloned());
    }
}
