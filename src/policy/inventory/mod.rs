//! Objects that referential policies may read: `data.inventory`.
//!
//! Layout: `cluster[groupVersion][kind][name]` and `namespace[namespace][groupVersion][kind][name]`. A published
//! inventory never changes: an update copies the mappings on its path and shares the rest.

use crate::model::object::{Object, ObjectKey};
use crate::policy::engine::Document;

/// The objects, as policies see them.
#[derive(Clone, Debug)]
pub struct Inventory {
    tree: Document,
}

impl Default for Inventory {
    fn default() -> Self {
        let mut tree = Document::empty();
        tree.insert(&["cluster"], Document::empty());
        tree.insert(&["namespace"], Document::empty());
        Self { tree }
    }
}

impl Inventory {
    /// The document `data.inventory`.
    pub fn document(&self) -> &Document {
        &self.tree
    }

    /// Adds an object, or replaces the one of the same key.
    pub fn insert(&mut self, object: &Object) {
        let key = object.key();
        let document = Document::from_object(object.value());
        with_path(&key, |path| self.tree.insert(path, document));
    }

    /// Removes an object.
    pub fn remove(&mut self, key: &ObjectKey) {
        with_path(key, |path| self.tree.remove(path));
    }
}

fn with_path(key: &ObjectKey, act: impl FnOnce(&[&str])) {
    let api_version = key.gvk.api_version();
    if key.namespace.is_empty() {
        act(&["cluster", &api_version, &key.gvk.kind, &key.name]);
    } else {
        act(&["namespace", &key.namespace, &api_version, &key.gvk.kind, &key.name]);
    }
}
