//! Where lines break and what is between tokens.

use super::groups::{self, Group, GroupKind, Node};
use super::marks::Marks;
use super::writer::{Gap, Writer};
use crate::policy::engine::rego::syntax::ast::{Comment, Span};
use crate::policy::engine::rego::syntax::lexer::{Keyword, Token, TokenKind};
use crate::policy::engine::rego::syntax::literals;
use crate::policy::engine::rego::syntax::print::is_plain_word;

pub(super) struct Layout<'a> {
    source: &'a str,
    tokens: &'a [Token],
    comments: &'a [Comment],
    marks: &'a Marks,
    writer: Writer<'a>,
    /// The token written last.
    last: Option<usize>,
}

impl<'a> Layout<'a> {
    pub(super) fn new(source: &'a str, tokens: &'a [Token], comments: &'a [Comment], marks: &'a Marks) -> Self {
        Self { source, tokens, comments, marks, writer: Writer::new(comments), last: None }
    }

    pub(super) fn module(mut self) -> String {
        let mut was_tall = true;
        let mut previous: Option<usize> = None;
        for (start, end) in self.statements() {
            let is_import = self.marks.imports.contains(&start);
            let begins_block = previous.is_some_and(|one| self.marks.imports.contains(&one) != is_import);
            self.writer.gap = match previous {
                None => Gap::Nothing,
                Some(_) if begins_block || was_tall => Gap::BlankLine,
                Some(_) => Gap::LineAsWritten,
            };
            let before = self.writer.text.len();
            self.nodes(&groups::group(self.tokens, self.marks, start..end));
            self.writer.finish_line();
            was_tall = previous.is_none() || self.separate_if_tall(before);
            previous = Some(start);
        }
        self.writer.gap = Gap::LineAsWritten;
        self.writer.end();
        self.writer.text
    }

    /// A statement of several lines has a blank line before it. Its text starts with the line break.
    fn separate_if_tall(&mut self, before: usize) -> bool {
        let text = self.writer.text.get(before..).unwrap_or_default();
        let is_tall = text.trim_start().contains('\n');
        if is_tall && !text.starts_with("\n\n") {
            self.writer.text.insert(before, '\n');
        }
        is_tall
    }

    /// Ranges of tokens, imports that stand together sorted.
    fn statements(&self) -> Vec<(usize, usize)> {
        let starts = &self.marks.statements;
        let last = self.tokens.len().saturating_sub(1);
        let ends = starts.iter().copied().skip(1).chain([last]);
        let mut ranges: Vec<(usize, usize)> = starts.iter().copied().zip(ends).collect();
        for block in ranges.chunk_by_mut(|one, other| self.is_one_block(*one, *other)) {
            block.sort_by_cached_key(|(start, end)| self.words(*start..*end));
        }
        ranges
    }

    /// Whether two statements are imports in lines that follow each other, without comments.
    fn is_one_block(&self, one: (usize, usize), other: (usize, usize)) -> bool {
        let line = |index: usize| self.tokens.get(index).map_or(0, |token| token.span.line);
        let first = self.offset(one.0);
        let end = self.tokens.get(other.1).map_or(u32::MAX, |token| token.span.start);
        let has_comment = self.comments.iter().any(|comment| {
            (first..end).contains(&comment.span.start) && comment.span.line <= line(other.1.saturating_sub(1))
        });
        let are_imports = self.marks.imports.contains(&one.0) && self.marks.imports.contains(&other.0);
        are_imports && !has_comment && line(other.0) <= line(one.1.saturating_sub(1)) + 1
    }

    fn words(&self, range: std::ops::Range<usize>) -> String {
        range.map(|index| self.text(index)).collect::<Vec<_>>().join(" ")
    }

    fn nodes(&mut self, nodes: &[Node]) {
        for node in nodes {
            match node {
                Node::Token(index) => self.token(*index),
                Node::Group(group) => self.group(group),
            }
        }
    }

    fn group(&mut self, group: &Group) {
        match group.kind {
            GroupKind::RuleBody if self.is_idle(group) => (group.open..=group.close).for_each(|index| self.skip(index)),
            GroupKind::RuleBody if self.is_short_condition(group) => self.without_braces(group),
            GroupKind::RuleBody => self.tall_body(group, &group.children),
            GroupKind::EveryBody if self.is_tall_body(group) => self.tall_body(group, &group.children),
            GroupKind::EveryBody => {
                self.token(group.open);
                self.writer.gap = Gap::Space;
                self.short_body(&group.children);
                self.writer.gap = Gap::Space;
                self.token(group.close);
            }
            GroupKind::Comprehension => self.comprehension(group),
            GroupKind::List if self.is_tall_list(group) => self.tall_list(group),
            GroupKind::Plain if self.is_field(group) => self.field(group),
            GroupKind::List | GroupKind::Plain => self.short_list(group),
        }
    }

    // ---- Bodies

    fn tall_body(&mut self, group: &Group, expressions: &[Node]) {
        self.token(group.open);
        self.tall_expressions(expressions, group.close);
        self.token(group.close);
    }

    fn tall_expressions(&mut self, expressions: &[Node], close: usize) {
        self.writer.indent += 1;
        let mut is_first = true;
        for node in expressions {
            let index = node.first();
            if self.marks.expressions.contains(&index) {
                self.writer.gap = match () {
                    () if is_first => Gap::Line,
                    () if self.has_comment_above(index) => Gap::BlankLine,
                    () => Gap::LineAsWritten,
                };
                is_first = false;
            }
            match node {
                Node::Token(index) if self.kind(*index) == TokenKind::Semicolon => self.skip(*index),
                Node::Token(index) => self.token(*index),
                Node::Group(group) => self.group(group),
            }
        }
        self.finish_lines(close);
    }

    /// Writes the comments before the closing bracket while they are still to be indented.
    fn finish_lines(&mut self, close: usize) {
        self.writer.gap = Gap::LineAsWritten;
        if let Some(token) = self.tokens.get(close) {
            self.writer.skip("", Span { end: token.span.start, ..token.span });
        }
        self.writer.indent -= 1;
        self.writer.gap = Gap::Line;
    }

    fn short_body(&mut self, expressions: &[Node]) {
        for node in expressions {
            match node {
                Node::Token(index) => self.token(*index),
                Node::Group(group) => self.group(group),
            }
        }
    }

    /// `{ true }` that may be left out.
    fn is_idle(&self, group: &Group) -> bool {
        self.marks.idle_bodies.contains(&group.open) && !self.has_comment(group.open, group.close)
    }

    /// `if { x }` in one line.
    fn is_short_condition(&self, group: &Group) -> bool {
        let is_behind_if = group.open > 0 && self.kind(group.open - 1) == TokenKind::Keyword(Keyword::If);
        let expressions = group.children.iter().filter(|node| self.marks.expressions.contains(&node.first()));
        let starts_with_brace =
            group.children.first().is_some_and(|node| self.kind(node.first()) == TokenKind::LeftBrace);
        let next = self.kind(group.close + 1);
        is_behind_if
            && self.line(group.open) == self.line(group.close)
            && expressions.count() == 1
            && !starts_with_brace
            && !self.has_comment(group.open, group.close)
            && !matches!(next, TokenKind::LeftBrace | TokenKind::Keyword(Keyword::Else))
    }

    fn without_braces(&mut self, group: &Group) {
        self.skip(group.open);
        self.writer.gap = Gap::Space;
        self.short_body(&group.children);
        self.skip(group.close);
    }

    fn is_tall_body(&self, group: &Group) -> bool {
        let line = self.line(group.open);
        let is_apart = |node: &Node| self.marks.expressions.contains(&node.first()) && self.line(node.first()) > line;
        group.children.iter().any(is_apart) || self.has_comment(group.open, group.close)
    }

    fn comprehension(&mut self, group: &Group) {
        let is_bar = |node: &Node| matches!(node, Node::Token(index) if self.marks.bars.contains(index));
        let bar = group.children.iter().position(is_bar).map_or(0, |position| position + 1);
        let (head, body) = group.children.split_at(bar);
        let is_tall = self.is_tall_body(group);
        self.token(group.open);
        self.nodes(head);
        if is_tall {
            self.tall_expressions(body, group.close);
        } else {
            self.short_body(body);
        }
        self.token(group.close);
    }

    // ---- Lists

    /// Elements with the commas behind them.
    fn elements<'n>(&self, group: &'n Group) -> Vec<&'n [Node]> {
        let is_comma = |node: &Node| matches!(node, Node::Token(index) if self.kind(*index) == TokenKind::Comma);
        group.children.split_inclusive(is_comma).collect()
    }

    /// Elements start in different lines, or there is a comment.
    fn is_tall_list(&self, group: &Group) -> bool {
        let elements = self.elements(group);
        let mut lines = elements.iter().filter_map(|element| element.first()).map(|node| self.line(node.first()));
        let first = lines.next();
        lines.any(|line| Some(line) != first) || self.has_direct_comment(group)
    }

    fn tall_list(&mut self, group: &Group) {
        self.token(group.open);
        self.writer.indent += 1;
        let mut line = 0;
        for element in self.elements(group) {
            let start = element.first().map_or(group.open, Node::first);
            self.writer.gap = if self.line(start) == line { Gap::Space } else { Gap::Line };
            line = self.line(start);
            self.nodes(element);
        }
        if self.last.is_some_and(|last| last != group.open && self.kind(last) != TokenKind::Comma) {
            self.writer.insert(",");
        }
        self.finish_lines(group.close);
        self.token(group.close);
    }

    /// In one line, without a comma behind the last element.
    fn short_list(&mut self, group: &Group) {
        self.token(group.open);
        let (last, others) = match group.children.split_last() {
            Some((last, others)) => (Some(last), others),
            None => (None, [].as_slice()),
        };
        self.nodes(others);
        match last {
            Some(Node::Token(index)) if self.kind(*index) == TokenKind::Comma && !others.is_empty() => {
                self.skip(*index);
            }
            Some(node) => self.nodes(std::slice::from_ref(node)),
            None => {}
        }
        self.token(group.close);
    }

    /// `["name"]` that can be written as `.name`.
    fn is_field(&self, group: &Group) -> bool {
        let [Node::Token(index)] = group.children.as_slice() else { return false };
        self.kind(group.open) == TokenKind::LeftBracket
            && !self.marks.set_keys.contains(&group.open)
            && self.kind(*index) == TokenKind::Quoted
            && literals::unescape(self.text(*index)).is_ok_and(|name| is_plain_word(&name))
            && !self.has_comment(group.open, group.close)
    }

    fn field(&mut self, group: &Group) {
        let [Node::Token(index)] = group.children.as_slice() else { return };
        let name = literals::unescape(self.text(*index)).unwrap_or_default();
        self.skip(group.open);
        self.writer.insert(&format!(".{name}"));
        self.skip(*index);
        self.skip(group.close);
    }

    // ---- Tokens

    fn token(&mut self, index: usize) {
        if self.marks.redundant.contains(&index) {
            return self.skip(index);
        }
        if self.writer.gap == Gap::Nothing && self.last.is_some() {
            self.writer.gap = self.gap_before(index);
        }
        let is_continued = self.writer.gap == Gap::Line && self.is_modifier_in_next_line(index);
        self.writer.indent += usize::from(is_continued);
        let Some(token) = self.tokens.get(index) else { return };
        self.writer.token(self.text(index), token.span);
        self.writer.indent -= usize::from(is_continued);
        self.last = Some(index);
    }

    fn skip(&mut self, index: usize) {
        let Some(token) = self.tokens.get(index) else { return };
        self.writer.skip(self.text(index), token.span);
        self.last = Some(index);
    }

    fn gap_before(&self, index: usize) -> Gap {
        let last = self.last.unwrap_or(index);
        let is_operand = groups::ends_operand(self.tokens, last);
        match (self.kind(last), self.kind(index)) {
            (_, TokenKind::Keyword(Keyword::With)) if self.is_modifier_in_next_line(index) => Gap::Line,
            (TokenKind::LeftParenthesis | TokenKind::LeftBracket | TokenKind::LeftBrace | TokenKind::Dot, _) => {
                Gap::Nothing
            }
            (_, TokenKind::RightParenthesis | TokenKind::RightBracket | TokenKind::RightBrace) => Gap::Nothing,
            (_, TokenKind::Comma | TokenKind::Semicolon | TokenKind::Colon) => Gap::Nothing,
            (_, TokenKind::Dot) if is_operand => Gap::Nothing,
            (TokenKind::Keyword(_), TokenKind::LeftParenthesis) if !is_operand => Gap::Space,
            (_, TokenKind::LeftParenthesis | TokenKind::LeftBracket)
                if is_operand && groups::joins(self.tokens, self.marks, index) =>
            {
                Gap::Nothing
            }
            (TokenKind::Minus, _) if last == 0 || !groups::ends_operand(self.tokens, last - 1) => Gap::Nothing,
            _ => Gap::Space,
        }
    }

    fn is_modifier_in_next_line(&self, index: usize) -> bool {
        self.kind(index) == TokenKind::Keyword(Keyword::With)
            && !groups::is_name(self.tokens, index)
            && self.tokens.get(index).is_some_and(|token| token.starts_line)
    }

    fn kind(&self, index: usize) -> TokenKind {
        self.tokens.get(index).map_or(TokenKind::End, |token| token.kind)
    }

    fn line(&self, index: usize) -> u32 {
        self.tokens.get(index).map_or(0, |token| token.span.line)
    }

    fn offset(&self, index: usize) -> u32 {
        self.tokens.get(index).map_or(u32::MAX, |token| token.span.start)
    }

    fn text(&self, index: usize) -> &'a str {
        let span = self.tokens.get(index).map(|token| token.span).unwrap_or_default();
        self.source.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// Whether a comment is between two tokens.
    fn has_comment(&self, open: usize, close: usize) -> bool {
        let first = self.comments.partition_point(|comment| comment.span.start < self.offset(open));
        self.comments.get(first).is_some_and(|comment| comment.span.start < self.offset(close))
    }

    /// Whether a comment has a line of its own before a token.
    fn has_comment_above(&self, index: usize) -> bool {
        let behind = self.comments.partition_point(|comment| comment.span.start < self.offset(index));
        let comment = behind.checked_sub(1).and_then(|last| self.comments.get(last));
        let before = self.tokens.get(index.saturating_sub(1)).map(|token| token.span).unwrap_or_default();
        comment.is_some_and(|one| one.span.start > before.start && one.span.line > before.line)
    }

    /// Whether a comment is inside brackets, but not inside inner ones.
    fn has_direct_comment(&self, group: &Group) -> bool {
        let mut from = group.open;
        for node in &group.children {
            if self.has_comment(from, node.first()) {
                return true;
            }
            from = match node {
                Node::Token(index) => *index,
                Node::Group(inner) => inner.close,
            };
        }
        self.has_comment(from, group.close)
    }
}
