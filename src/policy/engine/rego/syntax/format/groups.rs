//! Tokens with their brackets matched.

use super::marks::Marks;
use crate::policy::engine::rego::syntax::lexer::{Keyword, Token, TokenKind};

/// A token, or a bracket with all that it encloses.
#[derive(Debug)]
pub(super) enum Node {
    Token(usize),
    Group(Group),
}

#[derive(Debug)]
pub(super) struct Group {
    pub(super) kind: GroupKind,
    /// Index of the opening bracket.
    pub(super) open: usize,
    /// Index of the closing bracket.
    pub(super) close: usize,
    pub(super) children: Vec<Node>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GroupKind {
    RuleBody,
    EveryBody,
    Comprehension,
    /// Arrays, sets, objects, arguments.
    List,
    /// Parentheses around an operation, and steps of references.
    Plain,
}

impl Node {
    /// Index of the first token.
    pub(super) fn first(&self) -> usize {
        match self {
            Self::Token(index) => *index,
            Self::Group(group) => group.open,
        }
    }
}

/// Nodes of a range of tokens, whose brackets match because it was parsed.
pub(super) fn group(tokens: &[Token], marks: &Marks, range: std::ops::Range<usize>) -> Vec<Node> {
    let mut open: Vec<(usize, Vec<Node>)> = Vec::new();
    let mut nodes = Vec::new();
    for index in range {
        match tokens.get(index).map(|token| token.kind) {
            Some(TokenKind::LeftParenthesis | TokenKind::LeftBracket | TokenKind::LeftBrace) => {
                open.push((index, std::mem::take(&mut nodes)));
            }
            Some(TokenKind::RightParenthesis | TokenKind::RightBracket | TokenKind::RightBrace) => {
                let Some((start, outer)) = open.pop() else { continue };
                let children = std::mem::replace(&mut nodes, outer);
                let kind = kind_of(tokens, marks, start, &children);
                nodes.push(Node::Group(Group { kind, open: start, close: index, children }));
            }
            Some(_) => nodes.push(Node::Token(index)),
            None => {}
        }
    }
    nodes
}

fn kind_of(tokens: &[Token], marks: &Marks, open: usize, children: &[Node]) -> GroupKind {
    let bracket = tokens.get(open).map(|token| token.kind);
    let is_behind_operand = open > 0 && ends_operand(tokens, open - 1);
    let is_step = is_behind_operand && joins(tokens, marks, open);
    match bracket {
        _ if marks.rule_bodies.contains(&open) => GroupKind::RuleBody,
        _ if marks.every_bodies.contains(&open) => GroupKind::EveryBody,
        _ if children.iter().any(|node| matches!(node, Node::Token(index) if marks.bars.contains(index))) => {
            GroupKind::Comprehension
        }
        Some(TokenKind::LeftParenthesis) if is_step => GroupKind::List,
        Some(TokenKind::LeftParenthesis) => GroupKind::Plain,
        Some(TokenKind::LeftBracket) if is_step => GroupKind::Plain,
        _ => GroupKind::List,
    }
}

/// Whether an opening bracket belongs to what is before it: there is no gap, or it is at the first step of a head, where
/// a gap is accepted.
pub(super) fn joins(tokens: &[Token], marks: &Marks, open: usize) -> bool {
    let is_first_step = marks.statements.binary_search(&open.saturating_sub(1)).is_ok();
    is_first_step || tokens.get(open).is_some_and(|token| !token.has_gap)
}

/// Whether a token can be the last one of an operand.
pub(super) fn ends_operand(tokens: &[Token], index: usize) -> bool {
    let Some(token) = tokens.get(index) else { return false };
    match token.kind {
        TokenKind::Word
        | TokenKind::Number
        | TokenKind::Quoted
        | TokenKind::Raw
        | TokenKind::RightParenthesis
        | TokenKind::RightBracket
        | TokenKind::RightBrace
        | TokenKind::Keyword(Keyword::True | Keyword::False | Keyword::Null | Keyword::Contains) => true,
        TokenKind::Keyword(_) => is_name(tokens, index),
        _ => false,
    }
}

/// Whether a word that could be a keyword is a step or the head of a reference.
pub(super) fn is_name(tokens: &[Token], index: usize) -> bool {
    let is_field = index > 0 && tokens.get(index - 1).is_some_and(|before| before.kind == TokenKind::Dot);
    let is_head = tokens
        .get(index + 1)
        .is_some_and(|next| !next.has_gap && matches!(next.kind, TokenKind::Dot | TokenKind::LeftBracket));
    is_field || is_head
}
