//! The lines around a place, each cut into what is marked and what is not.

use crate::workbench::lint::finding::{Finding, Precision};

/// Lines that show where the place is.
const AROUND: u32 = 1;
/// Of a value of more lines, so many are shown.
const MAX_LINES: u32 = 5;
/// Characters of a long line that are shown before what is marked: little more than YAML indents.
const BEFORE: usize = 40;
/// Characters of a long line that are marked, and that are shown behind.
const REACH: usize = 160;

/// A line of a file.
pub(super) struct Line {
    pub(super) number: u32,
    pub(super) before: String,
    pub(super) marked: String,
    pub(super) after: String,
}

/// The lines of a finding's place. Of an object whose field is not known, the first line is marked.
pub(super) fn lines(finding: &Finding) -> Vec<Line> {
    let (source, location) = (&finding.place.source, &finding.place.location);
    let is_whole = finding.precision == Precision::Object;
    // A value that ends at the start of a line ends with the line before.
    let ends_before = u32::from(location.end_column <= 1 && location.end_line > location.line);
    let last = if is_whole { location.line } else { location.end_line - ends_before };
    let last_shown = last.min(location.line.saturating_add(MAX_LINES - 1));
    let range = location.line.saturating_sub(AROUND).max(1)..=last_shown.saturating_add(AROUND);
    let shown = range.filter_map(|number| {
        let text = source.line(number).filter(|text| number <= last || !text.is_empty())?;
        let begin = if number == location.line { location.column } else { 1 };
        let end = if number == last && !is_whole && ends_before == 0 { location.end_column } else { u32::MAX };
        let is_marked = (location.line..=last_shown).contains(&number);
        Some(if is_marked { marked(number, text, begin, end) } else { plain(number, text) })
    });
    shown.collect()
}

fn plain(number: u32, text: &str) -> Line {
    let before = head(text, REACH);
    Line { number, before, marked: String::new(), after: String::new() }
}

fn marked(number: u32, text: &str, begin: u32, end: u32) -> Line {
    let offset = |column: u32| {
        let characters = usize::try_from(column).unwrap_or(usize::MAX).saturating_sub(1);
        text.char_indices().nth(characters).map_or(text.len(), |(offset, _)| offset)
    };
    // Blanks in front of a line are never the value.
    let blanks = text.len() - text.trim_start().len();
    let begin = offset(begin).max(if begin == 1 { blanks } else { 0 });
    let end = offset(end).max(begin);
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    let (before, value, after) = (part(0..begin), part(begin..end), part(end..text.len()));
    Line { number, before: tail(before, BEFORE), marked: head(value, REACH), after: head(after, REACH) }
}

fn head(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn tail(text: &str, most: usize) -> String {
    match text.char_indices().rev().nth(most - 1) {
        Some((start, _)) if start > 0 => format!("…{}", text.get(start..).unwrap_or_default()),
        _ => text.to_owned(),
    }
}
