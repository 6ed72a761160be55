//! Why a constraint does not apply, in words: the criterion that `Subject::unmet` names, with what was found and what was
//! expected.

use std::fmt;

use super::{Criterion, MatchFailure, Subject};
use crate::model::api::{KindSelector, Match, Scope};
use crate::model::object::{LabelSelector, Labels, Wildcard};
use crate::model::review::{Review, Source};

/// So many kinds are named.
const MOST_KINDS: usize = 8;

/// A criterion that does not hold, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The criterion.
    pub criterion: Criterion,
    /// What was found, and what was expected.
    pub reason: String,
    /// Whether this is about the object as it was before the request.
    pub is_of_old_object: bool,
}

/// Why none of the objects of a review matches: the first criterion that does not hold, for each of them. Empty when one
/// does match, that is exactly when [`super::matches`] says so.
///
/// # Errors
/// As there.
pub fn mismatches(criteria: &Match, review: &Review) -> Result<Vec<Mismatch>, MatchFailure> {
    let mut found = Vec::new();
    for object in review.objects() {
        let subject = Subject::new(object, review);
        let failure = |cause| MatchFailure { object: object.name().to_owned(), cause };
        let Some(criterion) = subject.unmet(criteria).map_err(failure)? else { return Ok(Vec::new()) };
        let is_of_old_object = review.object.as_ref().is_none_or(|new| !std::sync::Arc::ptr_eq(new, object));
        found.push(Mismatch { criterion, reason: subject.reason(criterion, criteria), is_of_old_object });
    }
    Ok(found)
}

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let old = if self.is_of_old_object { " (of the old object)" } else { "" };
        write!(formatter, "{}{old}: {}", self.criterion.as_str(), self.reason)
    }
}

impl Subject<'_> {
    fn reason(&self, criterion: Criterion, criteria: &Match) -> String {
        match criterion {
            Criterion::Kinds => {
                let gvk = self.object.gvk();
                let version = if gvk.group.is_empty() { String::new() } else { format!("{}/", gvk.group) };
                format!("found {version}{}/{}, expected {}", gvk.version, gvk.kind, kinds(&criteria.kinds))
            }
            Criterion::Scope => self.scope_reason(criteria.scope),
            Criterion::Namespaces => {
                format!("found {}, expected {}", self.namespace_shown(), one_of(&criteria.namespaces))
            }
            Criterion::ExcludedNamespaces => {
                let pattern = self.excluding(criteria).map(Wildcard::as_str).unwrap_or_default();
                format!("{pattern} matches {}", self.namespace_shown())
            }
            Criterion::LabelSelector => unmet(criteria.label_selector.as_ref(), self.object.labels(), ""),
            Criterion::NamespaceSelector => {
                let of = format!(" of namespace {}", self.namespace_shown());
                let labels = self.namespace_labels().unwrap_or(Labels::None);
                unmet(criteria.namespace_selector.as_ref(), labels, &of)
            }
            Criterion::Name => self.name_reason(criteria),
            Criterion::Source => {
                let found = match self.source {
                    Source::Original => "Original",
                    Source::Generated => "Generated",
                };
                format!("found {found}, expected {}", criteria.source.as_deref().unwrap_or_default())
            }
        }
    }

    fn scope_reason(&self, scope: Scope) -> String {
        match scope {
            Scope::Cluster => {
                format!("found an object in the namespace {}, expected a cluster-scoped one", self.namespace_shown())
            }
            Scope::Namespaced | Scope::Any => "found a cluster-scoped object, expected one in a namespace".to_owned(),
        }
    }

    fn name_reason(&self, criteria: &Match) -> String {
        let expected = criteria.name.as_ref().map(Wildcard::as_str).unwrap_or_default();
        match (self.object.name(), self.object.generate_name()) {
            ("", prefix) if !prefix.is_empty() => {
                format!("found a name that will begin with {prefix}, expected {expected}")
            }
            (name, _) => format!("found {name}, expected {expected}"),
        }
    }

    fn namespace_shown(&self) -> &str {
        self.namespace_name().unwrap_or("no namespace")
    }
}

/// `apps/Deployment`, by group and kind: versions do not count.
fn kinds(selectors: &[KindSelector]) -> String {
    let any = ["*".to_owned()];
    let mut pairs: Vec<String> = Vec::new();
    for selector in selectors {
        let groups = if selector.api_groups.is_empty() { &any[..] } else { &selector.api_groups };
        let kinds = if selector.kinds.is_empty() { &any[..] } else { &selector.kinds };
        for group in groups {
            let group = if group.is_empty() { "core" } else { group };
            pairs.extend(kinds.iter().map(|kind| format!("{group}/{}", named(kind))));
        }
    }
    let more = pairs.len().saturating_sub(MOST_KINDS);
    pairs.truncate(MOST_KINDS);
    match (pairs.as_slice(), more) {
        ([one], 0) => one.clone(),
        (pairs, 0) => format!("one of {}", pairs.join(", ")),
        (pairs, more) => format!("one of {} and {more} more", pairs.join(", ")),
    }
}

fn one_of(patterns: &[Wildcard]) -> String {
    let names: Vec<&str> = patterns.iter().map(|pattern| named(pattern.as_str())).collect();
    match names.as_slice() {
        [one] => (*one).to_owned(),
        names => format!("one of {}", names.join(", ")),
    }
}

/// What can be seen.
fn named(text: &str) -> &str {
    if text.is_empty() { "\"\"" } else { text }
}

/// `label env=dev of namespace shop, expected In [prod]`
fn unmet(selector: Option<&LabelSelector>, labels: Labels<'_>, of: &str) -> String {
    let Some(requirement) = selector.and_then(|selector| selector.unmet(labels)) else { return String::new() };
    let key = requirement.key();
    match labels.value(key) {
        Some(value) => format!("label {key}={}{of}, expected {requirement}", named(value)),
        None => format!("no label {key}{of}, expected {requirement}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::model::object::{FieldPath, Object};
    use crate::model::review::ReviewedObject;

    fn review() -> Review {
        let object = |value: Value| Object::from_value(value).unwrap();
        let pod = object(json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web-1", "namespace": "kube-system", "labels": {"app": "web"}}}));
        let namespace = object(json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "kube-system", "labels": {"env": "dev"}}}));
        Review::of_object(&pod, Some(Arc::new(ReviewedObject::from(&namespace))))
    }

    #[test]
    fn every_criterion_is_put_into_words() {
        for (criteria, expected) in [
            (
                json!({"kinds": [{"apiGroups": ["apps"], "kinds": ["Deployment"]}]}),
                "kinds: found v1/Pod, expected apps/Deployment",
            ),
            (
                json!({"kinds": [{"apiGroups": ["", "x"], "kinds": ["Service"]}]}),
                "kinds: found v1/Pod, expected one of core/Service, x/Service",
            ),
            (
                json!({"scope": "Cluster"}),
                "scope: found an object in the namespace kube-system, expected a cluster-scoped one",
            ),
            (json!({"namespaces": ["a", "b-*"]}), "namespaces: found kube-system, expected one of a, b-*"),
            (json!({"excludedNamespaces": ["a", "kube-*"]}), "excludedNamespaces: kube-* matches kube-system"),
            (
                json!({"labelSelector": {"matchLabels": {"app": "db"}}}),
                "labelSelector: label app=web, expected In [db]",
            ),
            (
                json!({"labelSelector": {"matchExpressions": [{"key": "tier", "operator": "Exists"}]}}),
                "labelSelector: no label tier, expected Exists",
            ),
            (
                json!({"namespaceSelector": {"matchLabels": {"env": "prod"}}}),
                "namespaceSelector: label env=dev of namespace kube-system, expected In [prod]",
            ),
            (json!({"name": "db-*"}), "name: found web-1, expected db-*"),
            (json!({"source": "Generated"}), "source: found Original, expected Generated"),
        ] {
            let mut errors = Vec::new();
            let parsed = Match::parse(&criteria, FieldPath::root(), &mut errors);
            let found: Vec<String> = mismatches(&parsed, &review()).unwrap().iter().map(ToString::to_string).collect();
            assert_eq!(found, [expected], "{criteria}");
            assert_eq!(super::super::matches(&parsed, &review()), Ok(false));
        }
    }

    #[test]
    fn what_matches_has_no_reason() {
        assert_eq!(mismatches(&Match::default(), &review()), Ok(Vec::new()));
        let mut review = review();
        review.old_object = review.object.take();
        let criteria = Match { name: Some(Wildcard::new("x")), ..Match::default() };
        let found = mismatches(&criteria, &review).unwrap();
        assert_eq!(found[0].to_string(), "name (of the old object): found web-1, expected x");
    }
}
