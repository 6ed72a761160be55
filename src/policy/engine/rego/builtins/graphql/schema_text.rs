//! The grammar of schemas.

use super::Refusal;
use super::ast::{
    ArgumentDefinition, Comments, Definition, DirectiveDefinition, EnumValue, FieldDefinition, OperationType,
    SchemaDefinition, SchemaDocument, Surroundings, kinds,
};
use super::lexer::TokenKind;
use super::parser::{Parser, unexpected};
use crate::policy::engine::rego::builtins::Budget;

/// Where a directive may stand.
const LOCATIONS: &[&str] = &[
    "QUERY",
    "MUTATION",
    "SUBSCRIPTION",
    "FIELD",
    "FRAGMENT_DEFINITION",
    "FRAGMENT_SPREAD",
    "INLINE_FRAGMENT",
    "VARIABLE_DEFINITION",
    "SCHEMA",
    "SCALAR",
    "OBJECT",
    "FIELD_DEFINITION",
    "ARGUMENT_DEFINITION",
    "INTERFACE",
    "UNION",
    "ENUM",
    "ENUM_VALUE",
    "INPUT_OBJECT",
    "INPUT_FIELD_DEFINITION",
];

/// A text before a definition, and the comments before that.
#[derive(Default)]
struct Description {
    text: String,
    comments: Comments,
}

pub(super) fn parse(text: &str, budget: &mut Budget) -> Result<SchemaDocument, Refusal> {
    let mut parser = Parser::new(text, budget)?;
    let mut document = SchemaDocument::default();
    while !parser.is_next(TokenKind::End)? {
        let description = parser.description()?;
        let (kind, word) = parser.peek()?;
        if kind != TokenKind::Name {
            return Err(unexpected());
        }
        match word {
            "schema" => document.schemas.push(parser.schema_definition(description)?),
            "directive" => document.directives.push(parser.directive_definition(description)?),
            "extend" if description.text.is_empty() => parser.extension(&mut document)?,
            _ => {
                let kind = kind_of_word(word).ok_or_else(unexpected)?;
                document.definitions.push(parser.definition(kind, description)?);
            }
        }
    }
    document.comments = parser.comments()?;
    Ok(document)
}

/// The kind of a type by the word that begins its definition.
fn kind_of_word(word: &str) -> Option<&'static str> {
    match word {
        "scalar" => Some(kinds::SCALAR),
        "type" => Some(kinds::OBJECT),
        "interface" => Some(kinds::INTERFACE),
        "union" => Some(kinds::UNION),
        "enum" => Some(kinds::ENUM),
        "input" => Some(kinds::INPUT_OBJECT),
        _ => None,
    }
}

impl Parser<'_, '_> {
    fn description(&mut self) -> Result<Description, Refusal> {
        if !matches!(self.peek()?.0, TokenKind::String | TokenKind::Block) {
            return Ok(Description::default());
        }
        let comments = self.comments()?;
        Ok(Description { text: self.next()?.text.into_owned(), comments })
    }

    /// That of a part of a definition: an empty one is none, and then its comments are lost, too.
    fn inner_description(&mut self) -> Result<(String, Surroundings), Refusal> {
        let description = self.description()?;
        let before_description = if description.text.is_empty() { Comments::default() } else { description.comments };
        let around =
            Surroundings { before_description, after_description: self.comments()?, at_end: Comments::default() };
        Ok((description.text, around))
    }

    fn schema_definition(&mut self, description: Description) -> Result<SchemaDefinition, Refusal> {
        let after_description = self.expect_keyword("schema")?;
        let directives = self.directives(true)?;
        let (operation_types, at_end) = self.some(b'{', b'}', Self::operation_type)?;
        let around = Surroundings { before_description: description.comments, after_description, at_end };
        Ok(SchemaDefinition { description: description.text, directives, operation_types, around })
    }

    fn operation_type(&mut self) -> Result<OperationType, Refusal> {
        let comments = self.comments()?;
        let operation = self.operation_kind()?;
        self.expect_mark(b':')?;
        Ok(OperationType { operation, name: self.name()?, comments })
    }

    fn definition(&mut self, kind: &str, description: Description) -> Result<Definition, Refusal> {
        let after_description = self.comments()?;
        self.next()?;
        let mut definition = Definition { kind: kind.to_owned(), description: description.text, ..Default::default() };
        definition.around.before_description = description.comments;
        definition.around.after_description = after_description;
        definition.name = self.name()?;
        self.body(&mut definition, true)?;
        Ok(definition)
    }

    /// What follows the name. Extensions of interfaces have no interfaces, and of input types no constant arguments.
    fn body(&mut self, definition: &mut Definition, is_definition: bool) -> Result<(), Refusal> {
        let kind = definition.kind.clone();
        let has_interfaces = kind == kinds::OBJECT || (kind == kinds::INTERFACE && is_definition);
        if has_interfaces && self.is_text("implements")? {
            self.next()?;
            definition.interfaces = self.separated(b'&')?;
        }
        definition.directives = self.directives(is_definition || kind != kinds::INPUT_OBJECT)?;
        let around = &mut definition.around;
        match kind.as_str() {
            kinds::OBJECT | kinds::INTERFACE => {
                (definition.fields, around.at_end) = self.some(b'{', b'}', Self::field_definition)?;
            }
            kinds::INPUT_OBJECT => {
                (definition.fields, around.at_end) = self.some(b'{', b'}', Self::input_field)?;
            }
            kinds::ENUM => (definition.values, around.at_end) = self.some(b'{', b'}', Self::enum_value)?,
            kinds::UNION if self.skip_mark(b'=')? => definition.members = self.separated(b'|')?,
            _ => {}
        }
        Ok(())
    }

    fn field_definition(&mut self) -> Result<FieldDefinition, Refusal> {
        let (description, around) = self.inner_description()?;
        let name = self.name()?;
        let arguments = self.argument_definitions()?;
        self.expect_mark(b':')?;
        let of_type = self.type_reference()?;
        let directives = self.directives(true)?;
        Ok(FieldDefinition { description, name, arguments, default: None, of_type, directives, around })
    }

    fn argument_definitions(&mut self) -> Result<Vec<ArgumentDefinition>, Refusal> {
        Ok(self.some(b'(', b')', Self::argument_definition)?.0)
    }

    fn argument_definition(&mut self) -> Result<ArgumentDefinition, Refusal> {
        let (description, around) = self.inner_description()?;
        let name = self.name()?;
        self.expect_mark(b':')?;
        let of_type = self.type_reference()?;
        let default = if self.skip_mark(b'=')? { Some(self.literal(true)?) } else { None };
        let directives = self.directives(true)?;
        Ok(ArgumentDefinition { description, name, default, of_type, directives, around })
    }

    fn input_field(&mut self) -> Result<FieldDefinition, Refusal> {
        let ArgumentDefinition { description, name, default, of_type, directives, around } =
            self.argument_definition()?;
        Ok(FieldDefinition { description, name, arguments: Vec::new(), default, of_type, directives, around })
    }

    fn enum_value(&mut self) -> Result<EnumValue, Refusal> {
        let (description, around) = self.inner_description()?;
        let name = self.name()?;
        Ok(EnumValue { description, name, directives: self.directives(true)?, around })
    }

    fn extension(&mut self, document: &mut SchemaDocument) -> Result<(), Refusal> {
        let after_description = self.expect_keyword("extend")?;
        let (token, word) = self.peek()?;
        if token != TokenKind::Name {
            return Err(unexpected());
        }
        if word == "schema" {
            let mut extension = self.schema_definition(Description::default())?;
            extension.around.after_description = after_description;
            if extension.directives.is_empty() && extension.operation_types.is_empty() {
                return Err(unexpected());
            }
            document.schema_extensions.push(extension);
            return Ok(());
        }
        let kind = kind_of_word(word).ok_or_else(unexpected)?;
        self.next()?;
        let mut extension = Definition { kind: kind.to_owned(), name: self.name()?, ..Default::default() };
        extension.around.after_description = after_description;
        self.body(&mut extension, false)?;
        let Definition { interfaces, directives, fields, members, values, .. } = &extension;
        if [interfaces, members].iter().all(|names| names.is_empty())
            && directives.is_empty()
            && fields.is_empty()
            && values.is_empty()
        {
            return Err(unexpected());
        }
        document.extensions.push(extension);
        Ok(())
    }

    fn directive_definition(&mut self, description: Description) -> Result<DirectiveDefinition, Refusal> {
        let after_description = self.expect_keyword("directive")?;
        self.expect_mark(b'@')?;
        let name = self.name()?;
        let arguments = self.argument_definitions()?;
        let is_repeatable = self.is_keyword("repeatable")?;
        if is_repeatable {
            self.next()?;
        }
        self.expect_keyword("on")?;
        let locations = self.separated(b'|')?;
        if !locations.iter().all(|location| LOCATIONS.contains(&location.as_str())) {
            return Err(unexpected());
        }
        let around =
            Surroundings { before_description: description.comments, after_description, at_end: Comments::default() };
        Ok(DirectiveDefinition { description: description.text, name, arguments, locations, is_repeatable, around })
    }
}
