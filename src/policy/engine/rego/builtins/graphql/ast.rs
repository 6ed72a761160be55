//! Documents of GraphQL as gqlparser has them: queries, schemas and what both consist of.
//!
//! An empty text or list is the same as none. Positions are not kept: OPA takes them out of what policies see.

use std::sync::Arc;

/// The comments before something, each with its `#`.
pub(super) type Comments = Arc<[String]>;

#[derive(Clone, Debug, Default)]
pub(super) struct Query {
    pub operations: Vec<Operation>,
    pub fragments: Vec<Fragment>,
    pub comments: Comments,
    /// Made from an object of a policy, not from text.
    pub is_from_object: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Operation {
    /// `query`, `mutation`, `subscription`; from an object also empty, which is a query.
    pub kind: String,
    pub name: String,
    pub variables: Vec<VariableDefinition>,
    pub directives: Vec<Directive>,
    pub selections: Vec<Selection>,
    pub comments: Comments,
}

#[derive(Clone, Debug)]
pub(super) struct VariableDefinition {
    pub name: String,
    pub of_type: Type,
    pub default: Option<Literal>,
    pub directives: Vec<Directive>,
    pub comments: Comments,
    /// Only an object can say so beforehand.
    pub is_used: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Selection {
    Field(Box<Field>),
    Spread(Box<Spread>),
    Inline(Box<InlineFragment>),
}

#[derive(Clone, Debug)]
pub(super) struct Field {
    pub alias: String,
    pub name: String,
    pub arguments: Vec<Argument>,
    pub directives: Vec<Directive>,
    pub selections: Vec<Selection>,
    pub comments: Comments,
}

impl Field {
    /// Under which name the answer has it.
    pub(super) fn response_name(&self) -> &str {
        if self.alias.is_empty() { &self.name } else { &self.alias }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Spread {
    pub name: String,
    pub directives: Vec<Directive>,
    pub comments: Comments,
}

#[derive(Clone, Debug)]
pub(super) struct InlineFragment {
    pub condition: String,
    pub directives: Vec<Directive>,
    pub selections: Vec<Selection>,
    pub comments: Comments,
}

#[derive(Clone, Debug)]
pub(super) struct Fragment {
    pub name: String,
    pub variables: Vec<VariableDefinition>,
    pub condition: String,
    pub directives: Vec<Directive>,
    pub selections: Vec<Selection>,
    pub comments: Comments,
}

#[derive(Clone, Debug)]
pub(super) struct Argument {
    pub name: String,
    pub value: Literal,
    pub comments: Comments,
}

#[derive(Clone, Debug)]
pub(super) struct Directive {
    pub name: String,
    pub arguments: Vec<Argument>,
    /// Only an object has one before the validation, which does not look at it.
    pub location: String,
}

/// A value as it is written.
#[derive(Clone, Debug)]
pub(super) struct Literal {
    pub kind: Kind,
    /// The name of a variable, the text of a scalar; empty for lists and objects.
    pub raw: String,
    pub children: Vec<Child>,
    pub comments: Comments,
}

/// In the order of gqlparser's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Variable,
    Int,
    Float,
    String,
    Block,
    Boolean,
    Null,
    Enum,
    List,
    Object,
}

impl Kind {
    pub(super) const ALL: [Self; 10] = [
        Self::Variable,
        Self::Int,
        Self::Float,
        Self::String,
        Self::Block,
        Self::Boolean,
        Self::Null,
        Self::Enum,
        Self::List,
        Self::Object,
    ];
}

/// An element of a list, which has no name, or a field of an object.
#[derive(Clone, Debug)]
pub(super) struct Child {
    pub name: String,
    pub value: Literal,
    pub comments: Comments,
}

/// A reference to a type. There is a name or an element; an object of a policy may have both.
#[derive(Clone, Debug)]
pub(super) struct Type {
    pub name: String,
    pub element: Option<Box<Type>>,
    pub is_non_null: bool,
}

impl Type {
    pub(super) fn named(name: &str, is_non_null: bool) -> Self {
        Self { name: name.to_owned(), element: None, is_non_null }
    }

    /// The name within the lists.
    pub(super) fn base(&self) -> &str {
        match &self.element {
            Some(element) if self.name.is_empty() => element.base(),
            _ => &self.name,
        }
    }

    /// Whether what has this type can stand where `other` is expected.
    pub(super) fn is_compatible(&self, other: &Self) -> bool {
        let elements = match (&self.element, &other.element) {
            (Some(element), Some(other)) => element.is_compatible(other),
            (Some(_), None) => false,
            (None, _) => true,
        };
        self.name == other.name && elements && (self.is_non_null || !other.is_non_null)
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct SchemaDocument {
    pub schemas: Vec<SchemaDefinition>,
    pub schema_extensions: Vec<SchemaDefinition>,
    pub directives: Vec<DirectiveDefinition>,
    pub definitions: Vec<Definition>,
    pub extensions: Vec<Definition>,
    pub comments: Comments,
}

/// The comments around a definition.
#[derive(Clone, Debug, Default)]
pub(super) struct Surroundings {
    pub before_description: Comments,
    pub after_description: Comments,
    pub at_end: Comments,
}

#[derive(Clone, Debug)]
pub(super) struct SchemaDefinition {
    pub description: String,
    pub directives: Vec<Directive>,
    pub operation_types: Vec<OperationType>,
    pub around: Surroundings,
}

#[derive(Clone, Debug)]
pub(super) struct OperationType {
    pub operation: String,
    pub name: String,
    pub comments: Comments,
}

/// A type of a schema, or what extends one.
#[derive(Clone, Debug, Default)]
pub(super) struct Definition {
    /// One of [`kinds`]; from an object any text.
    pub kind: String,
    pub description: String,
    pub name: String,
    pub directives: Vec<Directive>,
    pub interfaces: Vec<String>,
    pub fields: Vec<FieldDefinition>,
    pub members: Vec<String>,
    pub values: Vec<EnumValue>,
    pub is_builtin: bool,
    pub around: Surroundings,
}

/// What a [`Definition`] can be.
pub(super) mod kinds {
    pub(in super::super) const SCALAR: &str = "SCALAR";
    pub(in super::super) const OBJECT: &str = "OBJECT";
    pub(in super::super) const INTERFACE: &str = "INTERFACE";
    pub(in super::super) const UNION: &str = "UNION";
    pub(in super::super) const ENUM: &str = "ENUM";
    pub(in super::super) const INPUT_OBJECT: &str = "INPUT_OBJECT";
}

impl Definition {
    pub(super) fn is_leaf(&self) -> bool {
        [kinds::ENUM, kinds::SCALAR].contains(&self.kind.as_str())
    }

    pub(super) fn is_composite(&self) -> bool {
        [kinds::OBJECT, kinds::INTERFACE, kinds::UNION].contains(&self.kind.as_str())
    }

    pub(super) fn is_input(&self) -> bool {
        [kinds::SCALAR, kinds::ENUM, kinds::INPUT_OBJECT].contains(&self.kind.as_str())
    }

    pub(super) fn field(&self, name: &str) -> Option<&FieldDefinition> {
        self.fields.iter().find(|field| field.name == name)
    }
}

#[derive(Clone, Debug)]
pub(super) struct FieldDefinition {
    pub description: String,
    pub name: String,
    pub arguments: Vec<ArgumentDefinition>,
    pub default: Option<Literal>,
    pub of_type: Type,
    pub directives: Vec<Directive>,
    pub around: Surroundings,
}

#[derive(Clone, Debug)]
pub(super) struct ArgumentDefinition {
    pub description: String,
    pub name: String,
    pub default: Option<Literal>,
    pub of_type: Type,
    pub directives: Vec<Directive>,
    pub around: Surroundings,
}

impl ArgumentDefinition {
    /// Whether it must be given.
    pub(super) fn is_required(&self) -> bool {
        self.of_type.is_non_null && self.default.is_none()
    }
}

#[derive(Clone, Debug)]
pub(super) struct EnumValue {
    pub description: String,
    pub name: String,
    pub directives: Vec<Directive>,
    pub around: Surroundings,
}

#[derive(Clone, Debug)]
pub(super) struct DirectiveDefinition {
    pub description: String,
    pub name: String,
    pub arguments: Vec<ArgumentDefinition>,
    pub locations: Vec<String>,
    pub is_repeatable: bool,
    pub around: Surroundings,
}
