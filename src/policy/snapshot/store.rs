//! The resources as they are in the cluster or in files, valid or not. One writer applies changes to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::configs::Configs;
use crate::model::api::{
    CONFIG_GROUP, CONSTRAINTS_GROUP, EXPANSION_GROUP, MUTATIONS_GROUP, PROVIDERS_GROUP, Process, TEMPLATES_GROUP,
};
use crate::model::object::{GroupVersionKind, Object, ObjectKey};
use crate::model::review::ReviewedObject;
use crate::policy::engine::{InventoryReads, Meters, Pool};
use crate::policy::inventory::{Inventory, Kept};

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

impl Change {
    /// Whether it is about the inventory alone.
    pub fn is_of_inventory(&self) -> bool {
        match self {
            Self::Sync(_) | Self::Unsync(_) | Self::Replace(ReplacedKind::Synced(_), _) => true,
            Self::Apply(_) | Self::Delete(_) | Self::Replace(..) => false,
        }
    }
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
    /// All Configs.
    Configs,
    /// All mutators of one kind.
    Mutators(String),
    /// All ExpansionTemplates.
    ExpansionTemplates,
    /// All Providers.
    Providers,
    /// All objects of one kind in the inventory.
    Synced(GroupVersionKind),
}

/// Resources by what they are, newest version of each.
#[derive(Debug)]
pub struct Store {
    pub(super) templates: BTreeMap<String, Arc<Object>>,
    pub(super) constraints: BTreeMap<(String, String), Arc<Object>>,
    pub(super) configs: Configs,
    /// By kind and name.
    pub(super) mutators: BTreeMap<(String, String), Arc<Object>>,
    pub(super) expansion_templates: BTreeMap<String, Arc<Object>>,
    pub(super) providers: BTreeMap<String, Arc<Object>>,
    pub(super) namespaces: Arc<BTreeMap<String, Arc<ReviewedObject>>>,
    pub(super) inventory: Inventory,
    /// What is kept of the objects in the inventory.
    pub(super) kept: Kept,
    /// Kinds of which there are objects that a Config excludes from the inventory.
    left_out: BTreeSet<GroupVersionKind>,
    /// Those of them that a Config does not exclude any more.
    to_list: BTreeSet<GroupVersionKind>,
    /// What objects of the inventory share.
    pool: Pool,
    /// Which constraint is counted where.
    pub(super) meters: Meters,
    /// Another one whenever policies may have to be built again.
    pub(super) revision: Revision,
}

/// A state of the policies in a store, by its address.
#[derive(Clone, Debug, Default)]
pub(super) struct Revision(Arc<()>);

impl Revision {
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Default for Store {
    /// Keeps whole objects in its inventory.
    fn default() -> Self {
        Self {
            templates: BTreeMap::new(),
            constraints: BTreeMap::new(),
            configs: Configs::default(),
            mutators: BTreeMap::new(),
            expansion_templates: BTreeMap::new(),
            providers: BTreeMap::new(),
            namespaces: Arc::default(),
            inventory: Inventory::default(),
            kept: Kept::whole_objects(),
            left_out: BTreeSet::new(),
            to_list: BTreeSet::new(),
            pool: Pool::default(),
            meters: Meters::default(),
            revision: Revision::default(),
        }
    }
}

impl Store {
    /// Keeps of the objects in its inventory what policies read. Whoever applies changes to it must send the whole list of
    /// a kind when [`Store::take_kinds_to_list`] says so.
    pub fn of_fields_that_are_read() -> Self {
        Self { kept: Kept::what_is_read(), ..Self::default() }
    }

    /// Goes by the Config of that namespace.
    #[must_use]
    pub fn in_namespace(self, namespace: &str) -> Self {
        Self { configs: Configs::in_namespace(namespace), ..self }
    }

    /// Applies one change. Resources of other kinds are ignored.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Apply(object) => self.put(object),
            Change::Delete(key) => self.take(&key),
            Change::Replace(kind, objects) => self.replace(&kind, objects),
            Change::Sync(object) if self.is_left_out(&object) => {
                self.left_out.insert(object.gvk().clone());
                self.inventory.remove(&object.key());
            }
            Change::Sync(object) => {
                let fields = self.kept.of_object(object.gvk());
                self.inventory.insert(&object, &fields, &mut self.pool);
            }
            Change::Unsync(key) => self.inventory.remove(&key),
        }
    }

    /// Whether policies read of objects of a kind in the inventory more than who they are.
    pub fn reads_fields_of(&mut self, gvk: &GroupVersionKind) -> bool {
        *self.kept.of_object(gvk) != InventoryReads::default().of_kind(gvk)
    }

    /// Kinds that a [`Change::Replace`] is wanted of, each told once: a policy waits for fields that were not kept, or
    /// objects were left out that a Config does not exclude any more.
    pub fn take_kinds_to_list(&mut self) -> Vec<GroupVersionKind> {
        let mut kinds = std::mem::take(&mut self.to_list);
        kinds.extend(self.kept.take_to_list());
        kinds.into_iter().collect()
    }

    fn is_left_out(&self, object: &Object) -> bool {
        let exclusions = self.configs.exclusions();
        exclusions.excludes_object(Process::Sync, object.gvk(), object.namespace(), object.name())
    }

    /// Changes Configs. What they exclude from now on leaves the inventory at once; what they do not exclude any more
    /// comes with the next list of its kind. The rest stays as it is.
    fn change_configs(&mut self, change: impl FnOnce(&mut Configs)) {
        let before = self.configs.exclusions().of(Process::Sync).to_vec();
        change(&mut self.configs);
        self.revision = Revision::default();
        let exclusions = self.configs.exclusions();
        if exclusions.of(Process::Sync) != before {
            self.to_list.append(&mut self.left_out);
            self.left_out = self.inventory.retain_namespaces(|name| !exclusions.excludes(Process::Sync, name));
        }
    }

    fn replace(&mut self, kind: &ReplacedKind, mut objects: Vec<Object>) {
        match kind {
            ReplacedKind::Configs => return self.change_configs(|configs| configs.replace(objects)),
            ReplacedKind::Templates => self.templates.clear(),
            ReplacedKind::Namespaces => self.namespaces = Arc::default(),
            ReplacedKind::Constraints(kind) => self.constraints.retain(|(one, _), _| one != kind),
            ReplacedKind::Mutators(kind) => self.mutators.retain(|(one, _), _| one != kind),
            ReplacedKind::ExpansionTemplates => self.expansion_templates.clear(),
            ReplacedKind::Providers => self.providers.clear(),
            ReplacedKind::Synced(gvk) => {
                let all = objects.len();
                objects.retain(|object| !self.is_left_out(object));
                self.to_list.remove(gvk);
                if objects.len() < all {
                    self.left_out.insert(gvk.clone());
                } else {
                    self.left_out.remove(gvk);
                }
                let (fields, was_awaited) = self.kept.of_list(gvk);
                self.inventory.replace(gvk, &objects, &fields, &mut self.pool);
                if was_awaited {
                    self.revision = Revision::default();
                }
                return;
            }
        }
        if *kind != ReplacedKind::Namespaces {
            self.revision = Revision::default();
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

    /// Configs as they are, ordered by namespace and name.
    pub fn configs(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.configs.all()
    }

    /// Mutators as they are, ordered by kind and name.
    pub fn mutators(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.mutators.values()
    }

    /// ExpansionTemplates as they are, by name.
    pub fn expansion_templates(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.expansion_templates.values()
    }

    /// Providers as they are, by name.
    pub fn providers(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.providers.values()
    }

    fn put(&mut self, object: Object) {
        let name = object.name().to_owned();
        match object.gvk().group.as_str() {
            TEMPLATES_GROUP if object.gvk().kind == "ConstraintTemplate" => {
                self.templates.insert(name, Arc::new(object));
                self.revision = Revision::default();
            }
            CONSTRAINTS_GROUP => {
                self.constraints.insert((object.gvk().kind.clone(), name), Arc::new(object));
                self.revision = Revision::default();
            }
            CONFIG_GROUP if object.gvk().kind == "Config" => self.change_configs(|configs| configs.put(object)),
            MUTATIONS_GROUP => {
                self.mutators.insert((object.gvk().kind.clone(), name), Arc::new(object));
                self.revision = Revision::default();
            }
            EXPANSION_GROUP if object.gvk().kind == "ExpansionTemplate" => {
                self.expansion_templates.insert(name, Arc::new(object));
                self.revision = Revision::default();
            }
            PROVIDERS_GROUP if object.gvk().kind == "Provider" => {
                self.providers.insert(name, Arc::new(object));
                self.revision = Revision::default();
            }
            "" if object.is_namespace() => {
                Arc::make_mut(&mut self.namespaces).insert(name, Arc::new(ReviewedObject::from(&object)));
            }
            _ => {}
        }
    }

    fn take(&mut self, key: &ObjectKey) {
        match key.gvk.group.as_str() {
            TEMPLATES_GROUP => {
                self.templates.remove(&key.name);
                self.revision = Revision::default();
            }
            CONSTRAINTS_GROUP => {
                self.constraints.remove(&(key.gvk.kind.clone(), key.name.clone()));
                self.revision = Revision::default();
            }
            CONFIG_GROUP if key.gvk.kind == "Config" => self.change_configs(|configs| configs.take(key)),
            MUTATIONS_GROUP => {
                self.mutators.remove(&(key.gvk.kind.clone(), key.name.clone()));
                self.revision = Revision::default();
            }
            EXPANSION_GROUP if key.gvk.kind == "ExpansionTemplate" => {
                self.expansion_templates.remove(&key.name);
                self.revision = Revision::default();
            }
            PROVIDERS_GROUP if key.gvk.kind == "Provider" => {
                self.providers.remove(&key.name);
                self.revision = Revision::default();
            }
            "" if key.gvk.kind == "Namespace" => {
                Arc::make_mut(&mut self.namespaces).remove(&key.name);
            }
            _ => {}
        }
    }
}
