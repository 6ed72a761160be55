//! The rules about fragments, the roots of subscriptions and introspection.

use std::collections::{HashMap, HashSet};

use super::ast::{Definition, Field, Operation, Query, Selection, kinds};
use super::validate::{MAX_SELECTIONS, Walk};
use super::{Refusal, too_deep};
use crate::policy::engine::rego::builtins::Budget;

/// Lists within each other that a query about the schema itself may ask for, less one.
const MAX_LISTS: usize = 3;

/// That no fragment contains itself. Takes away fragments without spreads until none is left.
pub(super) fn check_cycles(query: &Query, budget: &mut Budget) -> Result<(), Refusal> {
    let mut spreads: HashMap<&str, usize> = HashMap::new();
    let mut users: HashMap<&str, Vec<&str>> = HashMap::new();
    for fragment in &query.fragments {
        if spreads.contains_key(fragment.name.as_str()) {
            return Err(Refusal::invalid("there can be only one fragment of a name"));
        }
        let names = spread_names(&fragment.selections, budget)?;
        spreads.insert(&fragment.name, names.len());
        for name in names {
            users.entry(name).or_default().push(&fragment.name);
        }
    }
    let free = spreads.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name);
    // Unknown fragments are another rule's business.
    let unknown = users.keys().copied().filter(|name| !spreads.contains_key(name));
    let mut pending: Vec<&str> = free.chain(unknown).collect();
    let mut left = spreads.values().filter(|count| **count > 0).count();
    while let Some(name) = pending.pop() {
        for user in users.get(name).into_iter().flatten() {
            let Some(count) = spreads.get_mut(user) else { continue };
            *count -= 1;
            if *count == 0 {
                left -= 1;
                pending.push(user);
            }
        }
    }
    if left == 0 { Ok(()) } else { Err(Refusal::invalid("a fragment is spread within itself")) }
}

fn spread_names<'a>(selections: &'a [Selection], budget: &mut Budget) -> Result<Vec<&'a str>, Refusal> {
    let (mut names, mut pending) = (Vec::new(), vec![selections]);
    while let Some(selections) = pending.pop() {
        budget.charge(selections.len() as u64 * 16)?;
        for selection in selections {
            match selection {
                Selection::Spread(spread) => names.push(spread.name.as_str()),
                Selection::Field(field) => pending.push(&field.selections),
                Selection::Inline(fragment) => pending.push(&fragment.selections),
            }
        }
    }
    Ok(names)
}

impl<'a> Walk<'a, '_> {
    /// That a value of the type around a fragment can be one of the fragment's type.
    pub(super) fn check_possible(&mut self, parent: Option<&Definition>, condition: &str) -> Result<(), Refusal> {
        let Some(parent) = parent else { return Ok(()) };
        let itself = [parent.name.clone()];
        let around = match parent.kind.as_str() {
            kinds::OBJECT => itself.as_slice(),
            kinds::INTERFACE | kinds::UNION => self.schema.possible(&parent.name),
            _ => return Ok(()),
        };
        if !self.schema.types.get(condition).is_some_and(Definition::is_composite) {
            return Ok(());
        }
        let within = self.schema.possible(condition);
        self.budget.charge((around.len() + within.len()) as u64 * 16)?;
        let around: HashSet<&String> = around.iter().collect();
        if within.iter().any(|name| around.contains(name)) {
            return Ok(());
        }
        Err(Refusal::invalid("a fragment can never be of the type around it"))
    }

    /// A subscription selects one field, and none of introspection.
    pub(super) fn check_subscription(&mut self, operation: &'a Operation) -> Result<(), Refusal> {
        let (mut fields, mut seen) = (HashSet::new(), HashSet::new());
        let mut pending = vec![operation.selections.as_slice()];
        while let Some(selections) = pending.pop() {
            self.budget.charge(selections.len() as u64 * 16)?;
            for selection in selections {
                match selection {
                    Selection::Field(field) => {
                        fields.insert(field.name.as_str());
                    }
                    Selection::Inline(fragment) => pending.push(&fragment.selections),
                    Selection::Spread(spread) => {
                        let fragment = self.fragments.get(spread.name.as_str());
                        pending.extend(fragment.filter(|one| seen.insert(&one.name)).map(|one| &*one.selections));
                    }
                }
            }
        }
        if fields.len() > 1 || fields.iter().any(|name| name.starts_with("__")) {
            return Err(Refusal::invalid("a subscription must select one field that is not about the schema"));
        }
        Ok(())
    }

    /// That a question about the schema does not ask for lists of lists of lists.
    pub(super) fn check_introspection(&mut self, field: &'a Field) -> Result<(), Refusal> {
        self.count_lists(field, 0, 0)
    }

    fn count_lists(&mut self, field: &'a Field, lists: usize, depth: usize) -> Result<(), Refusal> {
        let is_list = ["fields", "interfaces", "possibleTypes", "inputFields"].contains(&field.name.as_str());
        let lists = lists + usize::from(is_list);
        if lists >= MAX_LISTS {
            return Err(Refusal::invalid("maximum introspection depth exceeded"));
        }
        self.count_inner_lists(&field.selections, lists, depth)
    }

    fn count_inner_lists(&mut self, selections: &'a [Selection], lists: usize, depth: usize) -> Result<(), Refusal> {
        if depth > MAX_SELECTIONS {
            return Err(too_deep().into());
        }
        for selection in selections {
            self.budget.charge(16)?;
            match selection {
                Selection::Field(field) => self.count_lists(field, lists, depth + 1)?,
                Selection::Inline(fragment) => self.count_inner_lists(&fragment.selections, lists, depth + 1)?,
                Selection::Spread(spread) => {
                    if let Some(fragment) = self.fragments.get(spread.name.as_str()).copied() {
                        self.count_inner_lists(&fragment.selections, lists, depth + 1)?;
                    }
                }
            }
        }
        Ok(())
    }
}
