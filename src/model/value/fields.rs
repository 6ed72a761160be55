//! Parts of a value, by their paths.
//!
//! A value that is cut down to parts stays what it was for whoever reads only these: what stands at such a path is there as
//! it was, a mapping on the way stays a mapping, and a list keeps its length.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Fields more levels below each other are kept with all that is below.
const DEEPEST: usize = 32;

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
}
