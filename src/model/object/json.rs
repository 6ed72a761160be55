//! JSON bytes to a value, with a bound on depth instead of a stack overflow.
//!
//! The bound is wider than serde_json's own (128 levels): real CustomResourceDefinitions nest deeper than one would
//! think, and refusing one would be an outage. Callers run this on a thread with a stack of at least 8 MiB.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use thiserror::Error;

/// Levels of nesting that are accepted. The API server itself stops at 10,000.
pub const MAX_DEPTH: usize = 1_000;

/// Why bytes are not a JSON value, with line and column.
#[derive(Debug, Error)]
pub enum JsonError {
    /// They are no JSON.
    #[error("{0}")]
    Malformed(String),
    /// They may be JSON, but nest deeper than [`MAX_DEPTH`].
    #[error("{0}")]
    TooDeep(String),
}

/// Begins the message of the one error that [`Level`] raises itself.
const TOO_DEEP: &str = "nested deeper than";

/// Parses one JSON value; nothing but white space may follow it.
///
/// # Errors
/// On malformed JSON (with line and column) and on nesting deeper than [`MAX_DEPTH`].
pub fn parse_json(bytes: &[u8]) -> Result<Value, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    deserializer.disable_recursion_limit();
    let value = Level(0).deserialize(&mut deserializer).map_err(|error| to_error(&error))?;
    deserializer.end().map_err(|error| to_error(&error))?;
    Ok(value)
}

fn to_error(error: &serde_json::Error) -> JsonError {
    let text = error.to_string();
    if text.starts_with(TOO_DEEP) { JsonError::TooDeep(text) } else { JsonError::Malformed(text) }
}

/// How many levels stand above the value that is read next.
#[derive(Clone, Copy)]
struct Level(usize);

impl Level {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.0 >= MAX_DEPTH {
            return Err(E::custom(format_args!("{TOO_DEEP} {MAX_DEPTH} levels")));
        }
        Ok(Self(self.0 + 1))
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(value) = access.next_element_seed(inner)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            map.insert(key, access.next_value_seed(inner)?);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> String {
        format!("{}{}", "[".repeat(depth), "]".repeat(depth))
    }

    #[test]
    fn reads_what_serde_json_reads() {
        let text = r#"{"a": [1, -2, 3.5, "x", null, true], "$serde_json::private::Number": "12"}"#;
        let expected: Value = serde_json::from_str(text).unwrap();
        assert_eq!(parse_json(text.as_bytes()).unwrap(), expected);
        assert!(expected.is_object(), "a key that tricks deserialisers is a key like any other");
    }

    #[test]
    fn bounds_depth_and_names_the_place() {
        // Debug frames are wide; production parses on the evaluation threads, which have such stacks.
        std::thread::Builder::new()
            .stack_size(16 << 20)
            .spawn(|| {
                assert!(parse_json(nested(MAX_DEPTH).as_bytes()).is_ok());
                for depth in [MAX_DEPTH + 1, 10_000, 1_000_000] {
                    let error = parse_json(nested(depth).as_bytes()).unwrap_err().to_string();
                    assert!(error.starts_with("nested deeper than 1000 levels at line 1 column"), "{error}");
                }
            })
            .unwrap()
            .join()
            .unwrap();
        assert_eq!(parse_json(b"{\n  \"a\": }").unwrap_err().to_string(), "expected value at line 2 column 8");
        assert!(parse_json(b"{} {}").unwrap_err().to_string().starts_with("trailing characters"));
    }
}
