//! Files to a snapshot: the same store and the same builder as in the cluster, fed from documents.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use super::diagnostic::Diagnostic;
use crate::manifest::{self, Document, Source};
use crate::model::api::{CONFIG_GROUP, CONSTRAINTS_GROUP, TEMPLATES_GROUP};
use crate::model::object::{FieldPath, GroupVersionKind, Object, ObjectKey};
use crate::policy::snapshot::{BuildOptions, Change, ResourceError, Snapshot, Store, build};

/// Everything that was read, and the policies among it compiled.
#[derive(Debug, Default)]
pub struct Bundle {
    /// The policies, and all objects as inventory.
    pub snapshot: Snapshot,
    /// Every object, in the order in which it was read.
    pub objects: Vec<BundledObject>,
}

/// An object and the document that it was read from.
#[derive(Clone, Debug)]
pub struct BundledObject {
    /// The object.
    pub object: Arc<Object>,
    /// Where it stands.
    pub document: Arc<Document>,
}

/// Reads files, directories and the input, and compiles what is a policy. Everything that is wrong is returned, the
/// rest is usable.
pub fn load(paths: &[PathBuf], stdin: Option<&mut dyn Read>, options: BuildOptions) -> (Bundle, Vec<Diagnostic>) {
    load_beside(Vec::new(), paths, stdin, options)
}

/// The same beside documents that are known already. Of one object, what is read counts.
pub fn load_beside(
    mut known: Vec<Document>,
    paths: &[PathBuf],
    stdin: Option<&mut dyn Read>,
    options: BuildOptions,
) -> (Bundle, Vec<Diagnostic>) {
    let (documents, errors) = manifest::read(paths, stdin);
    let mut diagnostics: Vec<Diagnostic> = errors.into_iter().map(Diagnostic::from).collect();
    known.extend(documents);
    let (objects, mut problems) = read_objects(known);
    diagnostics.append(&mut problems);
    let (bundle, mut problems) = assemble(objects, "", options);
    diagnostics.append(&mut problems);
    (bundle, diagnostics)
}

/// Compiles what is a policy; everything is inventory. The Config of the namespace counts, if there is one.
pub fn assemble(objects: Vec<BundledObject>, namespace: &str, options: BuildOptions) -> (Bundle, Vec<Diagnostic>) {
    // Of other objects, only what policies look at is kept: they have to be known first.
    let mut store = Store::of_fields_that_are_read().in_namespace(namespace);
    for bundled in &objects {
        let is_config = is_config(bundled.object.gvk()) && !namespace.is_empty();
        if is_config && bundled.object.namespace() == namespace {
            store.apply(Change::Apply(Object::clone(&bundled.object)));
        }
        policy_change(&bundled.object).into_iter().for_each(|change| store.apply(change));
    }
    // The API server has it in every cluster.
    if !objects.iter().any(|bundled| bundled.object.is_namespace() && bundled.object.name() == "default") {
        store.apply(Change::Apply(default_namespace()));
    }
    let (policies, _) = build(&mut store, &Snapshot::default(), options);
    objects.iter().for_each(|bundled| store.apply(Change::Sync(Object::clone(&bundled.object))));
    let (snapshot, errors) = build(&mut store, &policies, options);
    let diagnostics = resource_diagnostics(&errors, &objects);
    (Bundle { snapshot, objects }, diagnostics)
}

/// Objects out of texts that are in memory, each with the name to show for it.
pub fn read_texts(texts: &[(&str, &str)]) -> (Vec<BundledObject>, Vec<Diagnostic>) {
    let (mut objects, mut diagnostics) = (Vec::new(), Vec::new());
    for (name, text) in texts {
        let (documents, errors) = manifest::parse(&Arc::new(Source::new(*name, (*text).to_owned())));
        diagnostics.extend(errors.into_iter().map(Diagnostic::from));
        let (mut found, mut problems) = read_objects(documents);
        objects.append(&mut found);
        diagnostics.append(&mut problems);
    }
    (objects, diagnostics)
}

/// What an object from a file means to a server: a policy, Config or Namespace is one, everything else is inventory.
pub fn feed_changes(object: &Object) -> Vec<Change> {
    if is_config(object.gvk()) {
        return vec![Change::Apply(object.clone())];
    }
    let sync = (!is_policy(object.gvk())).then(|| Change::Sync(object.clone()));
    policy_change(object).into_iter().chain(sync).collect()
}

/// Documents as objects; what is none is reported at its first line.
pub fn read_objects(documents: Vec<Document>) -> (Vec<BundledObject>, Vec<Diagnostic>) {
    let mut objects = Vec::new();
    let mut diagnostics = Vec::new();
    for document in documents {
        match Object::from_shared(document.shared_value()) {
            Ok(object) => objects.push(BundledObject { object: Arc::new(object), document: Arc::new(document) }),
            Err(error) => {
                let location = document.locate(&error.path).location;
                let is_whole = error.path == FieldPath::root();
                let message = if is_whole { error.message.clone() } else { error.to_string() };
                let help = "a Kubernetes object begins with its type, for example `apiVersion: v1` and `kind: Pod`";
                let diagnostic = Diagnostic::at(&document, &location, message);
                diagnostics.push(Diagnostic { help: Some(help.to_owned()), ..diagnostic });
            }
        }
    }
    (objects, diagnostics)
}

/// The change that a policy or a Namespace makes; `None` for every other object.
fn policy_change(object: &Object) -> Option<Change> {
    (is_policy(object.gvk()) || object.is_namespace()).then(|| Change::Apply(object.clone()))
}

/// Whether objects of this type are templates or constraints.
pub fn is_policy(gvk: &GroupVersionKind) -> bool {
    matches!(gvk.group.as_str(), TEMPLATES_GROUP | CONSTRAINTS_GROUP)
}

/// Whether objects of this type are Configs.
pub(super) fn is_config(gvk: &GroupVersionKind) -> bool {
    gvk.group == CONFIG_GROUP && gvk.kind == "Config"
}

/// Errors of resources at their place in the files.
pub(super) fn resource_diagnostics(errors: &[ResourceError], objects: &[BundledObject]) -> Vec<Diagnostic> {
    let by_key: BTreeMap<ObjectKey, &BundledObject> =
        objects.iter().map(|bundled| (bundled.object.key(), bundled)).collect();
    let found = errors.iter().filter_map(|error| Some((error, by_key.get(&error.key)?)));
    found.map(|(error, bundled)| Diagnostic::of_resource(error, &bundled.document)).collect()
}

/// The Namespace that is in every cluster.
pub(super) fn default_namespace() -> Object {
    let value = serde_json::json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "default", "labels": {"kubernetes.io/metadata.name": "default"}}});
    let gvk_is_there = Object::from_value(value);
    #[expect(clippy::unwrap_used, reason = "the literal above names its apiVersion and kind")]
    gvk_is_there.unwrap()
}
