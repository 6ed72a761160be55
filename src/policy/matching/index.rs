//! Which constraints can apply to an object at all, found without looking at each of them.
//!
//! Looked at are group, kind, the name of the namespace, and for each selector one label that it requires. Promise: what is
//! left out does not match, and would have failed to match before anything that cannot be told is asked. All else of
//! selectors, names, scope and source are not looked at.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::Subject;
use crate::model::api::Match;
use crate::model::object::{LabelSelector, Labels, Wildcard};
use crate::model::review::Review;

/// Constraints, by their positions, under what their criteria name.
#[derive(Debug, Default)]
pub struct MatchIndex {
    count: usize,
    /// By kind, and within it by group.
    by_kind: HashMap<String, ByGroup>,
    /// Those of any kind, by group.
    any_kind: ByGroup,
    /// Those that some namespaces only are for.
    included: Patterns,
    /// Those that are for all namespaces but the excluded.
    anywhere: Positions,
    excluded: Patterns,
    labels: ByLabel,
    namespace_labels: ByLabel,
}

#[derive(Debug, Default)]
struct ByGroup {
    named: HashMap<String, Vec<usize>>,
    any: Vec<usize>,
}

impl MatchIndex {
    /// Indexes criteria by their position.
    pub fn new<'a>(all: impl IntoIterator<Item = &'a Match>) -> Self {
        let mut index = Self::default();
        for (position, criteria) in all.into_iter().enumerate() {
            index.count = position + 1;
            index.add_kinds(position, criteria);
            match criteria.namespaces.as_slice() {
                [] => index.anywhere.insert(position),
                names => names.iter().for_each(|name| index.included.insert(name, position)),
            }
            criteria.excluded_namespaces.iter().for_each(|name| index.excluded.insert(name, position));
            index.labels.insert(criteria.label_selector.as_ref(), position);
            index.namespace_labels.insert(criteria.namespace_selector.as_ref(), position);
        }
        index
    }

    fn add_kinds(&mut self, position: usize, criteria: &Match) {
        if criteria.kinds.is_empty() {
            push(&mut self.any_kind.any, position);
        }
        for selector in &criteria.kinds {
            let groups = named(&selector.api_groups);
            match named(&selector.kinds) {
                None => self.any_kind.insert(groups, position),
                Some(kinds) => kinds.iter().for_each(|kind| {
                    self.by_kind.entry(kind.clone()).or_default().insert(groups, position);
                }),
            }
        }
    }

    /// Positions that can apply to the review, in order.
    pub fn candidates(&self, review: &Review) -> Vec<usize> {
        let mut found = Positions::default();
        let mut seen = None;
        for object in review.objects() {
            // At DELETE both are the same.
            if !seen.is_some_and(|seen| Arc::ptr_eq(seen, object)) {
                found.add(&self.candidates_of(&Subject::new(object, review)));
            }
            seen = Some(object);
        }
        found.iter().collect()
    }

    fn candidates_of(&self, subject: &Subject<'_>) -> Positions {
        let gvk = subject.object.gvk();
        let mut found = Positions::with_room_for(self.count);
        for of_kind in [Some(&self.any_kind), self.by_kind.get(&gvk.kind)].into_iter().flatten() {
            of_kind.of(&gvk.group).for_each(|position| found.insert(position));
        }
        self.labels.narrow(&mut found, subject.object.labels());
        if let Some(labels) = subject.namespace_labels() {
            self.namespace_labels.narrow(&mut found, labels);
        }
        // What is in no namespace is neither held back nor let through by namespaces.
        let Some(namespace) = subject.namespace_name() else { return found };
        let mut here = self.anywhere.clone();
        self.included.matching(namespace).for_each(|position| here.insert(position));
        self.excluded.matching(namespace).for_each(|position| here.remove(position));
        found.keep(&here);
        found
    }
}

/// Positions of selectors under a label that each of them requires.
#[derive(Debug, Default)]
struct ByLabel {
    /// Those that require none, or of which nothing is known.
    free: Positions,
    required: HashMap<String, ByValue>,
}

#[derive(Debug, Default)]
struct ByValue {
    any: Vec<usize>,
    named: HashMap<String, Vec<usize>>,
}

impl ByLabel {
    fn insert(&mut self, selector: Option<&LabelSelector>, position: usize) {
        let Some((key, values)) = selector.and_then(LabelSelector::required) else {
            self.free.insert(position);
            return;
        };
        let of_key = self.required.entry(key.to_owned()).or_default();
        match values {
            None => push(&mut of_key.any, position),
            Some(values) => {
                values.iter().for_each(|value| push(of_key.named.entry(value.clone()).or_default(), position));
            }
        }
    }

    /// Leaves those that these labels do not rule out.
    fn narrow(&self, found: &mut Positions, labels: Labels<'_>) {
        if self.required.is_empty() {
            return;
        }
        let mut possible = self.free.clone();
        for key in labels.keys() {
            let Some(of_key) = self.required.get(key) else { continue };
            let named = labels.value(key).and_then(|value| of_key.named.get(value)).into_iter().flatten();
            of_key.any.iter().chain(named).for_each(|position| possible.insert(*position));
        }
        found.keep(&possible);
    }
}

/// `None` for all, as criteria say it.
fn named(list: &[String]) -> Option<&[String]> {
    (!list.is_empty() && list.iter().all(|entry| entry != "*")).then_some(list)
}

fn push(positions: &mut Vec<usize>, position: usize) {
    if positions.last() != Some(&position) {
        positions.push(position);
    }
}

impl ByGroup {
    fn insert(&mut self, groups: Option<&[String]>, position: usize) {
        match groups {
            None => push(&mut self.any, position),
            Some(groups) => {
                groups.iter().for_each(|group| push(self.named.entry(group.clone()).or_default(), position));
            }
        }
    }

    fn of(&self, group: &str) -> impl Iterator<Item = usize> {
        self.any.iter().chain(self.named.get(group).into_iter().flatten()).copied()
    }
}

/// Positions under wildcards. A wildcard is found by looking up the beginnings and ends of a name, as long as there are
/// wildcards of that length; only those with two stars are tried one after the other.
#[derive(Debug, Default)]
struct Patterns {
    exact: HashMap<String, Vec<usize>>,
    prefixes: Ends,
    suffixes: Ends,
    infixes: Vec<(Wildcard, usize)>,
}

#[derive(Debug, Default)]
struct Ends {
    lengths: BTreeSet<usize>,
    positions: HashMap<String, Vec<usize>>,
}

impl Patterns {
    fn insert(&mut self, pattern: &Wildcard, position: usize) {
        let text = pattern.as_str();
        match (text.strip_prefix('*'), text.strip_suffix('*')) {
            (None, None) => push(self.exact.entry(text.to_owned()).or_default(), position),
            (None, Some(prefix)) => self.prefixes.insert(prefix, position),
            (Some(suffix), None) => self.suffixes.insert(suffix, position),
            (Some(_), Some(_)) => self.infixes.push((pattern.clone(), position)),
        }
    }

    fn matching<'a>(&'a self, name: &'a str) -> impl Iterator<Item = usize> + 'a {
        let exact = self.exact.get(name).into_iter().flatten().copied();
        let prefixes = self.prefixes.matching(move |length| name.get(..length));
        let suffixes = self.suffixes.matching(move |length| name.get(name.len().checked_sub(length)?..));
        let infixes = self.infixes.iter().filter(|(pattern, _)| pattern.matches(name)).map(|(_, position)| *position);
        exact.chain(prefixes).chain(suffixes).chain(infixes)
    }
}

impl Ends {
    fn insert(&mut self, end: &str, position: usize) {
        self.lengths.insert(end.len());
        push(self.positions.entry(end.to_owned()).or_default(), position);
    }

    fn matching<'a>(&'a self, cut: impl Fn(usize) -> Option<&'a str> + 'a) -> impl Iterator<Item = usize> + 'a {
        let found = self.lengths.iter().filter_map(move |length| self.positions.get(cut(*length)?));
        found.flatten().copied()
    }
}

/// A set of positions, one bit each.
#[derive(Clone, Debug, Default)]
struct Positions(Vec<u64>);

impl Positions {
    fn with_room_for(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    fn insert(&mut self, position: usize) {
        if self.0.len() <= position / 64 {
            self.0.resize(position / 64 + 1, 0);
        }
        if let Some(word) = self.0.get_mut(position / 64) {
            *word |= 1 << (position % 64);
        }
    }

    fn remove(&mut self, position: usize) {
        if let Some(word) = self.0.get_mut(position / 64) {
            *word &= !(1 << (position % 64));
        }
    }

    fn add(&mut self, other: &Self) {
        self.0.resize(self.0.len().max(other.0.len()), 0);
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }

    fn keep(&mut self, other: &Self) {
        let others = other.0.iter().copied().chain(std::iter::repeat(0));
        self.0.iter_mut().zip(others).for_each(|(word, other)| *word &= other);
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(place, word)| {
            let next = |rest: &u64| Some(rest & (rest - 1)).filter(|rest| *rest != 0);
            let words = std::iter::successors(Some(*word).filter(|word| *word != 0), next);
            words.map(move |rest| place * 64 + rest.trailing_zeros() as usize)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::model::object::{FieldPath, Object};
    use crate::model::review::ReviewedObject;
    use crate::policy::matching::matches;

    fn object(group: &str, kind: &str, namespace: &str) -> Object {
        let version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
        let mut value = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "shop"}});
        if !namespace.is_empty() {
            value["metadata"]["namespace"] = json!(namespace);
        }
        Object::from_value(value).unwrap()
    }

    fn index(all: &[Value]) -> (Vec<Match>, MatchIndex) {
        let all: Vec<Match> = all.iter().map(|value| Match::parse(value, FieldPath::root(), &mut Vec::new())).collect();
        let index = MatchIndex::new(&all);
        (all, index)
    }

    #[test]
    fn finds_named_and_general_constraints() {
        let (_, index) = index(&[
            json!({"kinds": [{"kinds": ["Pod", "Service"]}, {"kinds": ["Pod"]}]}),
            json!({}),
            json!({"kinds": [{"apiGroups": ["apps"], "kinds": ["Service"]}]}),
            json!({"kinds": [{"apiGroups": ["apps", ""], "kinds": ["*"]}]}),
            json!({"namespaces": ["shop", "bank-*"]}),
            json!({"excludedNamespaces": ["*op", "*a*"]}),
        ]);
        for (group, kind, namespace, expected) in [
            ("", "Pod", "shop", vec![0, 1, 3, 4]),
            ("", "Pod", "bank-1", vec![0, 1, 3, 4]),
            ("", "Service", "other", vec![0, 1, 3, 5]),
            ("apps", "Service", "other", vec![0, 1, 2, 3, 5]),
            ("batch", "Job", "other", vec![1, 5]),
            ("", "Node", "", vec![1, 3, 4, 5]),
            // A Namespace is judged by its own name, which is `shop` here.
            ("", "Namespace", "", vec![1, 3, 4]),
        ] {
            let review = Review::of_object(&object(group, kind, namespace), None);
            assert_eq!(index.candidates(&review), expected, "{group}/{kind} in {namespace:?}");
        }
    }

    #[test]
    fn more_positions_than_a_word_has_bits_stay_in_order() {
        let all: Vec<Value> = (0..200).map(|number| json!({"namespaces": [format!("n{}", number % 3)]})).collect();
        let (_, index) = index(&all);
        let expected: Vec<usize> = (0..200).filter(|number| number % 3 == 1).collect();
        assert_eq!(index.candidates(&Review::of_object(&object("", "Pod", "n1"), None)), expected);
    }

    fn texts(choices: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
        prop::collection::vec(prop::sample::select(choices), 0..3)
    }

    fn criteria() -> impl Strategy<Value = Value> {
        let groups = || texts(&["", "apps", "*"]);
        let kinds = || texts(&["Pod", "Namespace", "Node", "*"]);
        let namespaces = || texts(&["shop", "bank", "sh*", "*op", "*o*", "*", "**", "", "a*b", "*é", "é*"]);
        let selectors = || {
            let expression = |operator: &str, values: &[&str]| {
                let mut value = json!({"key": "a", "operator": operator});
                if !values.is_empty() {
                    value["values"] = json!(values);
                }
                json!({"matchExpressions": [value]})
            };
            prop::sample::select(vec![
                None,
                Some(json!({"matchLabels": {"a": "b"}})),
                Some(json!({"matchLabels": {"a": "b", "c": "d"}})),
                Some(json!({"matchLabels": {"a": ""}})),
                Some(json!({})),
                Some(expression("In", &["b", "c"])),
                Some(expression("NotIn", &["b"])),
                Some(expression("Exists", &[])),
                Some(expression("DoesNotExist", &[])),
            ])
        };
        let kinds = prop::collection::vec((groups(), kinds()), 0..3);
        (kinds, namespaces(), namespaces(), selectors(), selectors()).prop_map(
            |(kinds, included, excluded, one, other)| {
                let kinds: Vec<Value> =
                    kinds.into_iter().map(|(groups, kinds)| json!({"apiGroups": groups, "kinds": kinds})).collect();
                let mut value = json!({"kinds": kinds, "namespaces": included, "excludedNamespaces": excluded});
                for (key, selector) in [("labelSelector", one), ("namespaceSelector", other)] {
                    if let Some(selector) = selector {
                        value[key] = selector;
                    }
                }
                value
            },
        )
    }

    fn labels() -> impl Strategy<Value = Value> {
        let labels = [
            json!(null),
            json!({}),
            json!({"a": null}),
            json!({"a": 5}),
            json!({"a": "b"}),
            json!({"a": "c"}),
            json!({"a": "b", "c": "d"}),
        ];
        prop::sample::select(labels.to_vec())
    }

    fn labelled(object: &Object, labels: &Value) -> Object {
        let mut value = object.value().clone();
        value["metadata"]["labels"] = labels.clone();
        Object::from_value(value).unwrap()
    }

    fn objects() -> impl Strategy<Value = Object> {
        let group = prop::sample::select(vec!["", "apps", "batch"]);
        let kind = prop::sample::select(vec!["Pod", "Namespace", "Node"]);
        let namespace = prop::sample::select(vec!["", "shop", "bank", "é", "aé", "o"]);
        (group, kind, namespace, labels())
            .prop_map(|(group, kind, namespace, labels)| labelled(&object(group, kind, namespace), &labels))
    }

    proptest! {
        /// Left out is only what does not match and does not err; and with nothing else to go by, nothing more stays.
        #[test]
        fn agrees_with_matching(
            all in prop::collection::vec(criteria(), 1..80),
            new in objects(),
            old in prop::option::of(objects()),
            namespace in prop::option::of((prop::sample::select(vec!["shop", "bank"]), labels())),
        ) {
            let (all, index) = index(&all);
            let namespace = namespace.map(|(name, labels)| {
                let metadata = json!({"name": name, "labels": labels});
                let value = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
                Arc::new(ReviewedObject::from(&Object::from_value(value).unwrap()))
            });
            let mut review = Review::of_object(&new, namespace);
            review.old_object = old.map(|old| Arc::new(ReviewedObject::from(&old)));
            let found = index.candidates(&review);
            for (position, criteria) in all.iter().enumerate() {
                let is_candidate = found.contains(&position);
                let outcome = matches(criteria, &review);
                prop_assert!(is_candidate || outcome == Ok(false), "{criteria:?} is left out");
                let has_selector = criteria.namespace_selector.is_some() || criteria.label_selector.is_some();
                prop_assert!(!is_candidate || has_selector || outcome == Ok(true), "{criteria:?} stays");
            }
        }
    }
}
