//! Bounds and factors of numbers.
//!
//! A value written as an integer is compared in integers, and bounds are cut to integers for it: so does the API server.

use serde_json::{Number, Value};

use crate::model::object::go_text::float;
use crate::model::object::{FieldError, FieldPath};

use super::format::Format;
use super::outcome::Outcome;
use super::types::{Type, is_integral_float};

/// The keywords about numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NumberLimits {
    pub(super) minimum: Option<f64>,
    pub(super) exclusive_minimum: bool,
    pub(super) maximum: Option<f64>,
    pub(super) exclusive_maximum: bool,
    pub(super) multiple_of: Option<f64>,
}

/// What a number's type and format allow: also bounds must keep to it.
#[derive(Clone, Copy, Debug)]
struct Range<'a> {
    /// Set when the schema names one type and it is numeric.
    wanted: Option<Type>,
    format: Option<&'a Format>,
}

impl NumberLimits {
    /// Judges a number by its range, factor and bounds.
    pub(super) fn judge(
        &self,
        number: &Number,
        types: &[Type],
        format: Option<&Format>,
        at: &FieldPath,
        outcome: &mut Outcome,
    ) {
        let Some(value) = number.as_f64() else { return };
        let range = Range::new(types, format);
        if let Some(detail) = range.refuses("Checked", number.as_i64(), value, at) {
            outcome.report(FieldError::invalid(at.clone(), &Value::from(""), detail));
        }
        let bounds = [
            ("MultipleOf", self.multiple_of, self.factor_error(number, value)),
            ("Minimum boundary", self.minimum, self.minimum_error(number, value)),
            ("Maximum boundary", self.maximum, self.maximum_error(number, value)),
        ];
        for (name, bound, error) in bounds {
            let Some(bound) = bound else { continue };
            if let Some(detail) = range.refuses(name, None, bound, at) {
                outcome.report(FieldError::invalid(at.clone(), &Value::from(""), detail));
            }
            if let Some(rule) = error {
                let detail = format!("{at} in body should be {rule}");
                outcome.report(FieldError::invalid(at.clone(), &Value::Number(number.clone()), detail));
            }
        }
    }

    fn factor_error(&self, number: &Number, value: f64) -> Option<String> {
        let factor = self.multiple_of?;
        let is_multiple = match (number.as_i64(), to_integer(factor)) {
            (Some(value), factor) => factor > 0 && value % factor == 0,
            (None, _) if factor <= 0.0 => false,
            (None, _) if factor < 1.0 => is_integral_float(1.0 / factor * value),
            (None, _) => is_integral_float(value / factor),
        };
        (!is_multiple).then(|| format!("a multiple of {}", float(factor)))
    }

    fn minimum_error(&self, number: &Number, value: f64) -> Option<String> {
        let minimum = self.minimum?;
        let below = match number.as_i64() {
            Some(value) => value < to_integer(minimum) || (self.exclusive_minimum && value == to_integer(minimum)),
            None => value < minimum || (self.exclusive_minimum && value <= minimum),
        };
        let relation = if self.exclusive_minimum { "greater than" } else { "greater than or equal to" };
        below.then(|| format!("{relation} {}", print_bound(minimum, number)))
    }

    fn maximum_error(&self, number: &Number, value: f64) -> Option<String> {
        let maximum = self.maximum?;
        let above = match number.as_i64() {
            Some(value) => value > to_integer(maximum) || (self.exclusive_maximum && value == to_integer(maximum)),
            None => value > maximum || (self.exclusive_maximum && value >= maximum),
        };
        let relation = if self.exclusive_maximum { "less than" } else { "less than or equal to" };
        above.then(|| format!("{relation} {}", print_bound(maximum, number)))
    }
}

impl<'a> Range<'a> {
    fn new(types: &[Type], format: Option<&'a Format>) -> Self {
        let wanted = match types {
            [only @ (Type::Integer | Type::Number)] => Some(*only),
            _ => None,
        };
        Self { wanted, format: format.filter(|format| format.is_numeric()) }
    }

    /// Why a number cannot be of the wanted type and format, if so.
    fn refuses(&self, name: &str, integer: Option<i64>, value: f64, at: &FieldPath) -> Option<String> {
        let wanted = self.wanted?;
        let fits = match wanted {
            Type::Integer => {
                let exact = integer.or_else(|| exact_integer(value));
                exact.is_some_and(|exact| self.format.is_none_or(|format| format.holds(exact)))
            }
            _ => self.format.is_none_or(|format| format.holds_float(value)),
        };
        let format = self.format.map_or_else(|| "(default format)".to_owned(), |f| format!("with format {}", f.name()));
        (!fits).then(|| format!("{name} value must be of type {} {format} in {at}", wanted.name()))
    }
}

/// The float cut to an integer, at the ends of the range if it is beyond them.
#[expect(clippy::cast_possible_truncation, reason = "cutting, and stopping at the ends, is what is wanted")]
fn to_integer(value: f64) -> i64 {
    value as i64
}

fn exact_integer(value: f64) -> Option<i64> {
    // 2^63 itself would be cut to the largest i64 and pass for it.
    (value.fract() == 0.0 && value.abs() < 9_223_372_036_854_775_808.0).then(|| to_integer(value))
}

fn print_bound(bound: f64, number: &Number) -> String {
    if number.is_i64() { to_integer(bound).to_string() } else { float(bound) }
}
