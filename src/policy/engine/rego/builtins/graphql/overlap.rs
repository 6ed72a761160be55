//! The rule that fields of one name in an answer are the same field, with the same arguments and types.
//!
//! gqlparser's comparisons and what it remembers of them, order included: it compares less than it could, and what it
//! leaves out is valid. Their number can grow with the power of the depth of a query; each is paid for.

use std::collections::{HashMap, HashSet};

use super::ast::{Argument, Definition, Field, Selection, Spread, Type, kinds};
use super::validate::{MAX_SELECTIONS, Walk};
use super::{Refusal, stop, too_deep};

#[derive(Debug, Default)]
pub(super) struct Overlaps<'a> {
    /// Pairs of fragments that were compared, and whether only as parts of different types.
    pairs: HashMap<(&'a str, &'a str), bool>,
    /// Fragments that the fields at hand were compared with.
    fragments: HashSet<&'a str>,
}

/// The fields of a selection by the name that they have in the answer, in order, and the fragments that it spreads.
#[derive(Default)]
struct Collected<'a> {
    fields: Vec<(&'a str, Vec<&'a Field>)>,
    positions: HashMap<&'a str, usize>,
    spreads: Vec<&'a Spread>,
}

impl<'a> Collected<'a> {
    fn add(&mut self, field: &'a Field) {
        let name = field.response_name();
        let position = *self.positions.entry(name).or_insert(self.fields.len());
        match self.fields.get_mut(position) {
            Some((_, fields)) => fields.push(field),
            None => self.fields.push((name, vec![field])),
        }
    }

    fn named(&self, name: &str) -> &[&'a Field] {
        let found = self.positions.get(name).and_then(|position| self.fields.get(*position));
        found.map_or(&[], |(_, fields)| fields.as_slice())
    }

    /// Whether they are the very same fields.
    fn is_same(&self, other: &Self) -> bool {
        let fields = |collected: &Self| {
            let all = collected.fields.iter().flat_map(|(_, fields)| fields);
            all.map(|field| std::ptr::from_ref::<Field>(field)).collect::<Vec<_>>()
        };
        self.fields.len() == other.fields.len() && fields(self) == fields(other)
    }
}

impl<'a> Walk<'a, '_> {
    pub(super) fn check_overlaps(&mut self, selections: &'a [Selection]) -> Result<(), Refusal> {
        if selections.is_empty() {
            return Ok(());
        }
        let collected = self.collect(selections)?;
        for (_, fields) in &collected.fields {
            for (index, one) in fields.iter().enumerate() {
                for other in fields.iter().skip(index + 1) {
                    self.compare_fields(false, one, other)?;
                }
            }
        }
        self.overlaps.fragments.clear();
        for (index, one) in collected.spreads.iter().enumerate() {
            self.compare_with_fragment(false, &collected, one)?;
            for other in collected.spreads.iter().skip(index + 1) {
                self.compare_fragments(false, one, other)?;
            }
        }
        Ok(())
    }

    fn collect(&mut self, selections: &'a [Selection]) -> Result<Collected<'a>, Refusal> {
        let mut collected = Collected::default();
        let mut pending = vec![selections.iter()];
        while let Some(selections) = pending.last_mut() {
            self.budget.charge(64)?;
            match selections.next() {
                Some(Selection::Field(field)) => collected.add(field),
                Some(Selection::Inline(fragment)) => pending.push(fragment.selections.iter()),
                Some(Selection::Spread(spread)) => collected.spreads.push(spread),
                None => drop(pending.pop()),
            }
        }
        Ok(collected)
    }

    fn enter(&mut self) -> Result<(), Refusal> {
        self.budget.charge(64)?;
        self.depth += 1;
        if self.depth > MAX_SELECTIONS { Err(too_deep().into()) } else { Ok(()) }
    }

    /// Of the selection that a fragment is.
    fn collect_fragment(&mut self, spread: &Spread) -> Result<Collected<'a>, Refusal> {
        let fragment = self.fragments.get(spread.name.as_str());
        let fragment = fragment.ok_or_else(|| Refusal::invalid("unknown fragment"))?;
        self.collect(&fragment.selections)
    }

    fn compare_with_fragment(
        &mut self,
        is_exclusive: bool,
        fields: &Collected<'a>,
        spread: &'a Spread,
    ) -> Result<(), Refusal> {
        if !self.overlaps.fragments.insert(&spread.name) {
            return Ok(());
        }
        let fragment = self.collect_fragment(spread)?;
        if fields.is_same(&fragment) {
            return Ok(());
        }
        self.enter()?;
        self.compare_collected(is_exclusive, fields, &fragment)?;
        for inner in fragment.spreads.iter().filter(|inner| inner.name != spread.name) {
            self.compare_with_fragment(is_exclusive, fields, inner)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn compare_fragments(&mut self, is_exclusive: bool, one: &'a Spread, other: &'a Spread) -> Result<(), Refusal> {
        self.budget.charge(64)?;
        let (one_name, other_name) = (one.name.as_str(), other.name.as_str());
        let known = self.overlaps.pairs.get(&(one_name, other_name));
        if one_name == other_name || known.is_some_and(|was_exclusive| is_exclusive || !was_exclusive) {
            return Ok(());
        }
        self.budget.allocate(128)?;
        self.overlaps.pairs.insert((one_name, other_name), is_exclusive);
        self.overlaps.pairs.insert((other_name, one_name), is_exclusive);
        let (ones, others) = (self.collect_fragment(one)?, self.collect_fragment(other)?);
        self.enter()?;
        self.compare_collected(is_exclusive, &ones, &others)?;
        for inner in &others.spreads {
            self.compare_fragments(is_exclusive, one, inner)?;
        }
        for inner in &ones.spreads {
            self.compare_fragments(is_exclusive, inner, other)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn compare_collected(
        &mut self,
        is_exclusive: bool,
        ones: &Collected<'a>,
        others: &Collected<'a>,
    ) -> Result<(), Refusal> {
        for (name, fields) in &ones.fields {
            self.budget.charge(32)?;
            for one in fields {
                for other in others.named(name) {
                    self.compare_fields(is_exclusive, one, other)?;
                }
            }
        }
        Ok(())
    }

    fn compare_fields(&mut self, is_exclusive: bool, one: &'a Field, other: &'a Field) -> Result<(), Refusal> {
        self.budget.charge(64)?;
        let place = |field: &Field| self.places.get(&std::ptr::from_ref(field)).copied().unwrap_or_default();
        let (one_place, other_place) = (place(one), place(other));
        let (Some(one_parent), Some(other_parent)) = (one_place.parent, other_place.parent) else { return Ok(()) };
        let definitions = one_place.definition.zip(other_place.definition);
        let is_object = |parent: &Definition| parent.kind == kinds::OBJECT;
        let is_exclusive = is_exclusive
            || (one_parent.name != other_parent.name
                && is_object(one_parent)
                && is_object(other_parent)
                && definitions.is_some());
        if !is_exclusive {
            self.budget.charge((one.arguments.len() * other.arguments.len()) as u64 * 4)?;
            if one.name != other.name || !is_same_arguments(&one.arguments, &other.arguments) {
                return Err(Refusal::invalid("fields of one name are different, or have different arguments"));
            }
        }
        if let Some((definition, other)) = definitions {
            self.compare_types(&definition.of_type, &other.of_type)?;
        }
        self.enter()?;
        self.compare_selections(is_exclusive, &one.selections, &other.selections)?;
        self.depth -= 1;
        Ok(())
    }

    fn compare_selections(
        &mut self,
        is_exclusive: bool,
        ones: &'a [Selection],
        others: &'a [Selection],
    ) -> Result<(), Refusal> {
        let (ones, others) = (self.collect(ones)?, self.collect(others)?);
        self.compare_collected(is_exclusive, &ones, &others)?;
        for (fields, spreads) in [(&ones, &others.spreads), (&others, &ones.spreads)] {
            for spread in spreads {
                self.overlaps.fragments.clear();
                self.compare_with_fragment(is_exclusive, fields, spread)?;
            }
        }
        for one in &ones.spreads {
            for other in &others.spreads {
                self.compare_fragments(is_exclusive, one, other)?;
            }
        }
        Ok(())
    }

    fn compare_types(&self, one: &Type, other: &Type) -> Result<(), Refusal> {
        if let (Some(one), Some(other)) = (&one.element, &other.element) {
            return self.compare_types(one, other);
        }
        let conflict = || Err(Refusal::invalid("fields of one name have conflicting types"));
        if one.element.is_some() || other.element.is_some() || one.is_non_null != other.is_non_null {
            return conflict();
        }
        let definition = |name: &str| self.schema.types.get(name).ok_or_else(|| stop("a type is unknown"));
        let (one, other) = (definition(&one.name)?, definition(&other.name)?);
        if one.is_leaf() && other.is_leaf() && one.name != other.name { conflict() } else { Ok(()) }
    }
}

/// Lists and objects count as the same whatever is in them.
fn is_same_arguments(ones: &[Argument], others: &[Argument]) -> bool {
    let is_same = |one: &Argument, other: &Argument| {
        one.name == other.name && one.value.kind == other.value.kind && one.value.raw == other.value.raw
    };
    ones.len() == others.len() && ones.iter().all(|one| others.iter().any(|other| is_same(one, other)))
}
