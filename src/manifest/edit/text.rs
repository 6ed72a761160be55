//! A text with its lines, as the edits of it need them: [`Text`]. All places are bytes of the whole text.

use std::ops::Range;

use crate::manifest::source::{Position, Source, Span};

/// A source's text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'t> {
    source: &'t Source,
    /// What ends its lines.
    pub(super) newline: &'static str,
}

impl<'t> Text<'t> {
    pub(super) fn new(source: &'t Source) -> Self {
        let newline = match source.text().find(['\n', '\r']).and_then(|end| source.text().get(end..)) {
            Some(rest) if rest.starts_with("\r\n") => "\r\n",
            Some(rest) if rest.starts_with('\r') => "\r",
            _ => "\n",
        };
        Self { source, newline }
    }

    pub(super) fn range(&self, span: Span) -> Range<usize> {
        let start = self.offset(span.start);
        start..self.offset(span.end).max(start)
    }

    pub(super) fn offset(&self, position: Position) -> usize {
        self.source.offset(position)
    }

    /// What stands there; nothing when that is no range of the text.
    pub(super) fn get(&self, range: Range<usize>) -> &'t str {
        self.source.text().get(range).unwrap_or_default()
    }

    /// Everything from a place on.
    pub(super) fn from(&self, offset: usize) -> &'t str {
        self.source.text().get(offset..).unwrap_or_default()
    }

    pub(super) fn line_start(&self, offset: usize) -> usize {
        self.get(0..offset).rfind(['\n', '\r']).map_or(0, |end| end + 1)
    }

    /// Where the line of a place ends, in front of its line end.
    pub(super) fn line_end(&self, offset: usize) -> usize {
        self.from(offset).find(['\n', '\r']).map_or(self.source.text().len(), |end| offset + end)
    }

    /// Where the next line starts, or the end of the text.
    pub(super) fn next_line(&self, offset: usize) -> usize {
        let end = self.line_end(offset);
        let rest = self.from(end);
        end + if rest.starts_with("\r\n") { 2 } else { usize::from(!rest.is_empty()) }
    }

    /// The line of a place up to that.
    pub(super) fn before(&self, offset: usize) -> &'t str {
        self.get(self.line_start(offset)..offset)
    }

    /// The line of a place from there on.
    pub(super) fn behind(&self, offset: usize) -> &'t str {
        self.get(offset..self.line_end(offset))
    }

    /// The white space that the line of a place starts with.
    pub(super) fn indentation(&self, offset: usize) -> &'t str {
        let line = self.get(self.line_start(offset)..self.line_end(offset));
        line.get(..line.len() - line.trim_start().len()).unwrap_or_default()
    }

    /// The characters in front of a place in its line.
    pub(super) fn column(&self, offset: usize) -> usize {
        self.before(offset).chars().count()
    }
}

pub(super) fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// Whether there is nothing but white space, or a comment, which begins behind white space.
pub(super) fn is_blank_or_comment(text: &str) -> bool {
    is_blank(text) || (text.trim_start().starts_with('#') && text.starts_with([' ', '\t']))
}
