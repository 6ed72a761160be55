//! JSON text straight into values, by Go's rules: what `json.unmarshal` and reviews go through.
//!
//! Later keys win, lone surrogates become U+FFFD, numbers keep their text or become 64-bit floats as in reviews, nesting
//! ends at 10,000 levels as in Go. Nothing recurses.

use std::sync::Arc;

use super::{Number, Value};

/// Go's limit.
pub const MAX_DEPTH: usize = 10_000;

/// What becomes of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberMode {
    /// Kept as written: parameters, `json.unmarshal`.
    AsWritten,
    /// Read as 64-bit floats, as Gatekeeper does with reviews and the inventory.
    Float,
}

/// Why a text is not JSON, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonError {
    pub message: &'static str,
    /// Offset in bytes.
    pub offset: usize,
}

/// The message of an error about nesting.
pub const TOO_DEEP: &str = "exceeded max depth";

/// Reads one JSON value and nothing behind it but white space.
pub fn parse_json(text: &str, mode: NumberMode) -> Result<Value, JsonError> {
    parse_json_within(text, mode, MAX_DEPTH)
}

/// The same with another limit of nesting.
pub fn parse_json_within(text: &str, mode: NumberMode, max_depth: usize) -> Result<Value, JsonError> {
    Parser { text, offset: 0, mode, max_depth, keys: [const { None }; KNOWN_KEYS] }.document()
}

/// Whether `text` is a number by JSON's grammar.
pub fn is_json_number(text: &str) -> bool {
    let mut parser = Parser {
        text,
        offset: 0,
        mode: NumberMode::AsWritten,
        max_depth: MAX_DEPTH,
        keys: [const { None }; KNOWN_KEYS],
    };
    parser.skip_number().is_ok() && parser.offset == text.len()
}

struct Parser<'a> {
    text: &'a str,
    offset: usize,
    mode: NumberMode,
    max_depth: usize,
    /// Keys seen last, by their [`place`]: most keys of a document are there many times.
    keys: [Option<Arc<str>>; KNOWN_KEYS],
}

/// How many keys are remembered.
const KNOWN_KEYS: usize = 128;

/// Where a key is remembered.
fn place(key: &str) -> usize {
    let bytes = key.as_bytes();
    let at = |index: usize| bytes.get(index).copied().map_or(0, usize::from);
    (key.len() + 7 * at(0) + 31 * at(key.len() / 2) + 61 * at(key.len().wrapping_sub(1))) % KNOWN_KEYS
}

/// A collection that is not closed yet.
enum Open {
    Array(Vec<Value>),
    Object(Vec<(Value, Value)>, Value),
}

impl<'a> Parser<'a> {
    fn document(mut self) -> Result<Value, JsonError> {
        let mut open = Vec::new();
        loop {
            // At the beginning of a value.
            let Some(mut value) = self.scalar_or_open(&mut open)? else {
                continue;
            };
            // Behind a value: it goes into the innermost collection, which may be closed by that.
            loop {
                self.skip_space();
                match open.last_mut() {
                    None if self.offset == self.text.len() => return Ok(value),
                    None => return Err(self.error("invalid character after top-level value")),
                    Some(Open::Array(items)) => items.push(value),
                    Some(Open::Object(entries, key)) => entries.push((std::mem::replace(key, Value::Null), value)),
                }
                match self.continue_collection(&mut open)? {
                    Some(closed) => value = closed,
                    None => break,
                }
            }
        }
    }

    /// A whole scalar or empty collection, or None when a collection was opened and its first value comes next.
    fn scalar_or_open(&mut self, open: &mut Vec<Open>) -> Result<Option<Value>, JsonError> {
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.open_object(open),
            Some(b'[') => {
                self.check_depth(open)?;
                self.offset += 1;
                self.skip_space();
                if self.take(b']') {
                    return Ok(Some(Value::array(Vec::new())));
                }
                open.push(Open::Array(Vec::new()));
                Ok(None)
            }
            Some(b'"') => Ok(Some(Value::String(self.string()?))),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(b'-' | b'0'..=b'9') => self.number().map(Some),
            Some(_) => Err(self.error("invalid character looking for beginning of value")),
            None => Err(self.error("unexpected end of JSON input")),
        }
    }

    fn open_object(&mut self, open: &mut Vec<Open>) -> Result<Option<Value>, JsonError> {
        self.check_depth(open)?;
        self.offset += 1;
        self.skip_space();
        if self.take(b'}') {
            return Ok(Some(Value::object(Vec::new())));
        }
        let key = self.key()?;
        open.push(Open::Object(Vec::new(), key));
        Ok(None)
    }

    /// Reads `,` (and the next key) or the end of the innermost collection, which is then returned.
    fn continue_collection(&mut self, open: &mut Vec<Open>) -> Result<Option<Value>, JsonError> {
        self.skip_space();
        match open.last_mut() {
            Some(Open::Array(items)) if self.take(b']') => {
                let closed = Value::array(std::mem::take(items));
                open.pop();
                Ok(Some(closed))
            }
            Some(Open::Object(entries, _)) if self.take(b'}') => {
                let closed = Value::object(std::mem::take(entries));
                open.pop();
                Ok(Some(closed))
            }
            _ if self.peek().is_none() => Err(self.error("unexpected end of JSON input")),
            _ if !self.take(b',') => Err(self.error("expected a comma or the end of the collection")),
            Some(Open::Object(_, key)) => {
                self.skip_space();
                *key = self.key()?;
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// Whether one more collection may be opened.
    fn check_depth(&self, open: &[Open]) -> Result<(), JsonError> {
        if open.len() >= self.max_depth { Err(self.error(TOO_DEEP)) } else { Ok(()) }
    }

    fn key(&mut self) -> Result<Value, JsonError> {
        match self.peek() {
            Some(b'"') => {}
            Some(_) => return Err(self.error("invalid character looking for beginning of object key string")),
            None => return Err(self.error("unexpected end of JSON input")),
        }
        let key = self.string_as(Self::known_key)?;
        self.skip_space();
        match self.peek() {
            Some(b':') => {
                self.offset += 1;
                Ok(Value::String(key))
            }
            Some(_) => Err(self.error("invalid character after object key")),
            None => Err(self.error("unexpected end of JSON input")),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Option<Value>, JsonError> {
        if !self.rest().starts_with(word) {
            return Err(self.error("invalid character in literal"));
        }
        self.offset += word.len();
        Ok(Some(value))
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let start = self.offset;
        self.skip_number()?;
        let text = self.text.get(start..self.offset).unwrap_or_default();
        let number = match self.mode {
            NumberMode::AsWritten => Number::parse(text),
            NumberMode::Float => text.parse().ok().and_then(Number::from_f64),
        };
        number.map(Value::Number).ok_or(JsonError { message: "number is out of range", offset: start })
    }

    fn skip_number(&mut self) -> Result<(), JsonError> {
        self.take(b'-');
        if !self.take(b'0') {
            self.skip_digits()?;
        }
        if self.take(b'.') {
            self.skip_digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.skip_digits()?;
        }
        Ok(())
    }

    fn skip_digits(&mut self) -> Result<(), JsonError> {
        let count = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        self.offset += count;
        if count == 0 { Err(self.error("invalid character in numeric literal")) } else { Ok(()) }
    }

    fn known_key(&mut self, key: &str) -> Arc<str> {
        let Some(known) = self.keys.get_mut(place(key)) else { return Arc::from(key) };
        match known {
            Some(known) if **known == *key => Arc::clone(known),
            _ => Arc::clone(known.insert(Arc::from(key))),
        }
    }

    fn string(&mut self) -> Result<Arc<str>, JsonError> {
        self.string_as(|_, text| Arc::from(text))
    }

    /// A string, made by `make` where it has no escapes.
    fn string_as(&mut self, make: fn(&mut Self, &str) -> Arc<str>) -> Result<Arc<str>, JsonError> {
        self.offset += 1;
        let mut unescaped = String::new();
        loop {
            let rest = self.rest();
            let Some(length) = rest.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < b' ') else {
                return Err(self.error("unexpected end of JSON input"));
            };
            let plain = rest.get(..length).unwrap_or_default();
            self.offset += length;
            match self.peek() {
                Some(b'"') => {
                    self.offset += 1;
                    if unescaped.is_empty() {
                        return Ok(make(self, plain));
                    }
                    unescaped.push_str(plain);
                    return Ok(Arc::from(unescaped));
                }
                Some(b'\\') => {
                    unescaped.push_str(plain);
                    self.offset += 1;
                    unescaped.push(self.escape()?);
                }
                _ => return Err(self.error("invalid character in string literal")),
            }
        }
    }

    /// Behind a backslash.
    fn escape(&mut self) -> Result<char, JsonError> {
        let escape = self.peek().ok_or_else(|| self.error("unexpected end of JSON input"))?;
        let character = match escape {
            b'"' | b'\\' | b'/' => char::from(escape),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.offset += 1;
                return self.code_point();
            }
            _ => return Err(self.error("invalid character in string escape code")),
        };
        self.offset += 1;
        Ok(character)
    }

    /// Behind `\u`. Halves of surrogate pairs that stand alone become U+FFFD.
    fn code_point(&mut self) -> Result<char, JsonError> {
        let first = self.hexadecimal()?;
        if let Some(character) = char::from_u32(first) {
            return Ok(character);
        }
        let before = self.offset;
        if first < 0xdc00 && self.rest().starts_with("\\u") {
            self.offset += 2;
            let second = self.hexadecimal()?;
            if (0xdc00..0xe000).contains(&second) {
                let combined = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(combined).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.offset = before;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hexadecimal(&mut self) -> Result<u32, JsonError> {
        let digits = self.rest().get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let digits = digits.ok_or_else(|| self.error("invalid character in \\u hexadecimal character escape"))?;
        self.offset += 4;
        u32::from_str_radix(digits, 16).map_err(|_| self.error("invalid character in \\u hexadecimal character escape"))
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.offset += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.offset += usize::from(is_next);
        is_next
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.offset).copied()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.offset..).unwrap_or_default()
    }

    fn error(&self, message: &'static str) -> JsonError {
        JsonError { message, offset: self.offset }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_json() {
        let cases = [
            ("null", "null"),
            (
                r#" {"b": [1, 1.0, -0, 1e3], "a": {}, "b": [], "c": [[], [{}]]} "#,
                r#"{"a": {}, "b": [], "c": [[], [{}]]}"#,
            ),
            (r#""\u0041\ud83d\ude00\ud800x\n\/""#, "\"A😀\u{fffd}x\\n/\""),
            ("[1.0,-0,1e3,18446744073709551617]", "[1.0, -0, 1e3, 18446744073709551617]"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_json(text, NumberMode::AsWritten).unwrap().to_string(), expected);
        }
        let floats = parse_json("[1.0, 8080, 1000740000, 0.1, 1e3]", NumberMode::Float).unwrap();
        assert_eq!(floats.to_string(), "[1, 8080, 1.00074e+09, 0.1, 1000]");
    }

    #[test]
    fn refuses_what_is_no_json() {
        for text in [
            "", "{", "[1,]", "{\"a\"}", "01", "1.", ".5", "+1", "tru", "\"a", "\"\\x\"", "\"\n\"", "1 2", "{1:2}",
            "[1}", "-",
        ] {
            assert!(parse_json(text, NumberMode::AsWritten).is_err(), "{text}");
        }
        assert!(parse_json("1e400", NumberMode::Float).is_err());
        assert!(parse_json(&"[".repeat(1_000_000), NumberMode::AsWritten).is_err());
        let deep = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert!(parse_json(&deep, NumberMode::AsWritten).is_ok());
    }
}
