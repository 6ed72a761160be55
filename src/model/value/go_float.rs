//! Floats as Go prints them: `strconv.FormatFloat` with the formats `e`, `f`, `g`, `b` and `x`.

/// Decimal digits of a number; its value is `0.d1d2d3… × 10^point`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Digits {
    pub(super) is_negative: bool,
    /// ASCII digits without trailing zeros; empty for zero.
    pub(super) digits: Vec<u8>,
    pub(super) point: i64,
}

/// No double has more decimal digits than this; whatever follows is zeros.
const MAX_DOUBLE_DIGITS: usize = 1100;

/// The fewest digits that read back as `float`.
pub(super) fn shortest_digits(float: f64) -> Digits {
    digits_from_exponent_text(&format!("{float:e}"))
}

/// `float` to `precision` (format `e`: digits behind the first one, `f`: digits behind the point, `g`: digits) or, without
/// one, in the fewest digits that read back the same. Infinities and NaN never come from JSON and print as Go prints them.
pub fn format_float(float: f64, format: u8, precision: Option<usize>) -> String {
    if !float.is_finite() {
        return if float.is_nan() {
            "NaN"
        } else if float > 0.0 {
            "+Inf"
        } else {
            "-Inf"
        }
        .to_owned();
    }
    match (format, precision) {
        (b'b', _) => format_binary(float),
        (b'x' | b'X', _) => format_hexadecimal(float, format, precision),
        (b'f', Some(precision)) => pad_fraction(&format!("{float:.*}", precision.min(MAX_DOUBLE_DIGITS)), precision),
        (b'f', None) => format_fixed(&shortest_digits(float), None),
        (b'e' | b'E', None) => format_exponent(&shortest_digits(float), None, format),
        (b'e' | b'E', Some(precision)) => {
            let digits = digits_from_exponent_text(&format!("{float:.*e}", precision.min(MAX_DOUBLE_DIGITS)));
            format_exponent(&digits, Some(precision), format)
        }
        (_, None) => format_general(&shortest_digits(float), None, format),
        (_, Some(precision)) => {
            let precision = precision.max(1);
            let digits = digits_from_exponent_text(&format!("{float:.*e}", (precision - 1).min(MAX_DOUBLE_DIGITS)));
            format_general(&digits, Some(precision), format)
        }
    }
}

/// Format `g` or `G`: exponents where they are below -4 or not below the precision (six for shortest digits).
pub(super) fn format_general(digits: &Digits, precision: Option<usize>, format: u8) -> String {
    let count = digits.digits.len() as i64;
    let limit = match precision.map(|precision| precision as i64) {
        None => 6,
        Some(precision) if precision > count && count >= digits.point => count,
        Some(precision) => precision,
    };
    let exponent = digits.point - 1;
    if exponent < -4 || exponent >= limit {
        format_exponent(digits, None, format - (b'g' - b'e'))
    } else {
        format_fixed(digits, None)
    }
}

/// `-d.ddde±dd`, with as many digits behind the point as there are or as `fraction` says.
fn format_exponent(digits: &Digits, fraction: Option<usize>, letter: u8) -> String {
    let mut text = String::from(if digits.is_negative { "-" } else { "" });
    let digit = |index: usize| char::from(digits.digits.get(index).copied().unwrap_or(b'0'));
    text.push(digit(0));
    let fraction = fraction.unwrap_or_else(|| digits.digits.len().saturating_sub(1));
    if fraction > 0 {
        text.push('.');
        text.extend((1..=fraction).map(digit));
    }
    let exponent = if digits.digits.is_empty() { 0 } else { digits.point - 1 };
    let sign = if exponent < 0 { '-' } else { '+' };
    text.push_str(&format!("{}{sign}{:02}", char::from(letter), exponent.unsigned_abs()));
    text
}

/// `-ddd.ddd`, with as many digits behind the point as there are or as `fraction` says.
pub(super) fn format_fixed(digits: &Digits, fraction: Option<usize>) -> String {
    let mut text = String::from(if digits.is_negative { "-" } else { "" });
    let digit = |index: i64| {
        let known = usize::try_from(index).ok().and_then(|index| digits.digits.get(index));
        char::from(known.copied().unwrap_or(b'0'))
    };
    if digits.point > 0 {
        text.extend((0..digits.point).map(digit));
    } else {
        text.push('0');
    }
    let behind = (digits.digits.len() as i64 - digits.point).max(0);
    let fraction = fraction.map_or(behind, |fraction| fraction as i64);
    if fraction > 0 && !(digits.digits.is_empty() && behind == 0) {
        text.push('.');
        text.extend((digits.point..digits.point + fraction).map(digit));
    }
    text
}

/// Reads Rust's `1.25e-7`.
fn digits_from_exponent_text(text: &str) -> Digits {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let is_negative = mantissa.starts_with('-');
    let mut digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    let point = if digits.is_empty() { 0 } else { exponent.parse::<i64>().unwrap_or(0) + 1 };
    Digits { is_negative, digits, point }
}

/// Adds the zeros that Rust was not asked for.
fn pad_fraction(text: &str, precision: usize) -> String {
    let mut text = text.to_owned();
    text.extend(std::iter::repeat_n('0', precision.saturating_sub(MAX_DOUBLE_DIGITS)));
    text
}

/// Mantissa as an integer and exponent of two: `4503599627370496p-52`.
fn format_binary(float: f64) -> String {
    let (mantissa, exponent) = decompose(float);
    let sign = if float.is_sign_negative() { "-" } else { "" };
    format!("{sign}{mantissa}p{exponent:+}")
}

/// `0x1.8p+00`.
fn format_hexadecimal(float: f64, format: u8, precision: Option<usize>) -> String {
    let (mut mantissa, mut exponent) = decompose(float);
    let sign = if float.is_sign_negative() { "-" } else { "" };
    if mantissa == 0 {
        exponent = 0;
    } else {
        // The leading one goes to bit 60: thirteen hexadecimal digits and two spare ones behind the point.
        let shift = mantissa.leading_zeros() - 3;
        mantissa <<= shift;
        exponent += 60 - i64::from(shift);
    }
    if let Some(precision) = precision.filter(|precision| *precision < 15) {
        let dropped = 60 - 4 * precision as u32;
        let rest = mantissa & ((1 << dropped) - 1);
        mantissa >>= dropped;
        let half = 1 << (dropped - 1);
        mantissa += u64::from(rest > half || (rest == half && mantissa & 1 == 1));
        mantissa <<= dropped;
        if mantissa & (1 << 61) != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let mut fraction = format!("{:015x}", mantissa & ((1 << 60) - 1));
    match precision {
        Some(precision) => fraction = fraction.chars().chain(std::iter::repeat('0')).take(precision).collect(),
        None => fraction.truncate(fraction.trim_end_matches('0').len()),
    }
    let point = if fraction.is_empty() { "" } else { "." };
    let exponent_sign = if exponent < 0 { '-' } else { '+' };
    let text = format!("0x{}{point}{fraction}p{exponent_sign}{:02}", mantissa >> 60, exponent.unsigned_abs());
    let text = if format == b'X' { text.to_ascii_uppercase() } else { text };
    format!("{sign}{text}")
}

/// Mantissa and exponent of two of a finite float.
fn decompose(float: f64) -> (u64, i64) {
    let bits = float.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    match (bits >> 52 & 0x7ff) as i64 {
        0 => (fraction, -1074),
        exponent => (fraction | 1 << 52, exponent - 1075),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_go_does() {
        let cases: &[(f64, u8, Option<usize>, &str)] = &[
            (8080.0, b'g', None, "8080"),
            (1_000_740_000.0, b'g', None, "1.00074e+09"),
            (999_999.0, b'g', None, "999999"),
            (1_000_000.0, b'g', None, "1e+06"),
            (0.0001, b'g', None, "0.0001"),
            (0.00001, b'g', None, "1e-05"),
            (-0.0, b'g', None, "-0"),
            (1e300, b'g', None, "1e+300"),
            (123.456, b'g', Some(2), "1.2e+02"),
            (100.0, b'g', Some(10), "100"),
            (0.0, b'g', Some(3), "0"),
            (1.5, b'f', Some(0), "2"),
            (2.5, b'f', Some(0), "2"),
            (0.0, b'f', Some(2), "0.00"),
            (1.0, b'e', Some(6), "1.000000e+00"),
            (0.0, b'e', Some(2), "0.00e+00"),
            (1.0, b'b', None, "4503599627370496p-52"),
            (1.5, b'x', None, "0x1.8p+00"),
            (0.0, b'x', None, "0x0p+00"),
            (1.5, b'x', Some(0), "0x1p+01"),
            (-255.0, b'X', None, "-0X1.FEP+07"),
        ];
        for (float, format, precision, expected) in cases {
            assert_eq!(format_float(*float, *format, *precision), *expected, "{float} {precision:?}");
        }
    }
}
