//! Objects that a generator may take its template from: [`Referents`].

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::object::{GroupVersionKind, Object};

/// Group, kind and the place of the pod template in objects that an Argo Rollout may refer to.
const WITH_TEMPLATES: [(&str, &str, &[&str]); 3] = [
    ("apps", "Deployment", &["spec", "template"]),
    ("apps", "ReplicaSet", &["spec", "template"]),
    ("", "PodTemplate", &["template"]),
];

/// Objects by what references say of them, which is not their version. Of equal ones the first counts.
#[derive(Clone, Debug, Default)]
pub struct Referents(BTreeMap<Reference, Arc<Object>>);

/// Group, kind, namespace and name.
pub(super) type Reference = [String; 4];

impl Referents {
    /// Whether an object of this type may refer to one.
    pub fn are_asked_by(gvk: &GroupVersionKind) -> bool {
        is_rollout(gvk)
    }

    /// Whether an object of this type can be one.
    pub fn can_be(gvk: &GroupVersionKind) -> bool {
        can_be_referent(&gvk.group, &gvk.kind)
    }

    /// The object and the place of the template in it.
    pub(super) fn find(&self, reference: &Reference) -> Option<(&Object, &'static [&'static str])> {
        let object = self.0.get(reference)?;
        Some((object, template_of(object)?))
    }
}

impl<'a> FromIterator<&'a Arc<Object>> for Referents {
    fn from_iter<I: IntoIterator<Item = &'a Arc<Object>>>(objects: I) -> Self {
        let mut referents = BTreeMap::new();
        for object in objects.into_iter().filter(|object| template_of(object).is_some()) {
            let gvk = object.gvk();
            let texts = [gvk.group.as_str(), gvk.kind.as_str(), object.namespace(), object.name()];
            referents.entry(texts.map(str::to_owned)).or_insert_with(|| Arc::clone(object));
        }
        Self(referents)
    }
}

/// Whether a type is Argo's Rollout, the one generator that refers to others.
pub(super) fn is_rollout(gvk: &GroupVersionKind) -> bool {
    gvk.group == "argoproj.io" && gvk.kind == "Rollout"
}

/// Whether a reference of this group and kind can lead to a template at all.
pub(super) fn can_be_referent(group: &str, kind: &str) -> bool {
    WITH_TEMPLATES.iter().any(|(one_group, one_kind, _)| *one_group == group && *one_kind == kind)
}

fn template_of(object: &Object) -> Option<&'static [&'static str]> {
    let gvk = object.gvk();
    let found = WITH_TEMPLATES.iter().find(|(group, kind, _)| *group == gvk.group && *kind == gvk.kind);
    found.map(|(_, _, path)| *path)
}
