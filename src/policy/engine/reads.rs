//! What policies read of the objects in the inventory: which fields, of which kinds.
//!
//! An object that is cut down to these fields evaluates as the whole one does: what stands at a path that is read is there
//! as it was, a mapping on the way stays a mapping, and a list keeps its length. Where it is not known what is read, all
//! of the object is.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::model::object::GroupVersionKind;

/// Fields more levels below each other are kept with all that is below.
const DEEPEST: usize = 32;

/// What everything that handles objects may rely on.
const IDENTITY: [&[&str]; 4] = [&["apiVersion"], &["kind"], &["metadata", "name"], &["metadata", "namespace"]];

/// A step of a path below an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// The field of this name.
    Key(Arc<str>),
    /// Every field of a mapping, every element of a list.
    Any,
}

/// Parts of a value. By default: that it is there, and its type.
///
/// Invariant: what is read of each entry is among what is read of every named one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    is_whole: bool,
    named: BTreeMap<Arc<str>, Fields>,
    each: Option<Box<Fields>>,
}

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

impl Fields {
    /// All of the value.
    pub fn whole() -> Self {
        Self { is_whole: true, ..Self::default() }
    }

    /// Whether all of the value is read.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// What is read of the field of this name; nothing when it is not even looked at.
    pub fn of(&self, key: &str) -> Option<&Self> {
        self.named.get(key).or(self.each())
    }

    /// What is read of each element of a list.
    pub fn each(&self) -> Option<&Self> {
        self.each.as_deref()
    }

    /// Adds what is at a path: that it is there, or all of it.
    pub fn add(&mut self, path: &[Step], is_whole: bool) {
        self.add_at(path, is_whole, DEEPEST);
    }

    fn add_at(&mut self, path: &[Step], is_whole: bool, depth: usize) {
        if self.is_whole {
            return;
        }
        let Some((step, rest)) = path.split_first().filter(|_| depth > 0) else {
            if is_whole || depth == 0 {
                *self = Self::whole();
            }
            return;
        };
        match step {
            Step::Key(key) => {
                let each = &self.each;
                let new = || each.as_deref().cloned().unwrap_or_default();
                self.named.entry(Arc::clone(key)).or_insert_with(new).add_at(rest, is_whole, depth - 1);
            }
            Step::Any => {
                self.named.values_mut().for_each(|child| child.add_at(rest, is_whole, depth - 1));
                self.each.get_or_insert_default().add_at(rest, is_whole, depth - 1);
            }
        }
    }

    /// Adds what others read.
    pub fn merge(&mut self, other: &Self) {
        if self.is_whole {
            return;
        }
        if other.is_whole {
            *self = Self::whole();
            return;
        }
        if let Some(each) = other.each() {
            self.named.values_mut().for_each(|child| child.merge(each));
            self.each.get_or_insert_default().merge(each);
        }
        for (key, fields) in &other.named {
            let each = &self.each;
            let new = || each.as_deref().cloned().unwrap_or_default();
            self.named.entry(Arc::clone(key)).or_insert_with(new).merge(fields);
        }
    }

    /// Whether all that the other reads is among this.
    pub fn covers(&self, other: &Self) -> bool {
        let covered = |mine: Option<&Self>, fields: &Self| mine.is_some_and(|mine| mine.covers(fields));
        self.is_whole
            || !other.is_whole
                && other.named.iter().all(|(key, fields)| covered(self.of(key), fields))
                && other.each().is_none_or(|fields| covered(self.each(), fields))
    }

    fn show(&self, path: &str, shown: &mut Vec<String>) {
        if self.named.is_empty() && self.each.is_none() && !path.is_empty() {
            shown.push(path.to_owned());
        }
        for (key, fields) in &self.named {
            let dot = if path.is_empty() { "" } else { "." };
            fields.show(&format!("{path}{dot}{key}"), shown);
        }
        if let Some(each) = self.each() {
            each.show(&format!("{path}[_]"), shown);
        }
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_whole {
            return out.write_str("all fields");
        }
        let mut shown = Vec::new();
        self.show("", &mut shown);
        out.write_str(&if shown.is_empty() { "no field but its identity".to_owned() } else { shown.join(", ") })
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
        let api_version = gvk.api_version();
        let is_it = |wanted: &Option<Arc<str>>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        let mut fields = Fields::default();
        for path in IDENTITY {
            fields.add(&path.iter().map(|key| Step::Key(Arc::from(*key))).collect::<Vec<_>>(), true);
        }
        for (kinds, more) in &self.0 {
            if is_it(&kinds.api_version, &api_version) && is_it(&kinds.kind, &gvk.kind) {
                fields.merge(more);
            }
        }
        fields
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

    fn fields(paths: &[&str]) -> Fields {
        let mut fields = Fields::default();
        for path in paths {
            let steps = path.trim_end_matches('!').split('.').filter(|step| !step.is_empty());
            let step = |step| if step == "_" { Step::Any } else { Step::Key(Arc::from(step)) };
            fields.add(&steps.map(step).collect::<Vec<_>>(), path.ends_with('!'));
        }
        fields
    }

    #[test]
    fn every_order_gives_the_same() {
        let paths = ["a._.b!", "a.x.c!", "_.d", "a.y", "a.x!", "e"];
        let all = fields(&paths);
        for rotation in 0..paths.len() {
            let mut rotated = paths;
            rotated.rotate_left(rotation);
            assert_eq!(fields(&rotated).to_string(), all.to_string());
            let (one, other) = rotated.split_at(3);
            let (one, other) = (fields(one), fields(other));
            let mut merged = one.clone();
            merged.merge(&other);
            assert_eq!(merged, all);
            assert!(all.covers(&one) && all.covers(&other) && merged.covers(&all));
            assert!(!one.covers(&all) && !other.covers(&all));
        }
        assert!(all.of("a").unwrap().of("x").unwrap().is_whole());
        assert!(all.of("z").unwrap().of("d").is_some() && all.of("z").unwrap().of("b").is_none());
    }

    #[test]
    fn what_covers_what() {
        assert!(fields(&["a!"]).covers(&fields(&["a.b._.c!", "a"])));
        assert!(fields(&["a._!"]).covers(&fields(&["a.b.c!"])));
        assert!(!fields(&["a.b!"]).covers(&fields(&["a._"])));
        assert!(!fields(&["a"]).covers(&fields(&["a!"])));
        assert!(Fields::whole().covers(&fields(&["!"])) && fields(&["!"]).is_whole());
        let long = "a.".repeat(100);
        assert!(fields(&[&long]).covers(&fields(&[&format!("{long}b!")])), "deep fields are kept whole");
    }

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
