//! The parser's tokens, and the grammar that queries and schemas share: values, types, directives.
//!
//! Which comment belongs to what is a matter of when gqlparser looks at the next token; the order of the calls is its.

use super::ast::{Argument, Child, Comments, Directive, Kind, Literal, Type};
use super::lexer::{Lexer, Token, TokenKind};
use super::{MAX_DEPTH, Refusal, too_deep};
use crate::policy::engine::rego::builtins::Budget;

/// Memory of a node of the tree, and of what is around it. No token makes more than one.
const BYTES_OF_TOKEN: u64 = 320;

#[derive(Debug)]
pub(super) struct Parser<'a, 'b> {
    lexer: Lexer<'a>,
    budget: &'b mut Budget,
    /// The next token that is no comment.
    peeked: Option<Token<'a>>,
    /// The comments right before `peeked`.
    comments: Comments,
    depth: usize,
}

impl<'a, 'b> Parser<'a, 'b> {
    pub(super) fn new(text: &'a str, budget: &'b mut Budget) -> Result<Self, Refusal> {
        budget.allocate(text.len() as u64 * 2)?;
        Ok(Self { lexer: Lexer::new(text), budget, peeked: None, comments: Comments::default(), depth: 0 })
    }

    pub(super) fn peek(&mut self) -> Result<(TokenKind, &str), Refusal> {
        if self.peeked.is_none() {
            self.peeked = Some(self.read()?);
        }
        Ok(self.peeked.as_ref().map_or((TokenKind::End, ""), |token| (token.kind, token.text.as_ref())))
    }

    fn read(&mut self) -> Result<Token<'a>, Refusal> {
        let mut comments = Vec::new();
        loop {
            self.budget.allocate(BYTES_OF_TOKEN)?;
            let token = self.lexer.token()?;
            if token.kind != TokenKind::Comment {
                if !comments.is_empty() {
                    self.comments = Comments::from(comments);
                }
                return Ok(token);
            }
            comments.push(token.text.into_owned());
        }
    }

    pub(super) fn next(&mut self) -> Result<Token<'a>, Refusal> {
        self.peek()?;
        self.comments = Comments::default();
        self.peeked.take().ok_or_else(unexpected)
    }

    /// The comments before the next token.
    pub(super) fn comments(&mut self) -> Result<Comments, Refusal> {
        self.peek()?;
        Ok(self.comments.clone())
    }

    pub(super) fn is_next(&mut self, kind: TokenKind) -> Result<bool, Refusal> {
        Ok(self.peek()?.0 == kind)
    }

    /// Whether the next token has this text, be it a name or a string: gqlparser does not tell them apart there.
    pub(super) fn is_text(&mut self, text: &str) -> Result<bool, Refusal> {
        Ok(self.peek()?.1 == text)
    }

    pub(super) fn is_keyword(&mut self, word: &str) -> Result<bool, Refusal> {
        Ok(self.peek()? == (TokenKind::Name, word))
    }

    pub(super) fn skip(&mut self, kind: TokenKind) -> Result<bool, Refusal> {
        let is_there = self.is_next(kind)?;
        if is_there {
            self.next()?;
        }
        Ok(is_there)
    }

    pub(super) fn skip_mark(&mut self, mark: u8) -> Result<bool, Refusal> {
        self.skip(TokenKind::Mark(mark))
    }

    /// The token, and the comments before it.
    pub(super) fn expect(&mut self, kind: TokenKind) -> Result<(Token<'a>, Comments), Refusal> {
        if !self.is_next(kind)? {
            return Err(unexpected());
        }
        let comments = self.comments.clone();
        Ok((self.next()?, comments))
    }

    pub(super) fn expect_mark(&mut self, mark: u8) -> Result<(), Refusal> {
        self.expect(TokenKind::Mark(mark)).map(drop)
    }

    pub(super) fn expect_keyword(&mut self, word: &str) -> Result<Comments, Refusal> {
        if !self.is_keyword(word)? {
            return Err(unexpected());
        }
        let comments = self.comments.clone();
        self.next()?;
        Ok(comments)
    }

    pub(super) fn name(&mut self) -> Result<String, Refusal> {
        Ok(self.expect(TokenKind::Name)?.0.text.into_owned())
    }

    /// What is between two marks, and the comments before the second; nothing when the first is not there.
    pub(super) fn list<T>(
        &mut self,
        open: u8,
        close: u8,
        item: impl Fn(&mut Self) -> Result<T, Refusal>,
    ) -> Result<(Vec<T>, Comments), Refusal> {
        let mut items = Vec::new();
        if !self.skip_mark(open)? {
            return Ok((items, Comments::default()));
        }
        while !self.is_next(TokenKind::Mark(close))? {
            items.push(item(self)?);
        }
        let comments = self.comments.clone();
        self.next()?;
        Ok((items, comments))
    }

    /// The same where there must not be nothing between the marks.
    pub(super) fn some<T>(
        &mut self,
        open: u8,
        close: u8,
        item: impl Fn(&mut Self) -> Result<T, Refusal>,
    ) -> Result<(Vec<T>, Comments), Refusal> {
        let is_there = self.is_next(TokenKind::Mark(open))?;
        let (items, comments) = self.list(open, close, item)?;
        if is_there && items.is_empty() {
            return Err(Refusal::invalid("expected at least one definition"));
        }
        Ok((items, comments))
    }

    /// One or more names between marks, the first of which may have one before it, too.
    pub(super) fn separated(&mut self, mark: u8) -> Result<Vec<String>, Refusal> {
        self.skip_mark(mark)?;
        let mut names = vec![self.name()?];
        while self.skip_mark(mark)? {
            names.push(self.name()?);
        }
        Ok(names)
    }

    /// Runs a part of the grammar that may contain itself.
    pub(super) fn nested<T>(&mut self, part: impl FnOnce(&mut Self) -> Result<T, Refusal>) -> Result<T, Refusal> {
        if self.depth >= MAX_DEPTH {
            return Err(too_deep().into());
        }
        self.depth += 1;
        let parsed = part(self);
        self.depth -= 1;
        parsed
    }

    pub(super) fn variable(&mut self) -> Result<String, Refusal> {
        self.expect_mark(b'$')?;
        self.name()
    }

    /// A value; a constant one has no variables.
    pub(super) fn literal(&mut self, is_constant: bool) -> Result<Literal, Refusal> {
        let (kind, text) = self.peek()?;
        let kind = match kind {
            TokenKind::Mark(b'[') => return self.nested(|parser| parser.list_literal(is_constant)),
            TokenKind::Mark(b'{') => return self.nested(|parser| parser.object_literal(is_constant)),
            TokenKind::Mark(b'$') if !is_constant => {
                return Ok(scalar(Kind::Variable, self.variable()?));
            }
            TokenKind::Int => Kind::Int,
            TokenKind::Float => Kind::Float,
            TokenKind::String => Kind::String,
            TokenKind::Block => Kind::Block,
            TokenKind::Name if text == "true" || text == "false" => Kind::Boolean,
            TokenKind::Name if text == "null" => Kind::Null,
            TokenKind::Name => Kind::Enum,
            TokenKind::End | TokenKind::Mark(_) | TokenKind::Spread | TokenKind::Comment => return Err(unexpected()),
        };
        Ok(scalar(kind, self.next()?.text.into_owned()))
    }

    fn list_literal(&mut self, is_constant: bool) -> Result<Literal, Refusal> {
        let comments = self.comments()?;
        let element = |parser: &mut Self| {
            Ok(Child { name: String::new(), value: parser.literal(is_constant)?, comments: Comments::default() })
        };
        let (children, _) = self.list(b'[', b']', element)?;
        Ok(Literal { kind: Kind::List, raw: String::new(), children, comments })
    }

    fn object_literal(&mut self, is_constant: bool) -> Result<Literal, Refusal> {
        let comments = self.comments()?;
        let field = |parser: &mut Self| {
            let comments = parser.comments()?;
            let name = parser.name()?;
            parser.expect_mark(b':')?;
            Ok(Child { name, value: parser.literal(is_constant)?, comments })
        };
        let (children, _) = self.list(b'{', b'}', field)?;
        Ok(Literal { kind: Kind::Object, raw: String::new(), children, comments })
    }

    pub(super) fn arguments(&mut self, is_constant: bool) -> Result<Vec<Argument>, Refusal> {
        let argument = |parser: &mut Self| {
            let comments = parser.comments()?;
            let name = parser.name()?;
            parser.expect_mark(b':')?;
            Ok(Argument { name, value: parser.literal(is_constant)?, comments })
        };
        Ok(self.some(b'(', b')', argument)?.0)
    }

    pub(super) fn directives(&mut self, is_constant: bool) -> Result<Vec<Directive>, Refusal> {
        let mut directives = Vec::new();
        while self.skip_mark(b'@')? {
            let name = self.name()?;
            let arguments = self.arguments(is_constant)?;
            directives.push(Directive { name, arguments, location: String::new() });
        }
        Ok(directives)
    }

    pub(super) fn type_reference(&mut self) -> Result<Type, Refusal> {
        let mut parsed = if self.skip_mark(b'[')? {
            let element = self.nested(Self::type_reference)?;
            self.expect_mark(b']')?;
            Type { name: String::new(), element: Some(Box::new(element)), is_non_null: false }
        } else {
            Type::named(&self.name()?, false)
        };
        parsed.is_non_null = self.skip_mark(b'!')?;
        Ok(parsed)
    }
}

/// Comments before scalars and variables are lost: they are asked for when the token is gone.
fn scalar(kind: Kind, raw: String) -> Literal {
    Literal { kind, raw, children: Vec::new(), comments: Comments::default() }
}

pub(super) fn unexpected() -> Refusal {
    Refusal::invalid("unexpected token")
}
