//! What Go checks when it reads a template, run or not: that functions and variables exist, and that nothing is piped
//! into what takes no argument.

use super::parse::{Node, Operand, OperandKind, Pipeline, syntax};
use crate::policy::engine::rego::builtins::BuiltinError;

const FUNCTIONS: [&str; 19] = [
    "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or", "print", "printf",
    "println", "slice", "urlquery",
];

/// Checks a template by itself: it sees no variable of the one that calls it.
pub(super) fn check(nodes: &[Node]) -> Result<(), BuiltinError> {
    Scope { variables: vec![String::new()] }.nodes(nodes)
}

struct Scope {
    variables: Vec<String>,
}

impl Scope {
    fn nodes(&mut self, nodes: &[Node]) -> Result<(), BuiltinError> {
        nodes.iter().try_for_each(|node| self.node(node))
    }

    fn node(&mut self, node: &Node) -> Result<(), BuiltinError> {
        let (head, one, other) = match node {
            Node::Text(_) | Node::Break | Node::Continue => return Ok(()),
            Node::Print(pipeline) => return self.pipeline(pipeline),
            Node::Template { value, .. } => return value.iter().try_for_each(|value| self.pipeline(value)),
            Node::If { condition, then, otherwise } => (condition, then, otherwise),
            Node::With { value, then, otherwise } => (value, then, otherwise),
            Node::Range { items, each, otherwise } => (items, each, otherwise),
        };
        let known = self.variables.len();
        self.pipeline(head)?;
        self.nodes(one)?;
        self.nodes(other)?;
        self.variables.truncate(known);
        Ok(())
    }

    fn pipeline(&mut self, pipeline: &Pipeline) -> Result<(), BuiltinError> {
        self.variables.extend(pipeline.variables.iter().cloned());
        for (index, command) in pipeline.commands.iter().enumerate() {
            command.iter().try_for_each(|operand| self.operand(operand))?;
            if index > 0 && command.first().is_some_and(takes_nothing) {
                return Err(syntax("non executable command in pipeline"));
            }
        }
        Ok(())
    }

    fn operand(&mut self, operand: &Operand) -> Result<(), BuiltinError> {
        match &operand.kind {
            OperandKind::Variable(name) if !self.variables.contains(name) => Err(syntax("undefined variable")),
            OperandKind::Function(name) if !FUNCTIONS.contains(&name.as_str()) => Err(syntax("function not defined")),
            OperandKind::Parentheses(inner) => self.pipeline(inner),
            _ => Ok(()),
        }
    }
}

fn takes_nothing(operand: &Operand) -> bool {
    let is_plain = match operand.kind {
        OperandKind::Dot | OperandKind::Text(_) | OperandKind::Number(_) | OperandKind::Bool(_) | OperandKind::Nil => {
            true
        }
        OperandKind::Variable(_) | OperandKind::Function(_) | OperandKind::Parentheses(_) => false,
    };
    is_plain && operand.fields.is_empty()
}
