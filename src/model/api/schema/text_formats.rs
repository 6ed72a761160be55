//! The formats of strings that the API server knows, and what each demands.
//!
//! A few that nobody writes policies with (`isbn`, `creditcard`, `ssn`, `rgbcolor`, `bsonobjectid`) are known and accept everything.

use std::net::{IpAddr, Ipv6Addr};

/// A name, and what it demands.
pub(super) type TextFormat = (&'static str, fn(&str) -> bool);

/// The formats of strings, names without dashes.
pub(super) const TEXT_FORMATS: [TextFormat; 26] = [
    ("bsonobjectid", is_anything),
    ("byte", is_base64),
    ("cidr", is_cidr),
    ("creditcard", is_anything),
    ("date", is_date),
    ("datetime", is_date_time),
    ("duration", is_duration),
    ("email", is_email),
    ("hexcolor", is_hex_color),
    ("hostname", is_hostname),
    ("ipv4", is_ipv4),
    ("ipv6", is_ipv6),
    ("isbn", is_anything),
    ("isbn10", is_anything),
    ("isbn13", is_anything),
    ("k8slongname", is_long_name),
    ("k8sshortname", is_short_name),
    ("mac", is_mac),
    ("password", is_anything),
    ("rgbcolor", is_anything),
    ("ssn", is_anything),
    ("uri", is_uri),
    ("uuid", is_uuid),
    ("uuid3", is_uuid3),
    ("uuid4", is_uuid4),
    ("uuid5", is_uuid5),
];

fn is_anything(_: &str) -> bool {
    true
}

fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let padding = text.len() - body.len();
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    !body.is_empty() && padding <= 2 && text.len().is_multiple_of(4) && body.bytes().all(is_letter)
}

/// An address as Kubernetes reads it: numbers with leading zeros are decimal.
fn parse_address(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return text.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    let parts: Vec<&str> = text
        .split('.')
        .map(|part| match part.trim_start_matches('0') {
            "" if !part.is_empty() => "0",
            digits => digits,
        })
        .collect();
    parts.join(".").parse().ok()
}

fn is_ipv4(text: &str) -> bool {
    text.contains('.') && parse_address(text).is_some()
}

fn is_ipv6(text: &str) -> bool {
    text.contains(':') && parse_address(text).is_some()
}

fn is_cidr(text: &str) -> bool {
    let Some((address, prefix)) = text.split_once('/') else { return false };
    let longest = match parse_address(address) {
        Some(IpAddr::V4(_)) => 32,
        Some(IpAddr::V6(_)) => 128,
        None => return false,
    };
    is_digits(prefix) && prefix.parse::<u8>().is_ok_and(|length| length <= longest)
}

fn is_mac(text: &str) -> bool {
    let grouped = |separator: char, digits: usize, counts: [usize; 3]| {
        let groups: Vec<&str> = text.split(separator).collect();
        counts.contains(&groups.len()) && groups.iter().all(|group| group.len() == digits && is_hexadecimal(group))
    };
    grouped(':', 2, [6, 8, 20]) || grouped('-', 2, [6, 8, 20]) || grouped('.', 4, [3, 4, 10])
}

fn is_uuid(text: &str) -> bool {
    uuid_digits(text).is_some()
}

fn is_uuid3(text: &str) -> bool {
    uuid_digits(text).is_some_and(|digits| digits.get(12) == Some(&b'3'))
}

fn is_uuid4(text: &str) -> bool {
    is_uuid_variant(text, b'4')
}

fn is_uuid5(text: &str) -> bool {
    is_uuid_variant(text, b'5')
}

fn is_uuid_variant(text: &str, version: u8) -> bool {
    uuid_digits(text).is_some_and(|digits| {
        digits.get(12) == Some(&version) && digits.get(16).is_some_and(|digit| b"89abAB".contains(digit))
    })
}

/// The 32 digits of a UUID; each of its four dashes may be missing.
fn uuid_digits(text: &str) -> Option<Vec<u8>> {
    let mut digits = Vec::with_capacity(32);
    let mut may_dash = false;
    for byte in text.bytes() {
        if byte == b'-' && may_dash {
            may_dash = false;
            continue;
        }
        if !byte.is_ascii_hexdigit() {
            return None;
        }
        digits.push(byte);
        may_dash = [8, 12, 16, 20].contains(&digits.len());
    }
    (digits.len() == 32).then_some(digits)
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return false };
    let (Some(year), Some(month), Some(day)) = (fixed(year, 4), fixed(month, 2), fixed(day, 2)) else { return false };
    (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day)
}

fn days_in(year: u32, month: u32) -> u32 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_date_time(text: &str) -> bool {
    let lowercase = text.to_ascii_lowercase();
    let Some((date, time)) = lowercase.split_once('t') else { return false };
    let (clock, zone_ok) = match (time.strip_suffix('z'), time.rfind(['+', '-'])) {
        (Some(clock), _) => (clock, true),
        (None, Some(at)) => {
            let (clock, zone) = time.split_at(at);
            (clock, clock_fields(zone.trim_start_matches(['+', '-'])).is_some_and(|fields| fields.len() == 2))
        }
        (None, None) => return false,
    };
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let in_range = |fields: Vec<u32>| matches!(fields.as_slice(), [0..=23, 0..=59, 0..=59]);
    is_date(date) && zone_ok && is_digits(fraction) && clock_fields(whole).is_some_and(in_range)
}

/// `19:30:20` → its numbers, two digits each.
fn clock_fields(text: &str) -> Option<Vec<u32>> {
    text.split(':').map(|field| fixed(field, 2)).collect()
}

/// Go's `1h30m`, or a number and a unit in words: `22 ns`, `3 days`.
fn is_duration(text: &str) -> bool {
    const UNITS: [&str; 24] = [
        "ns",
        "nano",
        "nanos",
        "nanosecond",
        "us",
        "µs",
        "μs",
        "micro",
        "micros",
        "microsecond",
        "ms",
        "milli",
        "millis",
        "millisecond",
        "s",
        "sec",
        "second",
        "m",
        "min",
        "minute",
        "h",
        "hr",
        "hour",
        "d",
    ];
    const LONG_UNITS: [&str; 5] = ["day", "w", "wk", "week", "hours"];
    let is_unit = |unit: &str| {
        let singular = if unit.len() > 2 { unit.trim_end_matches('s') } else { unit };
        [unit, singular].iter().any(|unit| UNITS.contains(unit) || LONG_UNITS.contains(unit))
    };
    let mut rest = text.trim_start_matches(['-', '+']);
    if rest == "0" {
        return true;
    }
    let mut parts = 0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_end);
        let after = after.trim_start();
        let unit_end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, remaining) = after.split_at(unit_end);
        if !number.contains(|c: char| c.is_ascii_digit()) || number.matches('.').count() > 1 || !is_unit(unit) {
            return false;
        }
        parts += 1;
        rest = remaining;
    }
    parts > 0
}

fn is_email(text: &str) -> bool {
    let address = match (text.rfind('<'), text.strip_suffix('>')) {
        (Some(start), Some(inner)) => inner.get(start + 1..).unwrap_or_default(),
        _ => text,
    };
    let is_plain =
        |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "<>()[],;:\\".contains(c));
    let dotted_well = |part: &str| part.split('.').all(|atom| !atom.is_empty());
    address
        .rsplit_once('@')
        .is_some_and(|(local, domain)| [local, domain].iter().all(|part| is_plain(part) && dotted_well(part)))
}

fn is_uri(text: &str) -> bool {
    if text.contains(|c: char| c.is_ascii_control() || c == ' ') {
        return false;
    }
    text.starts_with('/')
        || text.split_once(':').is_some_and(|(scheme, rest)| {
            let mut letters = scheme.chars();
            letters.next().is_some_and(|first| first.is_ascii_alphabetic())
                && letters.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
                && rest.starts_with('/')
        })
}

fn is_hostname(text: &str) -> bool {
    let labels: Vec<&str> = text.split('.').collect();
    let is_symbol = |c: char| c.is_ascii_alphanumeric() || (!c.is_ascii() && !c.is_whitespace() && !c.is_control());
    let is_label = |label: &&str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c == '-' || is_symbol(c))
    };
    let top_is_word = match labels.as_slice() {
        [_] => true,
        [.., top] => top.chars().count() >= 2 && top.chars().all(char::is_alphabetic),
        [] => false,
    };
    text.len() <= 255 && top_is_word && labels.iter().all(is_label)
}

fn is_hex_color(text: &str) -> bool {
    let digits = text.strip_prefix('#').unwrap_or(text);
    matches!(digits.len(), 3 | 6) && is_hexadecimal(digits)
}

fn is_short_name(text: &str) -> bool {
    text.len() <= 63 && is_name_segment(text)
}

fn is_long_name(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_name_segment)
}

fn is_name_segment(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(is_letter) && text.ends_with(is_letter) && text.chars().all(|c| c == '-' || is_letter(c))
}

fn is_hexadecimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A number of exactly so many digits.
fn fixed(text: &str, digits: usize) -> Option<u32> {
    if text.len() == digits && is_digits(text) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, good: &[&str], bad: &[&str]) {
        let (_, accepts) = TEXT_FORMATS.iter().find(|(known, _)| *known == name).unwrap();
        for text in good {
            assert!(accepts(text), "{name} should accept {text:?}");
        }
        for text in bad {
            assert!(!accepts(text), "{name} should refuse {text:?}");
        }
    }

    #[test]
    fn judges_strings() {
        check("ipv4", &["10.0.0.1", "010.0.0.1"], &["10.0.0", "::1", "10.0.0.256", ""]);
        check("ipv6", &["::1", "::ffff:1.2.3.4"], &["10.0.0.1", "::g"]);
        check("cidr", &["10.0.0.0/8", "::/0"], &["10.0.0.0", "10.0.0.0/33", "10.0.0.0/+8", "x/8"]);
        check("mac", &["00:1b:44:11:3a:b7", "001b.4411.3ab7"], &["00:1b:44", "00-1b:44-11:3a-b7"]);
        check("uuid", &["123E4567-e89b-12d3-a456-426614174000", "123e4567e89b12d3a456426614174000"], &["12", "-"]);
        check("uuid4", &["123e4567-e89b-42d3-a456-426614174000"], &["123e4567-e89b-12d3-a456-426614174000"]);
        check("byte", &["aGk=", "aGVsbG8h"], &["aGk", "a=b=", "", "===="]);
        check("date", &["2024-02-29"], &["2023-02-29", "2024-13-01", "24-01-01", "2024-1-1"]);
        check("datetime", &["2014-12-15T19:30:20.000Z", "2014-12-15t19:30:20+01:00"], &["2014-12-15", "x", "T", "tz"]);
        check("duration", &["1h30m", "22 ns", "0", "1.5s", "3 days"], &["", "h", "1", "1x", "."]);
        check("email", &["a@example.com", "A B <a@b>"], &["a", "a@", "a b@c", ">a<"]);
        check("uri", &["https://example.com/a?b", "/path"], &["example", "http//x", "ht tp://x", ""]);
        check("hostname", &["example.com", "localhost"], &["-a.com", "a..b", "", "a_b"]);
        check("hexcolor", &["#fff", "A1B2C3"], &["#ffff", "#ggg"]);
        check("k8sshortname", &["a-b"], &["A", "a.b", "-a"]);
        check("k8slongname", &["a.b-c"], &["a..b", "A"]);
        check("isbn", &["whatever"], &[]);
    }
}
