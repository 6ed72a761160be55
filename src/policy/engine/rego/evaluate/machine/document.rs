//! Packages as objects, base documents, and the way to what is asked for.

use crate::policy::engine::rego::evaluate::plan::Document;
use crate::policy::engine::rego::value::{Value, owned};

use super::{Evaluator, Outcome, VALUE_BYTES};

impl<'a> Evaluator<'a> {
    /// The value at a path below `data`.
    pub(super) fn at_path(&mut self, path: &[&str]) -> Outcome<Option<&'a Value>> {
        let mut number = 0;
        let mut rest = path;
        while let Some((name, behind)) = rest.split_first() {
            let document = self.plan.documents.get(number as usize);
            let child = document.and_then(|document| document.child(&Value::string(name)));
            let Some(child) = child else { break };
            number = child;
            rest = behind;
        }
        let Some(document) = self.plan.documents.get(number as usize) else { return Ok(None) };
        let value = match (document.group, rest.is_empty()) {
            (Some(group), _) if document.children.is_empty() => self.rule(group)?,
            (_, true) => self.document(number)?,
            _ => self.base(&document.path),
        };
        Ok(rest.iter().try_fold(value, |at, key| Some(at?.get(&Value::string(key)))).flatten())
    }

    /// A package with all its rules, functions left out, below the base documents there: where both say something, the
    /// base document counts.
    pub(super) fn document(&mut self, number: u32) -> Outcome<Option<&'a Value>> {
        let Some(document) = self.plan.documents.get(number as usize) else { return Ok(None) };
        let base = self.whole_base(&document.path)?;
        if self.is_covered(number) {
            return Ok(base);
        }
        self.descend()?;
        let rules = self.leaves(document)?;
        self.depth += 1;
        match base {
            None => self.keep(rules).map(Some),
            Some(base @ Value::Object(_)) => {
                let merged = self.merge(base, &rules)?;
                self.keep(merged).map(Some)
            }
            base => Ok(base),
        }
    }

    /// The rules of a package and of those below.
    fn leaves(&mut self, document: &'a Document) -> Outcome<Value> {
        let mut entries = Vec::with_capacity(document.children.len());
        for (name, number) in &document.children {
            let Some(child) = self.plan.documents.get(*number as usize).filter(|child| !child.is_hidden) else {
                continue;
            };
            let value = match child.group {
                Some(group) => self.rule(group)?.cloned(),
                // As deep as paths are long in the source.
                None => Some(self.leaves(child)?),
            };
            entries.extend(value.map(|value| (name.clone(), value)));
        }
        self.budget.reserve(2 * VALUE_BYTES * entries.len())?;
        Ok(Value::object(entries))
    }

    /// Objects are merged as deep as both have objects; of other values the first counts.
    fn merge(&mut self, one: &Value, other: &Value) -> Outcome<Value> {
        let (Value::Object(one), Value::Object(added)) = (one, other) else { return Ok(one.clone()) };
        self.budget.reserve(2 * VALUE_BYTES * (one.len() + added.len()))?;
        self.descend()?;
        let mut entries = Vec::with_capacity(one.len() + added.len());
        for (key, value) in one.entries() {
            let value = match added.get(key) {
                Some(other) => self.merge(value, other)?,
                None => value.clone(),
            };
            entries.push((key.clone(), value));
        }
        self.depth += 1;
        entries.extend(added.entries().iter().filter(|(key, _)| one.get(key).is_none()).map(owned));
        Ok(Value::object(entries))
    }

    /// The base document at a path.
    pub(super) fn base(&self, path: &[Value]) -> Option<&'a Value> {
        path.iter().try_fold(self.world.data?, |at, key| self.stored(at, key))
    }

    /// The base document at a path as a value. OPA puts what a `with` replaces below it on top of what was there before,
    /// although who asks for just that part sees nothing of what was there.
    pub(super) fn whole_base(&mut self, path: &[Value]) -> Outcome<Option<&'a Value>> {
        let changed = self.base(path);
        let replaced = self.world.replaced.as_ref();
        let is_above = |target: &&[Value]| target.len() > path.len() && target.starts_with(path);
        if !replaced.is_some_and(|replaced| replaced.targets.iter().any(is_above)) {
            return Ok(changed);
        }
        let before = path.iter().try_fold(self.world.real, |at, key| Some(at?.get(key))).flatten();
        match (changed, before) {
            (Some(changed), Some(before)) => {
                let merged = self.merge(changed, before)?;
                self.keep(merged).map(Some)
            }
            _ => Ok(changed),
        }
    }

    /// A step in a base document. OPA keeps these in a store whose paths are text, so that a number is the name of a field,
    /// and the text of a number the index of an element.
    pub(super) fn stored(&self, at: &'a Value, key: &Value) -> Option<&'a Value> {
        let as_is = at.get(key);
        if as_is.is_some() || self.world.replaced.as_ref().is_some_and(|replaced| !replaced.targets.is_empty()) {
            return as_is;
        }
        match (at, key) {
            (Value::Object(object), Value::Number(number)) => object.get_str(&number.to_string()),
            (Value::Array(items), Value::String(text)) => items.get(usize::try_from(text.parse::<i64>().ok()?).ok()?),
            _ => None,
        }
    }

    /// A `with` put base data in the place of the package or rule.
    pub(super) fn is_covered(&self, document: u32) -> bool {
        let Some(replaced) = self.world.replaced.as_ref().filter(|replaced| !replaced.targets.is_empty()) else {
            return false;
        };
        let path = self.plan.documents.get(document as usize).map(|document| document.path.as_slice());
        replaced.targets.iter().any(|target| path.is_some_and(|path| path.starts_with(target)))
    }

    pub(super) fn is_hidden(&self, document: u32) -> bool {
        self.plan.documents.get(document as usize).is_some_and(|document| document.is_hidden)
    }
}

impl Document {
    pub(super) fn child(&self, name: &Value) -> Option<u32> {
        self.children.iter().find(|(key, _)| key == name).map(|(_, number)| *number)
    }
}
