//! Files to a snapshot: the same store and the same builder as in the cluster, fed from documents.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;

use super::cores::on_all_cores;
use super::diagnostic::Diagnostic;
use crate::manifest::{self, Document, ReadOptions, Source, Unread};
use crate::model::api::{
    CONFIG_GROUP, CONSTRAINTS_GROUP, EXPANSION_GROUP, MUTATIONS_GROUP, PROVIDERS_GROUP, TEMPLATES_GROUP,
};
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
    known: Vec<Document>,
    paths: &[PathBuf],
    stdin: Option<&mut dyn Read>,
    options: BuildOptions,
) -> (Bundle, Vec<Diagnostic>) {
    let (mut objects, mut diagnostics) = read_objects(known);
    let (read, mut problems) = read(paths, stdin, &ReadOptions::default(), |object| object);
    objects.extend(read);
    diagnostics.append(&mut problems);
    let (bundle, mut problems) = assemble(objects, "", options);
    diagnostics.append(&mut problems);
    (bundle, diagnostics)
}

/// Reads files, directories and the input, on all cores; `keep` makes of each object what is kept of it. The order is that of
/// [`manifest::read_with`]: first what is wrong with texts, then what is wrong with objects.
pub fn read<T: Send>(
    paths: &[PathBuf],
    stdin: Option<&mut dyn Read>,
    options: &ReadOptions,
    keep: impl Fn(BundledObject) -> T + Sync,
) -> (Vec<T>, Vec<Diagnostic>) {
    let (unread, errors) = manifest::unread(paths, stdin, options);
    let read_one = |one: Unread| {
        let (documents, errors) = one.read();
        let (objects, problems) = read_objects(documents);
        (objects.into_iter().map(&keep).collect::<Vec<T>>(), errors, problems)
    };
    let all: Vec<_> = on_all_cores(|| unread.into_par_iter().map(read_one).collect());
    let mut diagnostics: Vec<Diagnostic> = errors.into_iter().map(Diagnostic::from).collect();
    let (mut kept, mut wrong) = (Vec::new(), Vec::new());
    for (mut objects, errors, mut problems) in all {
        kept.append(&mut objects);
        diagnostics.extend(errors.into_iter().map(Diagnostic::from));
        wrong.append(&mut problems);
    }
    diagnostics.append(&mut wrong);
    (kept, diagnostics)
}

/// Compiles what is a policy; everything is inventory. The Config of the namespace counts, if there is one.
pub fn assemble(objects: Vec<BundledObject>, namespace: &str, options: BuildOptions) -> (Bundle, Vec<Diagnostic>) {
    let whole: Vec<&BundledObject> = objects.iter().collect();
    let sync = |store: &mut Store| whole.iter().for_each(|one| store.apply(Change::Sync(Object::clone(&one.object))));
    let (snapshot, diagnostics) = compile(&whole, sync, namespace, options);
    (Bundle { snapshot, objects }, diagnostics)
}

/// Compiles what is a policy among objects, Namespaces and Configs. `sync` fills the inventory, once the policies are known:
/// of other objects, only what they look at is kept.
pub(super) fn compile(
    objects: &[&BundledObject],
    sync: impl FnOnce(&mut Store),
    namespace: &str,
    options: BuildOptions,
) -> (Snapshot, Vec<Diagnostic>) {
    let mut store = Store::of_fields_that_are_read().in_namespace(namespace);
    for bundled in objects {
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
    sync(&mut store);
    let (snapshot, errors) = build(&mut store, &policies, options);
    let diagnostics = resource_diagnostics(&errors, objects.iter().copied());
    (snapshot, diagnostics)
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

/// What an object from a file means to a server: a policy, mutator, ExpansionTemplate, Config or Namespace is one, everything
/// else is inventory.
pub fn feed_changes(object: &Object) -> Vec<Change> {
    if is_config(object.gvk()) {
        return vec![Change::Apply(object.clone())];
    }
    let sync = (!is_policy(object.gvk()) && !is_around_policies(object.gvk())).then(|| Change::Sync(object.clone()));
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

/// The change that a policy, what is around policies, or a Namespace makes; `None` for every other object.
fn policy_change(object: &Object) -> Option<Change> {
    let gvk = object.gvk();
    let counts = is_policy(gvk) || is_around_policies(gvk) || object.is_namespace();
    counts.then(|| Change::Apply(object.clone()))
}

/// Whether objects of this type say what policies get to see, or who answers them: mutators, ExpansionTemplates, Providers.
pub(super) fn is_around_policies(gvk: &GroupVersionKind) -> bool {
    matches!(gvk.group.as_str(), EXPANSION_GROUP | MUTATIONS_GROUP | PROVIDERS_GROUP)
}

/// Whether objects of this type are templates or constraints.
pub fn is_policy(gvk: &GroupVersionKind) -> bool {
    matches!(gvk.group.as_str(), TEMPLATES_GROUP | CONSTRAINTS_GROUP)
}

/// Whether objects of this type are Configs.
pub fn is_config(gvk: &GroupVersionKind) -> bool {
    gvk.group == CONFIG_GROUP && gvk.kind == "Config"
}

/// Errors of resources at their place in the files.
pub(super) fn resource_diagnostics<'a>(
    errors: &[ResourceError],
    objects: impl IntoIterator<Item = &'a BundledObject>,
) -> Vec<Diagnostic> {
    let by_key: BTreeMap<ObjectKey, &BundledObject> =
        objects.into_iter().map(|bundled| (bundled.object.key(), bundled)).collect();
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
