//! Rules of a webhook configuration, narrowed to what constraints need.
//!
//! ```text
//! constraints × discovery ──► needs ─┐
//! rules as they were applied ────────┴─► narrowed ──► rules that lie within, and let through all that is needed
//! ```
//!
//! Promises: what is needed and was let through before, is let through after; nothing is let through that was not. In
//! doubt (a kind that the API server does not know, discovery that is not whole) rules stay wide. Deliberately absent:
//! access to the cluster, which is in `server/cluster/webhook_rules.rs`.

mod needs;
mod patience;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

pub(super) use needs::{Interest, Known, needs};
use needs::{Need, Resources};
pub(super) use patience::Patience;

const ANY: &str = "*";
const OPERATIONS: [&str; 4] = ["CREATE", "UPDATE", "DELETE", "CONNECT"];

type Texts = BTreeSet<String>;

/// One entry of `rules`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rule {
    groups: Texts,
    versions: Texts,
    /// None of them `*`.
    operations: Texts,
    resources: Texts,
    scope: String,
}

/// `rules`, in an order of their own: equal ones let through the same requests in the same words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rules(BTreeSet<Rule>);

impl Rules {
    /// Reads `rules`; `None` when they are not as an API server stores them.
    pub(super) fn read(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(Rule::read).collect::<Option<_>>().map(Self)
    }

    /// For `rules`.
    pub(super) fn to_value(&self) -> Value {
        self.0.iter().map(Rule::to_value).collect()
    }

    /// Whether every request that the others let through is let through by these.
    pub(super) fn cover(&self, others: &Self) -> bool {
        others.0.iter().flat_map(Rule::parts).all(|part| self.0.iter().any(|rule| rule.covers(&part)))
    }

    /// What either lets through.
    pub(super) fn and(&self, others: &Self) -> Self {
        Self(&self.0 | &others.0).without_repetition()
    }

    /// Of these rules, what is needed.
    pub(super) fn narrowed(&self, needs: &BTreeSet<Need>) -> Self {
        if needs.iter().any(Need::is_everything) {
            return self.clone();
        }
        Self(self.0.iter().flat_map(|rule| rule.narrowed(needs)).collect()).without_repetition()
    }

    /// Without rules that let through nothing beyond the others.
    fn without_repetition(mut self) -> Self {
        for rule in self.0.clone() {
            self.0.remove(&rule);
            if !self.cover(&Self([rule.clone()].into())) {
                self.0.insert(rule);
            }
        }
        self
    }
}

impl Rule {
    fn read(value: &Value) -> Option<Self> {
        let texts = |field: &str| -> Option<Texts> {
            let list = value.get(field)?.as_array()?;
            list.iter().map(|entry| entry.as_str().map(str::to_owned)).collect()
        };
        let mut operations = texts("operations")?;
        if operations.contains(ANY) {
            operations = OPERATIONS.map(str::to_owned).into();
        }
        Some(Self {
            groups: texts("apiGroups")?,
            versions: texts("apiVersions")?,
            operations,
            resources: texts("resources")?,
            scope: value.get("scope").and_then(Value::as_str).unwrap_or(ANY).to_owned(),
        })
    }

    fn to_value(&self) -> Value {
        let is_any = OPERATIONS.iter().all(|one| self.operations.contains(*one));
        // In the order that people write them in.
        let operations = OPERATIONS.iter().filter(|one| self.operations.contains(**one)).copied();
        let operations: Vec<&str> = if is_any { vec![ANY] } else { operations.collect() };
        json!({"apiGroups": self.groups, "apiVersions": self.versions, "operations": operations,
            "resources": self.resources, "scope": self.scope})
    }

    /// Rules for one group, version, operation and resource each.
    fn parts(&self) -> Vec<Self> {
        let mut parts = Vec::new();
        for group in &self.groups {
            for version in &self.versions {
                for operation in &self.operations {
                    parts.extend(self.resources.iter().map(|resource| Self {
                        groups: [group.clone()].into(),
                        versions: [version.clone()].into(),
                        operations: [operation.clone()].into(),
                        resources: [resource.clone()].into(),
                        scope: self.scope.clone(),
                    }));
                }
            }
        }
        parts
    }

    /// Whether it lets through what a rule does that is a part.
    fn covers(&self, part: &Self) -> bool {
        let has = |mine: &Texts, theirs: &Texts| mine.contains(ANY) || mine.is_superset(theirs);
        has(&self.groups, &part.groups)
            && has(&self.versions, &part.versions)
            && self.operations.is_superset(&part.operations)
            && (self.scope == ANY || self.scope == part.scope)
            && part.resources.iter().all(|wanted| self.resources.iter().any(|mine| includes(mine, wanted)))
    }

    /// What of it is needed: rules that differ in operations, scope or groups. All of its versions are kept.
    fn narrowed(&self, needs: &BTreeSet<Need>) -> Vec<Self> {
        let mut wanted: BTreeMap<(Texts, String, String), Texts> = BTreeMap::new();
        for need in needs {
            let operations = need.operations_of(&self.operations);
            let Some(scope) = need.scope_of(&self.scope).filter(|_| !operations.is_empty()) else { continue };
            let resources: Texts = match &need.resources {
                Resources::All => self.resources.clone(),
                Resources::Named(name) => {
                    self.resources.iter().any(|mine| includes(mine, name)).then(|| name.clone()).into_iter().collect()
                }
            };
            for group in need.groups_of(&self.groups) {
                let key = (operations.clone(), scope.clone(), group);
                wanted.entry(key).or_default().extend(resources.clone());
            }
        }
        // Groups of which the same is wanted share a rule; an API server takes `*` only by itself.
        let mut shared: BTreeMap<(Texts, String, Texts), Texts> = BTreeMap::new();
        for ((operations, scope, group), resources) in wanted {
            let resources = without_repetition(&resources);
            if !resources.is_empty() {
                shared.entry((operations, scope, resources)).or_default().insert(group);
            }
        }
        let rule = |((operations, scope, resources), groups): ((Texts, String, Texts), Texts)| {
            let groups = if groups.contains(ANY) { [ANY.to_owned()].into() } else { groups };
            Self { groups, versions: self.versions.clone(), operations, resources, scope }
        };
        shared.into_iter().map(rule).collect()
    }
}

/// Whether an entry of `resources` lets through what another does: `*` is every resource without subresources, `a/*` is a
/// and its subresources, `*/b` the subresource b of all.
fn includes(mine: &str, other: &str) -> bool {
    let split = |entry: &str| -> (String, String) {
        let (resource, subresource) = entry.split_once('/').unwrap_or((entry, ""));
        (resource.to_owned(), subresource.to_owned())
    };
    let ((resource, subresource), (other_resource, other_subresource)) = (split(mine), split(other));
    (resource == ANY || resource == other_resource) && (subresource == ANY || subresource == other_subresource)
}

/// The API server refuses `*` beside the name of a resource, and the like.
fn without_repetition(resources: &Texts) -> Texts {
    let is_needed = |one: &&String| !resources.iter().any(|other| other != *one && includes(other, one));
    resources.iter().filter(is_needed).cloned().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules(value: Value) -> Rules {
        Rules::read(&value).unwrap()
    }

    fn wide() -> Rules {
        rules(json!([{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "scope": "*",
            "resources": ["*", "pods/ephemeralcontainers", "pods/exec", "deployments/scale"]}]))
    }

    fn named(group: Option<&str>, resource: &str) -> Need {
        Need { group: group.map(str::to_owned), resources: Resources::Named(resource.to_owned()), ..Need::everything() }
    }

    #[test]
    fn what_is_named_is_kept_and_grouped() {
        let needs = [named(Some(""), "pods"), named(Some(""), "pods/exec"), named(Some(""), "pods/status")];
        let expected = json!([{"apiGroups": [""], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"],
            "resources": ["pods", "pods/exec"], "scope": "*"}]);
        assert_eq!(wide().narrowed(&needs.into()).to_value(), expected);
        let groups = ["a.example.com", "b.example.com"]
            .map(|group| Need { group: Some(group.to_owned()), ..Need::everything() });
        let found = wide().narrowed(&groups.into()).to_value();
        assert_eq!(found[0]["apiGroups"], json!(["a.example.com", "b.example.com"]));
        assert_eq!(found[0]["resources"], wide().to_value()[0]["resources"]);
        assert_eq!(wide().narrowed(&BTreeSet::new()), Rules::default());
    }

    #[test]
    fn operations_and_scopes_are_intersected() {
        let deletions = Need { operations: Some(["DELETE".to_owned()].into()), ..Need::everything() };
        assert_eq!(wide().narrowed(&[deletions].into()), Rules::default());
        let creations = Need { operations: Some(["CREATE".to_owned()].into()), ..named(Some(""), "pods") };
        let found = wide().narrowed(&[creations, named(Some(""), "services")].into()).to_value();
        assert_eq!(found.as_array().unwrap().len(), 2, "{found}");
        let all = Need { operations: Some(["CREATE".to_owned(), "UPDATE".to_owned()].into()), ..Need::everything() };
        assert_eq!(wide().narrowed(&[all, named(Some(""), "pods")].into()), wide(), "what is within is not said again");
        let cluster = Need { scope: "Cluster".to_owned(), ..Need::everything() };
        let found = wide().narrowed(&[cluster.clone()].into()).to_value();
        assert_eq!(found[0]["scope"], "Cluster");
        let mut namespaced = wide().to_value();
        namespaced[0]["scope"] = "Namespaced".into();
        assert_eq!(rules(namespaced).narrowed(&[cluster].into()), Rules::default());
    }

    #[test]
    fn everything_is_what_there_was() {
        assert_eq!(wide().narrowed(&[Need::everything(), named(Some(""), "pods")].into()), wide());
        let all = rules(json!([{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}]));
        assert_eq!(all.to_value()[0]["operations"], json!(["*"]));
        assert!(all.cover(&wide()) && !wide().cover(&all));
    }

    #[test]
    fn repetitions_that_the_api_server_refuses_are_left_out() {
        let texts = |list: &[&str]| -> Texts { list.iter().map(|one| (*one).to_owned()).collect() };
        for (given, expected) in [
            (vec!["*", "pods", "pods/exec"], vec!["*", "pods/exec"]),
            (vec!["*/*", "pods", "*"], vec!["*/*"]),
            (vec!["pods/*", "pods/exec", "pods", "services"], vec!["pods/*", "services"]),
            (vec!["*/scale", "deployments/scale"], vec!["*/scale"]),
        ] {
            assert_eq!(without_repetition(&texts(&given)), texts(&expected));
        }
        let any = [named(None, "pods"), named(Some(""), "pods")];
        assert_eq!(wide().narrowed(&any.into()).to_value()[0]["apiGroups"], json!(["*"]));
    }

    /// One request, as rules for it alone.
    fn request(group: &str, resource: &str, operation: &str, scope: &str) -> Rules {
        rules(json!([{"apiGroups": [group], "apiVersions": ["v1"], "operations": [operation], "resources": [resource],
            "scope": scope}]))
    }

    proptest! {
        /// Whatever is needed: what was let through and is needed still is, and nothing else than before.
        #[test]
        fn narrowing_loses_nothing_that_is_needed(
            given in proptest::collection::vec(any_rule(), 1..3),
            needs in proptest::collection::btree_set(any_need(), 0..5),
            group in word(&["", "apps", "other"]), resource in word(&["pods", "pods/exec", "widgets", "deployments/scale"]),
            operation in word(&["CREATE", "DELETE"]), scope in word(&["Namespaced", "Cluster"]),
        ) {
            let original = rules(Value::Array(given));
            let narrowed = original.narrowed(&needs);
            let request = request(&group, &resource, &operation, &scope);
            let is_needed = needs.iter().any(|need| {
                need.group.as_ref().is_none_or(|one| *one == group)
                    && need.operations.as_ref().is_none_or(|one| one.contains(&operation))
                    && (need.scope == ANY || need.scope == scope)
                    && match &need.resources { Resources::All => true, Resources::Named(name) => *name == resource }
            });
            prop_assert!(!is_needed || !original.cover(&request) || narrowed.cover(&request), "{narrowed:?}");
            prop_assert!(original.cover(&narrowed) , "{original:?} {narrowed:?}");
            prop_assert!(narrowed.and(&original).cover(&original));
            prop_assert_eq!(&Rules::read(&narrowed.to_value()).unwrap(), &narrowed);
        }
    }

    fn word(words: &'static [&'static str]) -> impl Strategy<Value = String> {
        proptest::sample::select(words).prop_map(str::to_owned)
    }

    fn any_rule() -> impl Strategy<Value = Value> {
        let groups = word(&["*", "", "apps"]);
        let resources = proptest::sample::select(vec![
            vec!["*"],
            vec!["*", "pods/exec"],
            vec!["pods"],
            vec!["*/*"],
            vec!["*/scale"],
        ]);
        let operations = proptest::sample::select(vec![vec!["*"], vec!["CREATE"], vec!["CREATE", "DELETE"]]);
        (groups, resources, operations, word(&["*", "Namespaced", "Cluster"])).prop_map(
            |(group, resources, operations, scope)| {
                json!({"apiGroups": [group], "apiVersions": ["*"], "resources": resources, "operations": operations,
                    "scope": scope})
            },
        )
    }

    fn any_need() -> impl Strategy<Value = Need> {
        let group = proptest::option::of(word(&["", "apps"]));
        let resources = proptest::option::of(word(&["pods", "pods/exec", "widgets", "deployments/scale"]));
        let operations = proptest::option::of(word(&["CREATE", "DELETE"]).prop_map(|one| BTreeSet::from([one])));
        (group, resources, operations, word(&["*", "Namespaced", "Cluster"])).prop_map(
            |(group, resources, operations, scope)| Need {
                group,
                resources: resources.map_or(Resources::All, Resources::Named),
                operations,
                scope,
            },
        )
    }
}
