//! Quoted text that `kubectl` reads and the YAML parser refuses: a value in quotes that goes on in lines indented no
//! deeper than its key.
//!
//! YAML forbids that; go-yaml v2 never looks at the indentation inside quotes. White space in front of such a line is
//! not part of the value, so [`indent`] adds what is missing and leaves all else as it is: same values, same lines.
//! [`Indented::column`] takes the added columns back.
//!
//! Deliberately absent: telling a wanted end of the quotes from an accidental one. Where anything but a comment follows
//! the closing quote, nothing from that value on is touched, and the parser's complaint stands.

use std::ops::Range;

use granit_parser::{ErrorKind, Scanner, StrInput};

use super::split::Lines;
use super::yaml::options;

/// Blanks that may be added to a text. Deep indentation above many short lines would multiply its size.
const MAX_ADDED: usize = 32 << 20;

/// A text with deeper lines, and how much deeper.
#[derive(Debug, Default)]
pub(super) struct Indented {
    pub(super) text: String,
    /// Lines, from 1 and in order, with the blanks added in front of them.
    added: Vec<(usize, usize)>,
}

impl Indented {
    /// A column of the text, from 0, as it was before.
    pub(super) fn column(&self, line: usize, column: usize) -> usize {
        let added = self.added.binary_search_by_key(&line, |(line, _)| *line).ok().and_then(|at| self.added.get(at));
        column.saturating_sub(added.map_or(0, |(_, blanks)| *blanks))
    }
}

/// The text with all too shallow lines in quotes indented; `None` when there are none.
pub(super) fn indent(text: &str) -> Option<Indented> {
    let mut quotes = Vec::new();
    let mut from = 0;
    while let Some((shallow, next)) = find_shallow(text, from) {
        quotes.push(shallow);
        from = next;
    }
    if quotes.is_empty() { None } else { rewrite(text, &quotes) }
}

/// Quotes with a line that is not indented enough.
struct Shallow {
    /// What is between the quotes.
    content: Range<usize>,
    /// The column, from 0, that is deep enough.
    column: usize,
}

/// The first such quotes behind `from`, a line start outside of all scalars and brackets, and the line start behind them.
///
/// The scanner starts anew there, so every part of the text is scanned once. It does not know the collections that are
/// open at that place, and need not: a line that belongs to them says by its own indentation where its scalars end.
fn find_shallow(text: &str, from: usize) -> Option<(Shallow, usize)> {
    let rest = text.get(from..)?;
    let mut handled = 0;
    let mut scanner = Scanner::with_options(StrInput::new(rest), options());
    let error = loop {
        match scanner.next()? {
            Ok(token) => handled = handled.max(token.into_parts().0.end.byte_offset().unwrap_or_default()),
            Err(error) => break error,
        }
    };
    if !matches!(error.kind(), ErrorKind::InvalidQuotedScalarIndent | ErrorKind::TabInIndentation) {
        return None;
    }
    let open = from + handled + opening_quote(rest.get(handled..)?)?;
    let content = open + 1..open + 1 + content_length(text.get(open..)?)?;
    let is_inside = error.marker().byte_offset().is_some_and(|offset| content.contains(&(from + offset)));
    let line = Lines(text.get(content.end + 1..)?).next().unwrap_or_default();
    let behind = line.trim();
    let is_last = behind.is_empty() || (behind.starts_with('#') && line.starts_with([' ', '\t']));
    if !is_inside || !is_last {
        return None;
    }
    let next = content.end + 1 + line.len();
    Some((Shallow { content, column: column_behind_key(text.get(..open)?) }, next))
}

/// Where the quotes open in a text that has only indicators, comments, anchors and tags in front of them.
fn opening_quote(text: &str) -> Option<usize> {
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let end = match rest.chars().next()? {
            '"' | '\'' => return Some(text.len() - rest.len()),
            ':' | '-' | '?' => 1,
            '#' => rest.find(['\n', '\r'])?,
            '&' | '!' => rest.find(char::is_whitespace)?,
            _ => return None,
        };
        rest = rest.get(end..)?;
    }
}

/// The bytes between the quote that a text starts with and the one that closes it.
fn content_length(text: &str) -> Option<usize> {
    let quote = text.chars().next()?;
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((offset, character)) = characters.next() {
        match character {
            '\\' if quote == '"' => drop(characters.next()),
            '\'' if quote == '\'' && characters.next_if(|(_, next)| *next == '\'').is_some() => {}
            _ if character == quote => return Some(offset - 1),
            _ => {}
        }
    }
    None
}

/// A column deeper than the collection that a value belongs to, by the text above the value.
///
/// In a line, collections start at its first key or at the indicators in front of that.
fn column_behind_key(above: &str) -> usize {
    let line = above.get(above.rfind(['\n', '\r']).map_or(0, |end| end + 1)..).unwrap_or_default();
    line.len() - line.trim_start_matches([' ', '\t', '-', '?', ':']).len() + 1
}

fn rewrite(text: &str, quotes: &[Shallow]) -> Option<Indented> {
    let mut indented = Indented::default();
    let mut quotes = quotes.iter().peekable();
    let (mut start, mut blanks_left) = (0, MAX_ADDED);
    for (index, line) in Lines(text).enumerate() {
        while quotes.next_if(|shallow| shallow.content.end < start).is_some() {}
        let content = line.trim_start_matches(' ');
        let deep_enough = quotes.peek().filter(|shallow| shallow.content.start <= start).map_or(0, |it| it.column);
        let blanks = deep_enough.saturating_sub(line.len() - content.len());
        // An empty line may be as short as it likes.
        if blanks > 0 && !content.starts_with(['\n', '\r']) {
            blanks_left = blanks_left.checked_sub(blanks)?;
            indented.text.extend(std::iter::repeat_n(' ', blanks));
            indented.added.push((index + 1, blanks));
        }
        indented.text.push_str(line);
        start += line.len();
    }
    Some(indented)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use crate::manifest::{Document, Location, ManifestError, Source, parse};
    use crate::model::object::FieldPath;

    fn run(text: &str) -> (Vec<Document>, Vec<ManifestError>) {
        parse(&Arc::new(Source::new("f", text.to_owned())))
    }

    /// The content as `kubectl` reads it, and the places of the values under some keys; no key is the whole document.
    #[track_caller]
    fn check(text: &str, value: Value, places: &[(&str, &str)]) {
        for text in [text.to_owned(), text.replace('\n', "\r\n"), text.replace('\n', "\r")] {
            let (documents, errors) = run(&text);
            assert_eq!(errors, [], "{text:?}");
            assert_eq!(documents.iter().map(Document::value).collect::<Vec<_>>(), [&value], "{text:?}");
            let show =
                |found: Location| format!("{}:{}-{}:{}", found.line, found.column, found.end_line, found.end_column);
            for (document, (key, place)) in documents.iter().cycle().zip(places) {
                let root = FieldPath::root();
                let found = document.locate(&if key.is_empty() { root } else { root.key(*key) });
                assert_eq!((show(found.location).as_str(), found.is_exact), (*place, true), "{key} in {text:?}");
            }
        }
    }

    #[track_caller]
    fn check_error(text: &str, error: &str) {
        let (documents, errors) = run(text);
        assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), [error], "{text:?}");
        assert_eq!(documents.len(), 0, "{text:?}");
    }

    #[test]
    fn reads_shallow_lines_in_quotes() {
        check(
            "a: \"x\ny\" # c\nb: 1\n",
            json!({"a": "x y", "b": 1}),
            &[("", "1:1-3:5"), ("a", "1:4-2:3"), ("b", "3:4-3:5")],
        );
        check(
            "a:\n  b: 'it''s\n\n\n \té # x\n  ''y''\n'\n  c: 1\nd: |\n  'x\n  y'\n",
            json!({"a": {"b": "it's\n\né # x 'y' ", "c": 1}, "d": "'x\ny'\n"}),
            &[("a", "2:3-8:7"), ("d", "9:4-11:5")],
        );
        check(
            "- - k: \"\\\"x\\\n  \\ y\n   z\n\tz\n   \"\n    l: &a\n    # \"c\n     !!str \"1\n2\"\n  - *a\n- ? 'x\n\n  y'\n  : 1\n",
            json!([[{"k": "\"x y z z ", "l": "1 2"}, "1 2"], {"x\ny": 1}]),
            &[("", "1:1-14:6")],
        );
        check(
            "# \"\na: it's\nb: [\"x\ny\"]\nc: \"x\n  y\"\nd:\n- \"x\ny\"\n- |\n \"x\n - 'y'\ne: \"\nx\"",
            json!({"a": "it's", "b": ["x y"], "c": "x y", "d": ["x y", "\"x\n- 'y'\n"], "e": " x"}),
            &[("b", "3:4-4:4"), ("d", "8:1-12:7"), ("e", "13:4-14:3")],
        );
    }

    #[test]
    fn reports_quotes_that_are_not_closed_where_they_go_wrong() {
        const SHALLOW: &str = "found a line inside quotes that is indented no deeper than its key";
        check_error("a: \"x\nb: 1\n", &format!("f:2:1: {SHALLOW}"));
        check_error("a: \"x\n", "f:2:1: found the end of the document inside quotes");
        check_error("a: \"x\nb: \"y\"\nc: 1\n", &format!("f:2:1: {SHALLOW}"));
        check_error("a: 'x\nb: 1\nc: it's\n", &format!("f:2:1: {SHALLOW}"));
        check_error("a: \"x\ny\"\nb: \"x\nc: \"\"\n", &format!("f:4:1: {SHALLOW}"));
        check_error("a: \"x\ny\": 1\n", &format!("f:2:1: {SHALLOW}"));
        check_error("a: \"x\ny\"#\n", &format!("f:2:1: {SHALLOW}"));
        check_error("a: \"x\ny\"\nb: @\n", "f:3:4: no value can start with '@'");
        check_error("a: \"x\n\\y\"\n", "f:1:4: found an unknown escape in double quotes");
    }

    /// Taking quotes one parse at a time, or blanks by the length of a line, these would not come to an end.
    #[test]
    fn takes_time_in_proportion_to_the_text() {
        let many = "- - a: \"x\ny\n\nz\"\n".repeat(20_000);
        let long = format!("a: &{} \"{}\"\n", "b".repeat(200_000), "x\n".repeat(200_000));
        for text in [many, long] {
            let (documents, errors) = run(&text);
            assert_eq!((documents.len(), errors), (1, Vec::new()));
        }
        let deep = format!("{}a: \"{}\"\n", " ".repeat(200_000), "x\n".repeat(200_000));
        assert_eq!(run(&deep).1.len(), 1);
    }
}
