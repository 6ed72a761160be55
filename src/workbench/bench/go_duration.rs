//! Durations as Go writes and reads them: `1m2.5s`, `5.97069ms`, `29.925µs`.

use std::time::Duration;

use thiserror::Error;

/// Nanoseconds of a unit, the longest name first where one begins another.
const UNITS: [(&str, f64); 8] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];

/// A text that is no duration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected a duration such as 1ms, 0.5s or 1m30s, found {0:?}")]
pub struct InvalidDuration(String);

/// Reads a duration; a lone `0` needs no unit.
///
/// # Errors
/// When it is anything else, or negative.
pub fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    let invalid = || InvalidDuration(text.to_owned());
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let (mut rest, mut nanoseconds) = (text, 0.0);
    while !rest.is_empty() {
        let length =
            rest.find(|character: char| !character.is_ascii_digit() && character != '.').ok_or_else(invalid)?;
        let (number, tail) = rest.split_at(length);
        let (unit, factor) = UNITS.into_iter().find(|(unit, _)| tail.starts_with(unit)).ok_or_else(invalid)?;
        nanoseconds += number.parse::<f64>().map_err(|_| invalid())? * factor;
        rest = tail.get(unit.len()..).unwrap_or_default();
    }
    let is_sound = !text.is_empty();
    let duration = Duration::try_from_secs_f64(nanoseconds / 1e9).ok();
    duration.filter(|_| is_sound).ok_or_else(invalid)
}

/// All digits, as in Go's `Duration.String`.
pub(super) fn exact(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    match nanoseconds {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanoseconds}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(nanoseconds, 3)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(nanoseconds, 6)),
        _ => {
            let minute = 60_000_000_000;
            let (hours, minutes) = (nanoseconds / (60 * minute), nanoseconds / minute);
            let seconds = decimal(nanoseconds % minute, 9);
            match (hours, minutes) {
                (0, 0) => format!("{seconds}s"),
                (0, _) => format!("{minutes}m{seconds}s"),
                _ => format!("{hours}h{}m{seconds}s", minutes % 60),
            }
        }
    }
}

/// Two digits in the unit that fits: `11.80ms`.
pub(super) fn short(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match duration.as_nanos() {
        nanoseconds @ 0..1_000 => format!("{nanoseconds}ns"),
        1_000..1_000_000 => format!("{:.2}µs", seconds * 1e6),
        1_000_000..1_000_000_000 => format!("{:.2}ms", seconds * 1e3),
        _ => format!("{seconds:.2}s"),
    }
}

/// A number with so many decimals, without zeros at its end.
fn decimal(number: u128, decimals: u32) -> String {
    let unit = 10_u128.pow(decimals);
    let digits = usize::try_from(decimals).unwrap_or_default();
    let text = format!("{}.{:0digits$}", number / unit, number % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_as_go_does() {
        for (nanoseconds, all, two) in [
            (0, "0s", "0ns"),
            (15, "15ns", "15ns"),
            (29_925, "29.925µs", "29.93µs"),
            (5_970_690, "5.97069ms", "5.97ms"),
            (2_000_000_000, "2s", "2.00s"),
            (62_500_000_000, "1m2.5s", "62.50s"),
            (3_600_000_000_000, "1h0m0s", "3600.00s"),
        ] {
            let duration = Duration::from_nanos(nanoseconds);
            assert_eq!((exact(duration).as_str(), short(duration).as_str()), (all, two));
        }
    }

    #[test]
    fn reads_what_go_writes() {
        for (text, microseconds) in [
            ("0", Some(0)),
            ("1ms", Some(1_000)),
            ("1m2.5s", Some(62_500_000)),
            ("29µs", Some(29)),
            ("1", None),
            ("", None),
            ("x", None),
            ("-1s", None),
            ("1d", None),
        ] {
            assert_eq!(parse(text).ok(), microseconds.map(Duration::from_micros), "{text}");
        }
    }
}
