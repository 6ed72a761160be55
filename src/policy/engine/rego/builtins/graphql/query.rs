//! The grammar of queries.

use super::Refusal;
use super::ast::{Comments, Field, Fragment, InlineFragment, Operation, Query, Selection, Spread, VariableDefinition};
use super::lexer::TokenKind;
use super::parser::{Parser, unexpected};
use crate::policy::engine::rego::builtins::Budget;

pub(super) fn parse(text: &str, budget: &mut Budget) -> Result<Query, Refusal> {
    let mut parser = Parser::new(text, budget)?;
    let mut query = Query::default();
    loop {
        match parser.peek()? {
            (TokenKind::End, _) => return Ok(query),
            (TokenKind::Name, "fragment") => query.fragments.push(parser.fragment()?),
            (TokenKind::Name, "query" | "mutation" | "subscription") => query.operations.push(parser.operation()?),
            (TokenKind::Mark(b'{'), _) => query.operations.push(parser.short_operation()?),
            _ => return Err(unexpected()),
        }
    }
}

impl Parser<'_, '_> {
    /// Only a selection; the comment before it is lost.
    fn short_operation(&mut self) -> Result<Operation, Refusal> {
        Ok(Operation {
            kind: "query".to_owned(),
            name: String::new(),
            variables: Vec::new(),
            directives: Vec::new(),
            selections: self.selections()?,
            comments: Comments::default(),
        })
    }

    fn operation(&mut self) -> Result<Operation, Refusal> {
        let comments = self.comments()?;
        let kind = self.operation_kind()?;
        let name = if self.is_next(TokenKind::Name)? { self.name()? } else { String::new() };
        let variables = self.variable_definitions()?;
        let directives = self.directives(false)?;
        Ok(Operation { kind, name, variables, directives, selections: self.selections()?, comments })
    }

    pub(super) fn operation_kind(&mut self) -> Result<String, Refusal> {
        let token = self.next()?;
        match token.text.as_ref() {
            "query" | "mutation" | "subscription" => Ok(token.text.into_owned()),
            _ => Err(unexpected()),
        }
    }

    fn variable_definitions(&mut self) -> Result<Vec<VariableDefinition>, Refusal> {
        let definition = |parser: &mut Self| {
            let comments = parser.comments()?;
            let name = parser.variable()?;
            parser.expect_mark(b':')?;
            let of_type = parser.type_reference()?;
            let default = if parser.skip_mark(b'=')? { Some(parser.literal(true)?) } else { None };
            let directives = parser.directives(false)?;
            Ok(VariableDefinition { name, of_type, default, directives, comments, is_used: false })
        };
        Ok(self.some(b'(', b')', definition)?.0)
    }

    fn selections(&mut self) -> Result<Vec<Selection>, Refusal> {
        if !self.is_next(TokenKind::Mark(b'{'))? {
            return Err(unexpected());
        }
        self.nested(|parser| Ok(parser.some(b'{', b'}', Self::selection)?.0))
    }

    fn selection(&mut self) -> Result<Selection, Refusal> {
        if self.is_next(TokenKind::Spread)? { self.spread() } else { Ok(Selection::Field(Box::new(self.field()?))) }
    }

    fn field(&mut self) -> Result<Field, Refusal> {
        let comments = self.comments()?;
        let alias = self.name()?;
        let name = if self.skip_mark(b':')? { self.name()? } else { alias.clone() };
        let arguments = self.arguments(false)?;
        let directives = self.directives(false)?;
        let has_selections = self.is_next(TokenKind::Mark(b'{'))?;
        let selections = if has_selections { self.selections()? } else { Vec::new() };
        Ok(Field { alias, name, arguments, directives, selections, comments })
    }

    fn spread(&mut self) -> Result<Selection, Refusal> {
        let (_, comments) = self.expect(TokenKind::Spread)?;
        let (kind, text) = self.peek()?;
        if kind == TokenKind::Name && text != "on" {
            let name = self.name()?;
            return Ok(Selection::Spread(Box::new(Spread { name, directives: self.directives(false)?, comments })));
        }
        let mut condition = String::new();
        if self.is_text("on")? {
            self.next()?;
            condition = self.name()?;
        }
        let directives = self.directives(false)?;
        let selections = self.selections()?;
        Ok(Selection::Inline(Box::new(InlineFragment { condition, directives, selections, comments })))
    }

    fn fragment(&mut self) -> Result<Fragment, Refusal> {
        let comments = self.expect_keyword("fragment")?;
        if self.is_text("on")? {
            return Err(unexpected());
        }
        let name = self.name()?;
        let variables = self.variable_definitions()?;
        self.expect_keyword("on")?;
        let condition = self.name()?;
        let directives = self.directives(false)?;
        Ok(Fragment { name, variables, condition, directives, selections: self.selections()?, comments })
    }
}
