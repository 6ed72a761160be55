//! Documents as values: the fields of gqlparser's structures by their names, without positions, and without what is null
//! or empty. Texts, numbers and booleans stay whatever they are.

use super::ast::{
    Argument, ArgumentDefinition, Child, Comments, Definition, Directive, DirectiveDefinition, EnumValue, Field,
    FieldDefinition, Fragment, InlineFragment, Literal, Operation, OperationType, Query, SchemaDefinition,
    SchemaDocument, Selection, Spread, Surroundings, Type, VariableDefinition,
};
use crate::policy::engine::rego::builtins::{Budget, BuiltinError};
use crate::policy::engine::rego::value::Value;

/// Memory of an entry of an object, with its key.
const BYTES_OF_ENTRY: u64 = 128;

type Done = Result<(), BuiltinError>;

/// What has fields.
pub(super) trait Node {
    fn write(&self, fields: &mut Fields<'_>) -> Done;
}

/// The object that a node is.
pub(super) fn to_value(node: &impl Node, budget: &mut Budget) -> Result<Value, BuiltinError> {
    let mut fields = Fields { budget, entries: Vec::new() };
    node.write(&mut fields)?;
    Ok(Value::object(fields.entries))
}

pub(super) struct Fields<'a> {
    budget: &'a mut Budget,
    entries: Vec<(Value, Value)>,
}

impl Fields<'_> {
    fn value(&mut self, name: &str, value: Value) -> Done {
        self.budget.allocate(BYTES_OF_ENTRY)?;
        self.entries.push((Value::from(name), value));
        Ok(())
    }

    fn text(&mut self, name: &str, text: &str) -> Done {
        self.budget.allocate(text.len() as u64)?;
        self.value(name, Value::from(text))
    }

    fn flag(&mut self, name: &str, flag: bool) -> Done {
        self.value(name, Value::from(flag))
    }

    fn texts(&mut self, name: &str, texts: &[String]) -> Done {
        if texts.is_empty() {
            return Ok(());
        }
        for text in texts {
            self.budget.allocate(BYTES_OF_ENTRY + text.len() as u64)?;
        }
        self.value(name, Value::array(texts.iter().map(|text| Value::from(text.as_str())).collect()))
    }

    fn node(&mut self, name: &str, node: Option<&impl Node>) -> Done {
        let Some(node) = node else { return Ok(()) };
        let value = to_value(node, self.budget)?;
        self.value(name, value)
    }

    fn nodes(&mut self, name: &str, nodes: &[impl Node]) -> Done {
        if nodes.is_empty() {
            return Ok(());
        }
        let mut values = Vec::with_capacity(nodes.len());
        for node in nodes {
            values.push(to_value(node, self.budget)?);
        }
        self.value(name, Value::array(values))
    }

    fn comments(&mut self, name: &str, comments: &Comments) -> Done {
        if comments.is_empty() { Ok(()) } else { self.node(name, Some(&CommentGroup(comments))) }
    }

    fn around(&mut self, around: &Surroundings) -> Done {
        self.comments("BeforeDescriptionComment", &around.before_description)?;
        self.comments("AfterDescriptionComment", &around.after_description)?;
        self.comments("EndOfDefinitionComment", &around.at_end)
    }
}

struct CommentGroup<'a>(&'a [String]);

struct Comment<'a>(&'a str);

impl Node for CommentGroup<'_> {
    fn write(&self, fields: &mut Fields<'_>) -> Done {
        let comments: Vec<Comment<'_>> = self.0.iter().map(|text| Comment(text)).collect();
        fields.nodes("List", &comments)
    }
}

impl Node for Comment<'_> {
    fn write(&self, fields: &mut Fields<'_>) -> Done {
        fields.text("Value", self.0)
    }
}

impl Node for Query {
    fn write(&self, fields: &mut Fields<'_>) -> Done {
        fields.nodes("Operations", &self.operations)?;
        fields.nodes("Fragments", &self.fragments)?;
        fields.comments("Comment", &self.comments)
    }
}

impl Node for Operation {
    fn write(&self, fields: &mut Fields<'_>) -> Done {
        fields.text("Operation", &self.kind)?;
        fields.text("Name", &self.name)?;
        fields.nodes("VariableDefinitions", &self.variables)?;
        fields.nodes("Directives", &self.directives)?;
        fields.nodes("SelectionSet", &self.selections)?;
        fields.comments("Comment", &self.comments)
    }
}

impl Node for VariableDefinition {
    fn write(&self, fields: &mut Fields<'_>) -> Done {
        fields.text("Variable", &self.name)?;
        fields.node("Type", Some(&self.of_type))?;
        fields.node("DefaultValue", self.default.as_ref())?;
        fields.nodes("Directives", &self.directives)?;
        fields.comments("Comment", &self.comments)?;
        fields.flag("Used", self.is_used)
    }
}

impl Node for Selection {
    fn write(&self, fields: &mut Fields<'_>) -> Done {
        match self {
            Self::Field(field) => field.write(fields),
            Self::Spread(spread) => spread.write(fields),
            Self::Inline(fragment) => fragment.write(fields),
        }
    }
}

impl Node for Field {
    fn write(&self, fields: &mut Fields<'_>) -> Done {
        fields.text("Alias", &self.alias)?;
        fields.text("Name", &self.name)?;
        fields.nodes("Arguments", &self.arguments)?;
        fields.nodes("Directives", &self.directives)?;
        fields.nodes("SelectionSet", &self.selections)?;
        fields.comments("Comment", &self.comments)
    }
}

impl Node for Spread {
    fn write(&self, fields: &mut Fields<'_>) -> Done {
        fields.text("Name", &self.name)?;
        fields.nodes("Directives", &self.directives)?;
        fields.comments("Comment", &self.comments)
    }
}

impl Node for InlineFragment {
    fn write(&self, fields: &mut Fields<'_>) -> Done {
        fields.text("TypeCondition", &self.condition)?;
        fields.nodes("Directives", &self.directives)?;
        fields.nodes("SelectionSet", &self.selections)?;
        fields.comments("Comment", &self.comments)
    }
}

impl Node for Fragment {
    fn write(&self, fields: &mut Fields<'_>) -> Done {
        fields.text("Name", &self.name)?;
        fields.nodes("VariableDefinition", &self.variables)?;
        fields.text("TypeCondition", &self.condition)?;
        fields.nodes("Directives", &self.directives)?;
        fields.nodes("SelectionSet", &self.selections)?;
        fields.comments("Comment", &self.comments)
    }
}

impl Node for Argument {
    fn write(&self, fields: &mut Fields<'_>) -> Done {
        fields.text("Name", &self.name)?;
        fields.node("Value", Some(&self.value))?;
        fields.comments("Comment", &self.comments)
    }
}

impl Node for Directive {
    fn write(&self, fields: &mut Fields<'_>) -> Done {
        fields.text("Name", &self.name)?;
        fields.nodes("Arguments", &self.arguments)?;
        fields.text("Location", &self.location)
    }
}

impl Node for Literal {
    fn write(&self, fields: &mut Fields<'_>) -> Done {
        fields.text("Raw", &self.raw)?;
        fields.nodes("Children", &self.children)?;
        fields.value("Kind", Value::from(self.kind as usize))?;
        fields.comments("Comment", &self.comments)
    }
}

impl Node for Child {
    fn write(&self, fields: &mut Fields<'_>) -> Done {
        fields.text("Name", &self.name)?;
        fields.node("Value", Some(&self.value))?;
        fields.comments("Comment", &self.comments)
    }
}

impl Node for Type {
    fn write(&self, fields: &mut Fields<'_>) -> Done {
        fields.text("NamedType", &self.name)?;
        fields.node("Elem", self.element.as_deref())?;
        fields.flag("NonNull", self.is_non_null)
    }
}

impl Node for SchemaDocument {
    fn write(&self, fields: &mut Fields<'_>) -> Done {
        fields.nodes("Schema", &self.schemas)?;
        fields.nodes("SchemaExtension", &self.schema_extensions)?;
        fields.nodes("Directives", &self.directives)?;
        fields.nodes("Definitions", &self.definitions)?;
        fields.nodes("Extensions", &self.extensions)?;
        fields.comments("Comment", &self.comments)
    }
}

impl Node for SchemaDefinition {
    fn write(&self, fields: &mut Fields<'_>) -> Done {
        fields.text("Description", &self.description)?;
        fields.nodes("Directives", &self.directives)?;
        fields.nodes("OperationTypes", &self.operation_types)?;
        fields.around(&self.around)
    }
}

impl Node for OperationType {
    fn write(&self, fields: &mut Fields<'_>) -> Done {
        fields.text("Operation", &self.operation)?;
        fields.text("Type", &self.name)?;
        fields.comments("Comment", &self.comments)
    }
}

impl Node for Definition {
    fn write(&self, fields: &mut Fields<'_>) -> Done {
        fields.text("Kind", &self.kind)?;
        fields.text("Description", &self.description)?;
        fields.text("Name", &self.name)?;
        fields.nodes("Directives", &self.directives)?;
        fields.texts("Interfaces", &self.interfaces)?;
        fields.nodes("Fields", &self.fields)?;
        fields.texts("Types", &self.members)?;
        fields.nodes("EnumValues", &self.values)?;
        fields.flag("BuiltIn", self.is_builtin)?;
        fields.around(&self.around)
    }
}

impl Node for FieldDefinition {
    fn write(&self, fields: &mut Fields<'_>) -> Done {
        fields.text("Description", &self.description)?;
        fields.text("Name", &self.name)?;
        fields.nodes("Arguments", &self.arguments)?;
        fields.node("DefaultValue", self.default.as_ref())?;
        fields.node("Type", Some(&self.of_type))?;
        fields.nodes("Directives", &self.directives)?;
        fields.around(&self.around)
    }
}

impl Node for ArgumentDefinition {
    fn write(&self, fields: &mut Fields<'_>) -> Done {
        fields.text("Description", &self.description)?;
        fields.text("Name", &self.name)?;
        fields.node("DefaultValue", self.default.as_ref())?;
        fields.node("Type", Some(&self.of_type))?;
        fields.nodes("Directives", &self.directives)?;
        fields.around(&self.around)
    }
}

impl Node for EnumValue {
    fn write(&self, fields: &mut Fields<'_>) -> Done {
        fields.text("Description", &self.description)?;
        fields.text("Name", &self.name)?;
        fields.nodes("Directives", &self.directives)?;
        fields.around(&self.around)
    }
}

impl Node for DirectiveDefinition {
    fn write(&self, fields: &mut Fields<'_>) -> Done {
        fields.text("Description", &self.description)?;
        fields.text("Name", &self.name)?;
        fields.nodes("Arguments", &self.arguments)?;
        fields.texts("Locations", &self.locations)?;
        fields.flag("IsRepeatable", self.is_repeatable)?;
        fields.around(&self.around)
    }
}
