//! The six types a schema can ask for, and which of them a JSON value has in Kubernetes' eyes.

use serde_json::{Number, Value};

/// A type as named by the keyword `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Array,
    Boolean,
    Integer,
    Number,
    Object,
    String,
}

/// The largest integer that every float64 below it can tell from its neighbours: 2^53 - 1.
const LARGEST_EXACT: f64 = 9_007_199_254_740_991.0;

/// How far from an integer a float may be and still count as one, relative to its size.
const TOLERANCE: f64 = 1e-9;

impl Type {
    /// The names, in the order in which the API server lists them.
    pub(super) const NAMES: [&'static str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

    /// `None` for a name that is no type.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "array" => Self::Array,
            "boolean" => Self::Boolean,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "object" => Self::Object,
            "string" => Self::String,
            _ => return None,
        })
    }

    /// The name in schemas and messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Array => "array",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Object => "object",
            Self::String => "string",
        }
    }

    /// The value's type; `None` for null. A number is an integer exactly when it was written as one that fits 64 bits.
    pub(super) fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => return None,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) if number.is_i64() => Self::Integer,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::String,
            Value::Array(_) => Self::Array,
            Value::Object(_) => Self::Object,
        })
    }
}

/// The name of a value's type in messages.
pub(super) fn type_name(value: &Value) -> &'static str {
    Type::of(value).map_or("null", Type::name)
}

/// Whether a number passes as an integer: `3` does, and so does `3.0`.
pub(super) fn is_integral(number: &Number) -> bool {
    number.is_i64() || number.as_f64().is_some_and(is_integral_float)
}

/// Whether a float is an integer, or so near to one that the difference is rounding.
pub(super) fn is_integral_float(value: f64) -> bool {
    if !value.is_finite() || value.abs() > LARGEST_EXACT {
        return false;
    }
    let whole = value.trunc();
    let difference = (value - whole).abs();
    difference == 0.0 || (whole != 0.0 && difference / (value.abs() + whole.abs()) < TOLERANCE)
}
