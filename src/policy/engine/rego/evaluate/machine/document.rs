//! Packages as objects, and the way to what is asked for.

use crate::policy::engine::rego::evaluate::plan::Document;
use crate::policy::engine::rego::syntax::ast::RuleKind;
use crate::policy::engine::rego::value::Value;

use super::{Evaluator, Outcome, VALUE_BYTES};

impl<'a> Evaluator<'a> {
    /// The value at a path below `data`.
    pub(super) fn at_path(&mut self, path: &[&str]) -> Outcome<Option<&'a Value>> {
        let mut number = 0;
        let mut rest = path;
        while let Some((name, behind)) = rest.split_first() {
            let document = self.plan.documents.get(number as usize);
            let child = document.and_then(|document| document.child(name));
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

    /// A package with all its rules, functions left out, on top of the base documents there.
    pub(super) fn document(&mut self, number: u32) -> Outcome<Option<&'a Value>> {
        self.descend()?;
        let value = self.assemble(number)?;
        self.depth += 1;
        Ok(value)
    }

    fn assemble(&mut self, number: u32) -> Outcome<Option<&'a Value>> {
        let Some(document) = self.plan.documents.get(number as usize) else { return Ok(None) };
        let own = match document.group {
            Some(group) if self.is_function(group) => None,
            Some(group) => self.rule(group)?,
            None => self.base(&document.path),
        };
        if document.children.is_empty() {
            return Ok(own);
        }
        let mut entries = match own {
            Some(Value::Object(object)) => object.entries().to_vec(),
            _ => Vec::new(),
        };
        for (name, child) in &document.children {
            if let Some(value) = self.document(*child)? {
                entries.push((name.clone(), value.clone()));
            }
        }
        self.budget.reserve(2 * VALUE_BYTES * entries.len())?;
        self.keep(Value::object(entries)).map(Some)
    }

    fn is_function(&self, group: u32) -> bool {
        self.plan.groups.get(group as usize).is_some_and(|group| group.kind == RuleKind::Function)
    }
}

impl Document {
    fn child(&self, name: &str) -> Option<u32> {
        self.children.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, number)| *number)
    }
}
