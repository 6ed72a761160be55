//! References that lead nowhere.
//!
//! Invariant: complains only where the type of what is stepped into is known and has no such key; learns the types of
//! variables that stand as steps.

use super::arguments::constant_key;
use super::body::BodyChecker;
use super::documents::Documents;
use super::relations::{keys, select, unifies, values};
use super::{Kind, Type, TypeRef};
use crate::policy::engine::rego::compile::tree::{is_comprehension, parts};
use crate::policy::engine::rego::syntax::ast::{Term, TermKind};

impl BodyChecker<'_> {
    /// The type of a reference; unknown where it leads nowhere.
    pub(super) fn type_of_reference(&mut self, head: &Term, path: &[Term]) -> TypeRef {
        let TermKind::Variable(root) = &head.kind else {
            return Type::unknown();
        };
        match root.as_str() {
            "input" => Type::any(),
            "data" => self.type_of_document(path),
            name => match self.variable(name) {
                Some(known) => self.type_below(known, path),
                None => Type::unknown(),
            },
        }
    }

    fn type_of_document(&mut self, path: &[Term]) -> TypeRef {
        let documents = self.documents;
        let mut node = documents;
        for (index, step) in path.iter().enumerate() {
            let rest = path.get(index..).unwrap_or_default();
            let child = match &step.kind {
                TermKind::String(text) => node.children.get(text),
                _ => None,
            };
            match (child, &node.value) {
                (Some(child), _) => node = child,
                (None, Some(value)) => return self.type_below(value.clone(), rest),
                (None, None) => return Type::any(),
            }
        }
        if node.function.is_some() { Type::any() } else { node.extent() }
    }

    /// Checks all references in a term that is no call.
    pub(super) fn check_references(&mut self, term: &Term) {
        if is_comprehension(term) {
            return;
        }
        if let TermKind::Reference { head, path } = &term.kind
            && let Err(problem) = self.check_reference(head, path)
        {
            let shown = self.shown_reference(head, path);
            self.report(term.span, format!("undefined ref: {shown}"), problem);
        }
        parts(term).into_iter().for_each(|part| self.check_references(part));
    }

    fn check_reference(&mut self, head: &Term, path: &[Term]) -> Result<(), String> {
        let TermKind::Variable(root) = &head.kind else {
            return Ok(());
        };
        match root.as_str() {
            "input" => self.check_steps(Type::any(), path),
            "data" => self.check_document(path),
            name => {
                let known = self.variable(name).unwrap_or_else(|| {
                    self.set_variable(name, Type::any());
                    Type::any()
                });
                self.check_steps(known, path)
            }
        }
    }

    fn check_document(&mut self, path: &[Term]) -> Result<(), String> {
        let documents = self.documents;
        if documents.children.is_empty() {
            // Before any rule is known, OPA takes any step.
            return self.check_steps(Type::any(), path);
        }
        let mut node: &Documents = documents;
        for (index, step) in path.iter().enumerate() {
            match &step.kind {
                TermKind::String(text) => {
                    let Some(child) = node.children.get(text) else {
                        return self.check_steps(Type::any(), path);
                    };
                    node = child;
                    if node.function.is_some() {
                        return Err("a function is called, not used as a value".to_owned());
                    }
                    if let Some(value) = &node.value {
                        return self.check_steps(value.clone(), path.get(index + 1..).unwrap_or_default());
                    }
                }
                TermKind::Variable(name) => {
                    let wanted = keys(&node.extent()).unwrap_or_else(Type::any);
                    self.check_variable_step(name, &wanted)?;
                    return self.check_steps(Type::any(), path);
                }
                _ if index < 2 => return Err("a package or rule is named by a string".to_owned()),
                _ => return self.check_steps(Type::any(), path),
            }
        }
        Ok(())
    }

    /// Steps into a value of a type.
    fn check_steps(&mut self, start: TypeRef, path: &[Term]) -> Result<(), String> {
        let mut current = start;
        for step in path {
            let keys = self.keys_of(&current)?;
            match &step.kind {
                TermKind::Variable(name) => self.check_variable_step(name, &keys)?,
                TermKind::Array(_) | TermKind::Object(_) | TermKind::Set(_) => {
                    if !self.fit(step, &keys, false) {
                        let found = self.type_of(step);
                        return Err(format!("a key here is of type {keys}, not {found}"));
                    }
                }
                _ => {
                    if let Some(key) = constant_key(step) {
                        current = select(&current, &key).ok_or_else(|| missing(&current, &key))?;
                        continue;
                    }
                }
            }
            current = values(&current).unwrap_or_else(Type::any);
        }
        Ok(())
    }

    fn check_variable_step(&mut self, name: &str, keys: &TypeRef) -> Result<(), String> {
        match self.variable(name) {
            Some(known) if unifies(&known, keys) => Ok(()),
            Some(known) => {
                let shown = self.names.shown(name);
                Err(format!("{shown} is of type {known}, but a key here is of type {keys}"))
            }
            None => {
                self.set_variable(name, keys.clone());
                Ok(())
            }
        }
    }
}

fn missing(of: &Type, key: &super::Key) -> String {
    let names: Vec<String> = match &of.kind {
        Kind::Object { fields, .. } => fields.iter().take(12).map(|(key, _)| key.to_string()).collect(),
        _ => Vec::new(),
    };
    if names.is_empty() {
        format!("{of} has no {key}")
    } else {
        format!("there is no {key} here; there is: {}", names.join(", "))
    }
}
