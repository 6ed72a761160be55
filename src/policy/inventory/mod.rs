//! Objects that referential policies may read: `data.inventory`.
//!
//! Layout: `cluster[groupVersion][kind][name]` and `namespace[namespace][groupVersion][kind][name]`. A published
//! inventory never changes: an update copies the nodes on its path and shares the rest, with 100,000 objects of a kind as
//! with ten. Objects are kept without `metadata.managedFields`, and as far as policies read them (`kept`).

mod journal;
mod kept;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::object::{GroupVersionKind, Object, ObjectKey};
use crate::model::value::Fields;
use crate::policy::engine::{Document, InventoryChange, Pool};

use journal::Journal;
pub use kept::Kept;

/// The objects, as policies see them.
#[derive(Clone, Debug)]
pub struct Inventory {
    tree: Document,
    journal: Journal,
}

impl Default for Inventory {
    fn default() -> Self {
        let mut tree = Document::empty();
        tree.insert(&["cluster"], Document::empty());
        tree.insert(&["namespace"], Document::empty());
        Self { tree, journal: Journal::default() }
    }
}

impl Inventory {
    /// The document `data.inventory`.
    pub fn document(&self) -> &Document {
        &self.tree
    }

    /// This version, to be read from now on by whoever likes to. What changes after it is noted.
    pub fn publish(&mut self) -> Self {
        self.journal = Journal::since(&self.tree);
        Self { tree: self.tree.clone(), journal: Journal::default() }
    }

    /// What changed since an earlier version.
    pub fn change_since<'a>(&'a self, earlier: &'a Self) -> InventoryChange<'a> {
        match self.journal.changes_since(&earlier.tree) {
            Some(changes) => InventoryChange::of(changes),
            None => InventoryChange::between(Some(&earlier.tree), &self.tree),
        }
    }

    /// Adds these fields of an object, in place of the one of the same key. What is equal stays the very same.
    pub fn insert(&mut self, object: &Object, fields: &Fields, pool: &mut Pool) {
        let document = Document::from_object_compact(object.value(), fields, pool);
        let Self { tree, journal } = self;
        with_path(object.gvk(), object.namespace(), object.name(), |path| match tree.find(path) {
            Some((_, known)) if known.is_same(&document) => {}
            Some((keys, known)) => {
                tree.replace(path, document.clone());
                journal.note(keys, Some(known), Some(document));
            }
            None => {
                tree.insert(path, document.clone());
                if let Some((keys, _)) = journal.is_open().then(|| tree.find(path)).flatten() {
                    journal.note(keys, None, Some(document));
                }
            }
        });
    }

    /// The same with another value for the object of this key, as a trial.
    pub(in crate::policy) fn with(&self, key: &ObjectKey, value: Document) -> Document {
        let mut tree = self.tree.clone();
        with_path(&key.gvk, &key.namespace, &key.name, |path| tree.insert(path, value));
        tree
    }

    /// What is kept of the object of this key.
    pub(in crate::policy) fn at(&self, key: &ObjectKey) -> Option<Document> {
        let mut found = None;
        with_path(&key.gvk, &key.namespace, &key.name, |path| found = self.tree.at(path));
        found
    }

    /// Makes these all objects of a kind. Those that stay as they are stay the very same.
    pub fn replace(&mut self, gvk: &GroupVersionKind, objects: &[Object], fields: &Fields, pool: &mut Pool) {
        let kept: BTreeSet<ObjectKey> = objects.iter().map(Object::key).collect();
        for key in self.keys(gvk).filter(|key| !kept.contains(key)).collect::<Vec<_>>() {
            self.remove(&key);
        }
        objects.iter().for_each(|object| self.insert(object, fields, pool));
    }

    /// Whether there is an object of a kind.
    pub fn has(&self, gvk: &GroupVersionKind) -> bool {
        let api_version = gvk.api_version();
        let namespaces = self.tree.at(&["namespace"]);
        let is_in = |path: &[&str]| self.tree.at(path).is_some();
        is_in(&["cluster", &api_version, &gvk.kind])
            || namespaces.iter().flat_map(Document::keys).any(|one| is_in(&["namespace", one, &api_version, &gvk.kind]))
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.count_by_kind().values().sum()
    }

    /// How many objects of each kind there are, whatever its group.
    pub fn count_by_kind(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        let below = |document: &Document, key: &str| document.at(&[key]).unwrap_or_else(Document::empty);
        let cluster = below(&self.tree, "cluster");
        let namespaces = below(&self.tree, "namespace");
        let scopes = namespaces.keys().map(|namespace| below(&namespaces, namespace)).chain([cluster.clone()]);
        for scope in scopes {
            for api_version in scope.keys() {
                let kinds = below(&scope, api_version);
                for kind in kinds.keys() {
                    *counts.entry(kind.to_owned()).or_default() += below(&kinds, kind).keys().count();
                }
            }
        }
        counts
    }

    /// Whether there is no object.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that it takes, what objects share counted once.
    pub fn footprint(&self) -> usize {
        self.tree.footprint()
    }

    fn keys(&self, gvk: &GroupVersionKind) -> impl Iterator<Item = ObjectKey> {
        let api_version = gvk.api_version();
        let names = |namespace: &str, path: &[&str]| -> Vec<ObjectKey> {
            let objects = self.tree.at(path);
            let key =
                |name: &str| ObjectKey { gvk: gvk.clone(), namespace: namespace.to_owned(), name: name.to_owned() };
            objects.iter().flat_map(Document::keys).map(key).collect()
        };
        let mut keys = names("", &["cluster", &api_version, &gvk.kind]);
        let namespaces = self.tree.at(&["namespace"]);
        for namespace in namespaces.iter().flat_map(Document::keys) {
            keys.extend(names(namespace, &["namespace", namespace, &api_version, &gvk.kind]));
        }
        keys.into_iter()
    }

    /// Removes the objects in all namespaces but those to `keep`, and their Namespaces; the kinds of what went.
    pub fn retain_namespaces(&mut self, keep: impl Fn(&str) -> bool) -> BTreeSet<GroupVersionKind> {
        let keys_below = |path: &[&str]| -> Vec<String> {
            let below = self.tree.at(path);
            below.iter().flat_map(Document::keys).map(str::to_owned).collect()
        };
        let mut gone = BTreeSet::new();
        let mut paths: Vec<Vec<String>> = Vec::new();
        for namespace in keys_below(&["namespace"]).into_iter().filter(|name| !keep(name)) {
            for api_version in keys_below(&["namespace", &namespace]) {
                let kinds = keys_below(&["namespace", &namespace, &api_version]);
                gone.extend(kinds.iter().map(|kind| GroupVersionKind::from_api_version(&api_version, kind)));
            }
            paths.push(vec!["namespace".to_owned(), namespace]);
        }
        let route = ["cluster", "v1", "Namespace"];
        for name in keys_below(&route).into_iter().filter(|name| !keep(name)) {
            gone.insert(GroupVersionKind::from_api_version("v1", "Namespace"));
            paths.push(route.iter().map(|step| (*step).to_owned()).chain([name]).collect());
        }
        if !paths.is_empty() {
            self.journal = Journal::default();
        }
        for path in paths {
            self.tree.remove(&path.iter().map(String::as_str).collect::<Vec<_>>());
        }
        gone
    }

    /// Removes an object.
    pub fn remove(&mut self, key: &ObjectKey) {
        let Self { tree, journal } = self;
        with_path(&key.gvk, &key.namespace, &key.name, |path| {
            if let Some((keys, known)) = tree.find(path) {
                tree.remove(path);
                journal.note(keys, Some(known), None);
            }
        });
    }
}

fn with_path(gvk: &GroupVersionKind, namespace: &str, name: &str, act: impl FnOnce(&[&str])) {
    let api_version = gvk.api_version();
    if namespace.is_empty() {
        act(&["cluster", &api_version, &gvk.kind, name]);
    } else {
        act(&["namespace", namespace, &api_version, &gvk.kind, name]);
    }
}
