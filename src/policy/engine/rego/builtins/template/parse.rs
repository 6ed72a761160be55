//! Templates as trees.

use std::iter::Peekable;
use std::vec::IntoIter;

use super::MAX_DEPTH;
use crate::policy::engine::rego::builtins::BuiltinError;
use crate::policy::engine::rego::builtins::arguments::undefined;
use crate::policy::engine::rego::value::{Number, NumberMode, Value, parse_json};

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
    Break,
    Continue,
}

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

pub(super) fn parse(source: &str) -> Result<Vec<Node>, BuiltinError> {
    let mut parser = Parser { pieces: pieces(source)?.into_iter(), range_depth: 0 };
    match parser.block(0)? {
        (nodes, Closed::NotAtAll) => Ok(nodes),
        _ => Err(syntax("unexpected end or else")),
    }
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
}

impl Parser<'_> {
    fn block(&mut self, depth: usize) -> Result<(Vec<Node>, Closed), BuiltinError> {
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
            "define" | "template" | "block" | "end" | "break" | "continue" => Err(syntax("unsupported action")),
            _ => Ok(Node::Print(pipeline(tokens, 1)?)),
        }
    }

    fn branch(&mut self, keyword: &str, tokens: Vec<Token>, depth: usize) -> Result<Node, BuiltinError> {
        let is_range = keyword == "range";
        let head = pipeline(tokens, if is_range { 2 } else { 1 })?;
        self.range_depth += usize::from(is_range);
        let (then, end) = self.block(depth + 1)?;
        self.range_depth -= usize::from(is_range);
        let otherwise = match end {
            Closed::NotAtAll => return Err(syntax("unexpected EOF")),
            Closed::End => Vec::new(),
            Closed::Else(rest) if rest.is_empty() => match self.block(depth + 1)? {
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
    let mut rest = action.trim();
    while let Some(character) = rest.chars().next() {
        let is_word = |character: char| character.is_alphanumeric() || character == '_';
        let after = rest.get(character.len_utf8()..).unwrap_or_default();
        let word_end = after.find(|character| !is_word(character)).unwrap_or(after.len());
        let (token, length) = match character {
            ' ' | '\t' | '\r' | '\n' => (Token::Space, rest.len() - rest.trim_start().len()),
            '$' => (Token::Variable(after.get(..word_end).unwrap_or_default().to_owned()), 1 + word_end),
            '.' if word_end > 0 && !after.starts_with(|one: char| one.is_ascii_digit()) => {
                (Token::Field(after.get(..word_end).unwrap_or_default().to_owned()), 1 + word_end)
            }
            '.' if word_end == 0 => (Token::Dot, 1),
            '"' => quoted(rest)?,
            '`' => {
                let end = after.find('`').ok_or_else(|| syntax("unterminated raw quoted string"))?;
                (Token::Text(after.get(..end).unwrap_or_default().to_owned()), end + 2)
            }
            '0'..='9' | '+' | '-' | '.' => {
                let end = after.find(|one: char| !one.is_ascii_alphanumeric() && one != '.').unwrap_or(after.len());
                let number = Number::parse(rest.get(..1 + end).unwrap_or_default())
                    .ok_or_else(|| syntax("bad number syntax"))?;
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

/// Escapes as in JSON, which is what of Go's escapes people use.
fn quoted(text: &str) -> Result<(Token, usize), BuiltinError> {
    let mut is_escaped = false;
    let end = text.char_indices().skip(1).find(|(_, character)| {
        let is_end = *character == '"' && !is_escaped;
        is_escaped = *character == '\\' && !is_escaped;
        is_end
    });
    let (end, _) = end.ok_or_else(|| syntax("unterminated quoted string"))?;
    match parse_json(text.get(..=end).unwrap_or_default(), NumberMode::AsWritten) {
        Ok(Value::String(unquoted)) => Ok((Token::Text(unquoted.to_string()), end + 1)),
        _ => Err(syntax("bad quoted string")),
    }
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
