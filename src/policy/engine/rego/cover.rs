//! What there is to cover in a template's code, by the fields that hold its modules.

use super::compile::{Statement, statements};
use super::compiled::Compiled;
use super::evaluate::{Coverage, Hits};
use super::named_modules;
use crate::model::api::RegoSource;
use crate::model::object::FieldPath;

/// The head of a rule, or an expression.
#[derive(Clone, Debug)]
pub struct Coverable {
    /// The field of the template that holds the module.
    pub field: FieldPath,
    /// Where it stands in the module.
    pub statement: Statement,
}

impl Coverable {
    /// Whether it is the head of a rule, or an `else`.
    pub fn is_head(&self) -> bool {
        self.statement.column == 0
    }

    /// What happened to it.
    pub fn hits(&self, coverage: &Coverage) -> Hits {
        let Statement { module, line, column, .. } = &self.statement;
        coverage.hits(module, *line, *column)
    }

    /// As OPA counts it: expressions were evaluated, bodies of rules held.
    pub fn is_covered(&self, coverage: &Coverage) -> bool {
        let hits = self.hits(coverage);
        if self.is_head() { hits.held > 0 } else { hits.evaluated > 0 }
    }
}

pub(super) fn coverables(source: &RegoSource, compiled: &Compiled) -> Vec<Coverable> {
    let fields: Vec<(String, FieldPath)> =
        named_modules(source).map(|(name, module)| (name, module.path.clone())).collect();
    let locate = |statement: Statement| {
        let (_, field) = fields.iter().find(|(name, _)| *name == statement.module)?;
        Some(Coverable { field: field.clone(), statement })
    };
    let mut found: Vec<Coverable> = statements(compiled).into_iter().filter_map(locate).collect();
    let order = |one: &Coverable| fields.iter().position(|(name, _)| *name == one.statement.module);
    found.sort_by_key(order);
    found
}
