//! go-yaml's natural order of keys: letters behind everything else, runs of digits by their value.

use super::{BuiltinError, CallContext};

/// Sorts by key. Done by hand because the order is no total one, which the standard library's sort may not survive.
pub(super) fn sort_keys<T>(
    keyed: Vec<(String, T)>,
    context: &mut CallContext<'_>,
) -> Result<Vec<(String, T)>, BuiltinError> {
    let mut runs: Vec<Vec<(String, T)>> = keyed.into_iter().map(|one| vec![one]).collect();
    while runs.len() > 1 {
        let mut merged = Vec::with_capacity(runs.len().div_ceil(2));
        let mut rest = runs.into_iter();
        while let Some(run) = rest.next() {
            merged.push(match rest.next() {
                Some(other) => merge(run, other, context)?,
                None => run,
            });
        }
        runs = merged;
    }
    Ok(runs.pop().unwrap_or_default())
}

fn merge<T>(
    one: Vec<(String, T)>,
    other: Vec<(String, T)>,
    context: &mut CallContext<'_>,
) -> Result<Vec<(String, T)>, BuiltinError> {
    context.budget.charge((one.len() + other.len()) as u64)?;
    let mut merged = Vec::with_capacity(one.len() + other.len());
    let (mut ones, mut others) = (one.into_iter().peekable(), other.into_iter().peekable());
    while let (Some((one, _)), Some((other, _))) = (ones.peek(), others.peek()) {
        merged.extend(if is_less(other, one) { others.next() } else { ones.next() });
    }
    merged.extend(ones.chain(others));
    Ok(merged)
}

fn is_less(one: &str, other: &str) -> bool {
    let (mut ones, mut others) = (one.chars(), other.chars());
    let mut follows_number = false;
    loop {
        let (rest, other_rest) = (ones.as_str(), others.as_str());
        let (first, other_first) = match (ones.next(), others.next()) {
            (_, None) => return false,
            (None, Some(_)) => return true,
            (Some(first), Some(other_first)) => (first, other_first),
        };
        if first == other_first {
            // Zeros behind other digits count; at the beginning of a number they do not.
            follows_number = first.is_ascii_digit() && (follows_number || first != '0');
            continue;
        }
        return match (first.is_alphabetic(), other_first.is_alphabetic()) {
            (true, true) => first < other_first,
            (false, false) => {
                let lead = u64::from(follows_number && (first == '0' || other_first == '0'));
                let (value, length) = number(rest, lead);
                let (other_value, other_length) = number(other_rest, lead);
                (value, length, first) < (other_value, other_length, other_first)
            }
            (_, is_letter) => is_letter,
        };
    }
}

/// The value of the digits at the beginning, with `lead` as a digit in front of them, and how many they are.
fn number(text: &str, lead: u64) -> (i64, usize) {
    let digits = text.bytes().take_while(u8::is_ascii_digit);
    let value = digits.clone().fold(lead, |value, digit| value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')));
    (value.cast_signed(), digits.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_natural_order() {
        let check = |one: &str, other: &str, expected: bool| assert_eq!(is_less(one, other), expected, "{one} {other}");
        check("a2", "a10", true);
        check("a10", "a2", false);
        check("a", "ab", true);
        check("a", "a", false);
        check("1", "a", true);
        check("a-b", "ab", true);
        check("a01", "a1", false);
        check("a1", "a01", true);
    }
}
