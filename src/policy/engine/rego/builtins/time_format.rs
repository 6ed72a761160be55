//! Writes a moment by one of Go's layouts.

use super::time::Moment;
use super::time_layout::{Field, Padding, Precision, split_at_field};

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Sunday first.
pub(super) const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// The first three letters.
pub(super) fn short(name: &str) -> &str {
    name.get(..3).unwrap_or(name)
}

pub(super) fn format(moment: &Moment, mut layout: &str) -> String {
    let mut text = String::new();
    while let Some((literal, field, rest)) = split_at_field(layout) {
        text.push_str(literal);
        write_field(moment, field, &mut text);
        layout = rest;
    }
    text.push_str(layout);
    text
}

fn write_field(moment: &Moment, field: Field, text: &mut String) {
    let local = moment.local();
    let month = MONTHS.get(usize::from(local.month().unsigned_abs()) - 1).copied().unwrap_or_default();
    let weekday = WEEKDAYS.get(usize::from(local.weekday().to_sunday_zero_offset().unsigned_abs()));
    let weekday = weekday.copied().unwrap_or_default();
    let hour12 = (local.hour() + 11) % 12 + 1;
    match field {
        Field::LongMonth => text.push_str(month),
        Field::ShortMonth => text.push_str(short(month)),
        Field::Month(padding) => write_number(local.month().into(), padding, 2, text),
        Field::LongWeekday => text.push_str(weekday),
        Field::ShortWeekday => text.push_str(short(weekday)),
        Field::Day(padding) => write_number(local.day().into(), padding, 2, text),
        Field::DayOfYear(padding) => write_number(local.date().day_of_year().into(), padding, 3, text),
        Field::Hour => write_number(local.hour().into(), Padding::Zero, 2, text),
        Field::Hour12(padding) => write_number(hour12.into(), padding, 2, text),
        Field::Minute(padding) => write_number(local.minute().into(), padding, 2, text),
        Field::Second(padding) => write_number(local.second().into(), padding, 2, text),
        Field::LongYear => write_number(local.year().into(), Padding::Zero, 4, text),
        Field::ShortYear => write_number(i32::from(local.year()) % 100, Padding::Zero, 2, text),
        Field::HalfDay { is_upper } => text.push_str(match (local.hour() >= 12, is_upper) {
            (true, true) => "PM",
            (true, false) => "pm",
            (false, true) => "AM",
            (false, false) => "am",
        }),
        Field::ZoneName => text.push_str(&moment.offset().1),
        Field::Offset { precision, has_colons, has_z } => match moment.offset().0 {
            0 if has_z => text.push('Z'),
            seconds => write_offset(seconds, precision, has_colons, text),
        },
        Field::Fraction { separator, digits, trims_zeros } => {
            let all = format!("{:09}", local.subsec_nanosecond());
            let kept = all.get(..digits).unwrap_or(&all);
            let kept = if trims_zeros { kept.trim_end_matches('0') } else { kept };
            if !kept.is_empty() {
                text.push(separator);
                text.push_str(kept);
            }
        }
    }
}

fn write_number(number: i32, padding: Padding, width: usize, text: &mut String) {
    text.push_str(&match padding {
        Padding::None => format!("{number}"),
        Padding::Space => format!("{number:width$}"),
        Padding::Zero => format!("{number:0width$}"),
    });
}

fn write_offset(seconds: i32, precision: Precision, has_colons: bool, text: &mut String) {
    // Go decides by the minutes: half a minute west of Greenwich is east of it.
    text.push(if seconds / 60 < 0 { '-' } else { '+' });
    let (minutes, colon) = ((seconds / 60).abs(), if has_colons { ":" } else { "" });
    text.push_str(&format!("{:02}", minutes / 60));
    if precision >= Precision::Minutes {
        text.push_str(&format!("{colon}{:02}", minutes % 60));
    }
    if precision >= Precision::Seconds {
        text.push_str(&format!("{colon}{:02}", seconds.abs() % 60));
    }
}
