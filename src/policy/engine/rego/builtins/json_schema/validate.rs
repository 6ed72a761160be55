//! Documents against schemas, keyword by keyword in gojsonschema's order, which its scores depend on.

use super::faults::{Fault, Outcome, Place};
use super::formats;
use super::numbers::{Exact, canonical};
use super::parse::{Dependency, Id, Items, Node, Rest, Schema};
use super::{MAX_DEPTH, too_deep};
use crate::policy::engine::rego::builtins::{BuiltinError, CallContext};
use crate::policy::engine::rego::value::{Number, Object, Value};

/// What is wrong with `document`; nothing if it matches.
pub(super) fn validate(
    context: &mut CallContext<'_>,
    schema: &Schema,
    document: &Value,
) -> Result<Vec<Fault>, BuiltinError> {
    Validator { context, schema, depth: 0 }.branch(0, document, &Place::ROOT).map(|outcome| outcome.faults)
}

struct Validator<'v, 'c> {
    context: &'v mut CallContext<'c>,
    schema: &'v Schema,
    depth: usize,
}

impl<'v> Validator<'v, '_> {
    /// An outcome of its own.
    fn branch(&mut self, id: Id, value: &Value, place: &Place<'_>) -> Result<Outcome, BuiltinError> {
        let mut outcome = Outcome::default();
        self.check(id, value, &mut outcome, place)?;
        Ok(outcome)
    }

    fn check(&mut self, id: Id, value: &Value, outcome: &mut Outcome, place: &Place<'_>) -> Result<(), BuiltinError> {
        self.context.budget.charge(64)?;
        if self.depth >= 2 * MAX_DEPTH {
            return Err(too_deep());
        }
        self.depth += 1;
        let known = outcome.faults.len();
        let checked = self.check_node(id, value, outcome, place);
        self.depth -= 1;
        self.context.budget.allocate(outcome.faults.len().saturating_sub(known) as u64 * 128)?;
        checked
    }

    fn check_node(
        &mut self,
        id: Id,
        value: &Value,
        outcome: &mut Outcome,
        place: &Place<'_>,
    ) -> Result<(), BuiltinError> {
        let Some(node) = self.schema.node(id) else { return Ok(()) };
        match (node.constant, node.reference) {
            (Some(true), _) => return Ok(()),
            (Some(false), _) => {
                outcome.add("false", place, "False always fails validation");
                return Ok(());
            }
            (None, Some(reference)) => return self.check(reference, value, outcome, place),
            (None, None) => {}
        }
        if let Some(given) = wrong_type(node, value)? {
            let expected = match node.types.as_slice() {
                [only] => only.clone(),
                several => format!("[{}]", several.join(",")),
            };
            outcome.add("invalid_type", place, format!("Invalid type. Expected: {expected}, given: {given}"));
            return Ok(());
        }
        self.branches(node, value, outcome, place)?;
        match value {
            Value::Number(number) => numbers(node, number, outcome, place)?,
            Value::Array(items) => self.array(node, items, outcome, place)?,
            Value::Object(object) => self.object(node, object, outcome, place)?,
            _ => {}
        }
        self.any(node, value, outcome, place)?;
        match value {
            Value::String(text) => strings(node, text, outcome, place),
            Value::Object(object) => {
                for (name, schema) in &node.properties {
                    if let Some(value) = object.get_str(name) {
                        self.check(*schema, value, outcome, &place.below(name))?;
                    }
                }
            }
            _ => {}
        }
        outcome.passed();
        Ok(())
    }

    fn branches(
        &mut self,
        node: &'v Node,
        value: &Value,
        outcome: &mut Outcome,
        place: &Place<'_>,
    ) -> Result<(), BuiltinError> {
        self.any_of(node, value, outcome, place)?;
        self.one_of(node, value, outcome, place)?;
        let mut are_all_valid = true;
        for branch in &node.all_of {
            let branch = self.branch(*branch, value, place)?;
            are_all_valid = are_all_valid && branch.is_valid();
            outcome.merge(branch);
        }
        if !are_all_valid {
            outcome.add("number_all_of", place, "Must validate all the schemas (allOf)");
        }
        if let Some(not) = node.not
            && self.branch(not, value, place)?.is_valid()
        {
            outcome.add("number_not", place, "Must not validate the schema (not)");
        }
        self.dependencies(node, value, outcome, place)?;
        self.condition(node, value, outcome, place)?;
        outcome.passed();
        Ok(())
    }

    fn any_of(
        &mut self,
        node: &Node,
        value: &Value,
        outcome: &mut Outcome,
        place: &Place<'_>,
    ) -> Result<(), BuiltinError> {
        let mut best: Option<Outcome> = None;
        for branch in &node.any_of {
            let branch = self.branch(*branch, value, place)?;
            if branch.is_valid() {
                return Ok(());
            }
            best = better(best, branch);
        }
        if let Some(best) = best {
            outcome.add("number_any_of", place, "Must validate at least one schema (anyOf)");
            outcome.merge(best);
        }
        Ok(())
    }

    fn one_of(
        &mut self,
        node: &Node,
        value: &Value,
        outcome: &mut Outcome,
        place: &Place<'_>,
    ) -> Result<(), BuiltinError> {
        let (mut valid, mut best) = (0, None);
        for branch in &node.one_of {
            let branch = self.branch(*branch, value, place)?;
            if branch.is_valid() {
                valid += 1;
            } else if valid == 0 {
                best = better(best, branch);
            }
        }
        if valid != 1 && !node.one_of.is_empty() {
            outcome.add("number_one_of", place, "Must validate one and only one schema (oneOf)");
            if let Some(best) = best.filter(|_| valid == 0) {
                outcome.merge(best);
            }
        }
        Ok(())
    }

    fn dependencies(
        &mut self,
        node: &'v Node,
        value: &Value,
        outcome: &mut Outcome,
        place: &Place<'_>,
    ) -> Result<(), BuiltinError> {
        let Value::Object(object) = value else { return Ok(()) };
        for (name, dependency) in &node.dependencies {
            if object.get_str(name).is_none() {
                continue;
            }
            match dependency {
                Dependency::Names(names) => {
                    for name in names.iter().filter(|name| object.get_str(name).is_none()) {
                        outcome.add("missing_dependency", place, format!("Has a dependency on {name}"));
                    }
                }
                Dependency::Schema(schema) => self.check(*schema, value, outcome, place)?,
            }
        }
        Ok(())
    }

    fn condition(
        &mut self,
        node: &Node,
        value: &Value,
        outcome: &mut Outcome,
        place: &Place<'_>,
    ) -> Result<(), BuiltinError> {
        let Some(condition) = node.condition else { return Ok(()) };
        let (branch, kind, message) = if self.branch(condition, value, place)?.is_valid() {
            (node.then, "condition_then", "Must validate \"then\" as \"if\" was valid")
        } else {
            (node.otherwise, "condition_else", "Must validate \"else\" as \"if\" was not valid")
        };
        let Some(branch) = branch else { return Ok(()) };
        let branch = self.branch(branch, value, place)?;
        if !branch.is_valid() {
            outcome.add(kind, place, message);
            outcome.merge(branch);
        }
        Ok(())
    }

    /// What counts for values of any type.
    fn any(
        &mut self,
        node: &Node,
        value: &Value,
        outcome: &mut Outcome,
        place: &Place<'_>,
    ) -> Result<(), BuiltinError> {
        if node.constant_text.is_some() || !node.choices.is_empty() {
            let text = self.canonical(value)?;
            if let Some(constant) = node.constant_text.as_ref().filter(|constant| **constant != text) {
                outcome.add("const", place, format!("{} does not match: {constant}", place.field()));
            }
            if !node.choices.is_empty() && !node.choices.contains(&text) {
                let choices = node.choices.join(", ");
                outcome.add("enum", place, format!("{} must be one of the following: {choices}", place.field()));
            }
        }
        if let (Some(format), Value::String(text)) = (&node.format, value) {
            self.context.budget.charge(text.len() as u64 * 4)?;
            if !formats::matches(self.context, format, text)? {
                outcome.add("format", place, format!("Does not match format '{format}'"));
            }
        }
        outcome.passed();
        Ok(())
    }

    fn array(
        &mut self,
        node: &Node,
        items: &[Value],
        outcome: &mut Outcome,
        place: &Place<'_>,
    ) -> Result<(), BuiltinError> {
        for (index, item) in items.iter().enumerate() {
            let schema = match &node.items {
                Items::Each(schema) => *schema,
                Items::InOrder(schemas) => match (schemas.get(index), &node.additional_items) {
                    (Some(schema), _) => *schema,
                    (None, Rest::Schema(schema)) if !schemas.is_empty() => *schema,
                    _ => break,
                },
                Items::Any => break,
            };
            let item = self.branch(schema, item, &place.below(&index.to_string()))?;
            outcome.merge(item);
        }
        if let (Items::InOrder(schemas), Rest::Forbidden) = (&node.items, &node.additional_items)
            && !schemas.is_empty()
            && schemas.len() < items.len()
        {
            outcome.add("array_no_additional_items", place, "No additional items allowed on array");
        }
        let range = node.limits.items;
        if let Some(least) = range.least.filter(|least| (items.len() as u64) < *least) {
            outcome.add("array_min_items", place, format!("Array must have at least {least} items"));
        }
        if let Some(most) = range.most.filter(|most| items.len() as u64 > *most) {
            outcome.add("array_max_items", place, format!("Array must have at most {most} items"));
        }
        if node.has_unique_items {
            self.unique(items, outcome, place)?;
        }
        if let Some(contains) = node.contains {
            self.contains(contains, items, outcome, place)?;
        }
        outcome.passed();
        Ok(())
    }

    fn unique(&mut self, items: &[Value], outcome: &mut Outcome, place: &Place<'_>) -> Result<(), BuiltinError> {
        let mut seen = std::collections::HashMap::new();
        for (index, item) in items.iter().enumerate() {
            if let Some(earlier) = seen.insert(self.canonical(item)?, index) {
                outcome.add("unique", place, format!("array items[{earlier},{index}] must be unique"));
            }
        }
        Ok(())
    }

    fn contains(
        &mut self,
        schema: Id,
        items: &[Value],
        outcome: &mut Outcome,
        place: &Place<'_>,
    ) -> Result<(), BuiltinError> {
        let mut best = None;
        for (index, item) in items.iter().enumerate() {
            let branch = self.branch(schema, item, &place.below(&index.to_string()))?;
            if branch.is_valid() {
                return Ok(());
            }
            best = better(best, branch);
        }
        outcome.add("contains", place, "At least one of the items must match");
        if let Some(best) = best {
            outcome.merge(best);
        }
        Ok(())
    }

    fn object(
        &mut self,
        node: &'v Node,
        object: &Object,
        outcome: &mut Outcome,
        place: &Place<'_>,
    ) -> Result<(), BuiltinError> {
        let range = node.limits.properties;
        if let Some(least) = range.least.filter(|least| (object.len() as u64) < *least) {
            outcome.add("array_min_properties", place, format!("Must have at least {least} properties"));
        }
        if let Some(most) = range.most.filter(|most| object.len() as u64 > *most) {
            outcome.add("array_max_properties", place, format!("Must have at most {most} properties"));
        }
        for name in &node.required {
            if object.get_str(name).is_some() {
                outcome.passed();
            } else {
                outcome.add("required", place, format!("{name} is required"));
            }
        }
        for (name, value) in object.entries() {
            self.property(node, (name.as_str().unwrap_or_default(), value), outcome, place)?;
        }
        let Some(schema) = node.property_names else {
            outcome.passed();
            return Ok(());
        };
        for name in object.keys() {
            let branch = self.branch(schema, name, place)?;
            if !branch.is_valid() {
                let name = name.as_str().unwrap_or_default();
                outcome.add("invalid_property_name", place, format!("Property name of \"{name}\" does not match"));
                outcome.merge(branch);
            }
        }
        outcome.passed();
        Ok(())
    }

    /// By patterns, and by `additionalProperties` where nothing else describes it.
    fn property(
        &mut self,
        node: &'v Node,
        (name, value): (&str, &Value),
        outcome: &mut Outcome,
        place: &Place<'_>,
    ) -> Result<(), BuiltinError> {
        let below = place.below(name);
        let mut is_described = false;
        for (pattern, schema) in &node.pattern_properties {
            self.context.budget.charge(name.len() as u64 * 4 + 16)?;
            if pattern.is_match(name) {
                is_described = true;
                let branch = self.branch(*schema, value, &below)?;
                outcome.merge(branch);
            }
        }
        if is_described {
            outcome.passed();
        }
        if is_described || node.properties.iter().any(|(known, _)| **known == *name) {
            return Ok(());
        }
        match &node.additional_properties {
            Rest::Any => {}
            Rest::Forbidden => outcome.add(
                "additional_property_not_allowed",
                place,
                format!("Additional property {name} is not allowed"),
            ),
            Rest::Schema(schema) => {
                let branch = self.branch(*schema, value, &below)?;
                outcome.merge(branch);
            }
        }
        Ok(())
    }

    fn canonical(&mut self, value: &Value) -> Result<String, BuiltinError> {
        crate::policy::engine::rego::builtins::arguments::charge_text(self.context, value, 32)?;
        canonical(value)
    }
}

/// The type that a value has where it must have another one.
fn wrong_type(node: &Node, value: &Value) -> Result<Option<&'static str>, BuiltinError> {
    let given = match value {
        Value::Number(number) if Exact::new(number)?.is_integer() => "integer",
        other => other.type_name(),
    };
    let is_wanted = |name: &str| node.types.iter().any(|wanted| wanted == name);
    let is_right = node.types.is_empty() || is_wanted(given) || (given == "integer" && is_wanted("number"));
    Ok((!is_right).then_some(given))
}

fn numbers(node: &Node, number: &Number, outcome: &mut Outcome, place: &Place<'_>) -> Result<(), BuiltinError> {
    if let Some(divisor) = &node.multiple_of {
        let divisor = Exact::new(divisor)?;
        if !Exact::new(number)?.is_multiple_of(&divisor) {
            outcome.add("multiple_of", place, format!("Must be a multiple of {}", divisor.text()?));
        }
    }
    let limits = &node.limits;
    if let Some(most) = limits.maximum.as_ref().filter(|most| number > *most) {
        outcome.add("number_lte", place, format!("Must be less than or equal to {}", Exact::new(most)?.text()?));
    }
    if let Some(most) = limits.exclusive_maximum.as_ref().filter(|most| number >= *most) {
        outcome.add("number_lt", place, format!("Must be less than {}", Exact::new(most)?.text()?));
    }
    if let Some(least) = limits.minimum.as_ref().filter(|least| number < *least) {
        outcome.add("number_gte", place, format!("Must be greater than or equal to {}", Exact::new(least)?.text()?));
    }
    if let Some(least) = limits.exclusive_minimum.as_ref().filter(|least| number <= *least) {
        outcome.add("number_gt", place, format!("Must be greater than {}", Exact::new(least)?.text()?));
    }
    outcome.passed();
    Ok(())
}

fn strings(node: &Node, text: &str, outcome: &mut Outcome, place: &Place<'_>) {
    let range = node.limits.length;
    let length = text.chars().count() as u64;
    if let Some(least) = range.least.filter(|least| length < *least) {
        outcome.add("string_gte", place, format!("String length must be greater than or equal to {least}"));
    }
    if let Some(most) = range.most.filter(|most| length > *most) {
        outcome.add("string_lte", place, format!("String length must be less than or equal to {most}"));
    }
    outcome.passed();
}

/// The one that matched more; the earlier of two.
fn better(best: Option<Outcome>, other: Outcome) -> Option<Outcome> {
    match best {
        Some(best) if best.score >= other.score => Some(best),
        _ => Some(other),
    }
}
