//! The YAML parser's complaints in words that say what was found, what was expected and what to do.

use granit_parser::{ErrorKind, ScanError};

use super::error::Fault;
use super::source::{Position, Span};
use super::split::Segment;
use super::tree::MAX_DEPTH;

const TABS: &str = "indent with spaces; YAML forbids tabs there";
const COLON: &str = "indent the line as its neighbours, or quote a value that contains `: `";
const BRACKET: &str = "close the bracket, or quote the value if the bracket belongs to it";
const TEMPLATE: &str = "this looks like a template: render it first (`helm template … | admit …`), or quote the value";

/// A parser's error at its place.
pub(super) fn explain(error: &ScanError, segment: &Segment<'_>, position: Position) -> Fault {
    let line = line_at(segment, error);
    let is_at_end = error.marker().byte_offset().is_some_and(|offset| offset >= segment.text.len());
    let (message, help) = match error.kind() {
        // The end counts as a line without indentation.
        ErrorKind::InvalidQuotedScalarIndent if is_at_end => words(&ErrorKind::UnclosedQuotedScalar),
        kind => words(kind),
    };
    let help = if line.contains("{{") { Some(TEMPLATE) } else { help };
    let position = if is_tab(error.kind()) { at_tab(segment, error, position) } else { position };
    let mut fault = Fault::new(Span::at(position), message);
    if let ErrorKind::UnknownAnchor = error.kind() {
        fault.message = unknown_anchor(segment, error);
    }
    match help {
        Some(help) => fault.with_help(help),
        None => fault,
    }
}

/// What happened, and what to do about it where the parser's own words do not say so already.
fn words(kind: &ErrorKind) -> (String, Option<&'static str>) {
    let (message, help) = match kind {
        kind if is_tab(kind) => ("found a tab where only spaces may indent", TABS),
        ErrorKind::UnclosedQuotedScalar => ("found the end of the document inside quotes", "close the quotes"),
        ErrorKind::DocumentIndicatorInQuotedScalar => {
            ("found a line with `---` or `...` inside quotes", "close the quotes")
        }
        ErrorKind::InvalidQuotedScalarIndent => (
            "found a line inside quotes that is indented no deeper than its key",
            "close the quotes above, or indent the line",
        ),
        ErrorKind::UnclosedFlowCollection { open } => {
            return (format!("`{open}` is opened and never closed"), Some(BRACKET));
        }
        ErrorKind::UnexpectedEofFlowSequence => {
            ("found the end of the document inside `[`, expected `,` or `]`", BRACKET)
        }
        ErrorKind::UnexpectedEofFlowMapping | ErrorKind::UnexpectedEofImplicitFlowMapping => {
            ("found the end of the document inside `{`, expected `,` or `}`", BRACKET)
        }
        ErrorKind::ExpectedFlowSequenceSeparator => ("expected `,` or `]` in a list", BRACKET),
        ErrorKind::ExpectedFlowMappingSeparator => ("expected `,` or `}` in a mapping", BRACKET),
        ErrorKind::InvalidColonPlacement => ("found `:` inside `[`, expected `,` or `]`", BRACKET),
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => {
            return (format!("`{open}` is closed by `{close}`"), Some(BRACKET));
        }
        ErrorKind::MisplacedFlowCollectionEnd => ("found a closing bracket that was never opened", BRACKET),
        ErrorKind::MappingValueNotAllowed => ("found `: ` where no mapping can start", COLON),
        ErrorKind::SimpleKeyExpected => ("found a line that is not `key: value`", COLON),
        ErrorKind::ExpectedBlockMappingKey => ("expected a key at the indentation of the mapping", COLON),
        ErrorKind::ExpectedDocumentStart => (
            "found more content behind the document's value",
            "indent it to belong to the value, or put `---` between documents",
        ),
        ErrorKind::InvalidIndentation => ("this indentation fits nothing above it", COLON),
        ErrorKind::BlockSequenceEntryNotAllowed => {
            ("found `- ` where no list can start", "put the list on lines of its own, below its key")
        }
        ErrorKind::ExpectedBlockSequenceEntry => {
            ("expected `- ` at the indentation of the list", "indent every item alike, and what belongs to it deeper")
        }
        ErrorKind::UnexpectedCharacter { character } => {
            return (format!("no value can start with {character:?}"), Some("quote the value"));
        }
        ErrorKind::UnknownQuotedScalarEscape => {
            ("found an unknown escape in double quotes", "write `\\\\` for a backslash, or use single quotes")
        }
        ErrorKind::UnknownAnchor => ("unknown anchor", "define it with `&name` above; anchors end with their document"),
        ErrorKind::RecursionLimitExceeded => {
            let message = format!("nested deeper than {MAX_DEPTH} levels");
            return (message, Some("look for brackets that are opened and never closed"));
        }
        ErrorKind::InvalidSimpleKey => ("a key must fit on one line and in 1024 characters", COLON),
        other => return (other.to_string(), None),
    };
    (message.to_owned(), Some(help))
}

fn is_tab(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation
            | ErrorKind::TabAtBlockScalarStart
            | ErrorKind::TabInPlainScalar
    )
}

/// The scanner stops behind a tab that it does not want.
fn at_tab(segment: &Segment<'_>, error: &ScanError, position: Position) -> Position {
    let before = error.marker().byte_offset().and_then(|offset| segment.text.get(..offset)).unwrap_or_default();
    let column = if before.ends_with('\t') { position.column.saturating_sub(1).max(1) } else { position.column };
    Position { column, ..position }
}

fn unknown_anchor(segment: &Segment<'_>, error: &ScanError) -> String {
    let rest = error.marker().byte_offset().and_then(|offset| segment.text.get(offset..)).unwrap_or_default();
    let is_end = |character: char| character.is_whitespace() || matches!(character, ',' | '[' | ']' | '{' | '}');
    let name = rest.split(is_end).next().unwrap_or_default();
    format!("alias `{name}` repeats an anchor that this document does not define")
}

fn line_at<'s>(segment: &Segment<'s>, error: &ScanError) -> &'s str {
    let offset = error.marker().byte_offset().unwrap_or_default();
    let (before, after) = segment.text.split_at_checked(offset).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let end = after.find('\n').map_or(segment.text.len(), |end| offset + end);
    segment.text.get(start..end).unwrap_or_default()
}
