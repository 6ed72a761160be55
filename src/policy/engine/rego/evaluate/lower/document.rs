//! The tree of packages and rules below `data`.

use crate::policy::engine::rego::compile::QUERY_PACKAGE;
use crate::policy::engine::rego::evaluate::plan::{Document, Plan};
use crate::policy::engine::rego::value::Value;

/// What `data` as a whole does not show: the rule that stands for a query, and what OPA keeps to itself.
const HIDDEN: [&str; 2] = [QUERY_PACKAGE, "system"];

/// Makes `plan.documents` out of `plan.names` and the packages without rules.
pub(super) fn plant<'p>(plan: &mut Plan, packages: impl Iterator<Item = &'p Vec<String>>) {
    let mut documents = vec![Document::default()];
    for (path, group) in &plan.names {
        let mut at = 0usize;
        for name in path {
            at = child_or_new(&mut documents, at, name);
        }
        if let Some(document) = documents.get_mut(at) {
            document.group = Some(*group);
        }
    }
    for path in packages {
        path.iter().fold(0, |at, name| child_or_new(&mut documents, at, name));
    }
    for document in &mut documents {
        document.children.sort();
        let name = document.path.first().and_then(Value::as_str).filter(|_| document.path.len() == 1);
        document.is_hidden = name.is_some_and(|name| HIDDEN.contains(&name));
    }
    plan.documents = documents;
}

/// The child of a document with that name.
pub(super) fn child(plan: &Plan, document: u32, name: &Value) -> Option<u32> {
    let children = &plan.documents.get(document as usize)?.children;
    children.iter().find(|(key, _)| key == name).map(|(_, number)| *number)
}

/// All rules at or below a path, also those that the path ends above.
pub(super) fn groups_below(plan: &Plan, path: &[Value]) -> Box<[u32]> {
    let is_below = |document: &&Document| document.path.starts_with(path);
    plan.documents.iter().filter(is_below).filter_map(|document| document.group).collect()
}

fn child_or_new(documents: &mut Vec<Document>, at: usize, name: &str) -> usize {
    let key = Value::string(name);
    let next = documents.len();
    let Some(parent) = documents.get_mut(at) else { return at };
    if let Some((_, number)) = parent.children.iter().find(|(known, _)| *known == key) {
        return *number as usize;
    }
    let mut path = parent.path.clone();
    path.push(key.clone());
    parent.children.push((key, u32::try_from(next).unwrap_or(u32::MAX)));
    documents.push(Document { path, ..Document::default() });
    next
}
