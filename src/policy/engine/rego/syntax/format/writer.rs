//! Text that grows token by token. Comments come along with the token behind them.

use crate::policy::engine::rego::syntax::ast::{Comment, Span};

/// What is written before the next token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    Nothing,
    Space,
    Line,
    /// A new line, and a blank one where the source has some.
    LineAsWritten,
    BlankLine,
}

pub(super) struct Writer<'a> {
    pub(super) text: String,
    pub(super) indent: usize,
    pub(super) gap: Gap,
    comments: std::iter::Peekable<std::slice::Iter<'a, Comment>>,
    /// Line of the source that the last token ended in.
    line: u32,
}

impl<'a> Writer<'a> {
    pub(super) fn new(comments: &'a [Comment]) -> Self {
        Self { text: String::new(), indent: 0, gap: Gap::Nothing, comments: comments.iter().peekable(), line: 0 }
    }

    /// Writes a token of the source.
    pub(super) fn token(&mut self, text: &str, span: Span) {
        self.comments_before(span);
        self.fill_gap(span.line);
        self.text.push_str(text);
        self.pass(text, span);
    }

    /// Leaves out a token of the source, but not the comments before it.
    pub(super) fn skip(&mut self, text: &str, span: Span) {
        self.comments_before(span);
        self.pass(text, span);
    }

    fn pass(&mut self, text: &str, span: Span) {
        let breaks = text.matches('\n').count();
        self.line = span.line + u32::try_from(breaks).unwrap_or(u32::MAX);
    }

    /// Writes what is not in the source, right behind the last token.
    pub(super) fn insert(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Writes the comments that stand behind the last token in its line.
    pub(super) fn finish_line(&mut self) {
        let line = self.line;
        while let Some(comment) = self.comments.next_if(|comment| comment.span.line == line) {
            self.text.push_str(" #");
            self.text.push_str(comment.text.trim_end());
        }
    }

    pub(super) fn end(&mut self) {
        self.comments_before(Span { start: u32::MAX, ..Span::default() });
        self.text.push('\n');
    }

    fn comments_before(&mut self, span: Span) {
        while let Some(comment) = self.comments.next_if(|comment| comment.span.start < span.start) {
            let is_trailing = comment.span.line == self.line && !self.text.is_empty();
            if is_trailing {
                self.text.push(' ');
                if matches!(self.gap, Gap::Nothing | Gap::Space) {
                    self.gap = Gap::Line;
                }
            } else {
                if matches!(self.gap, Gap::Nothing | Gap::Space) && !self.text.is_empty() {
                    self.gap = Gap::Line;
                }
                let was_inside = self.gap == Gap::Line;
                self.fill_gap(comment.span.line);
                self.gap = if was_inside { Gap::Line } else { Gap::LineAsWritten };
            }
            self.text.push('#');
            self.text.push_str(comment.text.trim_end());
            self.line = comment.span.line;
        }
    }

    fn fill_gap(&mut self, next_line: u32) {
        match std::mem::replace(&mut self.gap, Gap::Nothing) {
            Gap::Nothing => {}
            Gap::Space => self.text.push(' '),
            Gap::LineAsWritten if next_line > self.line + 1 => self.new_line("\n\n"),
            Gap::Line | Gap::LineAsWritten => self.new_line("\n"),
            Gap::BlankLine => self.new_line("\n\n"),
        }
    }

    fn new_line(&mut self, breaks: &str) {
        if !self.text.is_empty() {
            self.text.push_str(breaks);
        }
        self.text.extend(std::iter::repeat_n('\t', self.indent));
    }
}
