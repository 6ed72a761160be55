//! Writes values as YAML the way go-yaml v2 does: block style, keys in natural order, two spaces a level, lists no
//! deeper than the key they belong to, lines broken at spaces from column 80 on.

use super::operands::undefined;
use super::yaml_sort::sort_keys;
use super::yaml_style::{Style, style};
use super::{BuiltinError, CallContext};
use crate::model::value::yaml_scalar::{Scalar, resolve_plain};
use crate::policy::engine::rego::value::{Entries, Value, format_float, write_json};

/// Deeper values are refused: writing goes down with them.
const MAX_DEPTH: usize = 500;

/// Lines are broken at the first space behind this column.
const WIDTH: usize = 80;

/// Longer keys, and those of several lines, need a question mark.
const MAX_SIMPLE_KEY: usize = 128;

pub(super) fn write(value: &Value, context: &mut CallContext<'_>) -> Result<String, BuiltinError> {
    let mut writer = Writer { text: String::new(), column: 0, context };
    writer.node(value, Place { indent: 0, depth: 0, is_root: true, ..Place::default() })?;
    if !writer.text.ends_with('\n') {
        writer.text.push('\n');
    }
    Ok(writer.text)
}

struct Writer<'c, 'x> {
    text: String,
    column: usize,
    context: &'c mut CallContext<'x>,
}

/// Where a node is written.
#[derive(Clone, Copy, Default)]
struct Place {
    /// Column that the node's own lines start at when it is a collection.
    indent: usize,
    depth: usize,
    is_root: bool,
    /// Behind a key.
    is_value: bool,
    is_key: bool,
}

impl Writer<'_, '_> {
    fn node(&mut self, value: &Value, place: Place) -> Result<(), BuiltinError> {
        self.context.budget.charge(1)?;
        if place.depth > MAX_DEPTH {
            return Err(undefined("yaml: exceeded max depth"));
        }
        match value {
            Value::Array(items) => self.sequence(items, place),
            Value::Set(set) => self.sequence(set.items(), place),
            Value::Object(object) => self.mapping(object.entries(), place),
            Value::Null => self.plain("null", place),
            Value::Bool(boolean) => self.plain(&boolean.to_string(), place),
            Value::Number(number) => {
                let text = match resolve_plain(number.text()) {
                    Scalar::Integer(integer) => integer.to_string(),
                    Scalar::Unsigned(integer) => integer.to_string(),
                    Scalar::Float(float) => format_float(float, b'g', None),
                    _ => return self.string(&number.text(), place),
                };
                self.plain(&text, place)
            }
            Value::String(text) => self.string(text, place),
        }
    }

    fn sequence(&mut self, items: &[Value], place: Place) -> Result<(), BuiltinError> {
        if items.is_empty() {
            return self.plain("[]", place);
        }
        // A list that is the value of a key is not indented further than the key.
        let indent = if place.is_value { place.indent - 2 } else { place.indent };
        for (position, item) in items.iter().enumerate() {
            self.start_line(indent, position == 0 && !place.is_value);
            self.put("-");
            self.node(item, Place { indent: indent + 2, depth: place.depth + 1, ..Place::default() })?;
        }
        Ok(())
    }

    fn mapping(&mut self, entries: Entries<'_>, place: Place) -> Result<(), BuiltinError> {
        if entries.is_empty() {
            return self.plain("{}", place);
        }
        let mut keyed = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            keyed.push((key_text(key)?, value));
        }
        for (position, (key, value)) in sort_keys(keyed, self.context)?.into_iter().enumerate() {
            self.start_line(place.indent, position == 0 && !place.is_value);
            let depth = place.depth + 1;
            let is_complex = key.len() > MAX_SIMPLE_KEY || key.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']);
            if is_complex {
                self.put("?");
                self.string(&key, Place { indent: place.indent + 2, depth, ..Place::default() })?;
                self.start_line(place.indent, false);
            } else {
                self.string(&key, Place { indent: place.indent, depth, is_key: true, ..Place::default() })?;
            }
            self.put(":");
            self.node(value, Place { indent: place.indent + 2, depth, is_value: !is_complex, ..Place::default() })?;
        }
        Ok(())
    }

    /// Goes to a new line, unless the node is the first thing in a list's item or in the document.
    fn start_line(&mut self, indent: usize, is_inline: bool) {
        if is_inline && self.column > 0 {
            self.put(" ");
        } else if self.column > 0 || !self.text.is_empty() {
            self.new_line(indent);
        }
    }

    fn new_line(&mut self, indent: usize) {
        // A literal text ends its last line itself.
        if !self.text.ends_with('\n') || self.column > 0 {
            self.text.push('\n');
        }
        self.text.extend(std::iter::repeat_n(' ', indent));
        self.column = indent;
    }

    fn put(&mut self, text: &str) {
        self.text.push_str(text);
        self.column += text.chars().count();
    }

    fn space(&mut self, place: Place) {
        if !place.is_key && self.column > 0 {
            self.put(" ");
        }
    }

    fn plain(&mut self, text: &str, place: Place) -> Result<(), BuiltinError> {
        self.space(place);
        self.put(text);
        Ok(())
    }

    fn string(&mut self, text: &str, place: Place) -> Result<(), BuiltinError> {
        self.context.budget.allocate(text.len() as u64)?;
        // OPA reads its own JSON as YAML on the way, where these characters are forbidden.
        if text.contains(|next| matches!(next, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}')) {
            return Err(undefined("yaml: control characters are not allowed"));
        }
        let style = style(text, place.is_key);
        let indent = if place.is_root { 2 } else { place.indent };
        if !place.is_key || style != Style::Literal {
            self.space(place);
        }
        match style {
            Style::Plain => self.folded(text, indent, place.is_key),
            Style::SingleQuoted => {
                self.put("'");
                let quoted = text.replace('\'', "''");
                self.folded_quoted(&quoted, indent, place.is_key, false);
                self.put("'");
            }
            Style::DoubleQuoted => {
                self.put("\"");
                self.folded_quoted(text, indent, place.is_key, true);
                self.put("\"");
            }
            Style::Literal => self.literal(text, indent),
        }
        Ok(())
    }

    /// Plain text, broken at single spaces.
    fn folded(&mut self, text: &str, indent: usize, is_key: bool) {
        let mut characters = text.chars().peekable();
        let mut follows_space = false;
        while let Some(character) = characters.next() {
            let is_break = character == ' ' && !is_key && !follows_space && self.column > WIDTH;
            if is_break && characters.peek() != Some(&' ') {
                self.new_line(indent);
            } else {
                self.put(character.encode_utf8(&mut [0; 4]));
            }
            follows_space = character == ' ';
        }
    }

    /// Text between quotes, broken at spaces, but not at its first and last character.
    fn folded_quoted(&mut self, text: &str, indent: usize, is_key: bool, is_escaped: bool) {
        let mut characters = text.char_indices().peekable();
        let mut follows_space = false;
        while let Some((offset, character)) = characters.next() {
            let next = characters.peek().map(|(_, next)| *next);
            let is_inner = offset > 0 && next.is_some();
            let is_break = character == ' ' && is_inner && !is_key && !follows_space && self.column > WIDTH;
            if is_break && (is_escaped || next != Some(' ')) {
                self.new_line(indent);
                if next == Some(' ') {
                    self.put("\\");
                }
            } else if is_escaped {
                self.put(&escape(character));
            } else {
                self.put(character.encode_utf8(&mut [0; 4]));
            }
            follows_space = character == ' ';
        }
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.put("|");
        if text.starts_with([' ', '\n']) {
            self.put("2");
        }
        let end = match text.strip_suffix('\n') {
            None => "-",
            Some(rest) if rest.is_empty() || rest.ends_with('\n') => "+",
            Some(_) => "",
        };
        self.put(end);
        self.text.push('\n');
        self.column = 0;
        for line in text.split_inclusive('\n') {
            if line != "\n" {
                self.text.extend(std::iter::repeat_n(' ', indent));
                self.column = indent + line.len();
            }
            self.text.push_str(line);
            if line.ends_with('\n') {
                self.column = 0;
            }
        }
    }
}

/// A key's text, for other values than strings their JSON.
fn key_text(key: &Value) -> Result<String, BuiltinError> {
    if let Value::String(text) = key {
        return Ok(text.to_string());
    }
    let mut text = String::new();
    write_json(key, None, &mut text).map_err(|error| undefined(error.message))?;
    Ok(text)
}

fn escape(character: char) -> String {
    match character {
        '\0' => "\\0".to_owned(),
        '\u{7}' => "\\a".to_owned(),
        '\u{8}' => "\\b".to_owned(),
        '\t' => "\\t".to_owned(),
        '\n' => "\\n".to_owned(),
        '\u{b}' => "\\v".to_owned(),
        '\u{c}' => "\\f".to_owned(),
        '\r' => "\\r".to_owned(),
        '\u{1b}' => "\\e".to_owned(),
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '\u{85}' => "\\N".to_owned(),
        '\u{a0}' => "\\_".to_owned(),
        '\u{2028}' => "\\L".to_owned(),
        '\u{2029}' => "\\P".to_owned(),
        other if super::yaml_style::is_printable(other) => other.to_string(),
        other => match u32::from(other) {
            code @ ..=0xff => format!("\\x{code:02X}"),
            code @ ..=0xffff => format!("\\u{code:04X}"),
            code => format!("\\U{code:08X}"),
        },
    }
}
