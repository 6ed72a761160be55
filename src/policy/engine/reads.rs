//! What policies read of the objects in the inventory: which fields, of which kinds. Where it is not known what is read, all
//! of the object is.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::object::GroupVersionKind;
use crate::model::value::{Fields, Step};

/// What everything that handles objects may rely on.
const IDENTITY: [&[&str]; 4] = [&["apiVersion"], &["kind"], &["metadata", "name"], &["metadata", "namespace"]];

/// Fields by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InventoryReads(BTreeMap<KindPattern, Fields>);

/// The kinds that a reference can mean; what is absent can be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct KindPattern {
    /// For example `v1` and `apps/v1`.
    pub api_version: Option<Arc<str>>,
    /// For example `Service`.
    pub kind: Option<Arc<str>>,
}

impl KindPattern {
    /// Whether it can mean this kind.
    pub fn can_mean(&self, gvk: &GroupVersionKind) -> bool {
        let is_it = |wanted: &Option<Arc<str>>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        is_it(&self.api_version, &gvk.api_version()) && is_it(&self.kind, &gvk.kind)
    }
}

impl InventoryReads {
    /// All fields of all kinds.
    pub fn everything() -> Self {
        Self(BTreeMap::from([(KindPattern::default(), Fields::whole())]))
    }

    /// Adds what is at a path below objects.
    pub fn add(&mut self, kinds: KindPattern, path: &[Step], is_whole: bool) {
        self.0.entry(kinds).or_default().add(path, is_whole);
    }

    /// Adds what others read.
    pub fn merge(&mut self, other: &Self) {
        for (kinds, fields) in &other.0 {
            self.0.entry(kinds.clone()).or_default().merge(fields);
        }
    }

    /// What is read of objects of a kind, their identity included.
    pub fn of_kind(&self, gvk: &GroupVersionKind) -> Fields {
        let mut fields = Fields::default();
        for path in IDENTITY {
            fields.add(&path.iter().map(|key| Step::Key(Arc::from(*key))).collect::<Vec<_>>(), true);
        }
        for (kinds, more) in &self.0 {
            if kinds.can_mean(gvk) {
                fields.merge(more);
            }
        }
        fields
    }

    /// The kinds of which something is read.
    pub fn kinds(&self) -> impl Iterator<Item = &KindPattern> {
        self.0.keys()
    }

    /// Kinds and fields, for authors.
    pub fn iter(&self) -> impl Iterator<Item = (String, &Fields)> {
        let text = |part: &Option<Arc<str>>| part.as_deref().unwrap_or("*").to_owned();
        self.0
            .iter()
            .map(move |(kinds, fields)| (format!("{} {}", text(&kinds.api_version), text(&kinds.kind)), fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_that_a_reference_can_mean() {
        let gvk =
            |group: &str, kind: &str| GroupVersionKind { group: group.into(), version: "v1".into(), kind: kind.into() };
        let mut reads = InventoryReads::default();
        let kinds = |api_version: Option<&str>, kind: Option<&str>| KindPattern {
            api_version: api_version.map(Arc::from),
            kind: kind.map(Arc::from),
        };
        reads.add(kinds(Some("v1"), None), &[Step::Key("x".into())], true);
        reads.add(kinds(None, Some("Ingress")), &[Step::Key("y".into())], true);
        let shown = |group, kind| reads.of_kind(&gvk(group, kind)).to_string();
        let identity = "apiVersion, kind, metadata.name, metadata.namespace";
        assert_eq!(shown("", "Service"), format!("{identity}, x"));
        assert_eq!(shown("", "Ingress"), format!("{identity}, x, y"));
        assert_eq!(shown("apps", "Ingress"), format!("{identity}, y"));
        assert_eq!(shown("apps", "Deployment"), identity);
        assert!(InventoryReads::everything().of_kind(&gvk("apps", "Deployment")).is_whole());
    }
}
