//! Reads moments by Go's layouts, and Go's durations.

use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::time_format::{MONTHS, WEEKDAYS, short};
use super::time_layout::{Field, Padding, Precision, split_at_field};

/// Nanoseconds since 1970.
pub(super) fn parse(layout: &str, text: &str) -> Result<i128, String> {
    let mut reader = Reader { rest: text.as_bytes() };
    let mut parts = Parts { month: None, day: None, ..Parts::default() };
    let mut rest = layout;
    let fault = || format!("parsing time \"{text}\" as \"{layout}\": cannot parse it");
    while let Some((literal, field, following)) = split_at_field(rest) {
        reader.skip(literal).ok_or_else(fault)?;
        reader.field(field, following, &mut parts).ok_or_else(fault)?;
        rest = following;
    }
    reader.skip(rest).filter(|()| reader.rest.is_empty()).ok_or_else(fault)?;
    parts.nanoseconds().ok_or_else(fault)
}

/// What has been read so far.
#[derive(Default)]
struct Parts {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: i64,
    is_afternoon: Option<bool>,
    offset: i64,
    /// `UTC` or `Z` came by, which no other offset overrides.
    is_utc: bool,
}

impl Parts {
    fn nanoseconds(&self) -> Option<i128> {
        let hour = match (self.is_afternoon, self.hour) {
            (Some(true), hour @ ..12) => hour + 12,
            (Some(false), 12) => 0,
            (_, hour) => hour,
        };
        let year = i16::try_from(self.year).ok()?;
        let date = match self.day_of_year {
            Some(day_of_year) => {
                let first = jiff::civil::Date::new(year, 1, 1).ok()?;
                let date = first.with().day_of_year(i16::try_from(day_of_year).ok()?).build().ok()?;
                let fits = |part: Option<i64>, of_date: i8| part.is_none_or(|part| part == i64::from(of_date));
                Some(date).filter(|date| fits(self.month, date.month()) && fits(self.day, date.day()))?
            }
            None => {
                let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
                jiff::civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?
            }
        };
        let [hour, minute, second] = [hour, self.minute, self.second].map(|part| i8::try_from(part).unwrap_or(-1));
        let time = jiff::civil::Time::new(hour, minute, second, i32::try_from(self.nanosecond).ok()?).ok()?;
        let in_utc = Offset::UTC.to_timestamp(DateTime::from_parts(date, time)).ok()?.as_nanosecond();
        let offset = if self.is_utc { 0 } else { self.offset };
        Some(in_utc - i128::from(offset) * 1_000_000_000)
    }
}

/// The text that is still to be read.
struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    /// Reads literal text; any number of spaces, none included at the end, stands for any other number.
    fn skip(&mut self, mut literal: &str) -> Option<()> {
        while let Some(first) = literal.bytes().next() {
            if first == b' ' {
                if self.rest.first().is_some_and(|byte| *byte != b' ') {
                    return None;
                }
                literal = literal.trim_start_matches(' ');
                self.rest = self.rest.trim_prefix_spaces();
            } else {
                self.rest = self.rest.strip_prefix(&[first])?;
                // Layouts are text: bytes of one character are compared one after the other.
                let (_, others) = literal.split_at_checked(literal.chars().next().map_or(1, char::len_utf8))?;
                let character = literal.get(..literal.len() - others.len())?;
                self.rest = self.rest.strip_prefix(character.as_bytes().get(1..)?)?;
                literal = others;
            }
        }
        Some(())
    }

    fn field(&mut self, field: Field, following: &str, parts: &mut Parts) -> Option<()> {
        match field {
            Field::ShortYear => {
                let year = signed(self.take(2)?)?;
                parts.year = year + if year >= 69 { 1900 } else { 2000 };
            }
            Field::LongYear => {
                parts.year = signed(self.take(4).filter(|digits| digits.first().is_some_and(u8::is_ascii_digit))?)?;
            }
            Field::LongMonth => parts.month = Some(self.name(&MONTHS, |name| name)? + 1),
            Field::ShortMonth => parts.month = Some(self.name(&MONTHS, short)? + 1),
            Field::Month(padding) => {
                parts.month = Some(self.number(2, padding).filter(|month| (1..=12).contains(month))?);
            }
            Field::LongWeekday => drop(self.name(&WEEKDAYS, |name| name)?),
            Field::ShortWeekday => drop(self.name(&WEEKDAYS, short)?),
            Field::Day(padding) => {
                self.skip_padding(padding, 1);
                parts.day = Some(self.number(2, padding)?);
            }
            Field::DayOfYear(padding) => {
                self.skip_padding(padding, 2);
                parts.day_of_year = Some(self.number(3, padding)?);
            }
            Field::Hour => parts.hour = self.number(2, Padding::None).filter(|hour| *hour < 24)?,
            Field::Hour12(padding) => parts.hour = self.number(2, padding).filter(|hour| *hour <= 12)?,
            Field::Minute(padding) => parts.minute = self.number(2, padding).filter(|minute| *minute < 60)?,
            Field::Second(padding) => {
                parts.second = self.number(2, padding).filter(|second| *second < 60)?;
                let is_next = matches!(split_at_field(following), Some((_, Field::Fraction { .. }, _)));
                if !is_next {
                    self.optional_fraction(parts)?;
                }
            }
            Field::HalfDay { is_upper } => {
                let (before, after): (&[u8], &[u8]) = if is_upper { (b"AM", b"PM") } else { (b"am", b"pm") };
                let half = self.take(2).filter(|half| *half == before || *half == after)?;
                parts.is_afternoon = Some(parts.is_afternoon == Some(true) || half == after);
            }
            Field::ZoneName if self.rest.starts_with(b"UTC") => {
                self.take(3)?;
                parts.is_utc = true;
            }
            // Which offset a name stands for is not known; Go leaves such times as they are.
            Field::ZoneName => drop(self.take(zone_name_length(self.rest)?)?),
            Field::Offset { has_z: true, .. } if self.rest.first() == Some(&b'Z') => {
                self.take(1)?;
                parts.is_utc = true;
            }
            Field::Offset { precision, has_colons, .. } => parts.offset = self.offset(precision, has_colons)?,
            Field::Fraction { trims_zeros: true, .. } => self.optional_fraction(parts)?,
            Field::Fraction { digits, .. } => {
                let fraction = self.take(1 + digits)?;
                parts.nanosecond = nanosecond(fraction)?;
            }
        }
        Some(())
    }

    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// Up to `width` digits; just as many when they are padded with zeros.
    fn number(&mut self, width: usize, padding: Padding) -> Option<i64> {
        let digits = self.rest.iter().take(width).take_while(|byte| byte.is_ascii_digit()).count();
        let fits = digits > 0 && (padding != Padding::Zero || digits == width);
        signed(self.take(digits).filter(|_| fits)?)
    }

    fn skip_padding(&mut self, padding: Padding, count: usize) {
        for _ in 0..count {
            if padding == Padding::Space {
                self.rest = self.rest.strip_prefix(b" ").unwrap_or(self.rest);
            }
        }
    }

    /// The index of the name that comes next, in any case.
    fn name(&mut self, names: &[&'static str], form: fn(&str) -> &str) -> Option<i64> {
        let names = names.iter().map(|name| form(name)).zip(0..);
        let starts =
            |name: &str| self.rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()));
        let (name, index) = names.into_iter().find(|(name, _)| starts(name))?;
        self.take(name.len())?;
        Some(index)
    }

    fn optional_fraction(&mut self, parts: &mut Parts) -> Option<()> {
        let Some((b'.' | b',', digits)) = self.rest.split_first() else { return Some(()) };
        let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count > 0 {
            parts.nanosecond = nanosecond(self.take(1 + count)?)?;
        }
        Some(())
    }

    fn offset(&mut self, precision: Precision, has_colons: bool) -> Option<i64> {
        let is_west = match self.take(1)? {
            b"+" => false,
            b"-" => true,
            _ => return None,
        };
        let mut part = |is_wanted: bool, is_first: bool, limit: i64| {
            if !is_wanted {
                return Some(0);
            }
            if has_colons && !is_first && self.take(1)? != b":" {
                return None;
            }
            self.number(2, Padding::Zero).filter(|part| *part <= limit)
        };
        let hours = part(true, true, 24)?;
        let minutes = part(precision >= Precision::Minutes, false, 60)?;
        let seconds = part(precision >= Precision::Seconds, false, 60)?;
        let offset = (hours * 60 + minutes) * 60 + seconds;
        Some(if is_west { -offset } else { offset })
    }
}

/// Digits with an optional sign.
fn signed(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `.123` as nanoseconds; digits after the ninth do not count.
fn nanosecond(text: &[u8]) -> Option<i64> {
    let (b'.' | b',', digits) = text.split_first()? else { return None };
    let digits = digits.get(..9).unwrap_or(digits);
    let scale = 10_i64.pow(9_u32.checked_sub(u32::try_from(digits.len()).ok()?)?);
    signed(digits).filter(|fraction| *fraction >= 0).map(|fraction| fraction * scale)
}

/// How long the name of a zone is that a text begins with: three to five capitals, mostly, or an offset of hours.
fn zone_name_length(text: &[u8]) -> Option<usize> {
    if text.starts_with(b"ChST") || text.starts_with(b"MeST") {
        return Some(4);
    }
    if let Some(rest) = text.strip_prefix(b"GMT") {
        return Some(3 + hours_length(rest).unwrap_or(0));
    }
    if matches!(text, [b'+' | b'-', _, _, ..]) {
        return hours_length(text);
    }
    let capitals = text.iter().take(6).take_while(|byte| byte.is_ascii_uppercase()).count();
    match (capitals, text) {
        (3, _) => Some(3),
        (4, [_, _, _, b'T', ..] | [b'W', b'I', b'T', b'A', ..]) => Some(4),
        (5, [_, _, _, _, b'T', ..]) => Some(5),
        _ => None,
    }
}

/// The length of a sign and a number below 24.
fn hours_length(text: &[u8]) -> Option<usize> {
    let (b'+' | b'-', digits) = text.split_first()? else { return None };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let hours = signed(digits.get(..count)?)?;
    (count > 0 && hours <= 23).then_some(1 + count)
}

trait TrimSpaces {
    fn trim_prefix_spaces(&self) -> &Self;
}

impl TrimSpaces for [u8] {
    fn trim_prefix_spaces(&self) -> &Self {
        let spaces = self.iter().take_while(|byte| **byte == b' ').count();
        self.get(spaces..).unwrap_or_default()
    }
}

/// The largest duration has this many nanoseconds when it is negative, one less when it is positive.
const DURATION_END: u64 = 1 << 63;

/// Nanoseconds of a Go duration like `1h15m30.918s`.
pub(super) fn parse_duration(text: &str) -> Option<i64> {
    let is_negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Some(0);
    }
    let mut total = (!rest.is_empty()).then_some(0_u64)?;
    while !rest.is_empty() {
        let (whole, after) = split_digits(rest);
        let (fraction, after) = after.strip_prefix('.').map_or(("", after), split_digits);
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let end = after.find(|next: char| next == '.' || next.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(end)?;
        let unit = nanoseconds_of_unit(unit)?;
        let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
        let mut part = whole.checked_mul(unit)?;
        // As a float, and so with its errors.
        let (numerator, scale) = fraction_of_duration(fraction);
        if numerator > 0 {
            part = part.checked_add((numerator as f64 * (unit as f64 / scale)) as u64)?;
        }
        total = total.checked_add(part).filter(|total| *total <= DURATION_END)?;
        rest = after;
    }
    match (is_negative, i64::try_from(total)) {
        (true, Ok(total)) => Some(-total),
        (true, Err(_)) => Some(i64::MIN),
        (false, total) => total.ok(),
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|next: char| !next.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// As many digits as 63 bits hold, and the power of ten they are divided by.
fn fraction_of_duration(digits: &str) -> (u64, f64) {
    let (mut numerator, mut scale) = (0_u64, 1.0);
    for digit in digits.bytes() {
        if numerator > (DURATION_END - 1) / 10 {
            break;
        }
        let next = numerator * 10 + u64::from(digit - b'0');
        if next > DURATION_END {
            break;
        }
        numerator = next;
        scale *= 10.0;
    }
    (numerator, scale)
}

fn nanoseconds_of_unit(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        // Both characters that look like mu.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        let check = |text: &str, expected: Option<i64>| assert_eq!(parse_duration(text), expected, "{text:?}");
        check("1h15m30.5s", Some(4_530_500_000_000));
        check("-1.5h", Some(-5_400_000_000_000));
        check("+5µs", Some(5_000));
        check("0", Some(0));
        check("", None);
        check(".s", None);
        check("1", None);
        check("1d", None);
        check("9223372036854775807ns", Some(i64::MAX));
        check("-9223372036854775808ns", Some(i64::MIN));
        check("9223372036854775808ns", None);
    }

    #[test]
    fn moments_are_read() {
        let check = |layout: &str, text: &str, expected: Option<i128>| {
            assert_eq!(parse(layout, text).ok(), expected, "{layout:?} {text:?}");
        };
        check("2006-01-02", "2000-01-01", Some(946_684_800_000_000_000));
        check("2006-01-02", "2000-02-30", None);
        check("2006-01-02T15:04:05Z07:00", "2000-01-01T00:00:00.5+01:00", Some(946_681_200_500_000_000));
        check("Jan 2 2006", "jAn   1 2000", Some(946_684_800_000_000_000));
        check("2006 MST", "2000 CEST", Some(946_684_800_000_000_000));
        check("2006é002", "2000é366", Some(978_220_800_000_000_000));
        check("2006", "2000 ", None);
        check("3PM", "é", None);
    }
}
