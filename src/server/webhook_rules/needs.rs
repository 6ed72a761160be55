//! Which requests constraints are about, in the words of webhook rules: kinds are resources there.
//!
//! A constraint names the kind of the object that is sent. That is the kind of a resource itself, and of some of its
//! subresources: `pods/ephemeralcontainers` brings a Pod, `deployments/scale` a Scale of the group autoscaling.

use std::collections::BTreeSet;

use super::{ANY, Texts};
use crate::model::api::{Match, Scope};
use crate::policy::evaluate::own;

/// Requests that must be let through.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::server) struct Need {
    /// `None` for all groups.
    pub(super) group: Option<String>,
    pub(super) resources: Resources,
    /// `None` for all operations.
    pub(super) operations: Option<Texts>,
    /// As in rules.
    pub(super) scope: String,
}

/// Which resources of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::server) enum Resources {
    All,
    /// `pods` or `pods/exec`.
    Named(String),
}

/// A resource or subresource that the API server has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::server) struct Known {
    pub(in crate::server) group: String,
    /// `pods` or `pods/exec`.
    pub(in crate::server) resource: String,
    /// Of the object that is sent; empty when it is not told.
    pub(in crate::server) kind_group: String,
    pub(in crate::server) kind: String,
}

/// What a constraint asks for.
#[derive(Clone, Debug)]
pub(in crate::server) struct Interest {
    pub(in crate::server) criteria: Match,
    /// Of its template; empty for all.
    pub(in crate::server) operations: Vec<String>,
}

impl Need {
    /// Whatever there is.
    pub(in crate::server) fn everything() -> Self {
        Self { group: None, resources: Resources::All, operations: None, scope: ANY.to_owned() }
    }

    pub(super) fn is_everything(&self) -> bool {
        *self == Self::everything()
    }

    pub(super) fn operations_of(&self, rule: &Texts) -> Texts {
        match &self.operations {
            Some(mine) => rule.intersection(mine).cloned().collect(),
            None => rule.clone(),
        }
    }

    /// `None` when there is none that both are for.
    pub(super) fn scope_of(&self, rule: &str) -> Option<String> {
        match (self.scope.as_str(), rule) {
            (mine, ANY) => Some(mine.to_owned()),
            (ANY, theirs) => Some(theirs.to_owned()),
            (mine, theirs) => (mine == theirs).then(|| mine.to_owned()),
        }
    }

    pub(super) fn groups_of(&self, rule: &Texts) -> Vec<String> {
        match &self.group {
            None => rule.iter().cloned().collect(),
            Some(group) => (rule.contains(ANY) || rule.contains(group)).then(|| group.clone()).into_iter().collect(),
        }
    }
}

/// What must be let through for these constraints, and for the resources that configure admit. `known` is absent when
/// it is not sure that it is all there is: then everything is needed that any constraint might be about.
pub(in crate::server) fn needs(interests: &[Interest], known: Option<&BTreeSet<Known>>) -> BTreeSet<Need> {
    let own = own::GROUPS.map(|group| Need { group: Some(group.to_owned()), ..Need::everything() });
    let mut needs = BTreeSet::from(own);
    for interest in interests {
        let operations: Option<Texts> =
            (!interest.operations.is_empty()).then(|| interest.operations.iter().cloned().collect());
        let found = match known {
            Some(known) => of_criteria(&interest.criteria, known),
            None => vec![Need::everything()],
        };
        needs.extend(found.into_iter().map(|need| Need { operations: operations.clone(), ..need }));
    }
    needs
}

fn of_criteria(criteria: &Match, known: &BTreeSet<Known>) -> Vec<Need> {
    let scope = match criteria.scope {
        Scope::Any => ANY,
        Scope::Cluster => "Cluster",
        Scope::Namespaced => "Namespaced",
    };
    let all = |group: Option<&String>| Need { group: group.cloned(), scope: scope.to_owned(), ..Need::everything() };
    if criteria.kinds.is_empty() {
        return vec![all(None)];
    }
    let mut needs = Vec::new();
    for selector in &criteria.kinds {
        match (named(&selector.api_groups), named(&selector.kinds)) {
            (None, None) => needs.push(all(None)),
            (Some(groups), None) => {
                needs.extend(groups.iter().map(|group| all(Some(group))));
                // Subresources that bring an object of another group than their own.
                let strangers =
                    known.iter().filter(|one| one.group != one.kind_group && groups.contains(&one.kind_group));
                needs.extend(strangers.map(|one| resource(Some(&one.group), one)));
            }
            (groups, Some(kinds)) => {
                for kind in kinds {
                    of_kind(groups, kind, known, &mut needs);
                }
            }
        }
    }
    // What does not say what it brings may bring anything.
    needs.extend(known.iter().filter(|one| one.kind.is_empty()).map(|one| resource(Some(&one.group), one)));
    needs
}

fn of_kind(groups: Option<&[String]>, kind: &str, known: &BTreeSet<Known>, needs: &mut Vec<Need>) {
    let of_kind = |one: &&Known| one.kind == kind;
    match groups {
        // In any group: also in one that comes later, as far as it calls its resource the same.
        None => {
            let before = needs.len();
            needs.extend(known.iter().filter(of_kind).map(|one| resource(None, one)));
            if needs.len() == before {
                needs.push(Need::everything());
            }
        }
        Some(groups) => {
            for group in groups {
                let before = needs.len();
                let found = known.iter().filter(of_kind).filter(|one| one.kind_group == *group);
                needs.extend(found.map(|one| resource(Some(&one.group), one)));
                if needs.len() == before {
                    needs.push(Need { group: Some(group.clone()), ..Need::everything() });
                }
            }
        }
    }
}

fn resource(group: Option<&String>, known: &Known) -> Need {
    Need { group: group.cloned(), resources: Resources::Named(known.resource.clone()), ..Need::everything() }
}

/// `None` when all count.
fn named(list: &[String]) -> Option<&[String]> {
    (!list.is_empty() && !list.iter().any(|entry| entry == ANY)).then_some(list)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::object::FieldPath;

    fn known() -> BTreeSet<Known> {
        [
            ("", "pods", "", "Pod"),
            ("", "pods/ephemeralcontainers", "", "Pod"),
            ("", "pods/eviction", "policy", "Eviction"),
            ("", "pods/exec", "", "PodExecOptions"),
            ("apps", "deployments", "apps", "Deployment"),
            ("apps", "deployments/scale", "autoscaling", "Scale"),
            ("policy", "poddisruptionbudgets", "policy", "PodDisruptionBudget"),
            ("events.k8s.io", "events", "events.k8s.io", "Event"),
            ("", "events", "", "Event"),
        ]
        .map(|(group, resource, kind_group, kind)| Known {
            group: group.to_owned(),
            resource: resource.to_owned(),
            kind_group: kind_group.to_owned(),
            kind: kind.to_owned(),
        })
        .into()
    }

    fn interest(criteria: &Value) -> Interest {
        let mut errors = Vec::new();
        let criteria = Match::parse(criteria, FieldPath::root(), &mut errors);
        assert!(errors.is_empty(), "{errors:?}");
        Interest { criteria, operations: Vec::new() }
    }

    /// Needs as `group|resource`, without those of own resources.
    fn check(criteria: Value, expected: &[&str]) {
        let own = needs(&[], None);
        let found: Vec<String> = needs(&[interest(&criteria)], Some(&known()))
            .difference(&own)
            .map(|need| {
                let group = need.group.as_deref().unwrap_or("*");
                match &need.resources {
                    Resources::All => format!("{group}|* {}", need.scope),
                    Resources::Named(name) => format!("{group}|{name}"),
                }
            })
            .collect();
        assert_eq!(found, expected, "{criteria}");
    }

    #[test]
    fn kinds_are_resources_and_the_subresources_that_bring_them() {
        let kinds = |groups: &[&str], kinds: &[&str]| json!({"kinds": [{"apiGroups": groups, "kinds": kinds}]});
        check(kinds(&[""], &["Pod"]), &["|pods", "|pods/ephemeralcontainers"]);
        check(kinds(&["apps"], &["Deployment"]), &["apps|deployments"]);
        check(kinds(&["autoscaling"], &["Scale"]), &["apps|deployments/scale"]);
        check(kinds(&["*"], &["Event"]), &["*|events"]);
        check(kinds(&[], &["PodExecOptions"]), &["*|pods/exec"]);
        check(kinds(&["policy"], &["*"]), &["|pods/eviction", "policy|* *"]);
    }

    #[test]
    fn in_doubt_it_stays_wide() {
        check(json!({}), &["*|* *"]);
        check(json!({"scope": "Cluster"}), &["*|* Cluster"]);
        check(json!({"kinds": [{"kinds": ["*"]}], "namespaces": ["a"]}), &["*|* *"]);
        check(json!({"kinds": [{"apiGroups": ["example.com"], "kinds": ["Widget"]}]}), &["example.com|* *"]);
        check(json!({"kinds": [{"apiGroups": ["*"], "kinds": ["Widget"]}]}), &["*|* *"]);
        // Lower case is another kind, and nobody knows it.
        check(json!({"kinds": [{"apiGroups": [""], "kinds": ["pod"]}]}), &["|* *"]);
        let unsure = needs(&[interest(&json!({"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}]}))], None);
        assert!(unsure.contains(&Need::everything()));
    }

    #[test]
    fn own_resources_are_always_needed_and_operations_are_those_of_the_template() {
        let nothing = needs(&[], Some(&known()));
        assert!(nothing.iter().all(|need| need.group.as_ref().unwrap().ends_with(".gatekeeper.sh")));
        assert_eq!(nothing.len(), own::GROUPS.len());
        let mut interest = interest(&json!({"kinds": [{"apiGroups": ["apps"], "kinds": ["Deployment"]}]}));
        interest.operations = vec!["DELETE".to_owned()];
        let found = needs(&[interest], Some(&known()));
        let deployment = found.iter().find(|need| need.group.as_deref() == Some("apps")).unwrap();
        assert_eq!(deployment.operations, Some(["DELETE".to_owned()].into()));
    }
}
