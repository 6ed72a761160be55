//! Values as JSON text, as Go writes it: `<`, `>`, `&` escaped, sets as arrays, keys that are no strings as their JSON.

use std::fmt::Write;

use super::json_parse::is_json_number;
use super::{Entries, JsonError, Value};

/// How to break lines: `prefix` at the beginning of each but the first one, `indent` once per level.
#[derive(Clone, Copy, Debug)]
pub struct Indentation<'a> {
    pub prefix: &'a str,
    pub indent: &'a str,
}

/// Appends `value`. Fails for numbers that are none in JSON (`+1`, `007`), as Go does.
pub fn write_json(value: &Value, indentation: Option<Indentation<'_>>, output: &mut String) -> Result<(), JsonError> {
    let mut writer = Writer { output, indentation, open: Vec::new() };
    let mut next = Some(value);
    loop {
        if let Some(value) = next.take() {
            writer.start(value)?;
        }
        let Some(innermost) = writer.open.last_mut() else {
            return Ok(());
        };
        next = innermost.next();
        writer.between(next.is_some());
    }
}

/// Appends `text` as a JSON string.
pub fn write_json_string(text: &str, output: &mut String) {
    output.push('"');
    for character in text.chars() {
        match character {
            '"' => output.push_str("\\\""),
            '\\' => output.push_str("\\\\"),
            '\n' => output.push_str("\\n"),
            '\r' => output.push_str("\\r"),
            '\t' => output.push_str("\\t"),
            '\u{8}' => output.push_str("\\b"),
            '\u{c}' => output.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..' ' => {
                // Writing to a string cannot fail.
                let _ = write!(output, "\\u{:04x}", u32::from(character));
            }
            _ => output.push(character),
        }
    }
    output.push('"');
}

struct Writer<'a, 'o> {
    output: &'o mut String,
    indentation: Option<Indentation<'o>>,
    open: Vec<Open<'a>>,
}

/// A collection of which a part is written.
struct Open<'a> {
    rest: Rest<'a>,
    is_first: bool,
    end: char,
    /// The key of the part that `next` returned last.
    key: Option<String>,
}

enum Rest<'a> {
    Items(std::slice::Iter<'a, Value>),
    Entries(std::vec::IntoIter<(String, &'a Value)>),
}

impl<'a> Open<'a> {
    fn next(&mut self) -> Option<&'a Value> {
        match &mut self.rest {
            Rest::Items(items) => items.next(),
            Rest::Entries(entries) => {
                let (key, value) = entries.next()?;
                self.key = Some(key);
                Some(value)
            }
        }
    }
}

impl<'a> Writer<'a, '_> {
    /// A whole scalar or empty collection, or the beginning of a collection.
    fn start(&mut self, value: &'a Value) -> Result<(), JsonError> {
        let (rest, is_empty, brackets) = match value {
            Value::Null | Value::Bool(_) => {
                let _ = write!(self.output, "{value}");
                return Ok(());
            }
            Value::Number(number) => {
                let text = number.text();
                if !is_json_number(&text) {
                    return Err(JsonError { message: "invalid number literal", offset: 0 });
                }
                self.output.push_str(&text);
                return Ok(());
            }
            Value::String(text) => {
                write_json_string(text, self.output);
                return Ok(());
            }
            Value::Array(array) => (Rest::Items(array.iter()), array.is_empty(), ('[', ']')),
            Value::Set(set) => (Rest::Items(set.items().iter()), set.is_empty(), ('[', ']')),
            Value::Object(object) => {
                let entries = entries_by_text(object.entries())?;
                (Rest::Entries(entries.into_iter()), object.is_empty(), ('{', '}'))
            }
        };
        self.output.push(brackets.0);
        if is_empty {
            self.output.push(brackets.1);
        } else {
            self.open.push(Open { rest, is_first: true, end: brackets.1, key: None });
        }
        Ok(())
    }

    /// What stands before the next part of the innermost collection, or its end.
    fn between(&mut self, has_next: bool) {
        let Some(innermost) = self.open.last_mut() else {
            return;
        };
        if !has_next {
            let end = innermost.end;
            self.open.pop();
            self.break_line();
            self.output.push(end);
            return;
        }
        let key = innermost.key.take();
        if !std::mem::replace(&mut innermost.is_first, false) {
            self.output.push(',');
        }
        self.break_line();
        if let Some(key) = key {
            write_json_string(&key, self.output);
            self.output.push_str(if self.indentation.is_some() { ": " } else { ":" });
        }
    }

    fn break_line(&mut self) {
        if let Some(Indentation { prefix, indent }) = self.indentation {
            self.output.push('\n');
            self.output.push_str(prefix);
            (0..self.open.len()).for_each(|_| self.output.push_str(indent));
        }
    }
}

/// Entries with their keys as text, in the order of these. Of equal ones the last one counts.
fn entries_by_text(entries: Entries<'_>) -> Result<Vec<(String, &Value)>, JsonError> {
    let mut texts = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        texts.push((key_text(key)?, value));
    }
    texts.sort_by(|(one, _), (other, _)| one.cmp(other));
    texts.dedup_by(|later, earlier| {
        let is_equal = later.0 == earlier.0;
        if is_equal {
            std::mem::swap(later, earlier);
        }
        is_equal
    });
    Ok(texts)
}

/// The key of an object as JSON has it: itself, or its JSON. Keys that are collections nest as deep as they like, but each
/// level of keys within keys is a call.
fn key_text(key: &Value) -> Result<String, JsonError> {
    match key {
        Value::String(text) => Ok(text.to_string()),
        other => {
            let mut text = String::new();
            write_json(other, None, &mut text)?;
            Ok(text)
        }
    }
}
