//! Templates, executed.

use super::MAX_DEPTH;
use super::functions;
use super::parse::{Node, Operand, OperandKind, Pipeline, ROOT, Templates, syntax};
use crate::policy::engine::rego::builtins::{BuiltinError, CallContext};
use crate::policy::engine::rego::value::{Number, Value};

/// What a pipeline has in hand. Numbers of the data are Go strings; only literals and lengths are numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item {
    /// Of the data.
    Data(Value),
    Int(i64),
    Float(f64),
    Text(String),
    Bool(bool),
}

pub(super) fn run(context: &mut CallContext<'_>, templates: &Templates, data: &Value) -> Result<String, BuiltinError> {
    let variables = vec![(String::new(), Item::Data(data.clone()))];
    let mut run = Run { context, output: String::new(), variables, templates, depth: 0 };
    run.template(ROOT, Item::Data(data.clone()))?;
    Ok(run.output)
}

/// How a list of nodes ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

struct Run<'s, 'c> {
    context: &'s mut CallContext<'c>,
    output: String,
    variables: Vec<(String, Item)>,
    templates: &'s Templates,
    depth: usize,
}

impl Run<'_, '_> {
    fn nodes(&mut self, nodes: &[Node], dot: &Item) -> Result<Flow, BuiltinError> {
        for node in nodes {
            let flow = self.node(node, dot)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn node(&mut self, node: &Node, dot: &Item) -> Result<Flow, BuiltinError> {
        self.context.budget.charge(8)?;
        let scope = self.variables.len();
        let flow = match node {
            Node::Text(text) => self.write(text).map(|()| Flow::Next),
            Node::Print(pipeline) => {
                let item = self.pipeline(pipeline, dot)?;
                // A declaration prints nothing and lasts until the end of the block around it.
                if pipeline.variables.is_empty() {
                    self.write(&functions::text(&item))?;
                }
                return Ok(Flow::Next);
            }
            Node::If { condition, then, otherwise } => {
                let item = self.pipeline(condition, dot)?;
                self.nodes(if functions::is_true(&item) { then } else { otherwise }, dot)
            }
            Node::With { value, then, otherwise } => {
                let item = self.pipeline(value, dot)?;
                if functions::is_true(&item) { self.nodes(then, &item) } else { self.nodes(otherwise, dot) }
            }
            Node::Range { items, each, otherwise } => self.range(items, each, otherwise, dot),
            Node::Template { name, value } => {
                let value = value.as_ref().map(|value| self.pipeline(value, dot)).transpose()?;
                self.template(name, value.unwrap_or(Item::Data(Value::Null)))?;
                return Ok(Flow::Next);
            }
            Node::Break => Ok(Flow::Break),
            Node::Continue => Ok(Flow::Continue),
        };
        self.variables.truncate(scope);
        flow
    }

    /// Runs a template by its name, with variables of its own.
    fn template(&mut self, name: &str, dot: Item) -> Result<(), BuiltinError> {
        let nodes = self.templates.get(name).ok_or_else(|| syntax("template not defined"))?;
        if self.depth > MAX_DEPTH {
            return Err(BuiltinError::Halt("template: templates call each other too deep".to_owned()));
        }
        self.depth += 1;
        let outer = std::mem::replace(&mut self.variables, vec![(String::new(), dot.clone())]);
        self.nodes(nodes, &dot)?;
        self.variables = outer;
        self.depth -= 1;
        Ok(())
    }

    fn range(&mut self, items: &Pipeline, each: &[Node], otherwise: &[Node], dot: &Item) -> Result<Flow, BuiltinError> {
        let unbound = Pipeline { variables: Vec::new(), ..items.clone() };
        let collection = self.pipeline(&unbound, dot)?;
        if matches!(collection, Item::Int(_)) && items.variables.len() > 1 {
            return Err(syntax("can't use a number to iterate over more than one variable"));
        }
        let pairs = functions::range_over(self.context, &collection)?;
        if pairs.is_empty() {
            return self.nodes(otherwise, dot);
        }
        let scope = self.variables.len();
        for (index, item) in pairs {
            match items.variables.as_slice() {
                [value] => self.bind(value, item.clone(), items.is_declaration)?,
                [key, value] => {
                    self.bind(key, index, items.is_declaration)?;
                    self.bind(value, item.clone(), items.is_declaration)?;
                }
                _ => {}
            }
            let flow = self.nodes(each, &item)?;
            self.variables.truncate(scope);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::Next)
    }

    fn bind(&mut self, name: &str, item: Item, is_declaration: bool) -> Result<(), BuiltinError> {
        if is_declaration {
            self.variables.push((name.to_owned(), item));
            return Ok(());
        }
        let variable = self.variables.iter_mut().rev().find(|(known, _)| known == name);
        variable.map(|(_, value)| *value = item).ok_or_else(|| syntax("undefined variable"))
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Item) -> Result<Item, BuiltinError> {
        let mut last = None;
        for command in &pipeline.commands {
            last = Some(self.command(command, last, dot)?);
        }
        let item = last.ok_or_else(|| syntax("missing value"))?;
        if let [name] = pipeline.variables.as_slice() {
            self.bind(name, item.clone(), pipeline.is_declaration)?;
        }
        Ok(item)
    }

    /// `last` is what comes through `|` and becomes the last argument.
    fn command(&mut self, command: &[Operand], last: Option<Item>, dot: &Item) -> Result<Item, BuiltinError> {
        let Some((first, arguments)) = command.split_first() else {
            return Err(syntax("missing value"));
        };
        let OperandKind::Function(name) = &first.kind else {
            if !arguments.is_empty() || last.is_some() {
                return Err(syntax("can't give argument to non-function"));
            }
            if matches!(first.kind, OperandKind::Nil) {
                return Err(syntax("nil is not a command"));
            }
            return self.operand(first, dot);
        };
        // These two stop at the first argument that decides.
        if name == "and" || name == "or" {
            let mut item = None;
            for argument in arguments {
                let value = self.operand(argument, dot)?;
                let is_decided = functions::is_true(&value) == (name == "or");
                item = Some(value);
                if is_decided {
                    return item.ok_or_else(|| syntax("missing value"));
                }
            }
            return last.or(item).ok_or_else(|| syntax("wrong number of args"));
        }
        let mut items = Vec::new();
        for argument in arguments {
            items.push(self.operand(argument, dot)?);
        }
        items.extend(last);
        let result = functions::call(self.context, name, &items)?;
        fields(result, &first.fields)
    }

    fn operand(&mut self, operand: &Operand, dot: &Item) -> Result<Item, BuiltinError> {
        let item = match &operand.kind {
            OperandKind::Dot => dot.clone(),
            OperandKind::Variable(name) => {
                let found = self.variables.iter().rev().find(|(known, _)| known == name);
                found.map(|(_, item)| item.clone()).ok_or_else(|| syntax("undefined variable"))?
            }
            OperandKind::Function(name) => functions::call(self.context, name, &[])?,
            OperandKind::Text(text) => Item::Text(text.clone()),
            OperandKind::Number(number) => number_item(number)?,
            OperandKind::Bool(boolean) => Item::Bool(*boolean),
            OperandKind::Nil => Item::Data(Value::Null),
            OperandKind::Parentheses(pipeline) => self.pipeline(pipeline, dot)?,
        };
        fields(item, &operand.fields)
    }

    fn write(&mut self, text: &str) -> Result<(), BuiltinError> {
        self.context.budget.allocate(text.len() as u64)?;
        self.output.push_str(text);
        Ok(())
    }
}

fn number_item(number: &Number) -> Result<Item, BuiltinError> {
    match number.as_i64() {
        Some(integer) => Ok(Item::Int(integer)),
        None => number.to_f64().map(Item::Float).ok_or_else(|| syntax("bad number syntax")),
    }
}

/// Missing keys are an error.
fn fields(item: Item, fields: &[String]) -> Result<Item, BuiltinError> {
    fields.iter().try_fold(item, |item, field| match &item {
        Item::Data(Value::Object(object)) => {
            object.get_str(field).cloned().map(Item::Data).ok_or_else(|| syntax("map has no entry for key"))
        }
        _ => Err(syntax("can't evaluate field")),
    })
}
