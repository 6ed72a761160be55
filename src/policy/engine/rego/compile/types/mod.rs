//! Types of values, and the check that nothing is used as what it cannot be.
//!
//! Invariant: rejects only what OPA's checker rejects: wherever something is unknown or too large to describe, anything
//! is accepted. A type is never larger than a limit, so comparing two costs little.

mod arguments;
mod body;
mod documents;
pub(super) mod notation;
mod references;
mod relations;
mod rules;

use std::fmt;
use std::sync::Arc;

pub(super) use rules::check;

/// Types share their parts.
pub type TypeRef = Arc<Type>;

/// More parts than this are described as "anything": large tables in policies.
const MOST_PARTS: u32 = 2_000;

/// What is known of a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Type {
    kind: Kind,
    parts: u32,
    has_unknown: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Nothing is known yet; accepted everywhere.
    Unknown,
    Null,
    Boolean,
    Number,
    String,
    Array {
        items: Vec<TypeRef>,
        rest: Option<TypeRef>,
    },
    /// Fields sorted by key.
    Object {
        fields: Vec<(Key, TypeRef)>,
        rest: Option<(TypeRef, TypeRef)>,
    },
    Set(TypeRef),
    /// One of these, sorted; of none, anything.
    Any(Vec<TypeRef>),
}

/// A constant key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Null,
    Bool(bool),
    Number(String),
    String(String),
}

impl Type {
    pub(super) fn any() -> TypeRef {
        Self::of(Kind::Any(Vec::new()))
    }

    fn unknown() -> TypeRef {
        Self::of(Kind::Unknown)
    }

    fn array_of(rest: TypeRef) -> TypeRef {
        Self::of(Kind::Array { items: Vec::new(), rest: Some(rest) })
    }

    fn object_of(key: TypeRef, value: TypeRef) -> TypeRef {
        Self::of(Kind::Object { fields: Vec::new(), rest: Some((key, value)) })
    }

    /// Measures; what is too large becomes anything.
    fn of(kind: Kind) -> TypeRef {
        let inner = kind.inner();
        let parts = inner.iter().fold(1u32, |sum, part| sum.saturating_add(part.parts));
        // As in OPA, what one of several types leaves open does not count.
        let is_union = matches!(kind, Kind::Any(_));
        let has_unknown = matches!(kind, Kind::Unknown) || !is_union && inner.iter().any(|part| part.has_unknown);
        if parts > MOST_PARTS {
            return Arc::new(Self { kind: Kind::Any(Vec::new()), parts: 1, has_unknown: false });
        }
        Arc::new(Self { kind, parts, has_unknown })
    }

    fn is_anything(&self) -> bool {
        match &self.kind {
            Kind::Unknown => true,
            Kind::Any(options) => options.is_empty(),
            _ => false,
        }
    }
}

impl Kind {
    fn inner(&self) -> Vec<&TypeRef> {
        match self {
            Self::Array { items, rest } => items.iter().chain(rest).collect(),
            Self::Object { fields, rest } => {
                let rest = rest.iter().flat_map(|(key, value)| [key, value]);
                fields.iter().map(|(_, value)| value).chain(rest).collect()
            }
            Self::Set(element) => vec![element],
            Self::Any(options) => options.iter().collect(),
            _ => Vec::new(),
        }
    }
}

impl Key {
    /// The type of the key itself.
    fn type_of(&self) -> TypeRef {
        Type::of(match self {
            Self::Null => Kind::Null,
            Self::Bool(_) => Kind::Boolean,
            Self::Number(_) => Kind::Number,
            Self::String(_) => Kind::String,
        })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => out.write_str("null"),
            Self::Bool(value) => write!(out, "{value}"),
            Self::Number(text) | Self::String(text) => out.write_str(text),
        }
    }
}

/// As OPA writes types; long ones are cut short.
impl fmt::Display for Type {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.parts > 40 {
            return out.write_str("…");
        }
        match &self.kind {
            Kind::Unknown => out.write_str("???"),
            Kind::Null => out.write_str("null"),
            Kind::Boolean => out.write_str("boolean"),
            Kind::Number => out.write_str("number"),
            Kind::String => out.write_str("string"),
            Kind::Array { items, rest } => {
                out.write_str("array")?;
                write_list(out, '<', items.iter().map(ToString::to_string), '>')?;
                rest.as_ref().map_or(Ok(()), |rest| write!(out, "[{rest}]"))
            }
            Kind::Object { fields, rest } => {
                out.write_str("object")?;
                write_list(out, '<', fields.iter().map(|(key, value)| format!("{key}: {value}")), '>')?;
                rest.as_ref().map_or(Ok(()), |(key, value)| write!(out, "[{key}: {value}]"))
            }
            Kind::Set(element) => write!(out, "set[{element}]"),
            Kind::Any(options) => {
                out.write_str("any")?;
                write_list(out, '<', options.iter().map(ToString::to_string), '>')
            }
        }
    }
}

fn write_list(
    out: &mut fmt::Formatter<'_>,
    open: char,
    items: impl Iterator<Item = String>,
    close: char,
) -> fmt::Result {
    let items: Vec<String> = items.collect();
    if items.is_empty() { Ok(()) } else { write!(out, "{open}{}{close}", items.join(", ")) }
}
