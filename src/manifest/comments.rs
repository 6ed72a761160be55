//! The comments of a text that have a given word in them, and what each of them is about: [`comments`].
//!
//! Comments come from the YAML parser, so a `#` in quotes or in a block scalar is none. A text without the word costs one
//! search; only documents that have it are read a second time. Deliberately absent: what the word asks for.

use std::sync::Arc;

use granit_parser::{Event, Parser};

use super::source::{Location, Position, Source, Span};
use super::span_tree::SpanTree;
use super::split::{Segment, split};
use super::yaml;
use super::yaml_quotes::{Indented, indent};

/// A comment of a YAML text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// What follows the `#`, without blanks around it.
    pub text: String,
    /// From the `#` to the end of the line.
    pub location: Location,
    /// What it is about.
    pub subject: Subject,
}

/// What a comment is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// What stands on its line in front of it.
    Line,
    /// The field or list item below it with everything in that, or the whole document for a comment above its content.
    Part(Location),
    /// Nothing: no field or item follows that it could belong to.
    Nothing,
}

/// The comments that contain the word, in the order of the text. Those of a broken document may be missing.
pub fn comments(source: &Arc<Source>, word: &str) -> Vec<Comment> {
    if !source.text().contains(word) {
        return Vec::new();
    }
    let segments = split(source.text()).into_iter().filter(|segment| segment.text.contains(word));
    segments.flat_map(|segment| of_segment(source, &segment, word)).collect()
}

fn of_segment(source: &Source, segment: &Segment<'_>, word: &str) -> Vec<Comment> {
    let (found, is_complete) = raw(segment.text, segment, &Indented::default(), word);
    let found = match indent(segment.text).filter(|_| !is_complete) {
        Some(indented) => raw(&indented.text, segment, &indented, word).0,
        None => found,
    };
    if found.is_empty() {
        return Vec::new();
    }
    let trees: Vec<SpanTree> =
        yaml::read(segment, true).unwrap_or_default().into_iter().filter_map(|parsed| parsed.places).collect();
    let comment = |(text, start): (String, Position)| {
        let columns = source.line(start.line).map_or(0, |line| line.chars().count());
        let end = Position { column: u32::try_from(columns).unwrap_or(u32::MAX).saturating_add(1), ..start };
        let subject = subject(source, start, &trees);
        Comment { text, location: source.location(Span { start, end: end.max(start) }), subject }
    };
    found.into_iter().map(comment).collect()
}

/// Texts and places of comments with the word, and whether the parser came to the end.
fn raw(text: &str, segment: &Segment<'_>, indented: &Indented, word: &str) -> (Vec<(String, Position)>, bool) {
    let mut options = yaml::options();
    options.set_emit_comments(true);
    // The text is in memory already; so can its comments be.
    options.max_buffered_comment_events = usize::MAX;
    let mut found = Vec::new();
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((Event::Comment(text, _), span)) if text.contains(word) => {
                found.push((text.trim().to_owned(), yaml::position_in(segment, indented, &span.start)));
            }
            Ok(_) => {}
            Err(_) => return (found, false),
        }
    }
    found.sort_by_key(|(_, position)| *position);
    found.dedup();
    (found, true)
}

fn subject(source: &Source, start: Position, trees: &[SpanTree]) -> Subject {
    let before = usize::try_from(start.column.saturating_sub(1)).unwrap_or(usize::MAX);
    let line = source.line(start.line).unwrap_or_default();
    let before: String = line.chars().take(before).collect();
    let tree = trees.iter().find(|tree| tree.span().is_some_and(|span| span.end >= start));
    let Some((tree, whole)) = tree.and_then(|tree| Some((tree, tree.span()?))) else {
        return if before.trim().is_empty() { Subject::Nothing } else { Subject::Line };
    };
    if start < whole.start && matches!(before.trim(), "" | "---") {
        return Subject::Part(source.location(whole));
    }
    if !before.trim().is_empty() {
        return Subject::Line;
    }
    let part = below(source, start).and_then(|(position, has_dash)| tree.part_at(position, has_dash));
    part.map_or(Subject::Nothing, |span| Subject::Part(source.location(span)))
}

/// Where the content below a comment starts, and whether with a dash. Comments may stand between, a blank line may not,
/// and content that is less deep belongs to something else.
fn below(source: &Source, comment: Position) -> Option<(Position, bool)> {
    let mut number = comment.line;
    loop {
        number = number.checked_add(1)?;
        let line = source.line(number)?;
        let content = line.trim_start_matches([' ', '\t']);
        if content.starts_with('#') {
            continue;
        }
        let column = u32::try_from(line.len() - content.len()).ok()?.checked_add(1)?;
        let has_dash = content.strip_prefix('-').is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
        let is_there = !content.is_empty() && column >= comment.column;
        return is_there.then_some((Position { line: number, column }, has_dash));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every comment as `line:column text subject`.
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        for text in [text.to_owned(), text.replace('\n', "\r\n")] {
            let source = Arc::new(Source::new("f", text));
            let show = |comment: Comment| {
                let subject = match comment.subject {
                    Subject::Line => "line".to_owned(),
                    Subject::Part(at) => format!("{}:{}-{}:{}", at.line, at.column, at.end_line, at.end_column),
                    Subject::Nothing => "nothing".to_owned(),
                };
                format!("{}:{} {} {subject}", comment.location.line, comment.location.column, comment.text)
            };
            assert_eq!(comments(&source, "!").into_iter().map(show).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn comments_know_what_they_are_about() {
        check("# !1\na: 1\nb: 2\n", &["1:1 !1 2:1-3:5"]);
        check("a: 1 # !1\n# !2\n# c\nb:\n  c: 1\nd: 2\n", &["1:6 !1 line", "2:1 !2 4:1-5:7"]);
        check("a:\n  # !1\n  b: 1\n  c: 1\n", &["2:3 !1 3:3-3:7"]);
        check("a:\n# !1\n- b: 1\n  c: 1\n# !2\n- d\n", &["2:1 !1 3:3-4:7", "5:1 !2 6:3-6:4"]);
        check("- a:\n  - x\n  # !1\n  - y\n- b\n", &["3:3 !1 4:5-4:6"]);
        check("-\n  # !1\n  a: 1\n  b: 1\n", &["2:3 !1 3:3-3:7"]);
        check("# !1\n- - a\n  - b\n- c\n", &["1:1 !1 2:1-4:4"]);
        check("x:\n# !1\n- - a\n  - b\n- c\n", &["2:1 !1 3:3-4:6"]);
        check("a: [\n  # !1\n  x,\n  y]\n", &["2:3 !1 3:3-3:4"]);
        check("a: 1\n--- # !1\n# !2\nb: 1\n# !3\n", &["2:5 !1 4:1-4:5", "3:1 !2 4:1-4:5", "5:1 !3 nothing"]);
        check("kind: List\nitems:\n# !1\n- kind: A\n  b: 1\n", &["3:1 !1 4:3-5:7"]);
    }

    #[test]
    fn what_is_below_must_be_as_deep_and_close() {
        check("a:\n  b: 1\n  # !1\nc: 1\n", &["3:3 !1 nothing"]);
        check("a: 1\n# !1\n\nb: 1\n", &["2:1 !1 nothing"]);
        check("a:\n# !1\n  b: 1\n", &["2:1 !1 3:3-3:7"]);
    }

    #[test]
    fn other_hash_signs_are_text() {
        check("a: \"x # !1\"\nb: x#!2\nc: 'y # !3' # !4\n", &["3:13 !4 line"]);
        check("a: |\n  # !1\n  x # !2\nb: > # !3\n  # !4\nc: x\n", &["4:6 !3 line"]);
        check("{\"a\": \"# !1\"}", &[]);
        check("a: x\n  y # !1\nb: 1\n", &["2:5 !1 line"]);
    }

    #[test]
    fn broken_documents_do_not_hide_their_neighbours() {
        check("a: [ # !1\n---\nb: 1 # !2\n", &["1:6 !1 line", "3:6 !2 line"]);
        let many = format!("{}a: 1\n", "# !\n".repeat(300));
        assert_eq!(comments(&Arc::new(Source::new("f", many)), "!").len(), 300);
    }
}
