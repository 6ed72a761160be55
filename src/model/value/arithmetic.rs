//! Arithmetic on [`Number`] with OPA's results, its oddities included: `ceil(-0.5)` is 1 and `floor(-0.5)` is 0.
//!
//! Integers of 64 bits take a short way wherever OPA's long way through rounded floats is exact.

use std::sync::Arc;

use num_bigint::BigInt;

use super::Number;
use super::big_float::BigFloat;

/// Why a calculation has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberError {
    /// An integer was needed.
    NotInteger,
    DivideByZero,
    ModuloByZero,
    /// Beyond what is calculated with at all (tens of thousands of digits); not an error in OPA.
    TooLarge,
}

impl NumberError {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotInteger => "must be integer number but got floating-point number",
            Self::DivideByZero => "divide by zero",
            Self::ModuloByZero => "modulo by zero",
            Self::TooLarge => "number is too large to calculate with",
        }
    }
}

impl Number {
    pub fn plus(&self, other: &Self) -> Result<Self, NumberError> {
        match (self.small_integer(), other.small_integer()) {
            (Some(one), Some(other)) => Ok(Self::from_i128(i128::from(one) + i128::from(other))),
            _ => Ok(Self::from_big_float(&self.to_big_float()?.add(&other.to_big_float()?)?)),
        }
    }

    pub fn minus(&self, other: &Self) -> Result<Self, NumberError> {
        match (self.small_integer(), other.small_integer()) {
            (Some(one), Some(other)) => Ok(Self::from_i128(i128::from(one) - i128::from(other))),
            _ => Ok(Self::from_big_float(&self.to_big_float()?.add(&other.to_big_float()?.negated())?)),
        }
    }

    pub fn times(&self, other: &Self) -> Result<Self, NumberError> {
        if let (Some(one), Some(other)) = (self.small_integer(), other.small_integer()) {
            let product = i128::from(one) * i128::from(other);
            // Up to 64 bits OPA's floats are exact. A zero out of a negative factor is a negative zero there.
            if u64::try_from(product.unsigned_abs()).is_ok() && (product != 0 || is_tiny(one) && is_tiny(other)) {
                return Ok(Self::from_i128(product));
            }
        }
        Ok(Self::from_big_float(&self.to_big_float()?.multiply(&other.to_big_float()?)?))
    }

    pub fn divided_by(&self, other: &Self) -> Result<Self, NumberError> {
        if let (Some(one), Some(other)) = (self.small_integer(), other.small_integer())
            && one != 0
            && one.checked_rem(other) == Some(0)
            && let Some(quotient) = one.checked_div(other)
        {
            return Ok(Self::Int(quotient));
        }
        let divisor = other.to_big_float()?;
        Ok(Self::from_big_float(&self.to_big_float()?.divide(&divisor)?))
    }

    /// Not the same as adding one by one: only the end is rounded to a text.
    pub fn sum<'a>(numbers: impl IntoIterator<Item = &'a Self>) -> Result<Self, NumberError> {
        let mut sum = BigFloat::from_integer(&BigInt::ZERO);
        for number in numbers {
            sum = sum.add(&number.to_big_float()?)?;
        }
        Ok(Self::from_big_float(&sum))
    }

    /// Only the end is rounded to a text here, too.
    pub fn product<'a>(numbers: impl IntoIterator<Item = &'a Self>) -> Result<Self, NumberError> {
        let mut product = one();
        for number in numbers {
            product = product.multiply(&number.to_big_float()?)?;
        }
        Ok(Self::from_big_float(&product))
    }

    /// With the dividend's sign.
    pub fn remainder(&self, other: &Self) -> Result<Self, NumberError> {
        if let (Some(one), Some(other)) = (self.small_integer(), other.small_integer()) {
            return match other {
                0 => Err(NumberError::ModuloByZero),
                _ => Ok(Self::Int(one.wrapping_rem(other))),
            };
        }
        let (dividend, divisor) = (self.to_big_integer()?, other.to_big_integer()?);
        // OPA looks at the low 64 bits only.
        if divisor.magnitude().iter_u64_digits().next().unwrap_or(0) == 0 {
            return Err(NumberError::ModuloByZero);
        }
        Ok(Self::from_big_integer(&(dividend % divisor)))
    }

    pub fn absolute(&self) -> Result<Self, NumberError> {
        match self.small_integer() {
            Some(integer) => Ok(Self::from_i128(i128::from(integer).abs())),
            None => Ok(Self::from_big_float(&self.to_big_float()?.absolute())),
        }
    }

    /// Half away from zero.
    pub fn rounded(&self) -> Result<Self, NumberError> {
        self.rounded_by(|float| {
            let half = half();
            let moved = float.add(&if float.is_negative() { half.negated() } else { half })?;
            Ok(BigFloat::from_integer(&moved.truncated()))
        })
    }

    pub fn ceiling(&self) -> Result<Self, NumberError> {
        self.rounded_by(|float| {
            let integer = BigFloat::from_integer(&float.truncated());
            // OPA's zero has lost its sign here: one is added to it even if the number was negative.
            if float.is_integer() || integer.is_negative() { Ok(integer) } else { integer.add(&one()) }
        })
    }

    pub fn floor(&self) -> Result<Self, NumberError> {
        self.rounded_by(|float| {
            let integer = BigFloat::from_integer(&float.truncated());
            if float.is_integer() || !integer.is_negative() { Ok(integer) } else { integer.add(&one().negated()) }
        })
    }

    /// The integer that it is, rounded to 64 significant bits as OPA does.
    pub fn to_big_integer(&self) -> Result<BigInt, NumberError> {
        if let Some(integer) = self.small_integer() {
            return Ok(BigInt::from(integer));
        }
        let float = self.to_big_float()?;
        if float.is_integer() { Ok(float.truncated()) } else { Err(NumberError::NotInteger) }
    }

    /// Without its fraction.
    pub fn truncated(&self) -> Result<BigInt, NumberError> {
        match self.small_integer() {
            Some(integer) => Ok(BigInt::from(integer)),
            None => Ok(self.to_big_float()?.truncated()),
        }
    }

    pub fn from_big_integer(integer: &BigInt) -> Self {
        i64::try_from(integer).map_or_else(|_| Self::Text(Arc::from(integer.to_string())), Self::Int)
    }

    pub fn from_i128(integer: i128) -> Self {
        i64::try_from(integer).map_or_else(|_| Self::Text(Arc::from(integer.to_string())), Self::Int)
    }

    fn rounded_by(&self, round: impl Fn(&BigFloat) -> Result<BigFloat, NumberError>) -> Result<Self, NumberError> {
        match self.small_integer() {
            Some(integer) => Ok(Self::Int(integer)),
            None => Ok(Self::from_big_float(&round(&self.to_big_float()?)?)),
        }
    }

    /// The exact integer where that is cheap to see, whatever its text.
    fn small_integer(&self) -> Option<i64> {
        match self {
            Self::Int(integer) => Some(*integer),
            Self::Float(float) if float.fract() == 0.0 && float.abs() < 9e15 => Some(*float as i64),
            Self::Float(_) => None,
            Self::Text(_) => self.as_i64(),
        }
    }

    fn to_big_float(&self) -> Result<BigFloat, NumberError> {
        BigFloat::from_decimal(&self.to_decimal())
    }

    fn from_big_float(float: &BigFloat) -> Self {
        let text = float.text();
        Self::parse(&text).unwrap_or(Self::Text(Arc::from(text)))
    }
}

/// What OPA multiplies as machine integers.
fn is_tiny(integer: i64) -> bool {
    integer.unsigned_abs() < 1000
}

fn one() -> BigFloat {
    BigFloat::from_integer(&BigInt::from(1))
}

fn half() -> BigFloat {
    one().halved()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calculates_as_opa_does() {
        let number = |text: &str| Number::parse(text).unwrap();
        let print = |result: Result<Number, NumberError>| result.map(|number| number.to_string());
        assert_eq!(print(number("0.1").plus(&number("0.2"))), Ok("0.3".to_owned()));
        assert_eq!(print(number("9223372036854775807").plus(&number("1"))), Ok("9223372036854775808".to_owned()));
        assert_eq!(print(number("1").divided_by(&number("3"))), Ok("0.33333333333333333334".to_owned()));
        assert_eq!(print(number("6").divided_by(&number("3"))), Ok("2".to_owned()));
        assert_eq!(print(number("1").divided_by(&number("0.0"))), Err(NumberError::DivideByZero));
        assert_eq!(print(number("7").remainder(&number("2.5"))), Err(NumberError::NotInteger));
        assert_eq!(print(number("-7").remainder(&number("3"))), Ok("-1".to_owned()));
        assert_eq!(print(number("-0.5").ceiling()), Ok("1".to_owned()));
        assert_eq!(print(number("-0.5").floor()), Ok("0".to_owned()));
        assert_eq!(print(number("-1.5").floor()), Ok("-2".to_owned()));
        assert_eq!(print(number("2.5").rounded()), Ok("3".to_owned()));
        assert_eq!(print(number("1e30").rounded()), Ok("1000000000000000000024696061952".to_owned()));
    }

    #[test]
    fn squaring_ends() {
        let mut number = Number::Int(12345);
        let mut squarings = 0;
        while let Ok(square) = number.times(&number) {
            number = square;
            squarings += 1;
        }
        assert!(squarings < 30);
    }
}
