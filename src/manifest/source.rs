//! One text and the places in it: [`Source`], [`Position`], [`Span`], [`Location`].
//!
//! Lines and columns are counted from 1, columns in characters, as editors and compilers show them.
//! A line ends at `\n`, `\r\n` or a lone `\r`, as in YAML.

use std::fmt;
use std::sync::{Arc, OnceLock};

/// Characters of a long line that [`Source::excerpt`] shows on each side of the column.
const EXCERPT_REACH: usize = 60;

/// A file's text under the name that people know it by.
#[derive(Debug)]
pub struct Source {
    name: Arc<str>,
    text: String,
    /// A byte order mark stood in front.
    is_marked: bool,
    /// Byte offsets of the line starts; computed when somebody first asks for a line.
    line_starts: OnceLock<Vec<usize>>,
}

impl Source {
    /// A text called `name`, such as `dir/pod.yaml`; a UTF-8 byte order mark in front is dropped.
    pub fn new(name: impl Into<Arc<str>>, mut text: String) -> Self {
        let is_marked = text.starts_with('\u{feff}');
        if is_marked {
            text.drain(..'\u{feff}'.len_utf8());
        }
        Self { name: name.into(), text, is_marked, line_starts: OnceLock::new() }
    }

    /// The name to show: a path, or `<stdin>`.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a byte order mark stood in front of the text, which whoever writes it back puts there again.
    pub fn is_marked(&self) -> bool {
        self.is_marked
    }

    /// A line counted from 1, without its line end.
    pub fn line(&self, line: u32) -> Option<&str> {
        let starts = self.line_starts.get_or_init(|| line_starts(&self.text));
        let index = usize::try_from(line).ok()?.checked_sub(1)?;
        let start = *starts.get(index)?;
        let end = starts.get(index + 1).copied().unwrap_or(self.text.len());
        Some(self.text.get(start..end)?.trim_end_matches(['\n', '\r']))
    }

    /// The byte at a place; the nearest in front when there is none, such as behind the end of a line.
    pub(super) fn offset(&self, position: Position) -> usize {
        let starts = self.line_starts.get_or_init(|| line_starts(&self.text));
        let index = usize::try_from(position.line).unwrap_or(usize::MAX).saturating_sub(1);
        let Some(start) = starts.get(index).copied() else { return self.text.len() };
        let line = self.line(position.line).unwrap_or_default();
        let column = usize::try_from(position.column).unwrap_or(usize::MAX).saturating_sub(1);
        start + line.char_indices().nth(column).map_or(line.len(), |(offset, _)| offset)
    }

    /// The place of a byte.
    pub(super) fn position(&self, offset: usize) -> Position {
        let starts = self.line_starts.get_or_init(|| line_starts(&self.text));
        let line = starts.partition_point(|start| *start <= offset).max(1);
        let start = starts.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..offset).unwrap_or_default().chars().count();
        let bounded = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Position { line: bounded(line), column: bounded(before).saturating_add(1) }
    }

    /// A span of this source, with its name.
    pub fn location(&self, span: Span) -> Location {
        Location {
            file: Arc::clone(&self.name),
            line: span.start.line,
            column: span.start.column,
            end_line: span.end.line,
            end_column: span.end.column,
        }
    }

    /// The line and a caret under the column, in plain text without a last line end; empty when there is no such line.
    ///
    /// A long line is cut around the column, so the excerpt fits a screen.
    pub fn excerpt(&self, line: u32, column: u32) -> String {
        let Some(text) = self.line(line) else { return String::new() };
        let target = usize::try_from(column).unwrap_or(usize::MAX).saturating_sub(1);
        let first = target.saturating_sub(EXCERPT_REACH);
        let mut rest = text.chars().skip(first);
        // A tab is as wide as the reader's terminal likes; one blank keeps the caret under its character.
        let shown: String = rest
            .by_ref()
            .take(2 * EXCERPT_REACH)
            .map(|character| if character.is_control() { ' ' } else { character })
            .collect();
        let (before, after) = (if first > 0 { "…" } else { "" }, if rest.next().is_some() { "…" } else { "" });
        let number = line.to_string();
        let (margin, indent) = (" ".repeat(number.len()), " ".repeat(before.chars().count() + target - first));
        format!("{number} | {before}{shown}{after}\n{margin} | {indent}^")
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let mut starts = vec![0];
    for (offset, byte) in bytes.iter().enumerate() {
        if *byte == b'\n' || (*byte == b'\r' && bytes.get(offset + 1) != Some(&b'\n')) {
            starts.push(offset + 1);
        }
    }
    starts
}

/// A line and a column, both from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, from 1.
    pub line: u32,
    /// The character in the line, from 1.
    pub column: u32,
}

impl Position {
    /// The first character of a text.
    pub const START: Self = Self { line: 1, column: 1 };

    /// The position reached from here by reading `text`.
    pub(super) fn after(self, text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut position = self;
        for (offset, character) in text.char_indices() {
            match character {
                '\r' if bytes.get(offset + 1) == Some(&b'\n') => {}
                '\n' | '\r' => position = Self { line: position.line.saturating_add(1), column: 1 },
                _ => position.column = position.column.saturating_add(1),
            }
        }
        position
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

/// From the first character of something to the place just behind its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first character.
    pub start: Position,
    /// The place just behind the last character.
    pub end: Position,
}

impl Span {
    /// An empty span at a place.
    pub fn at(position: Position) -> Self {
        Self { start: position, end: position }
    }
}

/// A span and the name of the text it is in. Displays as `file:line:column`,
/// which terminals and editors make clickable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// The source's name.
    pub file: Arc<str>,
    /// The line of the first character, from 1.
    pub line: u32,
    /// The column of the first character, from 1, in characters.
    pub column: u32,
    /// The line of the place behind the last character.
    pub end_line: u32,
    /// The column of the place behind the last character.
    pub end_column: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.file, self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_lines_whatever_ends_them() {
        let source = Source::new("f", "\u{feff}a\r\nb\rc\n\nd".to_owned());
        let lines: Vec<_> = (0..=6).map(|line| source.line(line)).collect();
        assert_eq!(lines, [None, Some("a"), Some("b"), Some("c"), Some(""), Some("d"), None]);
    }

    #[test]
    fn points_at_the_column() {
        let source = Source::new("f", format!("a: \"é\tx\n{}", "x".repeat(100_000)));
        assert_eq!(source.excerpt(1, 6), "1 | a: \"é x\n  |      ^");
        assert_eq!(source.excerpt(9, 1), "");
        let cut = source.excerpt(2, 50_000);
        let (line, caret) = cut.split_once('\n').unwrap_or_default();
        assert_eq!((line.chars().count(), caret.chars().count()), (126, 66));
    }
}
