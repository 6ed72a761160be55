//! Go's layouts: how the reference time, Mon Jan 2 15:04:05 MST 2006, would be written.

/// One piece of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    LongMonth,
    ShortMonth,
    Month(Padding),
    LongWeekday,
    ShortWeekday,
    Day(Padding),
    DayOfYear(Padding),
    Hour,
    Hour12(Padding),
    Minute(Padding),
    Second(Padding),
    LongYear,
    ShortYear,
    HalfDay { is_upper: bool },
    ZoneName,
    Offset { precision: Precision, has_colons: bool, has_z: bool },
    Fraction { separator: char, digits: usize, trims_zeros: bool },
}

/// What fills a number up to its usual width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Padding {
    None,
    Space,
    Zero,
}

/// The smallest part of an offset that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Precision {
    Hours,
    Minutes,
    Seconds,
}

/// Layouts that have a name.
pub(super) fn named_layout(layout: &str) -> &str {
    match layout {
        "ANSIC" => "Mon Jan _2 15:04:05 2006",
        "UnixDate" => "Mon Jan _2 15:04:05 MST 2006",
        "RubyDate" => "Mon Jan 02 15:04:05 -0700 2006",
        "RFC822" => "02 Jan 06 15:04 MST",
        "RFC822Z" => "02 Jan 06 15:04 -0700",
        "RFC850" => "Monday, 02-Jan-06 15:04:05 MST",
        "RFC1123" => "Mon, 02 Jan 2006 15:04:05 MST",
        "RFC1123Z" => "Mon, 02 Jan 2006 15:04:05 -0700",
        "RFC3339" => "2006-01-02T15:04:05Z07:00",
        "RFC3339Nano" => "2006-01-02T15:04:05.999999999Z07:00",
        other => other,
    }
}

/// Splits a layout at its first field: what is in front of it, the field, and what follows.
pub(super) fn split_at_field(layout: &str) -> Option<(&str, Field, &str)> {
    layout.char_indices().find_map(|(start, _)| {
        let rest = layout.get(start..)?;
        let (length, field) = field_at(rest)?;
        // `_2006` is an underscore and a year.
        let is_year = rest.starts_with("_2006");
        let (skipped, length, field) = if is_year { (1, 4, Field::LongYear) } else { (0, length, field) };
        Some((layout.get(..start + skipped)?, field, layout.get(start + skipped + length..)?))
    })
}

/// The field that a layout begins with, and its length.
fn field_at(layout: &str) -> Option<(usize, Field)> {
    if let Some(found) = fraction(layout) {
        return Some(found);
    }
    let (text, field) = FIELDS.iter().find(|(text, _)| layout.starts_with(text))?;
    let follows_lower = layout.as_bytes().get(text.len()).is_some_and(u8::is_ascii_lowercase);
    // `Jan` in `Janus` is no month.
    let is_cut = matches!(field, Field::ShortMonth | Field::ShortWeekday) && follows_lower;
    (!is_cut).then_some((text.len(), *field))
}

/// Zeros or nines after a point or comma, unless another digit follows.
fn fraction(layout: &str) -> Option<(usize, Field)> {
    let mut characters = layout.chars();
    let separator = characters.next().filter(|first| matches!(first, '.' | ','))?;
    let digit = characters.next().filter(|digit| matches!(digit, '0' | '9'))?;
    let digits = layout.chars().skip(1).take_while(|other| *other == digit).count();
    let ends = !layout.as_bytes().get(1 + digits).is_some_and(u8::is_ascii_digit);
    ends.then_some((1 + digits, Field::Fraction { separator, digits, trims_zeros: digit == '9' }))
}

const fn offset(precision: Precision, has_colons: bool, has_z: bool) -> Field {
    Field::Offset { precision, has_colons, has_z }
}

/// What begins like another one comes after it.
const FIELDS: &[(&str, Field)] = &[
    ("January", Field::LongMonth),
    ("Jan", Field::ShortMonth),
    ("Monday", Field::LongWeekday),
    ("Mon", Field::ShortWeekday),
    ("MST", Field::ZoneName),
    ("01", Field::Month(Padding::Zero)),
    ("02", Field::Day(Padding::Zero)),
    ("03", Field::Hour12(Padding::Zero)),
    ("04", Field::Minute(Padding::Zero)),
    ("05", Field::Second(Padding::Zero)),
    ("06", Field::ShortYear),
    ("002", Field::DayOfYear(Padding::Zero)),
    ("15", Field::Hour),
    ("1", Field::Month(Padding::None)),
    ("2006", Field::LongYear),
    ("2", Field::Day(Padding::None)),
    ("_2", Field::Day(Padding::Space)),
    ("__2", Field::DayOfYear(Padding::Space)),
    ("3", Field::Hour12(Padding::None)),
    ("4", Field::Minute(Padding::None)),
    ("5", Field::Second(Padding::None)),
    ("PM", Field::HalfDay { is_upper: true }),
    ("pm", Field::HalfDay { is_upper: false }),
    ("-070000", offset(Precision::Seconds, false, false)),
    ("-07:00:00", offset(Precision::Seconds, true, false)),
    ("-0700", offset(Precision::Minutes, false, false)),
    ("-07:00", offset(Precision::Minutes, true, false)),
    ("-07", offset(Precision::Hours, false, false)),
    ("Z070000", offset(Precision::Seconds, false, true)),
    ("Z07:00:00", offset(Precision::Seconds, true, true)),
    ("Z0700", offset(Precision::Minutes, false, true)),
    ("Z07:00", offset(Precision::Minutes, true, true)),
    ("Z07", offset(Precision::Hours, false, true)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found() {
        let check = |layout: &str, expected: Option<(&str, Field, &str)>| {
            assert_eq!(split_at_field(layout), expected, "{layout:?}");
        };
        check("at 15h", Some(("at ", Field::Hour, "h")));
        check("Janus", None);
        check("a_2006", Some(("a_", Field::LongYear, "")));
        check("_2 x", Some(("", Field::Day(Padding::Space), " x")));
        check(".0005", Some((".00", Field::Second(Padding::Zero), "")));
        check(",00é", Some(("", Field::Fraction { separator: ',', digits: 2, trims_zeros: false }, "é")));
        check("é", None);
        check("Z07:00:00", Some(("", offset(Precision::Seconds, true, true), "")));
    }
}
