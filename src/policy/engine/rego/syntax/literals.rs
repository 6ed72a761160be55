//! What the text of a string or number literal means.

/// Resolves the escapes of a string in double quotes, quotes included, as JSON does; halves of surrogate pairs become
/// U+FFFD as in Go.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn unescape(literal: &str) -> Result<String, &'static str> {
    let inner = literal.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or("string is not closed")?;
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(one) = rest.next() {
        match one {
            '\\' => text.push(escaped(&mut rest)?),
            '\0'..='\x1f' => return Err("control character in a string; write it as an escape, such as `\\t`"),
            '"' => return Err("illegal escape in a string"),
            _ => text.push(one),
        }
    }
    Ok(text)
}

/// The character behind a backslash.
fn escaped(rest: &mut std::str::Chars<'_>) -> Result<char, &'static str> {
    Ok(match rest.next() {
        Some(one @ ('"' | '\\' | '/')) => one,
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => {
            let first = four_digits(rest)?;
            second_half(first, rest).or(char::from_u32(first)).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        _ => return Err("illegal escape in a string; allowed are \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u0000"),
    })
}

fn four_digits(rest: &mut std::str::Chars<'_>) -> Result<u32, &'static str> {
    (0..4).try_fold(0, |number, _| {
        let digit = rest.next().and_then(|one| one.to_digit(16)).ok_or("`\\u` needs four hexadecimal digits")?;
        Ok(number * 16 + digit)
    })
}

/// Joins the first half of a surrogate pair with a second one, when one follows; consumes nothing otherwise.
fn second_half(first: u32, rest: &mut std::str::Chars<'_>) -> Option<char> {
    if !(0xd800..0xdc00).contains(&first) {
        return None;
    }
    let mut ahead = rest.as_str().strip_prefix("\\u")?.chars();
    let second = four_digits(&mut ahead).ok().filter(|second| (0xdc00..0xe000).contains(second))?;
    *rest = ahead;
    char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
}

/// Checks the digits of a number, sign and leading point included, as OPA reads them.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_number(text: &str) -> Result<(), &'static str> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let behind_zero = unsigned.strip_prefix('0').unwrap_or_default();
    if !behind_zero.is_empty() && !behind_zero.starts_with(['.', 'e', 'E']) {
        return Err("expected a number without leading zeros");
    }
    if binary_exponent(unsigned).abs() > MAX_BINARY_EXPONENT {
        return Err("number is too big");
    }
    Ok(())
}

/// OPA's limit, which keeps arithmetic and printing from taking forever.
const MAX_BINARY_EXPONENT: f64 = 1e5;

/// About the power of two that a number has the size of.
fn binary_exponent(unsigned: &str) -> f64 {
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || whole.chars().chain(fraction.chars());
    let Some(leading_zeros) = digits().position(|digit| digit != '0') else { return 0.0 };
    let first: String = digits().skip(leading_zeros).take(17).collect();
    let size = first.len() as f64;
    let Ok(first) = first.parse::<f64>() else { return f64::INFINITY };
    let exponent = exponent.parse::<f64>().unwrap_or(f64::INFINITY);
    let decimal = first.log10() - size + whole.len() as f64 - leading_zeros as f64 + exponent;
    decimal * std::f64::consts::LOG2_10
}
