//! JSON text to a [`Tree`], with the line and column of every value.
//!
//! Apart from YAML because JSON is not quite a part of it: tabs may indent, keys may be of any length.
//! Several values may follow each other, as `kubectl` reads them. Characters that are no JSON are an error here; the
//! caller then tries YAML.

use super::error::Fault;
use super::scalar::{float_number, shorten};
use super::source::{Position, Span};
use super::tree::{Next, Parsed, ScalarPart, Tree};
use crate::model::value::yaml_scalar::Scalar;

/// The values of a text whose first character stands at `start`.
pub(super) fn read(text: &str, start: Position, keeps_places: bool) -> Result<Vec<Parsed>, Fault> {
    let mut reader = Reader { text, offset: 0, mark: (0, start), tree: Tree::new(text.len(), keeps_places) };
    let mut documents = Vec::new();
    while !reader.at_end() {
        reader.document()?;
        let tree = std::mem::replace(&mut reader.tree, Tree::new(text.len(), keeps_places));
        // Nothing that JSON can say is noted as a fault and read on.
        documents.extend(tree.finish().unwrap_or_default());
    }
    Ok(documents)
}

struct Reader<'s> {
    text: &'s str,
    offset: usize,
    /// A place that was counted already. Counting goes on from there, so that one line of 10 MB takes linear time.
    mark: (usize, Position),
    tree: Tree,
}

impl<'s> Reader<'s> {
    fn document(&mut self) -> Result<(), Fault> {
        loop {
            self.value()?;
            // A value can be the last one of every collection around it.
            loop {
                if self.tree.next() == Next::Root {
                    return Ok(());
                }
                let closing = self.closing();
                match self.peek() {
                    Some(',') => {
                        self.offset += 1;
                        break;
                    }
                    Some(found) if found == closing => self.close()?,
                    _ => return Err(self.unexpected(&format!("`,` or `{closing}`"))),
                }
            }
        }
    }

    /// One value with its key, if it is a mapping's; of a collection, everything up to the end of its first value.
    fn value(&mut self) -> Result<(), Fault> {
        loop {
            if self.tree.next() == Next::Key {
                self.key()?;
            }
            let found = self.peek();
            let start = self.position();
            match found {
                Some('{') => self.tree.open_mapping(start, 0)?,
                Some('[') => self.tree.open_sequence(start, 0)?,
                _ => return self.scalar(start),
            }
            self.offset += 1;
            if self.peek() == Some(self.closing()) {
                return self.close();
            }
        }
    }

    fn key(&mut self) -> Result<(), Fault> {
        if self.peek() != Some('"') {
            return Err(self.unexpected("a key in double quotes"));
        }
        let start = self.position();
        self.scalar(start)?;
        if self.peek() != Some(':') {
            return Err(self.unexpected("`:` after the key"));
        }
        self.offset += 1;
        Ok(())
    }

    fn scalar(&mut self, start: Position) -> Result<(), Fault> {
        let scalar = match self.peek() {
            Some('"') => Scalar::Text(self.string()?.into()),
            Some('-' | '0'..='9') => self.number()?,
            _ => self.literal()?,
        };
        let span = Span { start, end: self.position() };
        self.tree.scalar(ScalarPart { scalar, span, is_literal: false, is_merge: false, anchor: 0 })
    }

    fn literal(&mut self) -> Result<Scalar<'static>, Fault> {
        for (word, scalar) in [("true", Scalar::Bool(true)), ("false", Scalar::Bool(false)), ("null", Scalar::Null)] {
            if self.rest().starts_with(word) {
                self.offset += word.len();
                return Ok(scalar);
            }
        }
        Err(self.unexpected("a value"))
    }

    fn number(&mut self) -> Result<Scalar<'static>, Fault> {
        let is_part = |character: char| matches!(character, '0'..='9' | '+' | '-' | '.' | 'e' | 'E');
        let rest = self.rest();
        let text = rest.get(..rest.find(|character| !is_part(character)).unwrap_or(rest.len())).unwrap_or_default();
        // serde_json knows the grammar of a number and its limits; what counts as an integer is our own rule.
        let Ok(serde_json::Value::Number(number)) = serde_json::from_str(text) else {
            return Err(self.fault(&format!("`{}` is not a JSON number", shorten(text))));
        };
        self.offset += text.len();
        let number = number.as_f64().filter(|_| number.is_f64()).and_then(float_number).unwrap_or(number);
        Ok(match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Scalar::Integer(value),
            (None, Some(value)) => Scalar::Unsigned(value),
            (None, None) => Scalar::Float(number.as_f64().unwrap_or_default()),
        })
    }

    fn string(&mut self) -> Result<String, Fault> {
        let mut value = String::new();
        self.offset += 1;
        loop {
            let rest = self.rest();
            let is_special = |character: char| matches!(character, '"' | '\\' | '\0'..='\x1f');
            let (plain, special) =
                rest.split_at_checked(rest.find(is_special).unwrap_or(rest.len())).unwrap_or_default();
            value.push_str(plain);
            self.offset += plain.len();
            match special.chars().next() {
                Some('"') => {
                    self.offset += 1;
                    return Ok(value);
                }
                Some('\\') => value.push(self.escape()?),
                Some(_) => {
                    return Err(
                        self.fault("a JSON string ends on its line, found a line end or control character in it")
                    );
                }
                None => return Err(self.fault("found the end of the text inside a string, expected `\"`")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let kind = self.rest().chars().nth(1);
        let character = match kind {
            Some(same @ ('"' | '\\' | '/')) => same,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => return self.unicode_escape(),
            _ => {
                return Err(
                    self.fault("found an unknown escape, expected one of `\\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u`")
                );
            }
        };
        self.offset += 2;
        Ok(character)
    }

    /// `\uXXXX`, or two of them that make one character; half of such a pair becomes U+FFFD, as in Go.
    fn unicode_escape(&mut self) -> Result<char, Fault> {
        let Some(first) = hexadecimal(self.rest()) else {
            return Err(self.fault("expected four hexadecimal digits after `\\u`"));
        };
        self.offset += 6;
        if !(0xD800..0xDC00).contains(&first) {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let Some(second @ 0xDC00..0xE000) = hexadecimal(self.rest()) else { return Ok(char::REPLACEMENT_CHARACTER) };
        self.offset += 6;
        let joined = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        Ok(char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn close(&mut self) -> Result<(), Fault> {
        self.offset += 1;
        let end = self.position();
        self.tree.close(Some(end))
    }

    fn closing(&self) -> char {
        if self.tree.next() == Next::Item { ']' } else { '}' }
    }

    /// The next character that is not a blank, without taking it.
    fn peek(&mut self) -> Option<char> {
        let rest = self.rest();
        self.offset += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
        self.rest().chars().next()
    }

    fn at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    fn rest(&self) -> &'s str {
        self.text.get(self.offset..).unwrap_or_default()
    }

    fn position(&mut self) -> Position {
        let (offset, position) = self.mark;
        self.mark = (self.offset, position.after(self.text.get(offset..self.offset).unwrap_or_default()));
        self.mark.1
    }

    fn unexpected(&mut self, expected: &str) -> Fault {
        let found = self.peek().map_or("the end of the text".to_owned(), |found| format!("{found:?}"));
        self.fault(&format!("expected {expected}, found {found}"))
    }

    fn fault(&mut self, message: &str) -> Fault {
        Fault::new(Span::at(self.position()), message)
    }
}

fn hexadecimal(escape: &str) -> Option<u32> {
    let digits = escape.strip_prefix("\\u")?.get(..4)?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, 16).ok()
}
