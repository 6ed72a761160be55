//! Numbers of schemas and documents: exact, and printed as Go prints its big floats.

use std::borrow::Cow;

use num_bigint::BigInt;

use crate::policy::engine::rego::builtins::BuiltinError;
use crate::policy::engine::rego::value::{Number, Value, format_float, write_json};

/// Digits and zeros that are calculated with.
const MAX_DIGITS: usize = 2000;

/// Digits that a float of 64 bits, which is what Go prints, keeps whatever they are.
const EXACT_DIGITS: usize = 18;

/// `mantissa × 10^exponent`.
pub(super) struct Exact {
    is_negative: bool,
    /// Without zeros at either end; empty for zero.
    digits: String,
    exponent: i64,
}

impl Exact {
    pub(super) fn new(number: &Number) -> Result<Self, BuiltinError> {
        let text: Cow<'_, str> = number.text();
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
        let (is_negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        let digits = significant.trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Ok(Self { is_negative: false, digits, exponent: 0 });
        }
        let exponent: i64 = exponent.parse().map_err(|_| too_large())?;
        let shift = significant.len() as i64 - digits.len() as i64 - fraction.len() as i64;
        let exponent = exponent.checked_add(shift).ok_or_else(too_large)?;
        if digits.len() > MAX_DIGITS || exponent.unsigned_abs() > MAX_DIGITS as u64 {
            return Err(too_large());
        }
        Ok(Self { is_negative, digits, exponent })
    }

    pub(super) fn is_integer(&self) -> bool {
        self.exponent >= 0
    }

    pub(super) fn is_positive(&self) -> bool {
        !self.digits.is_empty() && !self.is_negative
    }

    pub(super) fn is_multiple_of(&self, other: &Self) -> bool {
        let shift = self.exponent - other.exponent;
        let scaled = |one: &Self, zeros: i64| -> BigInt {
            let mantissa: BigInt = one.digits.parse().unwrap_or_default();
            mantissa * BigInt::from(10).pow(u32::try_from(zeros.max(0)).unwrap_or(0))
        };
        let divisor = scaled(other, -shift);
        divisor != BigInt::ZERO && scaled(self, shift) % divisor == BigInt::ZERO
    }

    /// Go's text of it.
    pub(super) fn text(&self) -> Result<String, BuiltinError> {
        if self.digits.len() > EXACT_DIGITS {
            return Err(too_large());
        }
        let Some((first, rest)) = self.digits.split_at_checked(1) else {
            return Ok("0".to_owned());
        };
        let sign = if self.is_negative { "-" } else { "" };
        let point = self.digits.len() as i64 + self.exponent;
        let exponent = point - 1;
        if !(-4..6).contains(&exponent) {
            let dot = if rest.is_empty() { "" } else { "." };
            let mark = if exponent < 0 { '-' } else { '+' };
            return Ok(format!("{sign}{first}{dot}{rest}e{mark}{:02}", exponent.unsigned_abs()));
        }
        let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
        Ok(match usize::try_from(point) {
            Ok(point) if point >= self.digits.len() => format!("{sign}{}{}", self.digits, zeros(self.exponent)),
            Ok(point) if point > 0 => {
                let (whole, fraction) = self.digits.split_at_checked(point).unwrap_or((&self.digits, ""));
                format!("{sign}{whole}.{fraction}")
            }
            _ => format!("{sign}0.{}{}", zeros(-point), self.digits),
        })
    }
}

pub(super) fn too_large() -> BuiltinError {
    BuiltinError::Halt("json schema: number is too large to calculate with".to_owned())
}

/// JSON text in which equal values are equal: numbers are the floats that they are nearest to. Does not nest deeper than
/// documents do.
pub(super) fn canonical(value: &Value) -> Result<String, BuiltinError> {
    let mut text = String::new();
    write_json(&with_floats(value)?, None, &mut text).map_err(|_| too_large())?;
    Ok(text)
}

fn with_floats(value: &Value) -> Result<Value, BuiltinError> {
    Ok(match value {
        Value::Number(number) => {
            let text = float_text(number.to_f64().ok_or_else(too_large)?);
            Number::parse(&text).map(Value::Number).ok_or_else(too_large)?
        }
        Value::Array(items) => Value::array(items.iter().map(with_floats).collect::<Result<_, _>>()?),
        Value::Object(object) => {
            let entries = object.entries().iter().map(|(key, item)| Ok((key.clone(), with_floats(item)?)));
            Value::object(entries.collect::<Result<_, BuiltinError>>()?)
        }
        other => other.clone(),
    })
}

/// As `encoding/json` writes floats: exponents far from zero only, and no zero in front of them.
fn float_text(float: f64) -> String {
    let magnitude = float.abs();
    if magnitude == 0.0 {
        return if float.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    if (1e-6..1e21).contains(&magnitude) {
        return format_float(float, b'f', None);
    }
    format_float(float, b'e', None).replace("e-0", "e-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_go_does() {
        for (number, expected) in [
            ("1000000", "1e+06"),
            ("0.10", "0.1"),
            ("123.456", "123.456"),
            ("0", "0"),
            ("-0.00001", "-1e-05"),
            ("120", "120"),
        ] {
            assert_eq!(Exact::new(&Number::parse(number).unwrap()).unwrap().text().unwrap(), expected);
        }
        assert_eq!(float_text(1e21), "1e+21");
        assert_eq!(float_text(1e-7), "1e-7");
        assert_eq!(float_text(100.0), "100");
    }

    #[test]
    fn divides_exactly() {
        let exact = |text: &str| Exact::new(&Number::parse(text).unwrap()).unwrap();
        assert!(exact("0.3").is_multiple_of(&exact("0.1")));
        assert!(exact("1e3").is_multiple_of(&exact("8")));
        assert!(!exact("7").is_multiple_of(&exact("2")));
        assert!(exact("0").is_multiple_of(&exact("7")));
        assert!(exact("1.0").is_integer() && !exact("1.5").is_integer());
    }
}
