//! OPA's arithmetic on anything but small integers: binary floats with a mantissa of 64 bits, rounded to nearest even,
//! as Go's `big.Float` has them. That is why `0.1 + 0.2` is `0.3`, and why integers beyond 64 bits lose digits.
//!
//! Exponents are bounded ([`MAX_BITS`]): what goes beyond is an error, so chains of squarings stay cheap.

use num_bigint::{BigInt, BigUint, Sign};

use super::NumberError;
use super::decimal::Decimal;
use super::go_float::{Digits, format_fixed, format_general};

/// Bits of OPA's mantissas.
const PRECISION: u64 = 64;

/// Largest distance from the binary point, in bits; about 39,000 decimal digits. OPA's parser refuses literals beyond 10^5 bits.
const MAX_BITS: i64 = 1 << 17;

/// Longest text of a number that takes part in arithmetic.
const MAX_DIGITS: usize = 40_000;

/// `±mantissa × 2^exponent`.
#[derive(Clone, Debug)]
pub(super) struct BigFloat {
    is_negative: bool,
    mantissa: BigUint,
    exponent: i64,
    /// Bits that the mantissa is rounded to; only integers made by rounding functions have more than 64.
    precision: u64,
}

impl BigFloat {
    /// Rounds to 64 bits, going through a power of five of limited precision as Go does.
    pub(super) fn from_decimal(decimal: &Decimal) -> Result<Self, NumberError> {
        if decimal.digits.len() > MAX_DIGITS || (decimal.scale.unsigned_abs() > MAX_DIGITS as u64 && !decimal.is_zero())
        {
            return Err(NumberError::TooLarge);
        }
        let mantissa = BigUint::parse_bytes(&decimal.digits, 10).unwrap_or_default();
        let unscaled = Self { is_negative: decimal.is_negative, mantissa, exponent: 0, precision: PRECISION };
        if decimal.is_zero() || decimal.scale == 0 {
            return unscaled.rounded();
        }
        let power = power_of_five(decimal.scale.unsigned_abs())?;
        let mut scaled = if decimal.scale < 0 { unscaled.divide(&power)? } else { unscaled.multiply(&power)? };
        scaled.exponent += decimal.scale;
        scaled.rounded()
    }

    pub(super) fn from_integer(integer: &BigInt) -> Self {
        let mantissa = integer.magnitude().clone();
        let precision = mantissa.bits().max(PRECISION);
        Self { is_negative: integer.sign() == Sign::Minus, mantissa, exponent: 0, precision }
    }

    pub(super) fn is_zero(&self) -> bool {
        self.mantissa == BigUint::ZERO
    }

    pub(super) fn is_negative(&self) -> bool {
        self.is_negative
    }

    pub(super) fn negated(self) -> Self {
        Self { is_negative: !self.is_negative, ..self }
    }

    pub(super) fn absolute(self) -> Self {
        Self { is_negative: false, ..self }
    }

    pub(super) fn halved(self) -> Self {
        Self { exponent: self.exponent - 1, ..self }
    }

    pub(super) fn add(&self, other: &Self) -> Result<Self, NumberError> {
        let exponent = self.exponent.min(other.exponent);
        let sum = self.aligned(exponent) + other.aligned(exponent);
        // Only a sum of two negative zeros is a negative zero.
        let is_negative = sum.sign() == Sign::Minus || (self.is_negative && other.is_negative);
        let precision = self.precision.max(other.precision);
        Self { is_negative, mantissa: sum.into_parts().1, exponent, precision }.rounded()
    }

    pub(super) fn multiply(&self, other: &Self) -> Result<Self, NumberError> {
        let is_negative = self.is_negative != other.is_negative;
        let mantissa = &self.mantissa * &other.mantissa;
        Self { is_negative, mantissa, exponent: self.exponent + other.exponent, precision: PRECISION }.rounded()
    }

    pub(super) fn divide(&self, other: &Self) -> Result<Self, NumberError> {
        if other.is_zero() {
            return Err(NumberError::DivideByZero);
        }
        let is_negative = self.is_negative != other.is_negative;
        // Two bits more than needed; what is behind them only counts as "not zero".
        let shift = (PRECISION + 2 + other.mantissa.bits()).saturating_sub(self.mantissa.bits());
        let dividend = &self.mantissa << shift;
        let mut quotient = &dividend / &other.mantissa;
        let is_exact = &quotient * &other.mantissa == dividend;
        quotient = (quotient << 1_u8) + BigUint::from(u8::from(!is_exact));
        let exponent = self.exponent - other.exponent - shift as i64 - 1;
        Self { is_negative, mantissa: quotient, exponent, precision: PRECISION }.rounded()
    }

    /// Towards zero.
    pub(super) fn truncated(&self) -> BigInt {
        let magnitude = if self.exponent >= 0 {
            &self.mantissa << self.exponent.unsigned_abs()
        } else {
            &self.mantissa >> self.exponent.unsigned_abs()
        };
        BigInt::from_biguint(if self.is_negative { Sign::Minus } else { Sign::Plus }, magnitude)
    }

    pub(super) fn is_integer(&self) -> bool {
        self.exponent >= 0 || self.mantissa.trailing_zeros().is_none_or(|zeros| zeros as i64 >= -self.exponent)
    }

    /// All digits for integers, else the fewest that read back the same at this precision, in Go's format `g`.
    pub(super) fn text(&self) -> String {
        let digits = self.shortest_digits();
        if self.is_integer() { format_fixed(&digits, None) } else { format_general(&digits, None, b'g') }
    }

    fn rounded(mut self) -> Result<Self, NumberError> {
        let bits = self.mantissa.bits();
        if bits > self.precision {
            let dropped = bits - self.precision;
            let half = BigUint::from(1_u8) << (dropped - 1);
            let kept = &self.mantissa >> dropped;
            let rest = &self.mantissa - (&kept << dropped);
            let is_up = rest > half || (rest == half && kept.bit(0));
            self.mantissa = if is_up { kept + 1_u8 } else { kept };
            self.exponent += dropped as i64;
        }
        if let Some(zeros) = self.mantissa.trailing_zeros() {
            self.mantissa >>= zeros;
            self.exponent += zeros as i64;
        }
        let top = self.exponent + self.mantissa.bits() as i64;
        if self.mantissa != BigUint::ZERO && (top > MAX_BITS || self.exponent < -MAX_BITS) {
            return Err(NumberError::TooLarge);
        }
        Ok(self)
    }

    /// The mantissa for a smaller exponent, with its sign.
    fn aligned(&self, exponent: i64) -> BigInt {
        let magnitude = &self.mantissa << (self.exponent - exponent).unsigned_abs();
        BigInt::from_biguint(if self.is_negative { Sign::Minus } else { Sign::Plus }, magnitude)
    }

    /// Go's way of finding them: the first place where the digits can end without leaving the interval of what rounds here.
    fn shortest_digits(&self) -> Digits {
        if self.is_zero() {
            return Digits { is_negative: self.is_negative, digits: Vec::new(), point: 0 };
        }
        let exact = decimal_digits(&self.mantissa, self.exponent);
        let digits = self.shortened(&exact);
        let mut digits = Digits { is_negative: self.is_negative, ..digits };
        while digits.digits.last() == Some(&b'0') {
            digits.digits.pop();
        }
        digits
    }

    fn shortened(&self, exact: &Digits) -> Digits {
        let shift = (self.precision + 1).saturating_sub(self.mantissa.bits());
        let mantissa = &self.mantissa << shift;
        let exponent = self.exponent - shift as i64;
        let is_inclusive = !mantissa.bit(1);
        let lower = decimal_digits(&(&mantissa - 1_u8), exponent);
        let upper = decimal_digits(&(&mantissa + 1_u8), exponent);
        let at = |digits: &Digits, index: usize| digits.digits.get(index).copied().unwrap_or(b'0');
        for (index, digit) in exact.digits.iter().enumerate() {
            let (low, high) = (at(&lower, index), at(&upper, index));
            let may_go_down = low != *digit || (is_inclusive && index + 1 == lower.digits.len());
            let may_go_up = *digit != high && (is_inclusive || digit + 1 < high || index + 1 < upper.digits.len());
            match (may_go_down, may_go_up) {
                (true, true) if rounds_up(&exact.digits, index + 1) => return increment(exact, index + 1),
                (true, _) => return truncate(exact, index + 1),
                (false, true) => return increment(exact, index + 1),
                (false, false) => {}
            }
        }
        exact.clone()
    }
}

/// Whether the digits from `count` on are more than half a unit, or half of an odd one.
fn rounds_up(digits: &[u8], count: usize) -> bool {
    match digits.get(count) {
        Some(b'5') if digits.len() == count + 1 => {
            count > 0 && digits.get(count - 1).is_some_and(|digit| digit % 2 == 1)
        }
        Some(digit) => *digit >= b'5',
        None => false,
    }
}

fn truncate(digits: &Digits, count: usize) -> Digits {
    Digits { digits: digits.digits.iter().take(count).copied().collect(), ..*digits }
}

fn increment(digits: &Digits, count: usize) -> Digits {
    let mut kept: Vec<u8> = digits.digits.iter().take(count).copied().collect();
    while kept.last() == Some(&b'9') {
        kept.pop();
    }
    match kept.last_mut() {
        Some(last) => {
            *last += 1;
            Digits { digits: kept, ..*digits }
        }
        None => Digits { digits: vec![b'1'], point: digits.point + 1, is_negative: digits.is_negative },
    }
}

/// All digits of `mantissa × 2^exponent`.
fn decimal_digits(mantissa: &BigUint, exponent: i64) -> Digits {
    let (integer, scale) = if exponent >= 0 {
        (mantissa << exponent.unsigned_abs(), 0)
    } else {
        let zeros = mantissa.trailing_zeros().unwrap_or(0).min(exponent.unsigned_abs());
        let places = exponent.unsigned_abs() - zeros;
        ((mantissa >> zeros) * BigUint::from(5_u8).pow(u32::try_from(places).unwrap_or(u32::MAX)), places as i64)
    };
    let mut digits = integer.to_str_radix(10).into_bytes();
    let point = digits.len() as i64 - scale;
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    Digits { is_negative: false, digits, point }
}

/// Go's power of five: exact up to 128 bits, then by squarings that are rounded to 192 and products rounded to 128.
fn power_of_five(exponent: u64) -> Result<BigFloat, NumberError> {
    const TABLED: u64 = 27;
    const POWER_PRECISION: u64 = PRECISION + 64;
    let float = |mantissa: BigUint, precision| BigFloat { is_negative: false, mantissa, exponent: 0, precision };
    let mut result = float(BigUint::from(5_u8).pow(exponent.min(TABLED) as u32), POWER_PRECISION);
    let mut square = float(BigUint::from(5_u8), POWER_PRECISION + 64);
    let mut rest = exponent.saturating_sub(TABLED);
    while rest > 0 {
        if rest & 1 == 1 {
            let mantissa = &result.mantissa * &square.mantissa;
            result = BigFloat { mantissa, exponent: result.exponent + square.exponent, ..result }.rounded()?;
        }
        let mantissa = &square.mantissa * &square.mantissa;
        square = BigFloat { mantissa, exponent: 2 * square.exponent, ..square }.rounded()?;
        rest >>= 1;
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_and_prints_as_opa_does() {
        check("0.1", "0.2", "0.3");
        check("1234567.5", "0", "1.2345675e+06");
        check("18446744073709551617", "1", "18446744073709551616");
        check("1e20", "1", "100000000000000000000");
        check("1", "-1", "0");
    }

    #[test]
    fn refuses_what_is_too_large() {
        for text in ["1e1000000000", "1e-1000000000", "1e40000"] {
            let decimal = Decimal::parse(text).unwrap();
            assert!(matches!(BigFloat::from_decimal(&decimal), Err(NumberError::TooLarge)), "{text}");
        }
    }

    fn check(one: &str, other: &str, expected: &str) {
        let read = |text: &str| BigFloat::from_decimal(&Decimal::parse(text).unwrap()).unwrap();
        assert_eq!(read(one).add(&read(other)).unwrap().text(), expected, "{one} + {other}");
    }
}
