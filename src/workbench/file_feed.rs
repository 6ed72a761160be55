//! Policies from files that may change while a server runs: `admit serve --policies DIR`.
//!
//! A file that cannot be read as YAML any more keeps its last good content in force; only a file that is gone, or a
//! document that was taken out of a good file, takes its policies with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::SystemTime;

use super::bundle::{feed_changes, is_around_policies, is_config, is_policy, read_objects};
use super::diagnostic::Diagnostic;
use crate::manifest;
use crate::model::object::{Object, ObjectKey};
use crate::policy::snapshot::Change;

/// Files under watch and what was last read from them.
#[derive(Debug)]
pub struct FileFeed {
    paths: Vec<PathBuf>,
    files: BTreeMap<PathBuf, FileState>,
    objects: BTreeMap<ObjectKey, Object>,
}

#[derive(Debug, Default)]
struct FileState {
    stamp: Option<Stamp>,
    objects: Vec<Object>,
}

/// What tells one content of a file from the next without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    length: u64,
}

impl FileFeed {
    /// Nothing is read yet.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        Self { paths, files: BTreeMap::new(), objects: BTreeMap::new() }
    }

    /// Reads what changed since the last time: the changes that this makes, and what is wrong with the files.
    pub fn poll(&mut self) -> (Vec<Change>, Vec<Diagnostic>) {
        let (paths, errors) = manifest::discover(&self.paths);
        let mut diagnostics: Vec<Diagnostic> = errors.into_iter().map(Diagnostic::from).collect();
        // A directory that cannot be listed for a moment must not look like an empty one.
        if diagnostics.is_empty() {
            let present: BTreeSet<&PathBuf> = paths.iter().collect();
            self.files.retain(|path, _| present.contains(path));
        }
        for path in paths {
            diagnostics.append(&mut self.read_if_changed(path));
        }
        (self.changes(), diagnostics)
    }

    fn read_if_changed(&mut self, path: PathBuf) -> Vec<Diagnostic> {
        let stamp = stamp(&path);
        let state = self.files.entry(path.clone()).or_default();
        if stamp.is_some() && state.stamp == stamp {
            return Vec::new();
        }
        state.stamp = stamp;
        let (documents, errors) = manifest::read(&[path], None);
        let mut diagnostics: Vec<Diagnostic> = errors.into_iter().map(Diagnostic::from).collect();
        let (objects, mut problems) = read_objects(documents);
        diagnostics.append(&mut problems);
        if diagnostics.is_empty() {
            state.objects = objects.into_iter().map(|bundled| Object::clone(&bundled.object)).collect();
        }
        diagnostics
    }

    fn changes(&mut self) -> Vec<Change> {
        let mut objects = BTreeMap::new();
        for object in self.files.values().flat_map(|file| &file.objects) {
            objects.insert(object.key(), object.clone());
        }
        // A Config may bring objects back into the inventory, and here is who knows them.
        let configs = |objects: &BTreeMap<ObjectKey, Object>| -> Vec<Object> {
            objects.iter().filter(|(key, _)| is_config(&key.gvk)).map(|(_, object)| object.clone()).collect()
        };
        let is_inventory_again = configs(&objects) != configs(&self.objects);
        let gone = self.objects.keys().filter(|key| !objects.contains_key(*key));
        let mut changes: Vec<Change> = gone.flat_map(removals).collect();
        for (key, object) in &objects {
            if self.objects.get(key) != Some(object) {
                changes.extend(feed_changes(object));
            } else if is_inventory_again {
                changes.extend(feed_changes(object).into_iter().filter(Change::is_of_inventory));
            }
        }
        self.objects = objects;
        changes
    }
}

fn removals(key: &ObjectKey) -> Vec<Change> {
    if is_policy(&key.gvk) || is_config(&key.gvk) || is_around_policies(&key.gvk) {
        return vec![Change::Delete(key.clone())];
    }
    let is_namespace = key.gvk.group.is_empty() && key.gvk.kind == "Namespace";
    let delete = is_namespace.then(|| Change::Delete(key.clone()));
    delete.into_iter().chain([Change::Unsync(key.clone())]).collect()
}

fn stamp(path: &PathBuf) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some(Stamp { modified: metadata.modified().ok()?, length: metadata.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: shop}\n";

    #[test]
    fn reports_what_changed_and_keeps_what_broke() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("service.yaml");
        std::fs::write(&file, SERVICE).unwrap();
        let mut feed = FileFeed::new(vec![directory.path().to_owned()]);
        let (changes, diagnostics) = feed.poll();
        assert!(
            matches!(changes.as_slice(), [Change::Sync(_)]) && diagnostics.is_empty(),
            "{changes:?} {diagnostics:?}"
        );
        assert!(feed.poll().0.is_empty(), "nothing changed");
        std::fs::write(&file, "apiVersion: v1\nkind: [Service\n").unwrap();
        let (changes, diagnostics) = feed.poll();
        assert!(changes.is_empty() && diagnostics.len() == 1, "{changes:?} {diagnostics:?}");
        std::fs::write(&file, SERVICE.replace("name: a", "name: bb")).unwrap();
        let (changes, _) = feed.poll();
        assert!(matches!(changes.as_slice(), [Change::Unsync(_), Change::Sync(_)]), "{changes:?}");
        std::fs::remove_file(&file).unwrap();
        std::fs::write(directory.path().join("other.yaml"), "").unwrap();
        assert!(matches!(feed.poll().0.as_slice(), [Change::Unsync(_)]));
    }

    #[test]
    fn a_config_that_changes_brings_the_inventory_again() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("service.yaml"), SERVICE).unwrap();
        let mut feed = FileFeed::new(vec![directory.path().to_owned()]);
        feed.poll();
        let config =
            "apiVersion: config.gatekeeper.sh/v1alpha1\nkind: Config\nmetadata: {name: config, namespace: a}\n";
        std::fs::write(directory.path().join("config.yaml"), config).unwrap();
        let (changes, _) = feed.poll();
        let is_again = |changes: &[Change]| changes.iter().any(|change| matches!(change, Change::Sync(_)));
        assert!(changes.len() == 2 && is_again(&changes), "{changes:?}");
        assert!(feed.poll().0.is_empty(), "nothing changed");
        std::fs::remove_file(directory.path().join("config.yaml")).unwrap();
        let (changes, _) = feed.poll();
        assert!(changes.len() == 2 && is_again(&changes), "{changes:?}");
    }
}
