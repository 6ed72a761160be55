//! `spec.applyTo`: the types and operations that a mutator is for.

use serde_json::Value;

use super::super::fields::Fields;
use super::MutatorKind;
use crate::model::object::{FieldPath, GroupVersionKind, quote};
use crate::model::review::Operation;

/// The operations in which objects are mutated.
pub const MUTATED_OPERATIONS: [Operation; 2] = [Operation::Create, Operation::Update];

/// One entry of `spec.applyTo`: all combinations of groups, versions and kinds. No wildcards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApplyTo {
    /// API groups; the core group is the empty string.
    pub groups: Vec<String>,
    /// Versions without their group.
    pub versions: Vec<String>,
    /// Kinds.
    pub kinds: Vec<String>,
    /// `CREATE`, `UPDATE`; empty or `*` is both.
    pub operations: Vec<String>,
}

impl ApplyTo {
    /// Whether it is for objects of a type in an operation; without one, it must be for all operations.
    pub fn matches(&self, gvk: &GroupVersionKind, operation: Option<Operation>) -> bool {
        let is_of_type =
            self.groups.contains(&gvk.group) && self.versions.contains(&gvk.version) && self.kinds.contains(&gvk.kind);
        is_of_type
            && match operation {
                Some(operation) => self.is_for(operation),
                None => MUTATED_OPERATIONS.into_iter().all(|operation| self.is_for(operation)),
            }
    }

    /// Every type and operation that it is for.
    pub fn bindings(&self) -> impl Iterator<Item = (GroupVersionKind, Operation)> {
        let operations: Vec<Operation> = MUTATED_OPERATIONS.into_iter().filter(|one| self.is_for(*one)).collect();
        let mut bindings = Vec::new();
        for group in &self.groups {
            for version in &self.versions {
                for kind in &self.kinds {
                    let gvk = GroupVersionKind { group: group.clone(), version: version.clone(), kind: kind.clone() };
                    bindings.extend(operations.iter().map(|operation| (gvk.clone(), *operation)));
                }
            }
        }
        bindings.into_iter()
    }

    fn is_for(&self, operation: Operation) -> bool {
        let is_all = self.operations.is_empty() || self.operations.iter().any(|one| one == "*");
        let is_named = self.operations.iter().any(|one| one == operation.as_str());
        MUTATED_OPERATIONS.contains(&operation) && (is_all || is_named)
    }
}

/// Reads the list, which must not be empty.
pub(super) fn read(spec: &mut Fields<'_, '_>, kind: MutatorKind, name: &str) -> Vec<ApplyTo> {
    let path = spec.path().key("applyTo");
    let entries = spec.list("applyTo");
    let all: Vec<ApplyTo> =
        entries.iter().enumerate().map(|(index, entry)| read_entry(entry, path.index(index), spec)).collect();
    for (index, one) in all.iter().enumerate() {
        if [&one.groups, &one.versions, &one.kinds].iter().any(|list| list.is_empty()) {
            let text =
                format!("invalid applyTo for {kind} mutator {name}, all of group, version and kind must be specified");
            super::report(spec, path.index(index), text);
        }
    }
    let mistakes: Vec<String> =
        all.iter().enumerate().flat_map(|(index, one)| operation_mistakes(index, one)).collect();
    if !mistakes.is_empty() {
        let mistakes = mistakes.join("; ");
        super::report(spec, path.clone(), format!("invalid applyTo for {kind} mutator {name}: {mistakes}"));
    }
    if all.is_empty() {
        super::report(spec, path, format!("applyTo required for {kind} mutator {name}"));
    }
    all
}

fn read_entry(value: &Value, path: FieldPath, spec: &mut Fields<'_, '_>) -> ApplyTo {
    let mut entry = Fields::new(value, path, spec.errors());
    ApplyTo {
        groups: entry.texts("groups"),
        versions: entry.texts("versions"),
        kinds: entry.texts("kinds"),
        operations: entry.texts("operations"),
    }
}

fn operation_mistakes(index: usize, entry: &ApplyTo) -> Vec<String> {
    let place = format!("applyTo[{index}].operations");
    let mut mistakes = Vec::new();
    for (position, operation) in entry.operations.iter().enumerate() {
        let shown = quote(operation);
        if entry.operations.iter().take(position).any(|before| before == operation) {
            mistakes.push(format!("duplicate operation {shown} in {place}"));
        }
        if !matches!(operation.as_str(), "CREATE" | "UPDATE" | "*") {
            mistakes.push(format!("invalid operation {shown} in {place}: must be one of CREATE, UPDATE, *"));
        }
    }
    if entry.operations.len() > 1 && entry.operations.iter().any(|one| one == "*") {
        mistakes.push(format!("wildcard \"*\" in {place} must not be combined with other operations"));
    }
    mistakes
}
