//! `spec.match`: which objects a constraint is about, as written. `policy::matching` evaluates it.

use serde_json::Value;

use super::fields::Fields;
use crate::model::object::{FieldError, FieldPath, LabelSelector, Wildcard};

/// The criteria of `spec.match`; all of them must hold, and an absent one holds for everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// One of these must hold; empty holds for every kind.
    pub kinds: Vec<KindSelector>,
    /// Cluster-scoped or namespaced objects only.
    pub scope: Scope,
    /// Names of namespaces that count; empty counts all.
    pub namespaces: Vec<Wildcard>,
    /// Names of namespaces that do not count.
    pub excluded_namespaces: Vec<Wildcard>,
    /// Labels of the object.
    pub label_selector: Option<LabelSelector>,
    /// Labels of the object's namespace.
    pub namespace_selector: Option<LabelSelector>,
    /// Name of the object.
    pub name: Option<Wildcard>,
    /// Whether the object came from a request, or from expanding a generator.
    pub source: Option<String>,
}

/// One entry of `spec.match.kinds`. Kubernetes versions never count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindSelector {
    /// API groups; empty or `*` counts all. The core group is the empty string.
    pub api_groups: Vec<String>,
    /// Kinds; empty or `*` counts all.
    pub kinds: Vec<String>,
}

/// `spec.match.scope`. Gatekeeper treats any text that it does not know as no restriction, so that is what it means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// `*`, absent, or unknown.
    #[default]
    Any,
    /// Objects without a namespace.
    Cluster,
    /// Objects in a namespace.
    Namespaced,
}

impl Match {
    /// Reads `spec.match`, collecting every mistake.
    pub fn parse(value: &Value, at: FieldPath, errors: &mut Vec<FieldError>) -> Self {
        let mut fields = Fields::new(value, at, errors);
        Self {
            kinds: read_kinds(&mut fields),
            scope: match fields.text("scope") {
                Some("Cluster") => Scope::Cluster,
                Some("Namespaced") => Scope::Namespaced,
                _ => Scope::Any,
            },
            namespaces: read_wildcards(&mut fields, "namespaces"),
            excluded_namespaces: read_wildcards(&mut fields, "excludedNamespaces"),
            label_selector: read_selector(&mut fields, "labelSelector"),
            namespace_selector: read_selector(&mut fields, "namespaceSelector"),
            name: fields.text("name").filter(|name| !name.is_empty()).map(Wildcard::new),
            source: fields.text("source").filter(|source| !source.is_empty()).map(str::to_owned),
        }
    }
}

impl KindSelector {
    /// Whether an object of this group and kind counts.
    pub fn matches(&self, group: &str, kind: &str) -> bool {
        counts(&self.api_groups, group) && counts(&self.kinds, kind)
    }
}

fn counts(list: &[String], value: &str) -> bool {
    list.is_empty() || list.iter().any(|entry| entry == "*" || entry == value)
}

fn read_kinds(fields: &mut Fields<'_, '_>) -> Vec<KindSelector> {
    let path = fields.path().key("kinds");
    let entries = fields.list("kinds");
    let mut kinds = Vec::with_capacity(entries.len());
    for (position, entry) in entries.iter().enumerate() {
        let mut entry = Fields::new(entry, path.index(position), fields.errors());
        kinds.push(KindSelector { api_groups: entry.texts("apiGroups"), kinds: entry.texts("kinds") });
    }
    kinds
}

fn read_wildcards(fields: &mut Fields<'_, '_>, key: &str) -> Vec<Wildcard> {
    fields.texts(key).into_iter().map(Wildcard::new).collect()
}

fn read_selector(fields: &mut Fields<'_, '_>, key: &str) -> Option<LabelSelector> {
    let value = fields.raw(key)?;
    let (selector, errors) = LabelSelector::parse(value, &fields.path().key(key));
    fields.errors().extend(errors);
    Some(selector)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_every_criterion() {
        let mut errors = Vec::new();
        let value = json!({"kinds": [{"apiGroups": ["apps"], "kinds": ["Deployment"]}], "scope": "Namespaced",
            "namespaces": ["shop-*"], "excludedNamespaces": ["kube-*"], "labelSelector": {}, "name": "web*"});
        let criteria = Match::parse(&value, FieldPath::root(), &mut errors);
        assert!(errors.is_empty(), "{errors:?}");
        assert!(criteria.kinds[0].matches("apps", "Deployment") && !criteria.kinds[0].matches("", "Deployment"));
        assert_eq!((criteria.scope, criteria.namespaces.len()), (Scope::Namespaced, 1));
        assert!(criteria.label_selector.is_some() && criteria.namespace_selector.is_none());
    }

    #[test]
    fn wrong_types_are_named_and_unknown_scopes_mean_any() {
        let mut errors = Vec::new();
        let value = json!({"kinds": {"kinds": ["Pod"]}, "scope": "namespaced", "namespaces": [5], "name": []});
        let criteria = Match::parse(&value, FieldPath::from(["spec", "match"]), &mut errors);
        assert_eq!(criteria.scope, Scope::Any);
        let paths: Vec<_> = errors.iter().map(|error| error.path.to_string()).collect();
        assert_eq!(paths, ["spec.match.kinds", "spec.match.namespaces[0]", "spec.match.name"]);
    }
}
