//! Whether a query is valid against a schema: gqlparser's walk over the query, and the rules that need no more than that.
//!
//! Answers are the same whatever the order of the rules, as only their being broken or not is seen; so the first broken
//! rule ends it, and fragments that contain themselves are found first, which lets everything else follow fragments
//! without an end.

use std::collections::{HashMap, HashSet};

use super::ast::{
    Argument, ArgumentDefinition, Definition, Directive, Field, FieldDefinition, Fragment, InlineFragment, Operation,
    Query, Selection, Spread, Type,
};
use super::overlap::Overlaps;
use super::schema::{Schema, plain_field};
use super::{Refusal, fragments, stop, too_deep};
use crate::policy::engine::rego::builtins::Budget;

/// Selections within each other that are followed, through fragments.
pub(super) const MAX_SELECTIONS: usize = 250;

pub(super) fn validate(schema: &Schema, query: &Query, budget: &mut Budget) -> Result<(), Refusal> {
    fragments::check_cycles(query, budget)?;
    let typename = plain_field("__typename", Type::named("String", false), Vec::new());
    let mut known = HashMap::new();
    for fragment in &query.fragments {
        known.entry(fragment.name.as_str()).or_insert(fragment);
    }
    Walk {
        schema,
        query,
        budget,
        typename: &typename,
        fragments: known,
        operation: None,
        used_variables: HashSet::new(),
        walked: HashSet::new(),
        used_fragments: HashSet::new(),
        places: HashMap::new(),
        overlaps: Overlaps::default(),
        depth: 0,
    }
    .run()
}

/// Of which type a field is one, and how it is defined there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place<'a> {
    pub parent: Option<&'a Definition>,
    pub definition: Option<&'a FieldDefinition>,
}

pub(super) struct Walk<'a, 'b> {
    pub schema: &'a Schema,
    pub query: &'a Query,
    pub budget: &'b mut Budget,
    typename: &'a FieldDefinition,
    /// Of those with one name, the first.
    pub fragments: HashMap<&'a str, &'a Fragment>,
    /// Absent while fragments are looked at for themselves.
    pub operation: Option<&'a Operation>,
    /// Variables of the operation.
    pub used_variables: HashSet<&'a str>,
    /// Fragments that the operation has led to.
    walked: HashSet<&'a str>,
    used_fragments: HashSet<&'a str>,
    /// By the address of the field, which lives as long as the query.
    pub places: HashMap<*const Field, Place<'a>>,
    pub overlaps: Overlaps<'a>,
    pub depth: usize,
}

impl<'a> Walk<'a, '_> {
    fn run(mut self) -> Result<(), Refusal> {
        let mut names = HashSet::new();
        for operation in &self.query.operations {
            self.walk_operation(operation)?;
            if !names.insert(operation.name.as_str()) {
                return Err(Refusal::invalid("there can be only one operation of a name"));
            }
        }
        self.operation = None;
        let mut names = HashSet::new();
        for fragment in &self.query.fragments {
            self.walk_fragment(fragment)?;
            if !names.insert(fragment.name.as_str()) {
                return Err(Refusal::invalid("there can be only one fragment of a name"));
            }
        }
        Ok(())
    }

    fn walk_operation(&mut self, operation: &'a Operation) -> Result<(), Refusal> {
        self.walked.clear();
        self.operation = Some(operation);
        self.used_variables.clear();
        if operation.name.is_empty() && self.query.operations.len() > 1 {
            return Err(Refusal::invalid("an anonymous operation must be the only one"));
        }
        self.check_variable_definitions(operation)?;
        for variable in &operation.variables {
            let definition = self.schema.type_of(&variable.of_type);
            if let Some(default) = &variable.default {
                self.walk_value(default, definition, Some(&variable.of_type))?;
            }
            self.walk_directives(&variable.directives, "VARIABLE_DEFINITION")?;
        }
        let location = match operation.kind.as_str() {
            "mutation" => "MUTATION",
            "subscription" => "SUBSCRIPTION",
            _ => "QUERY",
        };
        let root = self.schema.root(&operation.kind);
        self.walk_directives(&operation.directives, location)?;
        self.walk_selections(root, &operation.selections)?;
        if root.is_none() {
            return Err(Refusal::invalid("the schema does not support this kind of operation"));
        }
        let is_used = |name: &str| self.used_variables.contains(name);
        if !operation.variables.iter().all(|variable| variable.is_used || is_used(&variable.name)) {
            return Err(Refusal::invalid("a variable is never used"));
        }
        if operation.kind == "subscription" {
            self.check_subscription(operation)?;
        }
        self.check_overlaps(&operation.selections)
    }

    fn walk_fragment(&mut self, fragment: &'a Fragment) -> Result<(), Refusal> {
        self.walked.clear();
        if !self.used_fragments.contains(fragment.name.as_str()) {
            return Err(Refusal::invalid("a fragment is never used"));
        }
        let condition = self.schema.types.get(&fragment.condition);
        let definition = condition.ok_or_else(|| Refusal::invalid("unknown type"))?;
        if !fragment.condition.is_empty() && !definition.is_composite() {
            return Err(Refusal::invalid("a fragment cannot condition on a type without fields"));
        }
        self.walk_directives(&fragment.directives, "FRAGMENT_DEFINITION")?;
        self.walk_selections(Some(definition), &fragment.selections)?;
        self.check_overlaps(&fragment.selections)
    }

    fn walk_directives(&mut self, directives: &'a [Directive], location: &str) -> Result<(), Refusal> {
        let mut seen = HashSet::new();
        for directive in directives {
            let definition = self.schema.directives.get(&directive.name);
            let definition = definition.ok_or_else(|| Refusal::invalid("unknown directive"))?;
            self.walk_arguments(&definition.arguments, &directive.arguments)?;
            self.budget.charge(definition.locations.len() as u64)?;
            if !definition.locations.iter().any(|known| known == location) {
                // gqlparser asks where the directive is, which an object does not say, and crashes.
                let is_from_object = self.query.is_from_object;
                return Err(if is_from_object {
                    stop("a directive of an object is where it may not be")
                } else {
                    Refusal::invalid("a directive may not be used here")
                });
            }
            // gqlparser means the directives that may be repeated, and asks for one of this name.
            if !seen.insert(directive.name.as_str()) && directive.name != "repeatable" {
                return Err(Refusal::invalid("a directive can only be used once here"));
            }
        }
        Ok(())
    }

    /// Arguments of a known field or directive.
    fn walk_arguments(&mut self, known: &'a [ArgumentDefinition], given: &'a [Argument]) -> Result<(), Refusal> {
        self.budget.charge((known.len() as u64 + 1) * (given.len() as u64 + 1) * 4)?;
        let mut names = HashSet::new();
        for argument in given {
            let definition = known.iter().find(|definition| definition.name == argument.name);
            let definition = definition.ok_or_else(|| Refusal::invalid("unknown argument"))?;
            let of_type = &definition.of_type;
            self.walk_value(&argument.value, self.schema.type_of(of_type), Some(of_type))?;
            if !names.insert(argument.name.as_str()) {
                return Err(Refusal::invalid("there can be only one argument of a name"));
            }
        }
        if !known.iter().all(|definition| !definition.is_required() || names.contains(definition.name.as_str())) {
            return Err(Refusal::invalid("an argument is required, but not provided"));
        }
        Ok(())
    }

    fn walk_selections(&mut self, parent: Option<&'a Definition>, selections: &'a [Selection]) -> Result<(), Refusal> {
        if self.depth >= MAX_SELECTIONS {
            return Err(too_deep().into());
        }
        self.depth += 1;
        for selection in selections {
            self.budget.charge(64)?;
            match selection {
                Selection::Field(field) => self.walk_field(parent, field)?,
                Selection::Inline(fragment) => self.walk_inline_fragment(parent, fragment)?,
                Selection::Spread(spread) => self.walk_spread(parent, spread)?,
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// A field of an unknown type is not looked at, but what is in it is.
    fn walk_field(&mut self, parent: Option<&'a Definition>, field: &'a Field) -> Result<(), Refusal> {
        self.budget.charge(parent.map_or(0, |parent| parent.fields.len() as u64 * 4))?;
        let definition = match parent {
            _ if field.name == "__typename" => Some(self.typename),
            Some(parent) => parent.field(&field.name),
            None => None,
        };
        if parent.is_some() && definition.is_none() {
            return Err(Refusal::invalid("a type has no such field"));
        }
        self.budget.allocate(64)?;
        self.places.insert(std::ptr::from_ref(field), Place { parent, definition });
        // Only where a broken rule is found sooner or later is there no definition: a root or a type is unknown.
        let Some(definition) = definition else { return Err(Refusal::invalid("a field of an unknown type")) };
        let of_type = self.schema.type_of(&definition.of_type);
        self.walk_arguments(&definition.arguments, &field.arguments)?;
        self.walk_directives(&field.directives, "FIELD")?;
        self.walk_selections(of_type, &field.selections)?;
        if of_type.is_some_and(|of_type| of_type.is_leaf() != field.selections.is_empty()) {
            return Err(Refusal::invalid("a field must have a selection exactly if its type has fields"));
        }
        if field.name == "__schema" || field.name == "__type" {
            self.check_introspection(field)?;
        }
        if self.operation.is_some() { self.check_overlaps(&field.selections) } else { Ok(()) }
    }

    fn walk_inline_fragment(
        &mut self,
        parent: Option<&'a Definition>,
        fragment: &'a InlineFragment,
    ) -> Result<(), Refusal> {
        let condition = self.schema.types.get(&fragment.condition);
        let inner = if fragment.condition.is_empty() { parent } else { condition };
        if !fragment.condition.is_empty() && condition.is_none() {
            return Err(Refusal::invalid("unknown type"));
        }
        if condition.is_some_and(|condition| !condition.is_composite()) {
            return Err(Refusal::invalid("a fragment cannot condition on a type without fields"));
        }
        self.walk_directives(&fragment.directives, "INLINE_FRAGMENT")?;
        self.walk_selections(inner, &fragment.selections)?;
        self.check_possible(parent, &fragment.condition)?;
        self.check_overlaps(&fragment.selections)
    }

    fn walk_spread(&mut self, parent: Option<&'a Definition>, spread: &'a Spread) -> Result<(), Refusal> {
        let fragment = self.fragments.get(spread.name.as_str()).copied();
        let fragment = fragment.ok_or_else(|| Refusal::invalid("unknown fragment"))?;
        self.walk_directives(&spread.directives, "FRAGMENT_SPREAD")?;
        if self.walked.insert(&fragment.name) {
            self.walk_selections(self.schema.types.get(&fragment.condition), &fragment.selections)?;
        }
        if self.operation.is_some() {
            self.used_fragments.insert(&spread.name);
        }
        self.check_possible(parent, &fragment.condition)
    }
}
