//! The keyword `format`: which ones the API server knows, and for which types.
//!
//! Unknown formats, and formats that do not suit the type, mean nothing.

use super::text_formats::TEXT_FORMATS;
use super::types::Type;

/// A format, with the name as written: `date-time` and `datetime` are the same.
#[derive(Clone, Debug)]
pub(super) struct Format {
    name: String,
    rule: Rule,
}

#[derive(Clone, Copy, Debug)]
enum Rule {
    Int32,
    Int64,
    Float,
    Double,
    Text(fn(&str) -> bool),
}

impl Format {
    /// `None` for a format that means nothing with these types.
    pub(super) fn parse(name: &str, types: &[Type]) -> Option<Self> {
        let rule = match (types, name) {
            ([Type::Integer], "int32") => Rule::Int32,
            ([Type::Integer], "int64") => Rule::Int64,
            ([Type::Number], "float") => Rule::Float,
            ([Type::Number], "double") => Rule::Double,
            ([] | [Type::String] | [_, _, ..], _) => {
                let bare = name.replace('-', "");
                let (_, accepts) = TEXT_FORMATS.iter().find(|(known, _)| *known == bare)?;
                Rule::Text(*accepts)
            }
            ([_], _) => return None,
        };
        Some(Self { name: name.to_owned(), rule })
    }

    /// As written in the schema.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether this is a format of numbers.
    pub(super) fn is_numeric(&self) -> bool {
        !matches!(self.rule, Rule::Text(_))
    }

    /// Whether a string is of this format. Formats of numbers say nothing of strings.
    pub(super) fn accepts(&self, text: &str) -> bool {
        match self.rule {
            Rule::Text(accepts) => accepts(text),
            Rule::Int32 | Rule::Int64 | Rule::Float | Rule::Double => true,
        }
    }

    /// Whether an integer is within this format's range.
    pub(super) fn holds(&self, value: i64) -> bool {
        !matches!(self.rule, Rule::Int32) || i32::try_from(value).is_ok()
    }

    /// Whether a float is within this format's range.
    pub(super) fn holds_float(&self, value: f64) -> bool {
        !matches!(self.rule, Rule::Float) || value.abs() <= f64::from(f32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignores_what_does_not_suit() {
        assert!(Format::parse("no-such-format", &[Type::String]).is_none());
        assert!(Format::parse("int32", &[Type::Number]).is_none());
        assert!(Format::parse("date", &[Type::Boolean]).is_none());
        assert!(Format::parse("date", &[Type::Integer, Type::String]).is_some());
    }
}
