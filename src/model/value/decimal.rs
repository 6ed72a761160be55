//! The exact value of a number's text: a sign, digits, and a power of ten. Compares and hashes without big arithmetic,
//! so `1e1000000000` costs as much as `1`.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// Beyond any exponent that makes a difference; keeps sums of exponents from overflowing.
const MAX_EXPONENT: i64 = i64::MAX / 8;

/// `digits × 10^scale`, negated if `is_negative`.
#[derive(Clone, Debug)]
pub(super) struct Decimal {
    pub(super) is_negative: bool,
    /// ASCII digits without leading zeros, trailing ones kept; empty for zero.
    pub(super) digits: Vec<u8>,
    pub(super) scale: i64,
}

impl Decimal {
    /// Reads what Go's `strconv.ParseFloat` takes as a decimal: JSON's numbers, and `+1`, `1.`, `.5`, `007`, `1_000`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (is_negative, unsigned) = match bytes {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let end = unsigned.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(unsigned.len());
        let (mantissa, exponent) = unsigned.split_at(end);
        let exponent = match exponent {
            [] => 0,
            [_, exponent @ ..] => parse_exponent(exponent)?,
        };
        let (digits, fraction) = parse_mantissa(mantissa)?;
        Some(Self { is_negative, digits, scale: exponent - fraction })
    }

    /// The value without trailing zeros, and the position of the decimal point relative to its first digit.
    pub(super) fn normalized(&self) -> (&[u8], i64) {
        let zeros = self.digits.iter().rev().take_while(|digit| **digit == b'0').count();
        let significant = self.digits.get(..self.digits.len() - zeros).unwrap_or_default();
        if significant.is_empty() { (significant, 0) } else { (significant, self.scale + self.digits.len() as i64) }
    }

    pub(super) fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// The value as a small integer, when it is one.
    pub(super) fn to_i64(&self) -> Option<i64> {
        let (digits, point) = self.normalized();
        let length = usize::try_from(point).ok().filter(|length| *length <= 19 && *length >= digits.len())?;
        let mut magnitude = 0_i128;
        for index in 0..length {
            magnitude = magnitude * 10 + i128::from(digits.get(index).map_or(0, |digit| digit - b'0'));
        }
        i64::try_from(if self.is_negative { -magnitude } else { magnitude }).ok()
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| if number.is_zero() { 0 } else { 1 - 2 * i8::from(number.is_negative) };
        let magnitude = |one: &Self, other: &Self| {
            let ((one_digits, one_point), (other_digits, other_point)) = (one.normalized(), other.normalized());
            one_point.cmp(&other_point).then_with(|| one_digits.cmp(other_digits))
        };
        sign(self).cmp(&sign(other)).then_with(|| match sign(self) {
            0 => Ordering::Equal,
            1 => magnitude(self, other),
            _ => magnitude(other, self),
        })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl Hash for Decimal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (digits, point) = self.normalized();
        (self.is_negative && !digits.is_empty(), digits, point).hash(state);
    }
}

/// Digits without leading zeros, and how many of them are behind the point.
fn parse_mantissa(mantissa: &[u8]) -> Option<(Vec<u8>, i64)> {
    let mut digits = Vec::with_capacity(mantissa.len());
    let (mut has_digit, mut has_point, mut fraction) = (false, false, 0);
    let mut previous = b'.';
    for (index, byte) in mantissa.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                has_digit = true;
                fraction += i64::from(has_point);
                if *byte != b'0' || !digits.is_empty() {
                    digits.push(*byte);
                }
            }
            b'.' if !has_point => has_point = true,
            b'_' if previous.is_ascii_digit() && mantissa.get(index + 1).is_some_and(u8::is_ascii_digit) => {}
            _ => return None,
        }
        previous = *byte;
    }
    has_digit.then_some((digits, fraction))
}

fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let magnitude = digits.iter().fold(0_i64, |sum, digit| (sum * 10 + i64::from(digit - b'0')).min(MAX_EXPONENT / 16));
    Some(if is_negative { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_by_value() {
        let ascending = [
            "-1e1000000000",
            "-10",
            "-9.5",
            "-1e-1000000000",
            "0",
            "1e-1000000000",
            ".5",
            "1",
            "1.000000000000000000001",
            "9.99",
            "10",
            "18446744073709551616",
            "18446744073709551617",
            "1e1000000000",
        ];
        for (index, one) in ascending.iter().enumerate() {
            for (other_index, other) in ascending.iter().enumerate() {
                check(one, other, index.cmp(&other_index));
            }
        }
        for (one, other) in
            [("1", "1.0"), ("10", "1e1"), ("-0", "0.00"), ("0e9", "0"), ("+007", "7."), ("1_000", "1e3")]
        {
            check(one, other, Ordering::Equal);
        }
    }

    #[test]
    fn refuses_what_is_no_number() {
        for text in ["", "-", ".", "e1", "1e", "1e+", "1.2.3", "0x1", "1__0", "_1", "1_", "inf", " 1", "1 "] {
            assert!(Decimal::parse(text).is_none(), "{text}");
        }
    }

    fn check(one: &str, other: &str, expected: Ordering) {
        let (one, other) = (Decimal::parse(one).unwrap(), Decimal::parse(other).unwrap());
        assert_eq!(one.cmp(&other), expected, "{one:?} {other:?}");
    }
}
