//! Numbers as they stand in policies.

use std::sync::Arc;

use crate::policy::engine::rego::value::Number;

/// The value of a literal. Integers that print as they were written are kept as such, anything else as text.
pub(super) fn number(text: &str) -> Number {
    match text.parse::<i64>() {
        Ok(integer) if integer.to_string() == text => Number::Int(integer),
        _ => Number::Text(Arc::from(text)),
    }
}
