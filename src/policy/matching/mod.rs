//! Does a constraint apply to a review. Gatekeeper's semantics to the letter; an index by kind and namespace keeps requests
//! from looking at constraints that cannot apply. Why one does not apply is told by the function that decides it.

mod explain;
mod index;

use thiserror::Error;

use crate::model::api::{Match, Scope};
use crate::model::object::{Labels, Wildcard, quote};
use crate::model::review::{Review, ReviewedObject, Source};

pub use explain::{Mismatch, mismatches};
pub use index::MatchIndex;

/// That it cannot be told whether a constraint applies. Such a constraint is violated: it must not be evaded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("error matching the requested object: {object} :failed to run Match criteria: {cause}")]
pub struct MatchFailure {
    /// Name of the object that was being matched; empty when the API server is to make it up.
    pub object: String,
    /// Why.
    pub cause: MatchError,
}

/// Why it cannot be told whether a constraint applies.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MatchError {
    /// `namespaceSelector` needs the labels of a namespace that is not known.
    #[error("namespace selector for namespace-scoped object but missing Namespace")]
    NamespaceMissing,
    /// `source` is neither `All` nor `Generated` nor `Original`.
    #[error("invalid source field {}", quote(.0))]
    InvalidSource(String),
}

/// One of the criteria of `spec.match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Criterion {
    /// `kinds`
    Kinds,
    /// `scope`
    Scope,
    /// `namespaces`
    Namespaces,
    /// `excludedNamespaces`
    ExcludedNamespaces,
    /// `labelSelector`
    LabelSelector,
    /// `namespaceSelector`
    NamespaceSelector,
    /// `name`
    Name,
    /// `source`
    Source,
}

impl Criterion {
    /// The field's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kinds => "kinds",
            Self::Scope => "scope",
            Self::Namespaces => "namespaces",
            Self::ExcludedNamespaces => "excludedNamespaces",
            Self::LabelSelector => "labelSelector",
            Self::NamespaceSelector => "namespaceSelector",
            Self::Name => "name",
            Self::Source => "source",
        }
    }
}

/// Whether the criteria hold for the object or, failing that, for the old object of a review.
///
/// # Errors
/// When it cannot be told; the first object that errs decides.
pub fn matches(criteria: &Match, review: &Review) -> Result<bool, MatchFailure> {
    for object in review.objects() {
        let failure = |cause| MatchFailure { object: object.name().to_owned(), cause };
        if Subject::new(object, review).unmet(criteria).map_err(failure)?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// One object and what is known around it.
struct Subject<'a> {
    object: &'a ReviewedObject,
    namespace: Option<&'a ReviewedObject>,
    source: Source,
}

impl<'a> Subject<'a> {
    fn new(object: &'a ReviewedObject, review: &'a Review) -> Self {
        Self { object, namespace: review.namespace_object.as_deref(), source: review.source }
    }

    /// The first criterion that does not hold; none when all do. In Gatekeeper's order: a criterion that fails early hides
    /// the error of a later one.
    fn unmet(&self, criteria: &Match) -> Result<Option<Criterion>, MatchError> {
        Ok(if !self.kind_matches(criteria) {
            Some(Criterion::Kinds)
        } else if !self.scope_matches(criteria) {
            Some(Criterion::Scope)
        } else if !self.is_included(criteria) {
            Some(Criterion::Namespaces)
        } else if self.excluding(criteria).is_some() {
            Some(Criterion::ExcludedNamespaces)
        } else if criteria.label_selector.as_ref().is_some_and(|selector| !selector.matches(self.object.labels())) {
            Some(Criterion::LabelSelector)
        } else if !self.namespace_selector_matches(criteria)? {
            Some(Criterion::NamespaceSelector)
        } else if !self.name_matches(criteria) {
            Some(Criterion::Name)
        } else if !self.source_matches(criteria)? {
            Some(Criterion::Source)
        } else {
            None
        })
    }

    fn kind_matches(&self, criteria: &Match) -> bool {
        let gvk = self.object.gvk();
        criteria.kinds.is_empty() || criteria.kinds.iter().any(|selector| selector.matches(&gvk.group, &gvk.kind))
    }

    fn scope_matches(&self, criteria: &Match) -> bool {
        let has_namespace = !self.object.namespace().is_empty() || self.namespace.is_some();
        let is_cluster_scoped = self.object.is_namespace() || !has_namespace;
        match criteria.scope {
            Scope::Any => true,
            Scope::Cluster => is_cluster_scoped,
            Scope::Namespaced => !is_cluster_scoped,
        }
    }

    /// The name that `namespaces` and `excludedNamespaces` look at; `None` for cluster-scoped objects, which neither
    /// list ever disqualifies.
    fn namespace_name(&self) -> Option<&str> {
        if self.object.is_namespace() {
            return Some(self.object.name());
        }
        let own = Some(self.object.namespace()).filter(|name| !name.is_empty());
        // A Namespace without a name is that of an object in a file that does not say which: `evaluate::resultants`.
        self.namespace.map(ReviewedObject::name).or(own)
    }

    fn is_included(&self, criteria: &Match) -> bool {
        let Some(name) = self.namespace_name() else { return true };
        criteria.namespaces.is_empty() || criteria.namespaces.iter().any(|one| one.matches(name))
    }

    /// What excludes the namespace.
    fn excluding<'c>(&self, criteria: &'c Match) -> Option<&'c Wildcard> {
        let name = self.namespace_name()?;
        criteria.excluded_namespaces.iter().find(|one| one.matches(name))
    }

    /// What `namespaceSelector` looks at; `None` where it needs none or cannot tell.
    fn namespace_labels(&self) -> Option<Labels<'_>> {
        if self.object.is_namespace() { Some(self.object.labels()) } else { self.namespace.map(ReviewedObject::labels) }
    }

    fn namespace_selector_matches(&self, criteria: &Match) -> Result<bool, MatchError> {
        let Some(selector) = &criteria.namespace_selector else { return Ok(true) };
        match (self.namespace_labels(), self.object.namespace()) {
            (Some(labels), _) => Ok(selector.matches(labels)),
            (None, "") => Ok(true),
            (None, _) => Err(MatchError::NamespaceMissing),
        }
    }

    fn name_matches(&self, criteria: &Match) -> bool {
        let Some(pattern) = &criteria.name else { return true };
        let generate_name = self.object.generate_name();
        pattern.matches(self.object.name())
            || (!generate_name.is_empty() && pattern.matches_generate_name(generate_name))
    }

    fn source_matches(&self, criteria: &Match) -> Result<bool, MatchError> {
        match criteria.source.as_deref() {
            None | Some("All") => Ok(true),
            Some("Original") => Ok(self.source == Source::Original),
            Some("Generated") => Ok(self.source == Source::Generated),
            Some(other) => Err(MatchError::InvalidSource(other.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::model::object::{FieldPath, Object};

    fn object(value: Value) -> Object {
        Object::from_value(value).unwrap()
    }

    fn pod() -> Object {
        object(json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web-1", "namespace": "shop", "labels": {"app": "web"}}}))
    }

    fn namespace(name: &str) -> Object {
        object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"team": "a"}}}))
    }

    fn node() -> Object {
        object(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}))
    }

    fn run(criteria: &Value, review: &Review) -> Result<bool, MatchFailure> {
        let mut errors = Vec::new();
        let criteria = Match::parse(criteria, FieldPath::root(), &mut errors);
        assert!(errors.is_empty(), "{errors:?}");
        matches(&criteria, review)
    }

    fn check(criteria: Value, review: &Review, expected: bool) {
        assert_eq!(run(&criteria, review), Ok(expected), "{criteria}");
    }

    #[test]
    fn pods_match_by_every_criterion() {
        let review = Review::of_object(&pod(), Some(Arc::new(ReviewedObject::from(&namespace("shop")))));
        for (criteria, expected) in [
            (json!({}), true),
            (json!({"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}]}), true),
            (json!({"kinds": [{"apiGroups": ["apps"], "kinds": ["Pod"]}, {"kinds": ["*"]}]}), true),
            (json!({"kinds": [{"apiGroups": ["apps"], "kinds": ["Pod"]}]}), false),
            (json!({"kinds": [{"kinds": ["pod"]}]}), false),
            (json!({"scope": "Namespaced"}), true),
            (json!({"scope": "Cluster"}), false),
            (json!({"scope": "cluster"}), true),
            (json!({"namespaces": ["shop"]}), true),
            (json!({"namespaces": ["sh*"]}), true),
            (json!({"namespaces": ["bank"]}), false),
            (json!({"excludedNamespaces": ["*op"]}), false),
            (json!({"excludedNamespaces": ["bank"]}), true),
            (json!({"labelSelector": {"matchLabels": {"app": "web"}}}), true),
            (json!({"labelSelector": {"matchLabels": {"app": "db"}}}), false),
            (json!({"namespaceSelector": {"matchLabels": {"team": "a"}}}), true),
            (json!({"namespaceSelector": {"matchLabels": {"team": "b"}}}), false),
            (json!({"name": "web-*"}), true),
            (json!({"name": "web"}), false),
            (json!({"source": "Generated"}), false),
            (json!({"source": "Original"}), true),
        ] {
            check(criteria, &review, expected);
        }
    }

    #[test]
    fn namespaces_are_judged_by_their_own_name_and_labels() {
        let review = Review::of_object(&namespace("shop"), None);
        check(json!({"scope": "Cluster"}), &review, true);
        check(json!({"namespaces": ["shop"]}), &review, true);
        check(json!({"excludedNamespaces": ["shop"]}), &review, false);
        check(json!({"namespaceSelector": {"matchLabels": {"team": "b"}}}), &review, false);
    }

    #[test]
    fn cluster_scoped_objects_are_never_disqualified_by_namespace() {
        let review = Review::of_object(&node(), None);
        check(json!({"namespaces": ["shop"]}), &review, true);
        check(json!({"excludedNamespaces": ["*"]}), &review, true);
        check(json!({"namespaceSelector": {"matchLabels": {"team": "b"}}}), &review, true);
        check(json!({"scope": "Namespaced"}), &review, false);
    }

    #[test]
    fn an_unknown_namespace_is_an_error_unless_something_else_fails_first() {
        let review = Review::of_object(&pod(), None);
        let selector = json!({"namespaceSelector": {"matchLabels": {"team": "a"}}});
        let failure = run(&selector, &review).unwrap_err();
        assert_eq!(failure, MatchFailure { object: "web-1".to_owned(), cause: MatchError::NamespaceMissing });
        let mut earlier = selector;
        earlier["kinds"] = json!([{"kinds": ["Service"]}]);
        check(earlier, &review, false);
    }

    #[test]
    fn an_update_matches_by_its_old_object_too() {
        let mut review = Review::of_object(&node(), None);
        review.old_object = Some(Arc::new(ReviewedObject::from(&pod())));
        check(json!({"kinds": [{"kinds": ["Pod"]}]}), &review, true);
    }

    #[test]
    fn generated_names_match_open_patterns() {
        let generated = object(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "web-"}}));
        let review = Review::of_object(&generated, None);
        check(json!({"name": "web-*"}), &review, true);
        check(json!({"name": "web-"}), &review, false);
    }
}
