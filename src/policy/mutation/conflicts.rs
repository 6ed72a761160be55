//! Mutators whose locations contradict each other: for one of them a field holds a list, for another a mapping.
//!
//! Gatekeeper's rules. For each type and operation the locations make up a tree; what each step implies about the one
//! before it is that one's shape. Nothing here depends on the order of mutators.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::api::mutator::{Action, ApplyTo, LocationNode, Mutator, MutatorId};
use crate::model::object::GroupVersionKind;

/// What a location implies about a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    Object,
    List,
    /// A list of values of which each is there once.
    Set,
    String,
    /// Anything: it contradicts nothing.
    Unknown,
}

/// One field in all locations of a type.
#[derive(Default)]
struct Node<'m> {
    passing: BTreeSet<&'m MutatorId>,
    /// Those that end here and bear nothing below.
    ending: BTreeSet<&'m MutatorId>,
    children: BTreeMap<&'m str, BTreeMap<Shape, Node<'m>>>,
}

type Conflicts = BTreeMap<MutatorId, BTreeSet<MutatorId>>;

/// All that are in conflict, each with whom, itself included.
pub(super) fn find<'m>(mutators: impl Iterator<Item = &'m Mutator>) -> Conflicts {
    let mut trees: BTreeMap<(GroupVersionKind, &str), Node<'m>> = BTreeMap::new();
    for mutator in mutators {
        let Some(entries) = &mutator.apply_to else { continue };
        let bindings: BTreeSet<_> =
            entries.iter().flat_map(ApplyTo::bindings).map(|(gvk, operation)| (gvk, operation.as_str())).collect();
        for binding in bindings {
            trees.entry(binding).or_default().add(mutator, mutator.location.nodes());
        }
    }
    let (mut conflicts, mut involved) = (Conflicts::new(), BTreeSet::new());
    trees.values().for_each(|tree| tree.collect(&mut conflicts, &mut involved));
    // What assumes nothing of a field is not concerned by what others assume of it.
    conflicts.retain(|id, _| involved.contains(id));
    conflicts
}

impl<'m> Node<'m> {
    fn add(&mut self, mutator: &'m Mutator, rest: &'m [LocationNode]) {
        self.passing.insert(&mutator.id);
        let Some((first, after)) = rest.split_first() else {
            if must_end(mutator) {
                self.ending.insert(&mutator.id);
            }
            return;
        };
        let key = match first {
            LocationNode::Field(name) => name,
            LocationNode::Element { key, .. } => key,
        };
        let shape = match after.first() {
            Some(LocationNode::Field(_)) => Shape::Object,
            Some(LocationNode::Element { .. }) => Shape::List,
            None => last_shape(mutator),
        };
        self.children.entry(key).or_default().entry(shape).or_default().add(mutator, after);
    }

    fn collect(&self, conflicts: &mut Conflicts, involved: &mut BTreeSet<MutatorId>) {
        for shapes in self.children.values() {
            let here: BTreeSet<MutatorId> = conflict(shapes).into_iter().cloned().collect();
            if !here.is_empty() {
                for id in shapes.values().flat_map(|child| &child.passing) {
                    conflicts.entry((*id).clone()).or_default().extend(here.iter().cloned());
                }
                involved.extend(here);
            }
            shapes.values().for_each(|child| child.collect(conflicts, involved));
        }
    }
}

/// Who contradicts whom about one field.
fn conflict<'m>(shapes: &BTreeMap<Shape, Node<'m>>) -> BTreeSet<&'m MutatorId> {
    let known = shapes.keys().filter(|shape| **shape != Shape::Unknown).count();
    let mut found = BTreeSet::new();
    for (shape, child) in shapes.iter().filter(|(shape, _)| **shape != Shape::Unknown) {
        let has_other_keys = *shape == Shape::List && child.children.len() > 1;
        if known > 1 || has_other_keys {
            found.extend(&child.passing);
        }
    }
    let ends = shapes.values().any(|child| !child.ending.is_empty());
    if ends && shapes.values().any(|child| !child.children.is_empty()) {
        for child in shapes.values() {
            found.extend(&child.ending);
            found.extend(child.children.values().flat_map(BTreeMap::values).flat_map(|below| &below.passing));
        }
    }
    found
}

/// Whether nothing may be below what it writes.
fn must_end(mutator: &Mutator) -> bool {
    matches!(mutator.action, Action::AssignImage(_)) || mutator.external_data().is_some()
}

/// What it implies about the field that it writes.
fn last_shape(mutator: &Mutator) -> Shape {
    match mutator.action {
        Action::Assign(_) | Action::AssignMetadata(_) => Shape::Unknown,
        Action::ModifySet(..) => Shape::Set,
        Action::AssignImage(_) => Shape::String,
    }
}
