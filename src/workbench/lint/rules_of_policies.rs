//! What is known of a constraint's rule from the annotations of its template and its own.

use std::collections::HashMap;
use std::sync::Arc;

use super::finding::{Finding, Rule};
use crate::model::object::Object;
use crate::policy::snapshot::{CompiledConstraint, Snapshot};

/// Groups under which authors annotate policies. The first that says something counts.
const GROUPS: [&str; 5] =
    ["metadata.gatekeeper.sh/", "admit.gatekeeper.sh/", "policies.kyverno.io/", "io.kubewarden.policy.", ""];

/// Rules by kind and name of their constraints.
#[derive(Debug, Default)]
pub(super) struct Rules(HashMap<(String, String), Arc<Rule>>);

impl Rules {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let templates: HashMap<&str, &Object> =
            snapshot.templates().map(|one| (one.template.kind.as_str(), &one.template.object)).collect();
        let rules = snapshot.constraints().iter().map(|one| {
            let constraint = &one.constraint;
            let template = templates.get(constraint.kind()).copied();
            let said = |key: &str| {
                let objects = [Some(&constraint.object), template];
                objects.into_iter().flatten().find_map(|object| annotation(object, key))
            };
            let rule = Rule {
                id: constraint.kind().to_owned(),
                constraint: constraint.name().to_owned(),
                title: said("title"),
                description: said("description"),
                docs: said("docs").or_else(|| said("url")),
                severity: said("severity").map(|severity| severity.to_lowercase()),
                category: said("category"),
            };
            ((rule.id.clone(), rule.constraint.clone()), Arc::new(rule))
        });
        Self(rules.collect())
    }

    pub(super) fn of_constraint(&self, one: &CompiledConstraint) -> Arc<Rule> {
        let (id, constraint) = (one.constraint.kind().to_owned(), one.constraint.name().to_owned());
        let known = self.0.get(&(id.clone(), constraint.clone()));
        known.cloned().unwrap_or_else(|| Arc::new(Rule { id, constraint, ..Rule::default() }))
    }

    /// All of them, and those of lint's own that found something, ordered by kind and name.
    pub(super) fn with_own(&self, findings: &[Finding]) -> Vec<Arc<Rule>> {
        let mut all: Vec<Arc<Rule>> = self.0.values().cloned().collect();
        all.extend(findings.iter().map(|finding| &finding.rule).filter(|rule| rule.constraint.is_empty()).cloned());
        all.sort_by(|one, other| (&one.id, &one.constraint).cmp(&(&other.id, &other.constraint)));
        all.dedup_by(|one, other| (&one.id, &one.constraint) == (&other.id, &other.constraint));
        all
    }
}

fn annotation(object: &Object, key: &str) -> Option<String> {
    let annotations = object.annotations();
    let said = GROUPS.iter().find_map(|group| annotations.value(&format!("{group}{key}")))?;
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    (!said.is_empty()).then_some(said)
}
