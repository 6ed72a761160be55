//! Documents from values: objects as [`super::write`] makes them, read as Go's JSON does.
//!
//! Names of fields are found whatever their case, except in operations, fragments and selections; null is nothing; a
//! value of another type is an error. gqlparser cannot tell selections apart and takes each for a field. What makes it
//! crash, or what only its own validation writes, stops the evaluation.

use super::ast::{
    Argument, ArgumentDefinition, Child, Comments, Definition, Directive, DirectiveDefinition, EnumValue, Field,
    FieldDefinition, Fragment, Kind, Literal, Operation, OperationType, Query, SchemaDefinition, SchemaDocument,
    Selection, Surroundings, Type, VariableDefinition,
};
use super::lexer::number_length;
use super::{Refusal, stop};
use crate::policy::engine::rego::value::{Number, Object, Value};

pub(super) fn query(value: &Value) -> Result<Query, Refusal> {
    let node = Node::any_case(value)?;
    Ok(Query {
        operations: node.list("Operations", operation)?,
        fragments: node.list("Fragments", fragment)?,
        comments: node.comments("Comment")?,
        is_from_object: true,
    })
}

pub(super) fn schema(value: &Value) -> Result<SchemaDocument, Refusal> {
    let node = Node::any_case(value)?;
    Ok(SchemaDocument {
        schemas: node.list("Schema", schema_definition)?,
        schema_extensions: node.list("SchemaExtension", schema_definition)?,
        directives: node.list("Directives", directive_definition)?,
        definitions: node.list("Definitions", definition)?,
        extensions: node.list("Extensions", definition)?,
        comments: node.comments("Comment")?,
    })
}

/// An object whose fields are read by name.
struct Node<'a> {
    object: &'a Object,
    is_exact: bool,
}

impl<'a> Node<'a> {
    fn any_case(value: &'a Value) -> Result<Self, Refusal> {
        Self::new(value, false)
    }

    fn exact(value: &'a Value) -> Result<Self, Refusal> {
        Self::new(value, true)
    }

    fn new(value: &'a Value, is_exact: bool) -> Result<Self, Refusal> {
        match value {
            Value::Object(object) => Ok(Self { object, is_exact }),
            Value::Null => Err(stop("a part is null")),
            _ => Err(wrong_type()),
        }
    }

    /// The field, unless it is null.
    fn field(&self, name: &str) -> Result<Option<&'a Value>, Refusal> {
        let named = |key: &Value| match key.as_str() {
            Some(key) if self.is_exact => key == name,
            Some(key) => is_same_folded(key, name),
            None => false,
        };
        let mut found = self.object.entries().iter().filter(|(key, _)| named(key)).map(|(_, value)| value);
        let first = found.next();
        if found.next().is_some() {
            return Err(stop("a field is there twice"));
        }
        Ok(first.filter(|value| !matches!(value, Value::Null)))
    }

    fn text(&self, name: &str) -> Result<String, Refusal> {
        self.field(name)?.map_or_else(|| Ok(String::new()), text)
    }

    fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.field(name)? {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(wrong_type()),
        }
    }

    fn list<T>(&self, name: &str, item: impl Fn(&'a Value) -> Result<T, Refusal>) -> Result<Vec<T>, Refusal> {
        match self.field(name)? {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => items.iter().map(item).collect(),
            Some(_) => Err(wrong_type()),
        }
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, Refusal> {
        self.list(name, |item| if matches!(item, Value::Null) { Ok(String::new()) } else { text(item) })
    }

    fn comments(&self, name: &str) -> Result<Comments, Refusal> {
        let Some(group) = self.field(name)? else { return Ok(Comments::default()) };
        let comment = |value| {
            let node = Node::any_case(value)?;
            node.must_lack(&["Position"])?;
            node.text("Value")
        };
        Ok(Node::any_case(group)?.list("List", comment)?.into())
    }

    fn around(&self) -> Result<Surroundings, Refusal> {
        Ok(Surroundings {
            before_description: self.comments("BeforeDescriptionComment")?,
            after_description: self.comments("AfterDescriptionComment")?,
            at_end: Comments::default(),
        })
    }

    fn around_all(&self) -> Result<Surroundings, Refusal> {
        Ok(Surroundings { at_end: self.comments("EndOfDefinitionComment")?, ..self.around()? })
    }

    /// Stops where one of the fields is there.
    fn must_lack(&self, names: &[&str]) -> Result<(), Refusal> {
        for name in names {
            if self.field(name)?.is_some() {
                return Err(stop(&format!("a part has a {name}")));
            }
        }
        Ok(())
    }

    fn directives(&self) -> Result<Vec<Directive>, Refusal> {
        self.list("Directives", directive)
    }

    fn of_type(&self) -> Result<Type, Refusal> {
        type_reference(self.field("Type")?.ok_or_else(|| stop("a part has no type"))?)
    }

    fn value(&self) -> Result<Literal, Refusal> {
        literal(self.field("Value")?.ok_or_else(|| stop("a part has no value"))?)
    }

    fn default(&self) -> Result<Option<Literal>, Refusal> {
        let default = self.field("DefaultValue")?.map(literal).transpose()?;
        if default.as_ref().is_some_and(has_variable) {
            return Err(stop("a default has a variable"));
        }
        Ok(default)
    }

    fn selections(&self) -> Result<Vec<Selection>, Refusal> {
        self.list("SelectionSet", |value| match field(value) {
            Err(Refusal::Invalid(_)) => Err(stop("a selection is no field")),
            field => field.map(|field| Selection::Field(Box::new(field))),
        })
    }
}

/// Go folds case beyond ASCII: two other characters are equal to letters of ASCII.
fn is_same_folded(key: &str, name: &str) -> bool {
    let fold = |character: char| match character {
        '\u{212a}' => 'k',
        '\u{17f}' => 's',
        other => other.to_ascii_lowercase(),
    };
    key.chars().map(fold).eq(name.chars().map(fold))
}

fn wrong_type() -> Refusal {
    Refusal::invalid("a part of the document has another type")
}

fn text(value: &Value) -> Result<String, Refusal> {
    value.as_str().map(str::to_owned).ok_or_else(wrong_type)
}

fn operation(value: &Value) -> Result<Operation, Refusal> {
    let node = Node::exact(value)?;
    node.must_lack(&["Position"])?;
    let kind = node.text("Operation")?;
    if !["", "query", "mutation", "subscription"].contains(&kind.as_str()) {
        return Err(stop("an operation is of no kind"));
    }
    Ok(Operation {
        kind,
        name: node.text("Name")?,
        variables: node.list("VariableDefinitions", variable_definition)?,
        directives: node.directives()?,
        selections: node.selections()?,
        comments: Comments::default(),
    })
}

fn fragment(value: &Value) -> Result<Fragment, Refusal> {
    let node = Node::exact(value)?;
    node.must_lack(&["Definition", "Position"])?;
    Ok(Fragment {
        name: node.text("Name")?,
        variables: node.list("VariableDefinition", variable_definition)?,
        condition: node.text("TypeCondition")?,
        directives: node.directives()?,
        selections: node.selections()?,
        comments: Comments::default(),
    })
}

fn field(value: &Value) -> Result<Field, Refusal> {
    let node = Node::exact(value)?;
    node.must_lack(&["Definition", "ObjectDefinition", "Position"])?;
    Ok(Field {
        alias: node.text("Alias")?,
        name: node.text("Name")?,
        arguments: node.list("Arguments", argument)?,
        directives: node.directives()?,
        selections: node.selections()?,
        comments: Comments::default(),
    })
}

fn variable_definition(value: &Value) -> Result<VariableDefinition, Refusal> {
    let node = Node::any_case(value)?;
    node.must_lack(&["Definition"])?;
    Ok(VariableDefinition {
        name: node.text("Variable")?,
        of_type: node.of_type()?,
        default: node.default()?,
        directives: node.directives()?,
        comments: node.comments("Comment")?,
        is_used: node.flag("Used")?,
    })
}

fn argument(value: &Value) -> Result<Argument, Refusal> {
    let node = Node::any_case(value)?;
    Ok(Argument { name: node.text("Name")?, value: node.value()?, comments: node.comments("Comment")? })
}

fn directive(value: &Value) -> Result<Directive, Refusal> {
    let node = Node::any_case(value)?;
    node.must_lack(&["ParentDefinition", "Definition"])?;
    let arguments = node.list("Arguments", argument)?;
    Ok(Directive { name: node.text("Name")?, arguments, location: node.text("Location")? })
}

fn literal(value: &Value) -> Result<Literal, Refusal> {
    let node = Node::any_case(value)?;
    node.must_lack(&["Definition", "VariableDefinition", "ExpectedType"])?;
    let raw = node.text("Raw")?;
    let kind = match node.field("Kind")? {
        None => Kind::Variable,
        Some(Value::Number(number)) => kind_of_number(number)?,
        Some(_) => return Err(wrong_type()),
    };
    if kind == Kind::Float && number_length(&raw).is_none_or(|(length, _)| length < raw.len()) {
        return Err(stop("a number is none of GraphQL"));
    }
    Ok(Literal { kind, raw, children: node.list("Children", child)?, comments: node.comments("Comment")? })
}

fn kind_of_number(number: &Number) -> Result<Kind, Refusal> {
    let number: i64 = number.text().parse().map_err(|_| wrong_type())?;
    let kind = usize::try_from(number).ok().and_then(|index| Kind::ALL.get(index));
    kind.copied().ok_or_else(|| stop("a value is of no kind"))
}

fn has_variable(literal: &Literal) -> bool {
    literal.kind == Kind::Variable || literal.children.iter().any(|child| has_variable(&child.value))
}

fn child(value: &Value) -> Result<Child, Refusal> {
    let node = Node::any_case(value)?;
    Ok(Child { name: node.text("Name")?, value: node.value()?, comments: node.comments("Comment")? })
}

fn type_reference(value: &Value) -> Result<Type, Refusal> {
    let node = Node::any_case(value)?;
    let name = node.text("NamedType")?;
    let element = node.field("Elem")?.map(type_reference).transpose()?.map(Box::new);
    if name.is_empty() && element.is_none() {
        return Err(stop("a type has no name"));
    }
    Ok(Type { name, element, is_non_null: node.flag("NonNull")? })
}

fn schema_definition(value: &Value) -> Result<SchemaDefinition, Refusal> {
    let node = Node::any_case(value)?;
    let operation_type = |value| {
        let node = Node::any_case(value)?;
        let comments = node.comments("Comment")?;
        Ok(OperationType { operation: node.text("Operation")?, name: node.text("Type")?, comments })
    };
    Ok(SchemaDefinition {
        description: node.text("Description")?,
        directives: node.directives()?,
        operation_types: node.list("OperationTypes", operation_type)?,
        around: node.around_all()?,
    })
}

fn definition(value: &Value) -> Result<Definition, Refusal> {
    let node = Node::any_case(value)?;
    Ok(Definition {
        kind: node.text("Kind")?,
        description: node.text("Description")?,
        name: node.text("Name")?,
        directives: node.directives()?,
        interfaces: node.texts("Interfaces")?,
        fields: node.list("Fields", field_definition)?,
        members: node.texts("Types")?,
        values: node.list("EnumValues", enum_value)?,
        is_builtin: node.flag("BuiltIn")?,
        around: node.around_all()?,
    })
}

fn field_definition(value: &Value) -> Result<FieldDefinition, Refusal> {
    let node = Node::any_case(value)?;
    Ok(FieldDefinition {
        description: node.text("Description")?,
        name: node.text("Name")?,
        arguments: node.list("Arguments", argument_definition)?,
        default: node.default()?,
        of_type: node.of_type()?,
        directives: node.directives()?,
        around: node.around()?,
    })
}

fn argument_definition(value: &Value) -> Result<ArgumentDefinition, Refusal> {
    let node = Node::any_case(value)?;
    Ok(ArgumentDefinition {
        description: node.text("Description")?,
        name: node.text("Name")?,
        default: node.default()?,
        of_type: node.of_type()?,
        directives: node.directives()?,
        around: node.around()?,
    })
}

fn enum_value(value: &Value) -> Result<EnumValue, Refusal> {
    let node = Node::any_case(value)?;
    Ok(EnumValue {
        description: node.text("Description")?,
        name: node.text("Name")?,
        directives: node.directives()?,
        around: node.around()?,
    })
}

fn directive_definition(value: &Value) -> Result<DirectiveDefinition, Refusal> {
    let node = Node::any_case(value)?;
    Ok(DirectiveDefinition {
        description: node.text("Description")?,
        name: node.text("Name")?,
        arguments: node.list("Arguments", argument_definition)?,
        locations: node.texts("Locations")?,
        is_repeatable: node.flag("IsRepeatable")?,
        around: node.around()?,
    })
}
