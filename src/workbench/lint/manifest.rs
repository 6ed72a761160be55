//! What lint has read, kept as small as its use allows: [`Manifest`].
//!
//! Policies, and what says how to judge, are looked at again and again; they stay as they are. Everything else is judged
//! once, on its own, and waits for that packed: of 10,000 Pods, as many are in memory as there are threads.

use std::sync::Arc;

use serde_json::{Value, json};

use super::finding::Place;
use super::ignore;
use crate::manifest::{PackedDocument, Position, Source};
use crate::model::object::{GroupVersionKind, Object, ObjectKey};
use crate::model::review::ReviewedObject;
use crate::model::value::{NumberMode, parse_json};
use crate::policy::snapshot::{Change, Store};
use crate::workbench::bundle::BundledObject;
use crate::workbench::diagnostic::Diagnostic;

/// An object and its document. Cloning shares.
#[derive(Clone, Debug)]
pub struct Manifest(Kept);

#[derive(Clone, Debug)]
enum Kept {
    Whole(BundledObject),
    Packed(Arc<Packed>),
}

#[derive(Debug)]
struct Packed {
    key: ObjectKey,
    document: PackedDocument,
}

impl Manifest {
    /// Packs what may be.
    pub fn new(bundled: BundledObject) -> Self {
        if bundled.document.repeats_keys() || !may_wait(&bundled.object) {
            return Self(Kept::Whole(bundled));
        }
        let key = bundled.object.key();
        let document = Arc::unwrap_or_clone(bundled.document).pack();
        Self(Kept::Packed(Arc::new(Packed { key, document })))
    }

    /// The object and its document, unpacked for whoever asks.
    ///
    /// # Errors
    /// When it cannot be unpacked, which is a mistake in this program.
    pub(super) fn open(&self) -> Result<BundledObject, Diagnostic> {
        let packed = match &self.0 {
            Kept::Whole(bundled) => return Ok(bundled.clone()),
            Kept::Packed(packed) => packed,
        };
        let problem = |reason: String| Diagnostic {
            place: packed.document.location().to_string(),
            message: format!("cannot be judged, which is a mistake in admit: {reason}"),
            excerpt: None,
            help: None,
        };
        let document = packed.document.open().map_err(|error| problem(error.to_string()))?;
        let object = Object::from_shared(document.shared_value()).map_err(|error| problem(error.to_string()))?;
        Ok(BundledObject { object: Arc::new(object), document: Arc::new(document) })
    }

    /// The object as policies read it, when that can be had without unpacking.
    pub(super) fn reviewed(&self) -> Option<ReviewedObject> {
        let Kept::Packed(packed) = &self.0 else { return None };
        let value = parse_json(packed.document.json()?, NumberMode::Float).ok()?;
        ReviewedObject::from_value(value).ok()
    }

    /// What is not packed: at least all that policies are made of, Namespaces, what defines kinds, and what has requests to
    /// leave findings out.
    pub(super) fn whole(&self) -> Option<&BundledObject> {
        match &self.0 {
            Kept::Whole(bundled) => Some(bundled),
            Kept::Packed(_) => None,
        }
    }

    /// Group, version and kind.
    pub fn gvk(&self) -> &GroupVersionKind {
        match &self.0 {
            Kept::Whole(bundled) => bundled.object.gvk(),
            Kept::Packed(packed) => &packed.key.gvk,
        }
    }

    pub(super) fn key(&self) -> ObjectKey {
        match &self.0 {
            Kept::Whole(bundled) => bundled.object.key(),
            Kept::Packed(packed) => packed.key.clone(),
        }
    }

    pub(super) fn namespace(&self) -> &str {
        match &self.0 {
            Kept::Whole(bundled) => bundled.object.namespace(),
            Kept::Packed(packed) => &packed.key.namespace,
        }
    }

    pub(super) fn name(&self) -> &str {
        match &self.0 {
            Kept::Whole(bundled) => bundled.object.name(),
            Kept::Packed(packed) => &packed.key.name,
        }
    }

    pub(super) fn source(&self) -> &Arc<Source> {
        match &self.0 {
            Kept::Whole(bundled) => bundled.document.source(),
            Kept::Packed(packed) => packed.document.source(),
        }
    }

    pub(super) fn position(&self) -> Position {
        match &self.0 {
            Kept::Whole(bundled) => bundled.document.position(),
            Kept::Packed(packed) => packed.document.position(),
        }
    }

    /// Where it starts.
    pub(super) fn place(&self) -> Place {
        let location = match &self.0 {
            Kept::Whole(bundled) => bundled.document.location(),
            Kept::Packed(packed) => packed.document.location(),
        };
        Place { source: Arc::clone(self.source()), location }
    }

    /// Makes it inventory. What cannot be opened is told when it is judged.
    pub(super) fn sync(&self, store: &mut Store) {
        let object = match &self.0 {
            Kept::Packed(packed) if !store.reads_fields_of(&packed.key.gvk) => {
                Object::from_value(identity(&packed.key)).ok()
            }
            Kept::Packed(_) | Kept::Whole(_) => self.open().ok().map(|opened| Object::clone(&opened.object)),
        };
        object.into_iter().for_each(|object| store.apply(Change::Sync(object)));
    }
}

/// Whether nobody looks at an object before it is judged, and its key says all that is in those fields.
fn may_wait(object: &Object) -> bool {
    let gvk = object.gvk();
    let is_about_policies = gvk.group.ends_with("gatekeeper.sh") || gvk.group == "apiextensions.k8s.io";
    let metadata = object.field(&["metadata"]);
    let named = ["name", "namespace"].map(|key| metadata.and_then(|metadata| metadata.get(key)));
    let is_plain = named.into_iter().flatten().all(|name| name.as_str().is_some_and(|name| !name.is_empty()));
    let api_version = object.field(&["apiVersion"]).and_then(Value::as_str);
    let is_known_by_key =
        is_plain && metadata.is_some_and(Value::is_object) && api_version == Some(gvk.api_version().as_str());
    !is_about_policies && !object.is_namespace() && !ignore::is_annotated(object) && is_known_by_key
}

/// The fields of an object that its key is made of.
fn identity(key: &ObjectKey) -> Value {
    let named = [("name", &key.name), ("namespace", &key.namespace)];
    let named = named.into_iter().filter(|(_, name)| !name.is_empty());
    let metadata: serde_json::Map<_, _> = named.map(|(field, name)| (field.to_owned(), name.as_str().into())).collect();
    json!({"apiVersion": key.gvk.api_version(), "kind": key.gvk.kind, "metadata": metadata})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::snapshot::{BuildOptions, Snapshot, build};
    use crate::workbench::bundle::read_texts;

    #[track_caller]
    fn read(text: &str) -> BundledObject {
        let (mut objects, problems) = read_texts(&[("f", text)]);
        assert_eq!(problems, []);
        objects.remove(0)
    }

    fn inventory(manifest: &Manifest) -> String {
        let mut store = Store::of_fields_that_are_read();
        manifest.sync(&mut store);
        let (snapshot, _) = build(&mut store, &Snapshot::default(), BuildOptions::default());
        format!("{:?}", snapshot.inventory())
    }

    #[test]
    fn what_is_packed_is_what_it_was() {
        for text in [
            "# c\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: b, labels: {\"\": é}}\nspec: &x {n: 9007199254740993, m: -1}\n\
             z: [*x, null, true, \"\\0\\\"\"]\n",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: a-}\n",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nfloat: 1.5e-7\n",
        ] {
            let bundled = read(text);
            let manifest = Manifest::new(bundled.clone());
            assert!(manifest.whole().is_none(), "{text}");
            let opened = manifest.open().unwrap();
            assert_eq!(opened.object, bundled.object);
            assert_eq!(opened.object.value().to_string(), bundled.object.value().to_string());
            assert_eq!((manifest.key(), manifest.gvk()), (bundled.object.key(), bundled.object.gvk()));
            assert_eq!((manifest.namespace(), manifest.name()), (bundled.object.namespace(), bundled.object.name()));
            assert_eq!(manifest.place().location, bundled.document.location());
            if let Some(reviewed) = manifest.reviewed() {
                let expected = ReviewedObject::from(&*bundled.object);
                assert_eq!(reviewed.value().to_string(), expected.value().to_string());
                assert_eq!(reviewed.gvk(), expected.gvk());
            }
            assert_eq!(inventory(&manifest), inventory(&Manifest(Kept::Whole(bundled))));
        }
    }

    #[test]
    fn what_is_looked_at_stays_whole() {
        for (version, kind, metadata) in [
            ("templates.gatekeeper.sh/v1", "ConstraintTemplate", "{name: a}"),
            ("constraints.gatekeeper.sh/v1beta1", "A", "{name: a}"),
            ("config.gatekeeper.sh/v1alpha1", "Config", "{name: a}"),
            ("syncset.gatekeeper.sh/v1alpha1", "SyncSet", "{name: a}"),
            ("test.gatekeeper.sh/v1alpha1", "Suite", "{name: a}"),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "{name: a}"),
            ("v1", "Namespace", "{name: a}"),
            ("v1", "Pod", "{name: a, annotations: {admit.gatekeeper.sh/ignore: x}}"),
            ("v1", "Pod", "{name: 5}"),
            ("v1", "Pod", "{name: a, namespace: \"\"}"),
            ("v1", "Pod", "null"),
            ("/v1", "Pod", "{name: a}"),
        ] {
            let text = format!("apiVersion: {version}\nkind: {kind}\nmetadata: {metadata}\n");
            assert!(Manifest::new(read(&text)).whole().is_some(), "{text}");
        }
    }
}
