//! Where a mutator writes: `spec.containers[name: web].image`, parsed.
//!
//! Gatekeeper's grammar with its texts; what is wrong is also placed inside the text, which Gatekeeper does not do.

mod parse;
mod scan;

use std::fmt;

use serde_json::Value;
use thiserror::Error;

/// A route from the root of an object: fields, and elements of lists that are told apart by one of their fields.
///
/// Kept by the parser: an element always follows a field, and never another element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    nodes: Vec<LocationNode>,
}

/// One step of a [`Location`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocationNode {
    /// A field of a mapping.
    Field(String),
    /// Elements of a list.
    Element {
        /// The field that tells them apart.
        key: String,
        /// What it must be; `None` for all elements (`[name: *]`).
        value: Option<KeyValue>,
    },
}

/// The value that tells an element of a list from the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyValue {
    /// A string.
    Text(String),
    /// A whole number, which is no string of digits.
    Integer(i64),
}

/// Why a text is no location.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}, at character {column}")]
pub struct LocationError {
    /// Gatekeeper's text.
    pub message: String,
    /// Where in the text, in characters, from 1.
    pub column: usize,
}

impl Location {
    /// Parses a location. The empty text is the empty location.
    ///
    /// # Errors
    /// On the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        parse::parse(text).map(|nodes| Self { nodes })
    }

    /// The steps from the root.
    pub fn nodes(&self) -> &[LocationNode] {
        &self.nodes
    }

    /// Whether it ends at elements of a list.
    pub fn ends_in_list(&self) -> bool {
        matches!(self.nodes.last(), Some(LocationNode::Element { .. }))
    }

    /// Whether its first steps are these fields.
    pub fn starts_with(&self, fields: &[&str]) -> bool {
        let is_same =
            |(node, field): (&LocationNode, &&str)| matches!(node, LocationNode::Field(name) if name == field);
        self.nodes.len() >= fields.len() && self.nodes.iter().zip(fields).all(is_same)
    }

    /// Whether the other one begins with all of it.
    pub fn is_prefix_of(&self, other: &Self) -> bool {
        other.nodes.starts_with(&self.nodes)
    }
}

impl KeyValue {
    /// Whether a value is this one.
    pub fn is(&self, value: &Value) -> bool {
        match self {
            Self::Text(text) => value.as_str() == Some(text),
            Self::Integer(integer) => value.as_i64() == Some(*integer),
        }
    }

    /// The value to write.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Text(text) => Value::from(text.as_str()),
            Self::Integer(integer) => Value::from(*integer),
        }
    }
}

/// As it can be parsed again.
impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, node) in self.nodes.iter().enumerate() {
            let separator = if position > 0 && matches!(node, LocationNode::Field(_)) { "." } else { "" };
            write!(formatter, "{separator}{node}")?;
        }
        Ok(())
    }
}

impl fmt::Display for LocationNode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => formatter.write_str(&quote(name)),
            Self::Element { key, value: None } => write!(formatter, "[{}: *]", quote(key)),
            Self::Element { key, value: Some(KeyValue::Text(text)) } => {
                write!(formatter, "[{}: {}]", quote(key), quote(text))
            }
            Self::Element { key, value: Some(KeyValue::Integer(integer)) } => {
                write!(formatter, "[{}: {integer}]", quote(key))
            }
        }
    }
}

/// In double quotes where it would not be read back as one name.
fn quote(text: &str) -> String {
    let is_ambiguous = |character: char| "'\"\t\n \\*[]:.".contains(character);
    if text.is_empty() || text.contains(is_ambiguous) || text.starts_with(|first: char| first.is_ascii_digit()) {
        return format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_fields_and_elements() {
        let text = "spec . containers [ name : \"a b\" ]\t.ports[containerPort: 80][";
        let error = Location::parse(text).unwrap_err();
        assert_eq!(error.to_string(), "unexpected token: expected '.' or eof, got: LBRACKET: \"[\", at character 61");
        let location = Location::parse(text.trim_end_matches('[')).unwrap();
        assert_eq!(location.to_string(), "spec.containers[name: \"a b\"].ports[containerPort: 80]");
        assert!(location.ends_in_list() && location.starts_with(&["spec", "containers"]));
        assert!(!location.starts_with(&["spec", "ports"]));
        assert_eq!(Location::parse("").unwrap(), Location::default());
    }

    #[test]
    fn what_it_displays_is_what_it_reads() {
        for text in ["a", "'it''s'", "\"\"", "a[b: *].c", "a.\"1\"", "a['x.y': 7].\"\\\\\\\"\"", "spec.a[k: \"7\"]"] {
            let Ok(location) = Location::parse(text) else { continue };
            assert_eq!(Location::parse(&location.to_string()).unwrap(), location, "{text}");
        }
    }

    #[test]
    fn keys_are_strings_or_numbers() {
        let Location { nodes } = Location::parse("a[k: 7].b[k: \"7\"]").unwrap();
        let value = |position: usize| match &nodes[position] {
            LocationNode::Element { value: Some(value), .. } => value.clone(),
            other => panic!("{other:?}"),
        };
        assert!(value(1).is(&Value::from(7)) && !value(1).is(&Value::from("7")) && !value(1).is(&Value::from(7.0)));
        assert!(value(3).is(&Value::from("7")) && !value(3).is(&Value::from(7)));
    }
}
