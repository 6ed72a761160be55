//! The rules about values and variables.

use std::collections::HashSet;

use super::ast::{Definition, Kind, Literal, Operation, Type, VariableDefinition, kinds};
use super::validate::Walk;
use super::{Refusal, stop};

impl<'a> Walk<'a, '_> {
    pub(super) fn check_variable_definitions(&mut self, operation: &'a Operation) -> Result<(), Refusal> {
        let mut names = HashSet::new();
        for variable in &operation.variables {
            self.budget.charge(64)?;
            let definition = self.schema.type_of(&variable.of_type);
            if !definition.ok_or_else(|| Refusal::invalid("unknown type"))?.is_input() {
                return Err(Refusal::invalid("a variable has no input type"));
            }
            if !names.insert(variable.name.as_str()) {
                return Err(Refusal::invalid("there can be only one variable of a name"));
            }
        }
        Ok(())
    }

    /// `definition` is the type within the lists of `expected`; both are absent where nothing is known.
    pub(super) fn walk_value(
        &mut self,
        value: &'a Literal,
        definition: Option<&'a Definition>,
        expected: Option<&'a Type>,
    ) -> Result<(), Refusal> {
        self.budget.charge(64)?;
        match value.kind {
            Kind::Variable => self.check_variable(value, expected)?,
            Kind::Object => self.walk_fields(value, definition)?,
            Kind::List => {
                let element = expected.and_then(|expected| expected.element.as_deref());
                for child in &value.children {
                    self.walk_value(&child.value, element.and(definition), element)?;
                }
            }
            _ => {}
        }
        match (definition, expected) {
            (Some(definition), Some(expected)) => self.check_value(value, definition, expected),
            _ => Ok(()),
        }
    }

    fn walk_fields(&mut self, value: &'a Literal, definition: Option<&'a Definition>) -> Result<(), Refusal> {
        let mut names = HashSet::new();
        for child in &value.children {
            self.budget.charge(definition.map_or(0, |definition| definition.fields.len() as u64 * 4))?;
            let field = definition.and_then(|definition| definition.field(&child.name));
            let expected = field.map(|field| &field.of_type);
            self.walk_value(&child.value, expected.and_then(|expected| self.schema.type_of(expected)), expected)?;
            if !names.insert(child.name.as_str()) {
                return Err(Refusal::invalid("there can be only one input field of a name"));
            }
        }
        Ok(())
    }

    /// The definition of a variable. While fragments are looked at for themselves, none: what operations lead to was
    /// looked at with theirs, and what they do not lead to is not valid.
    fn variable(&mut self, value: &Literal) -> Result<Option<&'a VariableDefinition>, Refusal> {
        let Some(operation) = self.operation else { return Ok(None) };
        self.budget.charge(operation.variables.len() as u64 * 4)?;
        Ok(operation.variables.iter().find(|variable| variable.name == value.raw))
    }

    fn check_variable(&mut self, value: &'a Literal, expected: Option<&Type>) -> Result<(), Refusal> {
        if self.operation.is_none() {
            return Ok(());
        }
        let variable = self.variable(value)?.ok_or_else(|| Refusal::invalid("a variable is not defined"))?;
        self.used_variables.insert(&variable.name);
        let Some(expected) = expected else { return Ok(()) };
        let has_default = variable.default.as_ref().is_some_and(|default| default.kind != Kind::Null);
        let relaxed = Type { is_non_null: expected.is_non_null && !has_default, ..expected.clone() };
        if variable.of_type.is_compatible(&relaxed) {
            return Ok(());
        }
        Err(Refusal::invalid("a variable is used where its type does not fit"))
    }

    fn check_value(
        &mut self,
        value: &'a Literal,
        definition: &'a Definition,
        expected: &'a Type,
    ) -> Result<(), Refusal> {
        if value.kind == Kind::Null && expected.is_non_null {
            return Err(wrong_value());
        }
        let is_one = |names: &[&str]| names.contains(&definition.name.as_str());
        if definition.kind == kinds::SCALAR && !is_one(&["Int", "Float", "String", "Boolean", "ID"]) {
            return Ok(());
        }
        self.check_text(value)?;
        let is_enum = definition.kind == kinds::ENUM;
        let is_right = match value.kind {
            Kind::Null | Kind::Variable => true,
            Kind::List => expected.element.is_some(),
            Kind::Int => is_one(&["Int", "Float", "ID"]),
            Kind::Float => is_one(&["Float"]),
            Kind::String | Kind::Block => !is_enum && is_one(&["String", "ID"]),
            Kind::Boolean => is_one(&["Boolean"]),
            Kind::Enum => {
                self.budget.charge(definition.values.len() as u64 * 4)?;
                is_enum && definition.values.iter().any(|known| known.name == value.raw)
            }
            Kind::Object => return self.check_object(value, definition),
        };
        if is_right { Ok(()) } else { Err(wrong_value()) }
    }

    /// That the texts in a value can be read, as gqlparser does: integers of 64 bits, numbers that are not infinite. The
    /// defaults of variables are part of it.
    fn check_text(&mut self, value: &'a Literal) -> Result<(), Refusal> {
        self.budget.charge(16 + value.raw.len() as u64)?;
        let is_readable = match value.kind {
            Kind::Int => value.raw.parse::<i64>().is_ok(),
            Kind::Float => value.raw.parse::<f64>().is_ok_and(f64::is_finite),
            Kind::Boolean => {
                let texts = ["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"];
                texts.contains(&value.raw.as_str())
            }
            Kind::Variable => {
                // A default has no variables.
                let default = self.variable(value)?.and_then(|variable| variable.default.as_ref());
                return default.map_or(Ok(()), |default| self.check_text(default));
            }
            Kind::List | Kind::Object => {
                return value.children.iter().try_for_each(|child| self.check_text(&child.value));
            }
            Kind::String | Kind::Block | Kind::Null | Kind::Enum => true,
        };
        if is_readable { Ok(()) } else { Err(wrong_value()) }
    }

    fn check_object(&mut self, value: &'a Literal, definition: &'a Definition) -> Result<(), Refusal> {
        self.budget.charge((definition.fields.len() as u64 + 1) * (value.children.len() as u64 + 1) * 4)?;
        let is_given = |name: &str| value.children.iter().any(|child| child.name == name);
        for field in definition.fields.iter().filter(|field| field.of_type.is_non_null && field.default.is_none()) {
            if !is_given(&field.name) {
                return Err(Refusal::invalid("a required input field was not provided"));
            }
        }
        if definition.directives.iter().any(|directive| directive.name == "oneOf") {
            self.check_one_of(value)?;
        }
        if value.children.iter().any(|child| definition.field(&child.name).is_none()) {
            return Err(Refusal::invalid("a type has no such input field"));
        }
        Ok(())
    }

    /// Exactly one field, which is not null and cannot become so.
    fn check_one_of(&mut self, value: &'a Literal) -> Result<(), Refusal> {
        let [child] = value.children.as_slice() else {
            return Err(Refusal::invalid("exactly one input field must be given"));
        };
        let is_good = match child.value.kind {
            Kind::Null => false,
            Kind::Variable if self.operation.is_none() => true,
            Kind::Variable => {
                let variable = self.variable(&child.value)?;
                variable.ok_or_else(|| stop("a variable is not defined"))?.of_type.is_non_null
            }
            _ => true,
        };
        if is_good { Ok(()) } else { Err(Refusal::invalid("an input field must not be null")) }
    }
}

fn wrong_value() -> Refusal {
    Refusal::invalid("a value is not of the expected type")
}
