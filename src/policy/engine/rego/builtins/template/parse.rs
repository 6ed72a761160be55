//! Templates as trees.

use std::collections::HashMap;
use std::iter::Peekable;
use std::sync::Arc;
use std::vec::IntoIter;

use super::quoted::unquote;
use super::{MAX_DEPTH, check};
use crate::policy::engine::rego::builtins::BuiltinError;
use crate::policy::engine::rego::builtins::arguments::undefined;
use crate::policy::engine::rego::value::Number;

#[derive(Clone, Debug)]
pub(super) enum Node {
    Text(String),
    /// `{{ pipeline }}`
    Print(Pipeline),
    If {
        condition: Pipeline,
        then: Vec<Node>,
        otherwise: Vec<Node>,
    },
    With {
        value: Pipeline,
        then: Vec<Node>,
        otherwise: Vec<Node>,
    },
    Range {
        items: Pipeline,
        each: Vec<Node>,
        otherwise: Vec<Node>,
    },
    /// `{{ template "name" value }}`
    Template {
        name: String,
        value: Option<Pipeline>,
    },
    Break,
    Continue,
}

/// Templates by name. The one to run has the name [`ROOT`].
pub(super) type Templates = HashMap<String, Arc<[Node]>>;

/// OPA's name of the template.
pub(super) const ROOT: &str = "template";

/// `$a, $b := first | second`
#[derive(Clone, Debug, Default)]
pub(super) struct Pipeline {
    pub(super) variables: Vec<String>,
    /// `:=`, not `=`.
    pub(super) is_declaration: bool,
    pub(super) commands: Vec<Vec<Operand>>,
}

#[derive(Clone, Debug)]
pub(super) struct Operand {
    pub(super) kind: OperandKind,
    /// `.a.b` behind it.
    pub(super) fields: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) enum OperandKind {
    Dot,
    Variable(String),
    Function(String),
    Text(String),
    Number(Number),
    Bool(bool),
    Nil,
    Parentheses(Box<Pipeline>),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Variable(String),
    /// `.name`, with nothing between it and what is before.
    Field(String),
    Dot,
    Text(String),
    Number(Number),
    Sign(&'static str),
    Space,
}

/// A piece of the source: text, or what is between braces.
enum Piece<'a> {
    Text(&'a str),
    Action(&'a str),
}

pub(super) fn parse(source: &str) -> Result<Templates, BuiltinError> {
    let mut parser = Parser { pieces: pieces(source)?.into_iter(), range_depth: 0, templates: Templates::new() };
    match parser.block(0, true)? {
        (nodes, Closed::NotAtAll) => parser.define(ROOT.to_owned(), nodes)?,
        _ => return Err(syntax("unexpected end or else")),
    }
    Ok(parser.templates)
}

/// What closed a block.
enum Closed {
    NotAtAll,
    End,
    /// What stands behind `else`.
    Else(Vec<Token>),
}

struct Parser<'a> {
    pieces: IntoIter<Piece<'a>>,
    range_depth: usize,
    templates: Templates,
}

impl Parser<'_> {
    fn block(&mut self, depth: usize, is_top: bool) -> Result<(Vec<Node>, Closed), BuiltinError> {
        if depth > MAX_DEPTH {
            return Err(syntax("actions are nested too deep"));
        }
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let action = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text.to_owned()));
                    continue;
                }
                Piece::Action(action) => action,
            };
            let mut tokens = tokens(action)?;
            match tokens.first() {
                Some(Token::Word(word)) if word == "end" && tokens.len() == 1 => return Ok((nodes, Closed::End)),
                Some(Token::Word(word)) if word == "else" => return Ok((nodes, Closed::Else(tokens.split_off(1)))),
                Some(Token::Word(word)) if word == "define" && is_top => self.definition(tokens, depth)?,
                _ => nodes.push(self.action(tokens, depth)?),
            }
        }
        Ok((nodes, Closed::NotAtAll))
    }

    fn action(&mut self, mut tokens: Vec<Token>, depth: usize) -> Result<Node, BuiltinError> {
        let keyword = match tokens.first() {
            Some(Token::Word(word)) => word.clone(),
            _ => String::new(),
        };
        match keyword.as_str() {
            "if" | "with" | "range" => {
                let rest = tokens.split_off(1);
                self.branch(&keyword, rest, depth)
            }
            "break" | "continue" if tokens.len() == 1 && self.range_depth > 0 => {
                Ok(if keyword == "break" { Node::Break } else { Node::Continue })
            }
            "template" => {
                let (name, value) = template_name(tokens)?;
                let value = (!value.is_empty()).then(|| pipeline(value, 1)).transpose()?;
                Ok(Node::Template { name, value })
            }
            "block" => {
                let (name, value) = template_name(tokens)?;
                let value = Some(pipeline(value, 1)?);
                self.template(name.clone(), depth)?;
                Ok(Node::Template { name, value })
            }
            "define" | "end" | "break" | "continue" => Err(syntax("unexpected action")),
            _ => Ok(Node::Print(pipeline(tokens, 1)?)),
        }
    }

    fn definition(&mut self, tokens: Vec<Token>, depth: usize) -> Result<(), BuiltinError> {
        match template_name(tokens)? {
            (name, rest) if rest.is_empty() => self.template(name, depth),
            _ => Err(syntax("unexpected token in define clause")),
        }
    }

    /// Reads up to the `end` of a template in the template.
    fn template(&mut self, name: String, depth: usize) -> Result<(), BuiltinError> {
        let range_depth = std::mem::take(&mut self.range_depth);
        let (nodes, end) = self.block(depth + 1, false)?;
        self.range_depth = range_depth;
        match end {
            Closed::End => self.define(name, nodes),
            _ => Err(syntax("expected end")),
        }
    }

    /// Of several templates with the same name all but one must be empty.
    fn define(&mut self, name: String, nodes: Vec<Node>) -> Result<(), BuiltinError> {
        check::check(&nodes)?;
        match self.templates.get(&name).map(|known| is_empty(known)) {
            Some(false) if is_empty(&nodes) => Ok(()),
            Some(false) => Err(syntax("multiple definition of template")),
            None | Some(true) => {
                self.templates.insert(name, Arc::from(nodes));
                Ok(())
            }
        }
    }

    fn branch(&mut self, keyword: &str, tokens: Vec<Token>, depth: usize) -> Result<Node, BuiltinError> {
        let is_range = keyword == "range";
        let head = pipeline(tokens, if is_range { 2 } else { 1 })?;
        self.range_depth += usize::from(is_range);
        let (then, end) = self.block(depth + 1, false)?;
        self.range_depth -= usize::from(is_range);
        let otherwise = match end {
            Closed::NotAtAll => return Err(syntax("unexpected EOF")),
            Closed::End => Vec::new(),
            Closed::Else(rest) if rest.is_empty() => match self.block(depth + 1, false)? {
                (otherwise, Closed::End) => otherwise,
                _ => return Err(syntax("expected end")),
            },
            // `{{else if x}}` has its end in common with the outer one.
            Closed::Else(mut rest) => {
                let tokens = rest.split_off(2.min(rest.len()));
                let is_same = rest == [Token::Space, Token::Word(keyword.to_owned())];
                if !is_same || is_range {
                    return Err(syntax("unexpected token behind else"));
                }
                vec![self.branch(keyword, tokens, depth + 1)?]
            }
        };
        Ok(match keyword {
            "if" => Node::If { condition: head, then, otherwise },
            "with" => Node::With { value: head, then, otherwise },
            _ => Node::Range { items: head, each: then, otherwise },
        })
    }
}

/// The name behind `define`, `block` or `template`, and what follows it.
fn template_name(tokens: Vec<Token>) -> Result<(String, Vec<Token>), BuiltinError> {
    let mut tokens = tokens.into_iter().skip(1).skip_while(|token| *token == Token::Space);
    let Some(Token::Text(name)) = tokens.next() else {
        return Err(syntax("unexpected token instead of a template's name"));
    };
    Ok((name, tokens.skip_while(|token| *token == Token::Space).collect()))
}

fn is_empty(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()))
}

/// Splits at `{{` and `}}`; `{{- ` and ` -}}` take the white space beside them along; comments vanish.
fn pieces(source: &str) -> Result<Vec<Piece<'_>>, BuiltinError> {
    let mut pieces = Vec::new();
    let (mut rest, mut is_trimmed) = (source, false);
    let space = [' ', '\t', '\r', '\n'];
    loop {
        let (text, behind) = rest.split_once("{{").map_or((rest, None), |(text, behind)| (text, Some(behind)));
        let text = if is_trimmed { text.trim_start_matches(space) } else { text };
        let marked =
            behind.filter(|behind| behind.starts_with('-') && behind.get(1..2).is_some_and(|one| one.contains(space)));
        pieces.push(Piece::Text(if marked.is_some() { text.trim_end_matches(space) } else { text }));
        let Some(behind) = behind else {
            return Ok(pieces);
        };
        let inner = if marked.is_some() { behind.get(2..).unwrap_or_default() } else { behind };
        if let Some(comment) = inner.trim_start_matches(space).strip_prefix("/*") {
            let after = comment.split_once("*/").map(|(_, after)| after).ok_or_else(|| syntax("unclosed comment"))?;
            let trimmed = after.strip_prefix([' ', '\t', '\r', '\n']).and_then(|after| after.strip_prefix("-}}"));
            is_trimmed = trimmed.is_some();
            rest =
                trimmed.or(after.strip_prefix("}}")).ok_or_else(|| syntax("comment ends before closing delimiter"))?;
            continue;
        }
        let end = action_end(inner)?;
        let action = inner.get(..end).unwrap_or_default();
        rest = inner.get(end + 2..).unwrap_or_default();
        let unmarked = action.strip_suffix('-').filter(|action| action.ends_with(space));
        is_trimmed = unmarked.is_some();
        pieces.push(Piece::Action(unmarked.unwrap_or(action)));
    }
}

/// Where `}}` is, outside of quotes.
fn action_end(action: &str) -> Result<usize, BuiltinError> {
    let mut quote = None;
    let mut characters = action.char_indices();
    while let Some((index, character)) = characters.next() {
        match (quote, character) {
            (None, '"' | '`' | '\'') => quote = Some(character),
            (None, '}') if action.get(index..).is_some_and(|rest| rest.starts_with("}}")) => return Ok(index),
            (Some('"' | '\''), '\\') => {
                characters.next();
            }
            (Some(open), _) if open == character => quote = None,
            _ => {}
        }
    }
    Err(syntax("unclosed action"))
}

fn tokens(action: &str) -> Result<Vec<Token>, BuiltinError> {
    let mut tokens: Vec<Token> = Vec::new();
    let space = [' ', '\t', '\r', '\n'];
    let mut rest = action.trim_matches(space);
    while let Some(character) = rest.chars().next() {
        let is_word = |character: char| character.is_alphanumeric() || character == '_';
        let after = rest.get(character.len_utf8()..).unwrap_or_default();
        let word_end = after.find(|character| !is_word(character)).unwrap_or(after.len());
        let (token, length) = match character {
            ' ' | '\t' | '\r' | '\n' => (Token::Space, rest.len() - rest.trim_start_matches(space).len()),
            '$' => (Token::Variable(after.get(..word_end).unwrap_or_default().to_owned()), 1 + word_end),
            '.' if word_end > 0 && !after.starts_with(|one: char| one.is_ascii_digit()) => {
                (Token::Field(after.get(..word_end).unwrap_or_default().to_owned()), 1 + word_end)
            }
            '.' if word_end == 0 => (Token::Dot, 1),
            '"' => {
                let (text, length) = unquote(rest)?;
                (Token::Text(text), length)
            }
            '\'' => {
                let (text, length) = unquote(rest)?;
                let mut characters = text.chars();
                match (characters.next(), characters.next()) {
                    (Some(one), None) => (Token::Number(Number::from(i64::from(u32::from(one)))), length),
                    _ => return Err(syntax("malformed character constant")),
                }
            }
            '`' => {
                let end = after.find('`').ok_or_else(|| syntax("unterminated raw quoted string"))?;
                (Token::Text(after.get(..end).unwrap_or_default().to_owned()), end + 2)
            }
            '0'..='9' | '+' | '-' | '.' => {
                let end = after.find(|one: char| !one.is_ascii_alphanumeric() && one != '.').unwrap_or(after.len());
                let number = number(rest.get(..1 + end).unwrap_or_default())?;
                (Token::Number(number), 1 + end)
            }
            ':' if after.starts_with('=') => (Token::Sign(":="), 2),
            '=' => (Token::Sign("="), 1),
            '|' => (Token::Sign("|"), 1),
            '(' => (Token::Sign("("), 1),
            ')' => (Token::Sign(")"), 1),
            ',' => (Token::Sign(","), 1),
            _ if is_word(character) => {
                let length = character.len_utf8() + word_end;
                (Token::Word(rest.get(..length).unwrap_or_default().to_owned()), length)
            }
            _ => return Err(syntax("unexpected character in command")),
        };
        tokens.push(token);
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(tokens)
}

/// Decimal ones. What may be one of Go's other forms (octal, hexadecimal, complex) stops the evaluation.
fn number(text: &str) -> Result<Number, BuiltinError> {
    let digits = text.trim_start_matches(['+', '-']);
    let is_octal = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    Number::parse(text)
        .filter(|_| !is_octal && !text.contains('_'))
        .ok_or_else(|| BuiltinError::Halt(format!("template: a number like {text} is not supported")))
}

fn pipeline(tokens: Vec<Token>, max_variables: usize) -> Result<Pipeline, BuiltinError> {
    let mut tokens = tokens.into_iter().peekable();
    let pipeline = read_pipeline(&mut tokens, max_variables, 0)?;
    if tokens.next().is_some() { Err(syntax("unexpected right paren")) } else { Ok(pipeline) }
}

type Tokens = Peekable<IntoIter<Token>>;

fn read_pipeline(tokens: &mut Tokens, max_variables: usize, depth: usize) -> Result<Pipeline, BuiltinError> {
    if depth > MAX_DEPTH {
        return Err(syntax("parentheses are nested too deep"));
    }
    let mut pipeline = Pipeline::default();
    read_declaration(tokens, max_variables, &mut pipeline)?;
    let mut command: Vec<Operand> = Vec::new();
    let mut is_joined = false;
    while let Some(token) = tokens.next_if(|token| *token != Token::Sign(")")) {
        let kind = match token {
            Token::Space => {
                is_joined = false;
                continue;
            }
            Token::Sign("|") => {
                is_joined = false;
                pipeline.commands.push(std::mem::take(&mut command));
                continue;
            }
            Token::Field(name) if is_joined => {
                if let Some(last) = command.last_mut() {
                    last.fields.push(name);
                }
                continue;
            }
            Token::Field(name) => {
                command.push(Operand { kind: OperandKind::Dot, fields: vec![name] });
                is_joined = true;
                continue;
            }
            _ if is_joined => return Err(syntax("unexpected token behind operand")),
            Token::Dot => OperandKind::Dot,
            Token::Variable(name) => OperandKind::Variable(name),
            Token::Text(text) => OperandKind::Text(text),
            Token::Number(number) => OperandKind::Number(number),
            Token::Word(word) => word_operand(word),
            Token::Sign("(") => {
                let inner = read_pipeline(tokens, 1, depth + 1)?;
                if tokens.next() != Some(Token::Sign(")")) {
                    return Err(syntax("unclosed left paren"));
                }
                OperandKind::Parentheses(Box::new(inner))
            }
            Token::Sign(_) => return Err(syntax("unexpected sign in operand")),
        };
        command.push(Operand { kind, fields: Vec::new() });
        is_joined = true;
    }
    pipeline.commands.push(command);
    if pipeline.commands.iter().any(Vec::is_empty) { Err(syntax("missing value")) } else { Ok(pipeline) }
}

fn word_operand(word: String) -> OperandKind {
    match word.as_str() {
        "true" => OperandKind::Bool(true),
        "false" => OperandKind::Bool(false),
        "nil" => OperandKind::Nil,
        _ => OperandKind::Function(word),
    }
}

/// `$x :=`, `$i, $x :=`, `$x =` at the beginning, if there is one.
fn read_declaration(tokens: &mut Tokens, max_variables: usize, pipeline: &mut Pipeline) -> Result<(), BuiltinError> {
    let mut ahead = tokens.clone();
    let mut variables = Vec::new();
    let is_declaration = loop {
        ahead.by_ref().next_if_eq(&Token::Space);
        let Some(Token::Variable(name)) = ahead.next() else {
            return Ok(());
        };
        variables.push(name);
        ahead.next_if_eq(&Token::Space);
        match ahead.next() {
            Some(Token::Sign(",")) => {}
            Some(Token::Sign(":=")) => break true,
            Some(Token::Sign("=")) => break false,
            _ => return Ok(()),
        }
    };
    if variables.len() > max_variables {
        return Err(syntax("too many declarations"));
    }
    *tokens = ahead;
    pipeline.variables = variables;
    pipeline.is_declaration = is_declaration;
    Ok(())
}

pub(super) fn syntax(message: &str) -> BuiltinError {
    undefined(format!("template: {message}"))
}
