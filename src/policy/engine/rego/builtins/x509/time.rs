//! The two kinds of time of DER.

use jiff::civil::{Date, date};

use super::der::Reader;

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// A second since 1970, and how Go writes it in the zone of the certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) second: i64,
    pub(crate) text: String,
}

impl Moment {
    /// The next element, which must be a time.
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Option<Self> {
        let element = reader.any()?;
        let text = std::str::from_utf8(element.content).ok().filter(|text| text.is_ascii())?;
        match element.tag {
            UTC_TIME => {
                let year = digits(text.get(..2)?)?;
                let year = if year < 50 { 2000 + year } else { 1900 + year };
                let rest = text.get(2..)?;
                Self::in_year(year, rest, true).or_else(|| Self::in_year(year, rest, false))
            }
            GENERALIZED_TIME => Self::in_year(digits(text.get(..4)?)?, text.get(4..)?, true),
            _ => None,
        }
    }

    /// `rest` is month, day, hour, minute, second and zone.
    fn in_year(year: i32, rest: &str, has_seconds: bool) -> Option<Self> {
        let mut parts = [0; 5];
        let count = if has_seconds { 5 } else { 4 };
        for (index, part) in parts.iter_mut().enumerate().take(count) {
            *part = digits(rest.get(2 * index..2 * index + 2)?)?;
        }
        let [month, day, hour, minute, second] = parts;
        let offset = offset_of(rest.get(2 * count..)?)?;
        let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
        match offset {
            0 => text.push('Z'),
            _ => {
                let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.abs() / 60);
                text.push_str(&format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60));
            }
        }
        let day = Date::new(year as i16, month as i8, day as i8).ok()?;
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let days = i64::from((day - date(1970, 1, 1)).get_days());
        let second = days * 86_400 + i64::from(hour * 3600 + minute * 60 + second) - i64::from(offset);
        Some(Self { second, text })
    }
}

/// `Z`, or hours and minutes that are not both zero.
fn offset_of(text: &str) -> Option<i32> {
    if text == "Z" {
        return Some(0);
    }
    let sign = match text.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = (digits(text.get(1..3)?)?, digits(text.get(3..)?)?);
    let is_valid = text.len() == 5 && hours < 24 && minutes < 60 && hours + minutes > 0;
    is_valid.then_some(sign * (hours * 3600 + minutes * 60))
}

fn digits(text: &str) -> Option<i32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_go() {
        let check = |tag: u8, text: &str, expected: Option<&str>| {
            let bytes = [&[tag, text.len() as u8], text.as_bytes()].concat();
            let written = Moment::parse(&mut Reader(&bytes)).map(|moment| moment.text);
            assert_eq!(written.as_deref(), expected, "{text}");
        };
        check(UTC_TIME, "491231235959Z", Some("2049-12-31T23:59:59Z"));
        check(UTC_TIME, "500101000000Z", Some("1950-01-01T00:00:00Z"));
        check(UTC_TIME, "5001010000Z", Some("1950-01-01T00:00:00Z"));
        check(UTC_TIME, "500101000000+0130", Some("1950-01-01T00:00:00+01:30"));
        check(UTC_TIME, "500101000000+0000", None);
        check(UTC_TIME, "500230000000Z", None);
        check(GENERALIZED_TIME, "00000101000000Z", Some("0000-01-01T00:00:00Z"));
        check(GENERALIZED_TIME, "99991231235959Z", Some("9999-12-31T23:59:59Z"));
        check(GENERALIZED_TIME, "20300101000060Z", None);
        check(GENERALIZED_TIME, "203001010000Z", None);
    }
}
