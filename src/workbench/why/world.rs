//! Policies and objects from files, as a cluster would have them: with Configs, and with what is not in force.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Explained, Outcome, Problem};
use crate::manifest::{self, Document};
use crate::model::api::{CONFIG_NAME, CONSTRAINTS_GROUP, TEMPLATES_GROUP};
use crate::model::object::ObjectKey;
use crate::policy::snapshot::{BuildOptions, Change, Snapshot, Store, build};
use crate::workbench::bundle::{BundledObject, default_namespace, feed_changes, is_config, read_objects};
use crate::workbench::diagnostic::Diagnostic;

/// Everything that was read.
#[derive(Debug)]
pub struct World {
    /// The policies that are in force, and all objects as inventory.
    pub snapshot: Snapshot,
    /// Every object, in the order in which it was read.
    pub objects: Vec<BundledObject>,
    /// What is wrong with policies that are not in force.
    problems: BTreeMap<ObjectKey, Vec<Problem>>,
}

impl World {
    /// Reads files and directories, beside documents that are known already. What is wrong with a policy is part of the
    /// world; what cannot be read is returned.
    pub fn load(mut known: Vec<Document>, paths: &[PathBuf], options: BuildOptions) -> (Self, Vec<Diagnostic>) {
        let (documents, errors) = manifest::read(paths, None);
        let mut diagnostics: Vec<Diagnostic> = errors.into_iter().map(Diagnostic::from).collect();
        known.extend(documents);
        let (objects, mut problems) = read_objects(known);
        diagnostics.append(&mut problems);
        // In the cluster it is in Gatekeeper's own namespace, whichever that is.
        let is_in_force = |one: &&BundledObject| is_config(one.object.gvk()) && one.object.name() == CONFIG_NAME;
        let config = objects.iter().find(is_in_force).map(|one| one.object.namespace().to_owned());
        let mut store = Store::default().in_namespace(&config.unwrap_or_default());
        // First, because they say what is inventory.
        let (configs, others): (Vec<_>, Vec<_>) = objects.iter().partition(|one| is_config(one.object.gvk()));
        for one in configs.into_iter().chain(others) {
            feed_changes(&one.object).into_iter().for_each(|change| store.apply(change));
        }
        if !objects.iter().any(|one| one.object.is_namespace() && one.object.name() == "default") {
            store.apply(Change::Apply(default_namespace()));
        }
        let (snapshot, errors) = build(&mut store, &Snapshot::default(), options);
        let mut world = Self { snapshot, objects, problems: BTreeMap::new() };
        for error in errors {
            let document = world.document(&error.key);
            let place = document.map(|document| Diagnostic::of_resource(&error, document).place).unwrap_or_default();
            let problem = Problem { place, message: error.message.clone() };
            world.problems.entry(error.key).or_default().push(problem);
        }
        (world, diagnostics)
    }

    /// Constraints that are not in force, with what is wrong with them or with their templates.
    pub(super) fn not_in_force(&self) -> Vec<Explained> {
        let constraints = self.problems.iter().filter(|(key, _)| key.gvk.group == CONSTRAINTS_GROUP);
        let explained = constraints.map(|(key, problems)| {
            let template = self.template_document(&key.gvk.kind).and_then(|_| self.template_problems(&key.gvk.kind));
            let outcome = Outcome::NotInForce(template.unwrap_or(problems).clone());
            Explained { kind: key.gvk.kind.clone(), name: key.name.clone(), place: self.place_of(key), outcome }
        });
        explained.collect()
    }

    fn template_problems(&self, kind: &str) -> Option<&Vec<Problem>> {
        let is_template = |key: &ObjectKey| key.gvk.group == TEMPLATES_GROUP && key.name == kind.to_lowercase();
        self.problems.iter().find(|(key, _)| is_template(key)).map(|(_, problems)| problems)
    }

    /// The document of a kind's template.
    pub(super) fn template_document(&self, kind: &str) -> Option<&Arc<Document>> {
        let name = kind.to_lowercase();
        let is_it = |one: &&BundledObject| one.object.gvk().group == TEMPLATES_GROUP && one.object.name() == name;
        self.objects.iter().rev().find(is_it).map(|one| &one.document)
    }

    /// Where an object stands; empty for what was not read.
    pub(super) fn place_of(&self, key: &ObjectKey) -> String {
        self.document(key).map(|document| document.location().to_string()).unwrap_or_default()
    }

    /// Of several objects of one key the last counts.
    fn document(&self, key: &ObjectKey) -> Option<&Arc<Document>> {
        self.objects.iter().rev().find(|one| one.object.key() == *key).map(|one| &one.document)
    }
}
