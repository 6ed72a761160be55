//! Where the parser is, and what all of its parts need: looking at tokens, going back, giving up.

use std::collections::HashSet;

use crate::model::api::RegoVersion;
use crate::policy::engine::rego::syntax::ast::{ErrorClass, RegoError, Span};
use crate::policy::engine::rego::syntax::lexer::{Keyword, Token, TokenKind};

/// How deep brackets may be nested. One level takes up to 8 KiB of stack in debug builds, so that the deepest module
/// fits into half of the 2 MiB that threads have.
const MAX_NESTING: usize = 128;

/// How high the tree may become: nesting and chains of operators, because `a + b + c` is a tree of height two. Bounds
/// the stack that everything needs that walks the tree.
const MAX_HEIGHT: usize = 256;

/// How often a module may be read again because its brackets are ambiguous (see `collections`). Ordinary modules are
/// read less than twice.
const MAX_READINGS: usize = 20;

/// The message about a body that OPA reads although its first brace is something else.
pub(super) const LOOSE_BODY: &str = "found a body without `{` behind `if`";

/// The message about a rule that OPA may name by something that is no name.
pub(super) const LOOSE_NAME: &str = "found no name at the start of a rule";

/// How the messages begin about what OPA may accept: the bounds and these.
pub(super) const STRICTER: [&str; 4] = ["found more than ", "brackets are too ambiguous", LOOSE_BODY, LOOSE_NAME];

/// A mistake; boxed, because it is rare and results are returned all the time.
pub(super) type Failure = Box<RegoError>;

pub(super) type Parse<T> = Result<T, Failure>;

/// A parser somewhere in a module.
pub(super) struct Parser<'a> {
    pub(super) module: &'a str,
    pub(super) source: &'a str,
    pub(super) version: RegoVersion,
    /// `import rego.v1`: the rules of v1 hold, whatever the version.
    pub(super) is_strict: bool,
    tokens: Vec<Token>,
    position: usize,
    /// Which of `contains`, `every`, `if`, `in` are keywords.
    keywords: Vec<Keyword>,
    /// Index of a token that is a name although it is a keyword.
    plain_word: Option<usize>,
    wildcards: usize,
    depth: usize,
    tallest: usize,
    steps: usize,
    /// What v1 would not accept.
    demands: Vec<RegoError>,
    /// Indices of brackets that turned out not to be comprehensions although they have a `|`.
    pub(super) collections: HashSet<usize>,
}

/// A place to go back to.
#[derive(Clone, Copy)]
pub(super) struct Checkpoint {
    position: usize,
    wildcards: usize,
    depth: usize,
    tallest: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(module: &'a str, source: &'a str, version: RegoVersion, tokens: Vec<Token>) -> Self {
        let mut parser = Self {
            module,
            source,
            version,
            is_strict: version == RegoVersion::V1,
            tokens,
            position: 0,
            keywords: Vec::new(),
            plain_word: None,
            wildcards: 0,
            depth: 0,
            tallest: 0,
            steps: 0,
            demands: Vec::new(),
            collections: HashSet::new(),
        };
        if version == RegoVersion::V1 {
            parser.add_all_keywords();
        }
        parser
    }

    // ---- Keywords

    pub(super) fn add_keyword(&mut self, keyword: Keyword) {
        if !self.keywords.contains(&keyword) {
            self.keywords.push(keyword);
        }
        if keyword == Keyword::Every {
            self.add_keyword(Keyword::In);
        }
    }

    pub(super) fn add_all_keywords(&mut self) {
        for keyword in [Keyword::Contains, Keyword::Every, Keyword::If, Keyword::In] {
            self.add_keyword(keyword);
        }
    }

    pub(super) fn has_keyword(&self, keyword: Keyword) -> bool {
        !keyword.is_future() || self.keywords.contains(&keyword)
    }

    /// A keyword that is followed by `.` or `[` without a gap is a name.
    pub(super) fn allow_keyword_reference(&mut self) {
        if self.is_keyword_reference() {
            self.take_as_word();
        }
    }

    pub(super) fn is_keyword_reference(&self) -> bool {
        let next = self.token_at(self.position + 1);
        matches!(self.kind(), TokenKind::Keyword(_))
            && !next.has_gap
            && matches!(next.kind, TokenKind::Dot | TokenKind::LeftBracket)
    }

    /// Makes the current keyword a name.
    pub(super) fn take_as_word(&mut self) {
        self.plain_word = Some(self.position);
    }

    // ---- Tokens

    /// The current token's kind, as the module's keywords make it.
    pub(super) fn kind(&self) -> TokenKind {
        self.kind_at(self.position)
    }

    fn kind_at(&self, index: usize) -> TokenKind {
        match self.token_at(index).kind {
            TokenKind::Keyword(keyword) if !self.has_keyword(keyword) || self.plain_word == Some(index) => {
                TokenKind::Word
            }
            kind => kind,
        }
    }

    pub(super) fn token(&self) -> Token {
        self.token_at(self.position)
    }

    /// Past the end, the end.
    pub(super) fn token_at(&self, index: usize) -> Token {
        let at_end = Token { kind: TokenKind::End, span: Span::default(), has_gap: true, starts_line: true };
        self.tokens.get(index).or(self.tokens.last()).copied().unwrap_or(at_end)
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn is(&self, kind: TokenKind) -> bool {
        self.kind() == kind
    }

    pub(super) fn is_keyword(&self, keyword: Keyword) -> bool {
        self.is(TokenKind::Keyword(keyword))
    }

    /// Whether the current token follows the last one without a gap and is of this kind.
    pub(super) fn is_adjacent(&self, kind: TokenKind) -> bool {
        self.is(kind) && !self.token().has_gap
    }

    pub(super) fn advance(&mut self) {
        self.position = (self.position + 1).min(self.tokens.len().saturating_sub(1));
        self.steps += 1;
    }

    /// Steps over the current token if it is of this kind.
    pub(super) fn take(&mut self, kind: TokenKind) -> bool {
        let is_it = self.is(kind);
        if is_it {
            self.advance();
        }
        is_it
    }

    pub(super) fn expect(&mut self, kind: TokenKind, expected: &str) -> Parse<()> {
        if self.take(kind) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    pub(super) fn text(&self, token: Token) -> &'a str {
        self.source.get(token.span.start as usize..token.span.end as usize).unwrap_or_default()
    }

    /// From a place to the end of the token before the current one.
    pub(super) fn span_from(&self, start: Span) -> Span {
        let last = self.token_at(self.position.saturating_sub(1)).span;
        Span { end: last.end.max(start.end), ..start }
    }

    /// A name of its own for a `_`.
    pub(super) fn fresh_wildcard(&mut self) -> String {
        let name = format!("${}", self.wildcards);
        self.wildcards += 1;
        name
    }

    // ---- Going back

    pub(super) fn checkpoint(&self) -> Checkpoint {
        Checkpoint { position: self.position, wildcards: self.wildcards, depth: self.depth, tallest: self.tallest }
    }

    pub(super) fn restore(&mut self, checkpoint: Checkpoint) {
        Checkpoint { position: self.position, wildcards: self.wildcards, depth: self.depth, tallest: self.tallest } =
            checkpoint;
    }

    /// Steps over what is left of a statement with a mistake: to the next line that starts with a word in the first
    /// column.
    pub(super) fn skip_statement(&mut self, start: usize) {
        self.depth = 0;
        self.tallest = 0;
        self.position = self.position.max(start + 1);
        while !self.is(TokenKind::End) {
            let token = self.token();
            if token.starts_line
                && token.span.column == 1
                && matches!(token.kind, TokenKind::Word | TokenKind::Keyword(_))
            {
                return;
            }
            self.position += 1;
        }
    }

    // ---- Depth

    /// Begins a nested term or body; what it returns goes to [`Self::leave`]. Mistakes need not leave: going back and
    /// skipping reset the depth.
    pub(super) fn enter(&mut self) -> Parse<usize> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return Err(self.too_deep());
        }
        if self.steps > self.tokens.len() * MAX_READINGS {
            let help = "write unions in lists as calls of `union` or assign them to variables first";
            return Err(self.failure(self.token().span, "brackets are too ambiguous", Some(help)));
        }
        Ok(std::mem::take(&mut self.tallest))
    }

    pub(super) fn leave(&mut self, outer: usize) {
        self.depth = self.depth.saturating_sub(1);
        self.tallest = outer.max(self.tallest + 1);
    }

    /// Begins an operand chain: its height starts anew. Ends with [`Self::end_chain`].
    pub(super) fn begin_chain(&mut self) -> usize {
        std::mem::take(&mut self.tallest)
    }

    /// One more operator above what is in the chain so far.
    pub(super) fn lengthen_chain(&mut self) -> Parse<()> {
        self.tallest += 1;
        if self.depth + self.tallest <= MAX_HEIGHT {
            return Ok(());
        }
        let message = format!("found more than about {MAX_HEIGHT} operators in a row");
        Err(self.failure(self.token().span, &message, Some("assign parts to variables")))
    }

    pub(super) fn end_chain(&mut self, outer: usize) {
        self.tallest = outer.max(self.tallest);
    }

    fn too_deep(&self) -> Failure {
        let message = format!("found more than {MAX_NESTING} levels of nesting");
        self.failure(self.token().span, &message, Some("assign parts to variables or split the rule"))
    }

    // ---- Mistakes

    pub(super) fn failure(&self, span: Span, message: &str, help: Option<&str>) -> Failure {
        self.failure_of(ErrorClass::Parse, span, message, help)
    }

    pub(super) fn failure_of(&self, class: ErrorClass, span: Span, message: &str, help: Option<&str>) -> Failure {
        Box::new(RegoError {
            class,
            module: self.module.to_owned(),
            span,
            message: message.to_owned(),
            help: help.map(str::to_owned),
        })
    }

    /// Something that v1 does not accept; whether the module is one is known at its end only.
    pub(super) fn demand_of_v1(&mut self, span: Span, message: &str, help: &str) {
        let failure = self.failure(span, message, Some(help));
        self.demands.push(*failure);
    }

    pub(super) fn take_demands(&mut self) -> Vec<RegoError> {
        std::mem::take(&mut self.demands)
    }

    /// The current token is not what is wanted.
    pub(super) fn unexpected(&self, expected: &str) -> Failure {
        self.unexpected_with_help(expected, self.keyword_help().as_deref())
    }

    pub(super) fn unexpected_with_help(&self, expected: &str, help: Option<&str>) -> Failure {
        let message = format!("found {}, expected {expected}", self.describe());
        self.failure(self.token().span, &message, help)
    }

    /// The current token as messages name it.
    pub(super) fn describe(&self) -> String {
        let token = self.token();
        let text = self.text(token);
        let short: String = text.chars().take(40).collect();
        let short = if short.len() < text.len() { format!("{short}…") } else { short };
        match self.kind() {
            TokenKind::End => "the end".to_owned(),
            TokenKind::Keyword(_) => format!("keyword `{short}`"),
            TokenKind::Quoted | TokenKind::Raw => format!("string {}", short.replace('\n', "\\n")),
            TokenKind::Number => format!("number {short}"),
            _ => format!("`{short}`"),
        }
    }

    /// A word that would be a keyword if it were imported.
    fn keyword_help(&self) -> Option<String> {
        match self.token().kind {
            TokenKind::Keyword(keyword) if !self.has_keyword(keyword) => {
                let word = self.text(self.token());
                Some(format!("`{word}` is a keyword only after `import future.keywords.{word}`, or in version v1"))
            }
            _ => None,
        }
    }
}
