//! A schema to validate queries against: a document joined with what every schema has, its extensions applied, and the
//! checks of gqlparser passed.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::ast::{
    ArgumentDefinition, Definition, Directive, DirectiveDefinition, FieldDefinition, Kind, SchemaDefinition,
    SchemaDocument, Surroundings, Type, kinds,
};
use super::prelude::{self, PRELUDE};
use super::{Refusal, stop};
use crate::policy::engine::rego::builtins::Budget;

/// Directives that may be defined again; the last definition counts.
const REDEFINABLE: [&str; 6] = ["include", "skip", "deprecated", "specifiedBy", "defer", "oneOf"];

#[derive(Debug, Default)]
pub(super) struct Schema {
    pub types: BTreeMap<String, Definition>,
    pub directives: BTreeMap<String, DirectiveDefinition>,
    /// The types that a value of an interface, a union or an object can have.
    pub possible: HashMap<String, Vec<String>>,
    roots: Roots,
}

/// Names of the types that operations begin with.
#[derive(Debug, Default)]
struct Roots {
    query: Option<String>,
    mutation: Option<String>,
    subscription: Option<String>,
}

impl Schema {
    pub(super) fn load(document: SchemaDocument, budget: &mut Budget) -> Result<Self, Refusal> {
        budget.allocate(prelude::BYTES)?;
        let prelude = PRELUDE.clone().ok_or_else(|| stop("the types of every schema are missing"))?;
        let mut schema = Self::default();
        schema.add_types(prelude.definitions.into_iter().chain(document.definitions))?;
        schema.extend_types(document.extensions)?;
        schema.find_possible_types(budget)?;
        schema.add_directives(prelude.directives.into_iter().chain(document.directives))?;
        if document.schemas.len() > 1 {
            return Err(Refusal::invalid("cannot have multiple schema entry points"));
        }
        for definition in document.schemas.iter().chain(&document.schema_extensions) {
            schema.add_roots(definition, budget)?;
        }
        for definition in schema.types.values() {
            schema.check_definition(definition, budget)?;
        }
        for directive in schema.directives.values() {
            check_name(&directive.name)?;
            schema.check_arguments(&directive.arguments, Some(&directive.name), budget)?;
        }
        if document.schemas.is_empty() {
            schema.infer_roots();
        }
        schema.add_introspection();
        Ok(schema)
    }

    /// The type that operations of this kind begin with.
    pub(super) fn root(&self, kind: &str) -> Option<&Definition> {
        let name = match kind {
            "mutation" => self.roots.mutation.as_ref(),
            "subscription" => self.roots.subscription.as_ref(),
            _ => self.roots.query.as_ref(),
        };
        self.types.get(name?)
    }

    pub(super) fn type_of(&self, reference: &Type) -> Option<&Definition> {
        self.types.get(reference.base())
    }

    pub(super) fn possible(&self, name: &str) -> &[String] {
        self.possible.get(name).map_or(&[], Vec::as_slice)
    }

    fn add_types(&mut self, definitions: impl Iterator<Item = Definition>) -> Result<(), Refusal> {
        for definition in definitions {
            let name = definition.name.clone();
            if self.types.insert(name, definition).is_some() {
                return Err(Refusal::invalid("cannot redeclare a type"));
            }
        }
        Ok(())
    }

    /// What extends no type makes one.
    fn extend_types(&mut self, extensions: Vec<Definition>) -> Result<(), Refusal> {
        for extension in extensions {
            let definition = self.types.entry(extension.name.clone()).or_insert_with(|| Definition {
                kind: extension.kind.clone(),
                name: extension.name.clone(),
                ..Default::default()
            });
            if definition.kind != extension.kind {
                return Err(Refusal::invalid("cannot extend a type of another kind"));
            }
            definition.directives.extend(extension.directives);
            definition.interfaces.extend(extension.interfaces);
            definition.fields.extend(extension.fields);
            definition.members.extend(extension.members);
            definition.values.extend(extension.values);
        }
        Ok(())
    }

    fn find_possible_types(&mut self, budget: &mut Budget) -> Result<(), Refusal> {
        let mut add = |name: &String, possible: &String| {
            budget.allocate(64 + possible.len() as u64)?;
            self.possible.entry(name.clone()).or_default().push(possible.clone());
            Ok::<_, Refusal>(())
        };
        for definition in self.types.values() {
            let Definition { kind, name, interfaces, members, .. } = definition;
            if kind == kinds::UNION {
                members.iter().try_for_each(|member| add(name, member))?;
            }
            if [kinds::INPUT_OBJECT, kinds::OBJECT, kinds::INTERFACE].contains(&kind.as_str()) {
                interfaces.iter().try_for_each(|interface| add(interface, name))?;
            }
            if [kinds::INPUT_OBJECT, kinds::OBJECT].contains(&kind.as_str()) {
                add(name, name)?;
            }
        }
        Ok(())
    }

    fn add_directives(&mut self, directives: impl Iterator<Item = DirectiveDefinition>) -> Result<(), Refusal> {
        for directive in directives {
            let name = directive.name.clone();
            let is_again = self.directives.insert(name.clone(), directive).is_some();
            if is_again && !REDEFINABLE.contains(&name.as_str()) {
                return Err(Refusal::invalid("cannot redeclare a directive"));
            }
        }
        Ok(())
    }

    fn add_roots(&mut self, definition: &SchemaDefinition, budget: &mut Budget) -> Result<(), Refusal> {
        for root in &definition.operation_types {
            if !self.types.contains_key(&root.name) {
                return Err(Refusal::invalid("a root of the schema does not exist"));
            }
            match root.operation.as_str() {
                "query" => self.roots.query = Some(root.name.clone()),
                "mutation" => self.roots.mutation = Some(root.name.clone()),
                "subscription" => self.roots.subscription = Some(root.name.clone()),
                _ => {}
            }
        }
        self.check_directives(&definition.directives, "SCHEMA", None, budget)
    }

    /// Without a definition of the schema, roots are found by name; those of extensions of the schema come first.
    fn infer_roots(&mut self) {
        let Self { types, roots, .. } = self;
        let Roots { query, mutation, subscription } = roots;
        for (root, name) in [(query, "Query"), (mutation, "Mutation"), (subscription, "Subscription")] {
            if root.is_none() && types.contains_key(name) {
                *root = Some(name.to_owned());
            }
        }
    }

    fn add_introspection(&mut self) {
        let Some(query) = self.roots.query.as_ref().and_then(|name| self.types.get_mut(name)) else { return };
        let argument = ArgumentDefinition {
            description: String::new(),
            name: "name".to_owned(),
            default: None,
            of_type: Type::named("String", true),
            directives: Vec::new(),
            around: Surroundings::default(),
        };
        query.fields.push(plain_field("__schema", Type::named("__Schema", true), Vec::new()));
        query.fields.push(plain_field("__type", Type::named("__Type", false), vec![argument]));
    }

    fn check_definition(&self, definition: &Definition, budget: &mut Budget) -> Result<(), Refusal> {
        let kind = definition.kind.as_str();
        let is_input = kind == kinds::INPUT_OBJECT;
        let location = if is_input { "INPUT_FIELD_DEFINITION" } else { "FIELD_DEFINITION" };
        let mut names = HashSet::new();
        for field in &definition.fields {
            budget.charge(64)?;
            check_name(&field.name)?;
            let of_type = self.type_of(&field.of_type).ok_or_else(undefined_type)?;
            self.check_arguments(&field.arguments, None, budget)?;
            self.check_directives(&field.directives, location, None, budget)?;
            let is_fitting = match kind {
                kinds::OBJECT | kinds::INTERFACE => of_type.is_leaf() || of_type.is_composite(),
                kinds::INPUT_OBJECT => of_type.is_input(),
                _ => true,
            };
            if !is_fitting {
                return Err(Refusal::invalid("a field has a type that cannot be there"));
            }
            if !names.insert(&field.name) {
                return Err(Refusal::invalid("a field is defined twice"));
            }
        }
        for member in &definition.members {
            if self.types.get(member).ok_or_else(undefined_type)?.kind != kinds::OBJECT {
                return Err(Refusal::invalid("a member of a union is no object"));
            }
        }
        for interface in &definition.interfaces {
            self.check_interface(definition, interface, budget)?;
        }
        self.check_values(definition, budget)?;
        let needs_fields = is_input || kind == kinds::OBJECT || kind == kinds::INTERFACE;
        if needs_fields && definition.fields.is_empty() {
            return Err(Refusal::invalid("a type must define one or more fields"));
        }
        if !definition.is_builtin {
            check_name(&definition.name)?;
        }
        self.check_directives(&definition.directives, kind, None, budget)
    }

    fn check_values(&self, definition: &Definition, budget: &mut Budget) -> Result<(), Refusal> {
        if definition.kind != kinds::ENUM {
            return Ok(());
        }
        if definition.values.is_empty() {
            return Err(Refusal::invalid("an enum must define one or more values"));
        }
        for value in &definition.values {
            if ["true", "false", "null"].contains(&value.name.as_str()) {
                return Err(Refusal::invalid("a value of an enum is none"));
            }
            self.check_directives(&value.directives, "ENUM_VALUE", None, budget)?;
        }
        Ok(())
    }

    /// `within` is the directive whose arguments these are.
    fn check_arguments(
        &self,
        arguments: &[ArgumentDefinition],
        within: Option<&str>,
        budget: &mut Budget,
    ) -> Result<(), Refusal> {
        for argument in arguments {
            budget.charge(64)?;
            check_name(&argument.name)?;
            if !self.type_of(&argument.of_type).ok_or_else(undefined_type)?.is_input() {
                return Err(Refusal::invalid("an argument has no input type"));
            }
            self.check_directives(&argument.directives, "ARGUMENT_DEFINITION", within, budget)?;
        }
        Ok(())
    }

    fn check_directives(
        &self,
        directives: &[Directive],
        location: &str,
        within: Option<&str>,
        budget: &mut Budget,
    ) -> Result<(), Refusal> {
        for directive in directives {
            check_name(&directive.name)?;
            if within == Some(&directive.name) {
                return Err(Refusal::invalid("a directive refers to itself"));
            }
            let definition = self.directives.get(&directive.name);
            let definition = definition.ok_or_else(|| Refusal::invalid("undefined directive"))?;
            let count = (1 + definition.arguments.len() as u64) * (1 + directive.arguments.len() as u64);
            budget.charge(definition.locations.len() as u64 + count * 4)?;
            if !definition.locations.iter().any(|one| one == location) {
                return Err(Refusal::invalid("a directive is not applicable here"));
            }
            for argument in &directive.arguments {
                if definition.arguments.iter().all(|known| known.name != argument.name) {
                    return Err(Refusal::invalid("a directive has no such argument"));
                }
            }
            for required in definition.arguments.iter().filter(|argument| argument.is_required()) {
                let given = directive.arguments.iter().find(|argument| argument.name == required.name);
                if given.is_none_or(|argument| argument.value.kind == Kind::Null) {
                    return Err(Refusal::invalid("an argument of a directive cannot be null"));
                }
            }
        }
        Ok(())
    }

    /// That a type keeps the promises of an interface.
    fn check_interface(&self, definition: &Definition, name: &str, budget: &mut Budget) -> Result<(), Refusal> {
        let interface = self.types.get(name).ok_or_else(undefined_type)?;
        if interface.kind != kinds::INTERFACE {
            return Err(Refusal::invalid("what is implemented is no interface"));
        }
        for required in &interface.fields {
            budget.charge(definition.fields.len() as u64 * 4)?;
            let field = definition.field(&required.name).ok_or_else(|| Refusal::invalid("a field is missing"))?;
            budget.charge(self.possible(&required.of_type.name).len() as u64 * 4)?;
            if !self.is_covariant(&required.of_type, &field.of_type) {
                return Err(Refusal::invalid("a field has not the type that the interface asks for"));
            }
            budget.charge((field.arguments.len() * required.arguments.len()) as u64 * 8)?;
            check_promised_arguments(required, field)?;
        }
        budget.charge((interface.interfaces.len() * definition.interfaces.len()) as u64 * 4)?;
        if !interface.interfaces.iter().all(|inherited| definition.interfaces.contains(inherited)) {
            return Err(Refusal::invalid("an interface of an interface is missing"));
        }
        Ok(())
    }

    fn is_covariant(&self, required: &Type, actual: &Type) -> bool {
        if required.is_non_null && !actual.is_non_null {
            return false;
        }
        if !required.name.is_empty() {
            return required.name == actual.name || self.possible(&required.name).contains(&actual.name);
        }
        match (&required.element, &actual.element) {
            (Some(required), Some(actual)) => self.is_covariant(required, actual),
            _ => false,
        }
    }
}

fn check_promised_arguments(required: &FieldDefinition, field: &FieldDefinition) -> Result<(), Refusal> {
    for argument in &required.arguments {
        let found = field.arguments.iter().find(|found| found.name == argument.name);
        if !found.is_some_and(|found| argument.of_type.is_compatible(&found.of_type)) {
            return Err(Refusal::invalid("an argument that the interface asks for is missing or has another type"));
        }
    }
    let is_promised = |name: &str| required.arguments.iter().any(|argument| argument.name == name);
    if field.arguments.iter().any(|argument| argument.is_required() && !is_promised(&argument.name)) {
        return Err(Refusal::invalid("an argument that the interface does not know is required"));
    }
    Ok(())
}

/// A field that gqlparser itself adds.
pub(super) fn plain_field(name: &str, of_type: Type, arguments: Vec<ArgumentDefinition>) -> FieldDefinition {
    FieldDefinition {
        description: String::new(),
        name: name.to_owned(),
        arguments,
        default: None,
        of_type,
        directives: Vec::new(),
        around: Surroundings::default(),
    }
}

/// Names of users do not begin as those of introspection do.
fn check_name(name: &str) -> Result<(), Refusal> {
    if name.starts_with("__") { Err(Refusal::invalid("a name is reserved")) } else { Ok(()) }
}

fn undefined_type() -> Refusal {
    Refusal::invalid("undefined type")
}
