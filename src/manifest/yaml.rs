//! YAML text to a [`Tree`]. Names the YAML parser, as only `yaml_error.rs` and `yaml_quotes.rs` do besides.
//!
//! The parser reads YAML 1.2 syntax and hands over scalars as text; what they mean is decided in `scalar.rs`.

use std::borrow::Cow;

use super::error::Fault;
use super::scalar::resolve_tagged;
use super::source::{Position, Span};
use super::split::Segment;
use super::tree::{MAX_DEPTH, Next, Parsed, ScalarPart, Tree};
use super::yaml_error::explain;
use super::yaml_quotes::{Indented, indent};
use crate::model::value::yaml_scalar::{Scalar, resolve_plain};
use granit_parser::{Event, Marker, Options, Parser, ScalarStyle, StructureStyle};

/// The documents of a segment that have content: mostly one, or what is wrong.
pub(super) fn read(segment: &Segment<'_>, keeps_places: bool) -> Result<Vec<Parsed>, Vec<Fault>> {
    // What merges is looked for where it stands.
    let keeps_places = keeps_places || segment.text.contains("<<") || segment.text.contains("merge");
    if let Some(fault) = control_character(segment) {
        return Err(vec![fault]);
    }
    // Only what the parser refuses is worth a look for what it refuses and `kubectl` does not.
    read_indented(segment, &Indented::default(), keeps_places).or_else(|faults| {
        let indented = indent(segment.text).ok_or(faults)?;
        read_indented(&Segment { text: &indented.text, ..*segment }, &indented, keeps_places)
    })
}

/// Reads a segment whose lines may have moved to the right.
fn read_indented(segment: &Segment<'_>, indented: &Indented, keeps_places: bool) -> Result<Vec<Parsed>, Vec<Fault>> {
    let tree = Tree::new(segment.text.len(), keeps_places);
    let mut reader = Reader { segment, indented, keeps_places, tree, handled: 0, documents: Vec::new() };
    for event in Parser::new_from_str_with_options(segment.text, options()) {
        let outcome = match event {
            Ok((event, span)) => reader.event(event, &span),
            Err(error) => Err(vec![explain(&error, segment, reader.position(error.marker()))]),
        };
        if let Err(faults) = outcome {
            // What was noted before the fault that ended the reading comes first, in the order of the text.
            let mut all = reader.tree.into_faults();
            all.extend(faults);
            return Err(all);
        }
    }
    Ok(reader.documents)
}

struct Reader<'s> {
    segment: &'s Segment<'s>,
    indented: &'s Indented,
    keeps_places: bool,
    tree: Tree,
    /// Bytes of the segment that the events so far account for.
    handled: usize,
    documents: Vec<Parsed>,
}

impl<'s> Reader<'s> {
    fn event(&mut self, event: Event<'s>, span: &granit_parser::Span) -> Result<(), Vec<Fault>> {
        if matches!(event, Event::DocumentEnd) {
            let finished =
                std::mem::replace(&mut self.tree, Tree::new(self.segment.text.len(), self.keeps_places)).finish()?;
            self.documents.extend(finished);
            return Ok(());
        }
        self.content(event, span).map_err(|fault| vec![fault])?;
        self.handled = self.handled.max(span.end.byte_offset().unwrap_or_default());
        Ok(())
    }

    fn content(&mut self, event: Event<'s>, span: &granit_parser::Span) -> Result<(), Fault> {
        match event {
            Event::SequenceStart(_, anchor, _) => self.tree.open_sequence(self.sequence_start(span), anchor),
            Event::MappingStart(style, anchor, _) => self.open_mapping(style, span, anchor),
            // A block collection has no bracket; the parser ends it at whatever comes next.
            Event::SequenceEnd | Event::MappingEnd => {
                let has_bracket = span.byte_range().is_some_and(|range| !range.is_empty());
                self.tree.close(has_bracket.then(|| self.position(&span.end)))
            }
            Event::Alias(anchor) => self.tree.alias(anchor, self.span(span)),
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.map(|tag| format!("{}{}", tag.handle(), tag.suffix()));
                let part = self.scalar(text, style, anchor, tag.as_deref(), span)?;
                self.tree.scalar(part)
            }
            _ => Ok(()),
        }
    }

    /// The first dash or the bracket. For a list that is indented no deeper than its key, the parser says where the
    /// first item starts instead.
    fn sequence_start(&self, span: &granit_parser::Span) -> Position {
        let start = self.position(&span.start);
        let offset = span.start.byte_offset().unwrap_or_default();
        let between = self.segment.text.get(self.handled..offset).unwrap_or_default();
        let blanks = between.trim_end_matches([' ', '\t']);
        if self.tree.next() != Next::Value || !blanks.ends_with('-') {
            return start;
        }
        let columns = u32::try_from(between.len() - blanks.len() + 1).unwrap_or_default();
        Position { column: start.column.saturating_sub(columns).max(1), ..start }
    }

    fn open_mapping(&mut self, style: StructureStyle, span: &granit_parser::Span, anchor: usize) -> Result<(), Fault> {
        let opened = self.tree.open_mapping(self.position(&span.start), anchor);
        let before = self.segment.text.get(..span.start.byte_offset().unwrap_or_default()).unwrap_or_default();
        if style == StructureStyle::Flow && before.ends_with('{') {
            return opened.map_err(|fault| Fault {
                message: "found `{{`, which YAML reads as a mapping whose key is a mapping".to_owned(),
                help: Some("render the template first (`helm template … | admit …`), or quote the value".to_owned()),
                ..fault
            });
        }
        opened
    }

    fn scalar(
        &mut self,
        text: Cow<'s, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&str>,
        span: &granit_parser::Span,
    ) -> Result<ScalarPart<'s>, Fault> {
        let is_plain = style == ScalarStyle::Plain;
        let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        // A value that is not there is reported as an unwritten `~`, also where a tag makes it an empty string.
        let is_absent = is_plain && span.byte_range().is_some_and(|range| range.is_empty());
        let text = if is_absent { Cow::Borrowed("") } else { text };
        let may_merge = tag.map_or(is_plain, |tag| tag == "tag:yaml.org,2002:merge");
        let is_merge = may_merge && text == "<<" && self.tree.next() == Next::Key;
        let span = if is_block { self.block_span(span) } else { self.span(span) };
        let scalar = match tag {
            None if is_plain => resolve_plain(text),
            None | Some("!") => Scalar::Text(text),
            Some(tag) => resolve_tagged(text, tag).or_else(|message| {
                self.tree.note(Fault::new(span, message).with_help("drop the tag, or write a value that fits it"))?;
                Ok(Scalar::Null)
            })?,
        };
        Ok(ScalarPart { scalar, span, is_literal: style == ScalarStyle::Literal, is_merge, anchor })
    }

    /// From the `|` or `>` to the end of the last line with content. The parser's own span starts at the content and
    /// ends where the next thing starts.
    fn block_span(&self, span: &granit_parser::Span) -> Span {
        let content = self.span(span);
        let Some(range) = span.byte_range() else { return content };
        let text = |from: usize, to: usize| self.segment.text.get(from..to).unwrap_or_default();
        let start = block_header(text(self.handled, range.start)).map_or(content.start, |offset| {
            let header = self.handled + offset;
            let line_start = text(0, header).rfind(['\n', '\r']).map_or(0, |end| end + 1);
            let in_line = Position::START.after(text(line_start, header));
            let lines_between = Position::START.after(text(header, range.start)).line - 1;
            Position { line: content.start.line.saturating_sub(lines_between).max(1), ..in_line }
        });
        let end = content.start.after(text(range.start, range.end).trim_end());
        Span { start, end: end.max(start) }
    }

    fn span(&self, span: &granit_parser::Span) -> Span {
        Span { start: self.position(&span.start), end: self.position(&span.end) }
    }

    fn position(&self, marker: &Marker) -> Position {
        position_in(self.segment, self.indented, marker)
    }
}

/// A place of the parser's as a place of the file.
pub(super) fn position_in(segment: &Segment<'_>, indented: &Indented, marker: &Marker) -> Position {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Position {
        line: number(marker.line()).saturating_add(segment.lines_above),
        column: number(indented.column(marker.line(), marker.col())).saturating_add(1),
    }
}

/// Where the `|` or `>` stands in the text between the previous content and a block scalar's content.
///
/// Only indicators, properties, comments and blanks can be there; all but the header may contain the characters, never
/// behind a blank.
fn block_header(before: &str) -> Option<usize> {
    let (mut is_comment, mut follows_blank) = (false, true);
    for (offset, character) in before.char_indices() {
        match character {
            '\n' | '\r' => is_comment = false,
            '#' if follows_blank => is_comment = true,
            '|' | '>' if follows_blank && !is_comment => return Some(offset),
            _ => {}
        }
        follows_blank = character.is_whitespace();
    }
    None
}

pub(super) fn options() -> Options {
    let mut options = Options::default();
    options.set_emit_comments(false);
    // One more than the tree allows, which says what is wrong in our words.
    options.flow_nesting_limit = MAX_DEPTH + 1;
    options.block_nesting_limit = MAX_DEPTH + 1;
    options
}

/// The characters that YAML forbids everywhere; the parser lets some pass.
fn control_character(segment: &Segment<'_>) -> Option<Fault> {
    let is_forbidden = |character: char| character.is_control() && !matches!(character, '\t' | '\n' | '\r' | '\u{85}');
    let offset = segment.text.find(is_forbidden)?;
    let character = segment.text.get(offset..)?.chars().next()?;
    let start = Position { line: segment.lines_above.saturating_add(1), column: 1 };
    let position = start.after(segment.text.get(..offset)?);
    let message = format!("found the control character U+{:04X}, which YAML does not allow", u32::from(character));
    Some(Fault::new(Span::at(position), message).with_help("remove it, or write it as an escape in double quotes"))
}
