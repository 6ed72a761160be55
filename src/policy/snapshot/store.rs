//! The resources as they are in the cluster or in files, valid or not. One writer applies changes to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::api::{CONSTRAINTS_GROUP, TEMPLATES_GROUP};
use crate::model::object::{GroupVersionKind, Object, ObjectKey};
use crate::model::review::ReviewedObject;
use crate::policy::engine::Pool;
use crate::policy::inventory::Inventory;

/// Something that happened to a resource.
#[derive(Clone, Debug)]
pub enum Change {
    /// It is there now, as given: new or changed.
    Apply(Object),
    /// It is gone.
    Delete(ObjectKey),
    /// All resources of a kind, as given; what is not among them is gone. A watch's first list arrives so, and so does
    /// the list after a broken connection: nothing is missing in between.
    Replace(ReplacedKind, Vec<Object>),
    /// An object for the inventory is there now. Apart from `Apply`, because a Namespace may be both.
    Sync(Object),
    /// An object for the inventory is gone.
    Unsync(ObjectKey),
}

/// What a [`Change::Replace`] is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReplacedKind {
    /// All ConstraintTemplates.
    Templates,
    /// All constraints of one kind.
    Constraints(String),
    /// All Namespaces.
    Namespaces,
    /// All objects of one kind in the inventory.
    Synced(GroupVersionKind),
}

/// Resources by what they are, newest version of each.
#[derive(Debug, Default)]
pub struct Store {
    pub(super) templates: BTreeMap<String, Arc<Object>>,
    pub(super) constraints: BTreeMap<(String, String), Arc<Object>>,
    pub(super) namespaces: BTreeMap<String, Arc<ReviewedObject>>,
    pub(super) inventory: Inventory,
    /// What objects of the inventory share.
    pool: Pool,
}

impl Store {
    /// Applies one change. Resources of other kinds are ignored.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Apply(object) => self.put(object),
            Change::Delete(key) => self.take(&key),
            Change::Replace(kind, objects) => self.replace(&kind, objects),
            Change::Sync(object) => self.inventory.insert(&object, &mut self.pool),
            Change::Unsync(key) => self.inventory.remove(&key),
        }
    }

    fn replace(&mut self, kind: &ReplacedKind, objects: Vec<Object>) {
        match kind {
            ReplacedKind::Templates => self.templates.clear(),
            ReplacedKind::Namespaces => self.namespaces.clear(),
            ReplacedKind::Constraints(kind) => self.constraints.retain(|(one, _), _| one != kind),
            ReplacedKind::Synced(gvk) => {
                self.inventory.replace(gvk, &objects, &mut self.pool);
                return;
            }
        }
        objects.into_iter().for_each(|object| self.put(object));
    }

    /// Templates as they are, by name.
    pub fn templates(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.templates.values()
    }

    /// Constraints as they are, ordered by kind and name.
    pub fn constraints(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.constraints.values()
    }

    fn put(&mut self, object: Object) {
        let name = object.name().to_owned();
        match object.gvk().group.as_str() {
            TEMPLATES_GROUP if object.gvk().kind == "ConstraintTemplate" => {
                self.templates.insert(name, Arc::new(object));
            }
            CONSTRAINTS_GROUP => {
                self.constraints.insert((object.gvk().kind.clone(), name), Arc::new(object));
            }
            "" if object.is_namespace() => {
                self.namespaces.insert(name, Arc::new(ReviewedObject::from(&object)));
            }
            _ => {}
        }
    }

    fn take(&mut self, key: &ObjectKey) {
        match key.gvk.group.as_str() {
            TEMPLATES_GROUP => {
                self.templates.remove(&key.name);
            }
            CONSTRAINTS_GROUP => {
                self.constraints.remove(&(key.gvk.kind.clone(), key.name.clone()));
            }
            _ => {
                self.namespaces.remove(&key.name);
            }
        }
    }
}
