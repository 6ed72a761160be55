//! Numbers as OPA has them: text of any precision from parameters and literals, 64-bit floats from reviews.
//!
//! Numerically equal numbers are equal whatever they were written like (`1.0 == 1`), but print as they were written or
//! as Go prints them. To OPA every number is a text, and some builtins look at it: `1.0` is no integer to them. The text
//! of an integer is its digits, that of a float Go's shortest form, so [`Number::Float`] compares by that text, not by
//! the exact binary value. One thing is not as in OPA 1.10, which takes `10.0` for equal to `1` and to `10`: no order
//! could be built on that.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::decimal::Decimal;
use super::go_float::{Digits, format_general, shortest_digits};

/// Below this magnitude doubles and integers are each other's exact values.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// From here on Go prints floats with an exponent, and OPA no longer takes them for integers.
const EXPONENT_FROM: f64 = 1e6;

/// A number. Small integers and floats are in place; anything else keeps its text.
#[derive(Clone, Debug)]
pub enum Number {
    /// An integer of at most 64 bits.
    Int(i64),
    /// A float that came with a review; prints in Go's shortest form (`1.00065e+09`). Finite.
    Float(f64),
    /// A literal that is neither, as written, or the result of arithmetic: big integers, decimals (`1.0`, `0.1`).
    Text(Arc<str>),
}

impl Number {
    /// Reads the text of a literal, of JSON, or of what `to_number` takes: Go's decimal floats.
    pub fn parse(text: &str) -> Option<Self> {
        match text.parse::<i64>() {
            Ok(integer) if is_canonical_integer(text) => Some(Self::Int(integer)),
            _ => Decimal::parse(text).map(|_| Self::Text(Arc::from(text))),
        }
    }

    /// A number of a review. Small integers become [`Number::Int`], which prints the same. None for what is not finite.
    pub fn from_f64(float: f64) -> Option<Self> {
        if float.abs() < EXPONENT_FROM && float.fract() == 0.0 && !(float == 0.0 && float.is_sign_negative()) {
            return Some(Self::Int(float as i64));
        }
        float.is_finite().then_some(Self::Float(float))
    }

    /// OPA's text of it.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Int(integer) => Cow::Owned(integer.to_string()),
            Self::Float(float) => Cow::Owned(format_general(&shortest_digits(*float), None, b'g')),
            Self::Text(text) => Cow::Borrowed(text),
        }
    }

    /// The integer that its text is: `1.0` and `1e3` are none.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(integer) => Some(*integer),
            Self::Float(float) if float.fract() == 0.0 && float.abs() < EXPONENT_FROM => Some(*float as i64),
            Self::Float(_) => None,
            Self::Text(text) => text.parse().ok(),
        }
    }

    /// The nearest float; None beyond the largest one.
    pub fn to_f64(&self) -> Option<f64> {
        match self {
            Self::Int(integer) => Some(*integer as f64),
            Self::Float(float) => Some(*float),
            Self::Text(text) if text.contains('_') => {
                text.replace('_', "").parse().ok().filter(|float: &f64| float.is_finite())
            }
            Self::Text(text) => text.parse().ok().filter(|float: &f64| float.is_finite()),
        }
    }

    /// The index that it is, when it is one.
    pub fn as_index(&self) -> Option<usize> {
        usize::try_from(self.as_i64()?).ok()
    }

    pub(super) fn to_decimal(&self) -> Decimal {
        match self {
            Self::Int(integer) => {
                let digits = if *integer == 0 { Vec::new() } else { integer.unsigned_abs().to_string().into_bytes() };
                Decimal { is_negative: *integer < 0, digits, scale: 0 }
            }
            Self::Float(float) => {
                let Digits { is_negative, digits, point } = shortest_digits(*float);
                let scale = point - digits.len() as i64;
                Decimal { is_negative, digits, scale }
            }
            // Only what Decimal reads becomes a Text; were it otherwise, it would be a zero.
            Self::Text(text) => {
                Decimal::parse(text).unwrap_or(Decimal { is_negative: false, digits: Vec::new(), scale: 0 })
            }
        }
    }
}

impl From<i64> for Number {
    fn from(integer: i64) -> Self {
        Self::Int(integer)
    }
}

impl From<u64> for Number {
    fn from(integer: u64) -> Self {
        i64::try_from(integer).map_or_else(|_| Self::Text(Arc::from(integer.to_string())), Self::Int)
    }
}

impl From<usize> for Number {
    fn from(integer: usize) -> Self {
        Self::from(integer as u64)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(integer) => write!(formatter, "{integer}"),
            _ => formatter.write_str(&self.text()),
        }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(one), Self::Int(other)) => one.cmp(other),
            // The shortest texts of two floats are ordered as the floats are.
            (Self::Float(one), Self::Float(other)) => one.partial_cmp(other).unwrap_or(Ordering::Equal),
            (Self::Int(one), Self::Float(other)) if (*one as f64).abs() < EXACT => {
                (*one as f64).partial_cmp(other).unwrap_or(Ordering::Equal)
            }
            (Self::Float(one), Self::Int(other)) if (*other as f64).abs() < EXACT => {
                one.partial_cmp(&(*other as f64)).unwrap_or(Ordering::Equal)
            }
            _ => self.to_decimal().cmp(&other.to_decimal()),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Int(integer) => integer.hash(state),
            other => {
                let decimal = other.to_decimal();
                match decimal.to_i64() {
                    Some(integer) => integer.hash(state),
                    None => decimal.hash(state),
                }
            }
        }
    }
}

/// Whether an integer's text is the one that printing it gives.
fn is_canonical_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    text == "0" || digits.starts_with(|first: char| ('1'..='9').contains(&first))
}

#[cfg(test)]
mod tests {
    use std::hash::DefaultHasher;

    use super::*;

    #[test]
    fn equal_numbers_are_equal_in_any_form() {
        let forms = [Number::Int(1000), Number::Float(1000.0), text("1000.0"), text("1e3"), text("+1000")];
        for one in &forms {
            for other in &forms {
                assert_eq!(one, other);
                assert_eq!(hash(one), hash(other), "{one:?} {other:?}");
            }
        }
        assert_eq!(Number::Float(0.1), text("0.1"));
        assert!(text("18446744073709551617") > text("18446744073709551616"));
        assert!(Number::Int(i64::MAX) < text("9223372036854775808"));
        assert!(Number::Float(9.3e18) > Number::Int(i64::MAX));
    }

    #[test]
    fn prints_as_it_was_written() {
        for (number, expected) in [
            (Number::parse("1.50"), "1.50"),
            (Number::parse("-0"), "-0"),
            (Number::parse("12"), "12"),
            (Number::from_f64(8080.0), "8080"),
            (Number::from_f64(1_000_740_000.0), "1.00074e+09"),
            (Number::from_f64(0.5), "0.5"),
        ] {
            assert_eq!(number.unwrap().to_string(), expected);
        }
        assert!(Number::from_f64(f64::NAN).is_none());
    }

    #[test]
    fn only_integer_texts_are_indices() {
        assert_eq!(Number::Float(3.0).as_index(), Some(3));
        assert_eq!(text("3.0").as_index(), None);
        assert_eq!(Number::Int(-1).as_index(), None);
    }

    fn text(text: &str) -> Number {
        Number::Text(Arc::from(text))
    }

    fn hash(number: &Number) -> u64 {
        let mut hasher = DefaultHasher::new();
        number.hash(&mut hasher);
        hasher.finish()
    }
}
