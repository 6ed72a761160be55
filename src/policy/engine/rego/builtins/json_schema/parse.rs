//! Schemas, taken apart: each keyword checked once, references resolved, in gojsonschema's order, because the first
//! mistake is the one that is told.

use std::collections::HashMap;
use std::sync::Arc;

use regex::Regex;

use super::keywords::{self, must_be, strings, wrong_type};
use super::numbers::{Exact, canonical};
use super::pool::Pool;
use super::{MAX_DEPTH, SchemaError, too_deep};
use crate::policy::engine::rego::builtins::CallContext;
use crate::policy::engine::rego::builtins::json_schema::url::Url;
use crate::policy::engine::rego::value::{Number, Object, Value};

/// Index of a node.
pub(super) type Id = usize;

/// A schema and what it refers to.
#[derive(Debug)]
pub(super) struct Schema {
    nodes: Vec<Node>,
}

/// One schema in a schema.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// Of the schemas `true` and `false`.
    pub(super) constant: Option<bool>,
    pub(super) reference: Option<Id>,
    pub(super) types: Vec<String>,
    pub(super) properties: Vec<(Arc<str>, Id)>,
    pub(super) additional_properties: Rest,
    pub(super) pattern_properties: Vec<(Arc<Regex>, Id)>,
    pub(super) property_names: Option<Id>,
    pub(super) dependencies: Vec<(Arc<str>, Dependency)>,
    pub(super) items: Items,
    pub(super) additional_items: Rest,
    pub(super) multiple_of: Option<Number>,
    pub(super) limits: keywords::Limits,
    pub(super) format: Option<Arc<str>>,
    pub(super) required: Vec<Arc<str>>,
    pub(super) has_unique_items: bool,
    pub(super) contains: Option<Id>,
    pub(super) constant_text: Option<String>,
    pub(super) choices: Vec<String>,
    pub(super) one_of: Vec<Id>,
    pub(super) any_of: Vec<Id>,
    pub(super) all_of: Vec<Id>,
    pub(super) not: Option<Id>,
    pub(super) condition: Option<Id>,
    pub(super) then: Option<Id>,
    pub(super) otherwise: Option<Id>,
}

#[derive(Debug, Default)]
pub(super) enum Items {
    #[default]
    Any,
    Each(Id),
    InOrder(Vec<Id>),
}

/// What properties and items that no other keyword describes must be.
#[derive(Debug, Default)]
pub(super) enum Rest {
    #[default]
    Any,
    Forbidden,
    Schema(Id),
}

#[derive(Debug)]
pub(super) enum Dependency {
    Names(Vec<Arc<str>>),
    Schema(Id),
}

/// Which keywords there are. Without `$schema` those of all drafts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Draft {
    Four,
    Six,
    Seven,
    Mixed,
}

impl Schema {
    pub(super) fn parse(context: &mut CallContext<'_>, document: &Value) -> Result<Self, SchemaError> {
        let draft = draft(document)?;
        let mut pool = Pool::default();
        let document = pool.read(document)?;
        let mut parser = Parser { context, pool, draft, nodes: Vec::new(), references: HashMap::new() };
        parser.schema(&document, 0)?;
        Ok(Self { nodes: parser.nodes })
    }

    pub(super) fn node(&self, id: Id) -> Option<&Node> {
        self.nodes.get(id)
    }
}

fn draft(document: &Value) -> Result<Draft, SchemaError> {
    let Value::Object(object) = document else {
        return match document {
            Value::Bool(_) => Ok(Draft::Mixed),
            _ => Err(SchemaError::Invalid("schema is invalid".to_owned())),
        };
    };
    let Some(schema) = object.get_str("$schema") else { return Ok(Draft::Mixed) };
    let url = Url::parse(schema.as_str().ok_or_else(|| "$schema must be of type string".to_owned())?)?;
    Ok(match url.text().as_str() {
        "http://json-schema.org/draft-04/schema" => Draft::Four,
        "http://json-schema.org/draft-06/schema" => Draft::Six,
        "http://json-schema.org/draft-07/schema" => Draft::Seven,
        _ => Draft::Mixed,
    })
}

struct Parser<'p, 'c> {
    context: &'p mut CallContext<'c>,
    pool: Pool,
    draft: Draft,
    nodes: Vec<Node>,
    references: HashMap<String, Id>,
}

impl Parser<'_, '_> {
    fn schema(&mut self, document: &Value, depth: usize) -> Result<Id, SchemaError> {
        let id = self.reserve()?;
        self.fill(id, document, depth)?;
        Ok(id)
    }

    fn reserve(&mut self) -> Result<Id, SchemaError> {
        self.context.budget.allocate(size_of::<Node>() as u64)?;
        self.nodes.push(Node::default());
        Ok(self.nodes.len() - 1)
    }

    fn fill(&mut self, id: Id, document: &Value, depth: usize) -> Result<(), SchemaError> {
        if depth > MAX_DEPTH {
            return Err(SchemaError::Stop(too_deep()));
        }
        let mut node = Node::default();
        match document {
            Value::Bool(constant) if self.draft >= Draft::Six => node.constant = Some(*constant),
            Value::Object(object) => self.object(&mut node, object, depth)?,
            _ => return Err("Expected: Valid Schema, given: Invalid JSON".to_owned().into()),
        }
        if let Some(place) = self.nodes.get_mut(id) {
            *place = node;
        }
        Ok(())
    }

    fn object(&mut self, node: &mut Node, object: &Object, depth: usize) -> Result<(), SchemaError> {
        let id = match self.draft {
            Draft::Four => "id",
            Draft::Mixed if object.get_str("id").is_some() => "id",
            _ => "$id",
        };
        if let Some(id) = keywords::string(object, id)? {
            Url::parse(id)?;
        }
        self.definitions(object, depth)?;
        keywords::string(object, "title")?;
        keywords::string(object, "description")?;
        if let Some(reference) = keywords::string(object, "$ref")? {
            let url = Url::parse(reference)?;
            let known = self.references.get(&url.text()).copied();
            let is_new = known.is_none();
            node.reference = Some(known.map_or_else(|| self.reference(&url, depth), Ok)?);
            // What stands beside a reference that is known already is read, though it will not count.
            if is_new {
                return Ok(());
            }
        }
        node.types = keywords::types(object)?;
        self.of_objects(node, object, depth)?;
        self.of_items(node, object, depth)?;
        node.multiple_of = multiple_of(object)?;
        node.limits = keywords::Limits::of_numbers(object, self.draft)?;
        node.limits.read_strings(object)?;
        keywords::string(object, "pattern")?;
        node.format = keywords::string(object, "format")?.map(Arc::from);
        node.limits.read_properties(object)?;
        node.required = required(object)?;
        node.limits.read_items(object)?;
        self.of_elements(node, object, depth)?;
        self.of_values(node, object)?;
        self.of_branches(node, object, depth)
    }

    fn definitions(&mut self, object: &Object, depth: usize) -> Result<(), SchemaError> {
        let Some(definitions) = object.get_str("definitions") else { return Ok(()) };
        let fault = || wrong_type("Array Of Schemas", "definitions");
        let Value::Object(definitions) = definitions else { return Err(fault()) };
        for (_, definition) in definitions.entries() {
            if !matches!(definition, Value::Bool(_) | Value::Object(_)) {
                return Err(fault());
            }
            self.schema(definition, depth + 1)?;
        }
        Ok(())
    }

    fn reference(&mut self, url: &Url, depth: usize) -> Result<Id, SchemaError> {
        let id = self.reserve()?;
        self.references.insert(url.text(), id);
        let document = self.pool.document(url)?;
        if !matches!(document, Value::Bool(_) | Value::Object(_)) {
            return Err("Valid Schema must be of type object".to_owned().into());
        }
        self.fill(id, &document, depth + 1)?;
        Ok(id)
    }

    fn of_objects(&mut self, node: &mut Node, object: &Object, depth: usize) -> Result<(), SchemaError> {
        if let Some(properties) = object.get_str("properties") {
            let Value::Object(properties) = properties else {
                return Err("Properties must be of type object".to_owned().into());
            };
            for (name, schema) in properties.entries() {
                let id = self.schema(schema, depth + 1)?;
                node.properties.push((Arc::from(name.as_str().unwrap_or_default()), id));
            }
        }
        node.additional_properties = self.rest(object, "additionalProperties", depth)?;
        if let Some(patterns) = object.get_str("patternProperties") {
            let Value::Object(patterns) = patterns else {
                return Err(wrong_type("Valid Schema", "patternProperties"));
            };
            for (pattern, schema) in patterns.entries() {
                let pattern = pattern.as_str().unwrap_or_default();
                let regex = self.context.caches.regex(pattern);
                let regex = regex.map_err(|_| format!("Invalid regex pattern '{pattern}'"))?;
                let id = self.schema(schema, depth + 1)?;
                node.pattern_properties.push((regex, id));
            }
        }
        if let Some(names) = object.get_str("propertyNames").filter(|_| self.draft >= Draft::Six) {
            let fault = || wrong_type("Valid Schema", "patternProperties");
            node.property_names = Some(self.only_schema(names, depth, fault)?);
        }
        self.dependencies(node, object, depth)
    }

    fn dependencies(&mut self, node: &mut Node, object: &Object, depth: usize) -> Result<(), SchemaError> {
        let Some(dependencies) = object.get_str("dependencies") else { return Ok(()) };
        let Value::Object(dependencies) = dependencies else {
            return Err("dependencies must be of type object".to_owned().into());
        };
        let fault = || "Dependency must be of type Schema Or Array Of Strings".to_owned();
        for (name, dependency) in dependencies.entries() {
            let dependency = match dependency {
                Value::Array(names) => Dependency::Names(strings(names).ok_or_else(fault)?),
                Value::Bool(_) | Value::Object(_) => Dependency::Schema(self.schema(dependency, depth + 1)?),
                _ => return Err(fault().into()),
            };
            node.dependencies.push((Arc::from(name.as_str().unwrap_or_default()), dependency));
        }
        Ok(())
    }

    fn rest(&mut self, object: &Object, key: &str, depth: usize) -> Result<Rest, SchemaError> {
        Ok(match object.get_str(key) {
            None | Some(Value::Bool(true)) => Rest::Any,
            Some(Value::Bool(false)) => Rest::Forbidden,
            Some(schema @ Value::Object(_)) => Rest::Schema(self.schema(schema, depth + 1)?),
            Some(_) => return Err(wrong_type("boolean/Valid Schema", key)),
        })
    }

    fn of_items(&mut self, node: &mut Node, object: &Object, depth: usize) -> Result<(), SchemaError> {
        let fault = || wrong_type("Valid Schema/Array Of Schemas", "items");
        node.items = match object.get_str("items") {
            None => Items::Any,
            Some(Value::Array(items)) => {
                let ids: Result<_, _> = items.iter().map(|item| self.only_schema(item, depth, fault)).collect();
                Items::InOrder(ids?)
            }
            Some(schema) => Items::Each(self.only_schema(schema, depth, fault)?),
        };
        node.additional_items = self.rest(object, "additionalItems", depth)?;
        Ok(())
    }

    fn of_elements(&mut self, node: &mut Node, object: &Object, depth: usize) -> Result<(), SchemaError> {
        node.has_unique_items = match object.get_str("uniqueItems") {
            None => false,
            Some(Value::Bool(is_unique)) => *is_unique,
            Some(_) => return Err(must_be("uniqueItems", "a boolean")),
        };
        if let Some(contains) = object.get_str("contains").filter(|_| self.draft >= Draft::Six) {
            node.contains = Some(self.schema(contains, depth + 1)?);
        }
        Ok(())
    }

    fn of_values(&mut self, node: &mut Node, object: &Object) -> Result<(), SchemaError> {
        if let Some(constant) = object.get_str("const").filter(|_| self.draft >= Draft::Six) {
            node.constant_text = Some(canonical(constant)?);
        }
        for choice in keywords::array(object, "enum")? {
            let text = canonical(choice)?;
            self.context.budget.charge(node.choices.len() as u64)?;
            if node.choices.contains(&text) {
                return Err("enum items must be unique".to_owned().into());
            }
            node.choices.push(text);
        }
        Ok(())
    }

    fn of_branches(&mut self, node: &mut Node, object: &Object, depth: usize) -> Result<(), SchemaError> {
        node.one_of = self.branches(object, "oneOf", depth)?;
        node.any_of = self.branches(object, "anyOf", depth)?;
        node.all_of = self.branches(object, "allOf", depth)?;
        node.not = self.branch(object, "not", depth)?;
        if self.draft >= Draft::Seven {
            node.condition = self.branch(object, "if", depth)?;
            node.then = self.branch(object, "then", depth)?;
            node.otherwise = self.branch(object, "else", depth)?;
        }
        Ok(())
    }

    fn branches(&mut self, object: &Object, key: &str, depth: usize) -> Result<Vec<Id>, SchemaError> {
        keywords::array(object, key)?.iter().map(|schema| self.schema(schema, depth + 1)).collect()
    }

    fn branch(&mut self, object: &Object, key: &str, depth: usize) -> Result<Option<Id>, SchemaError> {
        let fault = || must_be(key, "an object");
        object.get_str(key).map(|schema| self.only_schema(schema, depth, fault)).transpose()
    }

    fn only_schema(
        &mut self,
        document: &Value,
        depth: usize,
        fault: impl FnOnce() -> SchemaError,
    ) -> Result<Id, SchemaError> {
        match document {
            Value::Bool(_) | Value::Object(_) => self.schema(document, depth + 1),
            _ => Err(fault()),
        }
    }
}

fn multiple_of(object: &Object) -> Result<Option<Number>, SchemaError> {
    match object.get_str("multipleOf") {
        None => Ok(None),
        Some(Value::Number(number)) if Exact::new(number)?.is_positive() => Ok(Some(number.clone())),
        Some(Value::Number(_)) => Err("multipleOf must be strictly greater than 0".to_owned().into()),
        Some(_) => Err(wrong_type("Number", "multipleOf")),
    }
}

fn required(object: &Object) -> Result<Vec<Arc<str>>, SchemaError> {
    let mut names: Vec<Arc<str>> = Vec::new();
    for name in keywords::array(object, "required")? {
        let name = name.as_str().ok_or_else(|| wrong_type("string", "required"))?;
        if names.iter().any(|known| **known == *name) {
            return Err("required items must be unique".to_owned().into());
        }
        names.push(Arc::from(name));
    }
    Ok(names)
}
