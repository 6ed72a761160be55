//! `units.parse` and `units.parse_bytes`: amounts with a unit, as quantities of Kubernetes and as sizes of memory.

use num_bigint::BigUint;

use super::operands::{number, string, undefined};
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "units.parse", arity: 1, call: parse },
    Builtin { name: "units.parse_bytes", arity: 1, call: parse_bytes },
];

/// Amounts with more digits or a larger exponent are refused: nobody means them, and they cost quadratic time.
const MAX_DIGITS: usize = 4096;

/// `units.parse` rounds to this many digits after the point.
const FRACTION_DIGITS: usize = 10;

/// Multiplier of `m`. OPA has 0.001 as a float there, so this is that float's exact value: 1152921504606847 / 2^60.
const MILLI: u64 = 1_152_921_504_606_847;
const MILLI_DIVISOR_BITS: usize = 60;

fn parse(_: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let text = string(operands, 0)?.replace('"', "");
    let (amount, unit) = amount_and_unit(&text).map_err(|reason| fault("units.parse", reason))?;
    let mut amount =
        Decimal::parse(amount).ok_or_else(|| fault("units.parse", "could not parse amount to a number"))?;
    // Only what follows the first letter may be of any case: `m` is not `M`.
    let (first, rest) = unit.split_at_checked(1).unwrap_or((unit, ""));
    let unit = format!("{first}{}", rest.to_lowercase());
    if unit == "m" {
        // Dividing by 2^60 is multiplying by 5^60 and moving the point.
        amount.digits *= BigUint::from(5_u8).pow(MILLI_DIVISOR_BITS as u32) * MILLI;
        amount.fraction += MILLI_DIVISOR_BITS;
    } else {
        let lower = unit.to_ascii_lowercase();
        let multiplier =
            multiplier(&lower, "").ok_or_else(|| fault("units.parse", &format!("unit {unit} not recognized")))?;
        amount.digits *= multiplier;
    }
    Ok(number(&amount.to_text()))
}

fn parse_bytes(_: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    const NAME: &str = "units.parse_bytes";
    let text = string(operands, 0)?.to_lowercase().replace('"', "");
    let (amount, unit) = amount_and_unit(&text).map_err(|reason| fault(NAME, reason.trim_start()))?;
    let multiplier = multiplier(unit, "b").ok_or_else(|| fault(NAME, &format!("byte unit {unit} not recognized")))?;
    let amount = Decimal::parse(amount).ok_or_else(|| fault(NAME, "could not parse byte amount to a number"))?;
    Ok(number(&amount.scaled_like_a_float(multiplier)))
}

fn fault(function: &str, reason: &str) -> BuiltinError {
    undefined(format!("{function}: {reason}"))
}

/// Splits before the first character that cannot belong to a number; an `e` belongs to it when a digit or sign follows.
fn amount_and_unit(text: &str) -> Result<(&str, &str), &'static str> {
    if text.contains(' ') {
        return Err("spaces not allowed in resource strings");
    }
    let bytes = text.as_bytes();
    let mut end = 0;
    while let Some(byte) = bytes.get(end) {
        match (byte, bytes.get(end + 1)) {
            (b'0'..=b'9' | b'.' | b'+' | b'-', _) => end += 1,
            (b'e' | b'E', Some(b'+' | b'-')) => end += 2,
            (b'e' | b'E', Some(b'0'..=b'9')) => end += 1,
            _ => break,
        }
    }
    match text.split_at_checked(end) {
        Some((amount, unit)) if !amount.is_empty() => Ok((amount, unit)),
        _ => Err("no amount provided"),
    }
}

/// The multiplier of a unit in lower case that may or may not end in `suffix`.
fn multiplier(unit: &str, suffix: &str) -> Option<u64> {
    let prefix = if unit.len() > suffix.len() { unit.strip_suffix(suffix).unwrap_or(unit) } else { unit };
    let (letter, base) = prefix.strip_suffix('i').map_or((prefix, 1000), |letter| (letter, 1024_u64));
    let exponent = match letter {
        "" if prefix.is_empty() => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        "e" => 6,
        _ => return None,
    };
    Some(base.pow(exponent))
}

/// `digits / 10^fraction`.
struct Decimal {
    is_negative: bool,
    digits: BigUint,
    fraction: usize,
}

impl Decimal {
    /// Reads `[+-]digits[.digits][e[+-]digits]`.
    fn parse(text: &str) -> Option<Self> {
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        let exponent: i64 = exponent.parse().ok()?;
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || digits.len() > MAX_DIGITS || exponent.unsigned_abs() > MAX_DIGITS as u64 {
            return None;
        }
        let fraction = fraction.len() as i64 - exponent;
        let power = u32::try_from(-fraction).unwrap_or_default();
        let digits = BigUint::parse_bytes(digits.as_bytes(), 10)? * BigUint::from(10_u8).pow(power);
        Some(Self { is_negative, digits, fraction: fraction.max(0) as usize })
    }

    /// An integer without a point; anything else with ten digits after it, half rounded away from zero.
    fn to_text(&self) -> String {
        let text = self.digits.to_string();
        let sign = if self.is_negative && self.digits != BigUint::ZERO { "-" } else { "" };
        // At least one digit before the point.
        let text = format!("{text:0>width$}", width = self.fraction + 1);
        let (whole, fraction) = text.split_at_checked(text.len() - self.fraction).unwrap_or((&text, ""));
        if fraction.bytes().all(|digit| digit == b'0') {
            return format!("{sign}{whole}");
        }
        let kept = fraction.get(..FRACTION_DIGITS).unwrap_or(fraction);
        let kept = format!("{whole}{kept:0<FRACTION_DIGITS$}");
        let mut rounded = BigUint::parse_bytes(kept.as_bytes(), 10).unwrap_or_default();
        if fraction.as_bytes().get(FRACTION_DIGITS).is_some_and(|digit| *digit >= b'5') {
            rounded += 1_u8;
        }
        let text = format!("{:0>width$}", rounded.to_string(), width = FRACTION_DIGITS + 1);
        let (whole, fraction) = text.split_at_checked(text.len() - FRACTION_DIGITS).unwrap_or((&text, ""));
        format!("{sign}{whole}.{fraction}")
    }

    /// The whole part of the product, computed as OPA computes it: both the amount and the product are rounded to
    /// floats of 64 bits' precision.
    fn scaled_like_a_float(&self, multiplier: u64) -> String {
        // A quotient of at least 66 significant bits, whose lowest one stands for all that was lost.
        let divisor = BigUint::from(10_u8).pow(self.fraction as u32);
        let shift = (divisor.bits() + 67).saturating_sub(self.digits.bits());
        let dividend = &self.digits << shift;
        let mut quotient = &dividend / &divisor;
        quotient.set_bit(0, quotient.bit(0) || &quotient * &divisor != dividend);
        let amount = Float::round(quotient, -(shift as i64));
        let product = Float::round(amount.mantissa * multiplier, amount.exponent);
        let distance = product.exponent.unsigned_abs();
        let whole = if product.exponent >= 0 { product.mantissa << distance } else { product.mantissa >> distance };
        let sign = if self.is_negative && whole != BigUint::ZERO { "-" } else { "" };
        format!("{sign}{whole}")
    }
}

/// `mantissa * 2^exponent` with a mantissa of at most 64 bits.
struct Float {
    mantissa: BigUint,
    exponent: i64,
}

impl Float {
    /// Rounds to the nearest, ties to even.
    fn round(mantissa: BigUint, exponent: i64) -> Self {
        let Some(surplus) = mantissa.bits().checked_sub(64).filter(|surplus| *surplus > 0) else {
            return Self { mantissa, exponent };
        };
        let is_odd = mantissa.bit(surplus);
        let is_above_half = mantissa.trailing_zeros().is_some_and(|zeros| zeros < surplus - 1);
        let rounds_up = mantissa.bit(surplus - 1) && (is_above_half || is_odd);
        Self { mantissa: (mantissa >> surplus) + u8::from(rounds_up), exponent: exponent + surplus as i64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(function: &str, text: &str) -> Option<String> {
        let (amount, unit) = amount_and_unit(text).ok()?;
        let amount = Decimal::parse(amount)?;
        match function {
            "bytes" => Some(amount.scaled_like_a_float(multiplier(unit, "b")?)),
            _ => Some(amount.to_text()),
        }
    }

    #[test]
    fn amounts_are_read() {
        let check = |function: &str, text: &str, expected: Option<&str>| {
            assert_eq!(answer(function, text).as_deref(), expected, "{function} {text:?}");
        };
        check("bytes", "1.5kib", Some("1536"));
        check("bytes", "0.1gb", Some("100000000"));
        check("bytes", "1e3k", Some("1000000"));
        check("bytes", "-0.5", Some("0"));
        check("bytes", "b", None);
        check("bytes", "1b", None);
        check("bytes", "1 k", None);
        check("plain", "0.25", Some("0.2500000000"));
        check("plain", "2.50e1", Some("25"));
        check("plain", "-1e-11", Some("-0.0000000000"));
        check("plain", "1e5000", None);
        check("plain", "1..2", None);
        check("plain", "1e+", None);
    }
}
