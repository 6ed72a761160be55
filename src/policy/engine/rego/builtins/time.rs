//! `time.*`: moments in nanoseconds since 1970, in time zones of the database that is built in.
//!
//! A moment is an operand `ns`, `[ns]`, `[ns, zone]` or `[ns, zone, layout]`. Zone names are as in the IANA database,
//! upper and lower case told apart as in a file system; `Local` is UTC, as it is in a container.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

use super::operands::{any, exact_integer, integer, string, undefined, wrong_type};
use super::time_format::format;
use super::time_layout::named_layout;
use super::time_parse::{parse, parse_duration};
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "time.add_date", arity: 4, call: add_date },
    Builtin { name: "time.clock", arity: 1, call: clock },
    Builtin { name: "time.date", arity: 1, call: date },
    Builtin { name: "time.diff", arity: 2, call: difference },
    Builtin { name: "time.format", arity: 1, call: format_moment },
    Builtin { name: "time.now_ns", arity: 0, call: now },
    Builtin { name: "time.parse_duration_ns", arity: 1, call: duration },
    Builtin { name: "time.parse_ns", arity: 2, call: parse_moment },
    Builtin { name: "time.parse_rfc3339_ns", arity: 1, call: parse_rfc3339 },
    Builtin { name: "time.weekday", arity: 1, call: weekday },
];

const RFC3339: &str = "2006-01-02T15:04:05Z07:00";
const RFC3339_NANO: &str = "2006-01-02T15:04:05.999999999Z07:00";

type Answer = Result<Value, BuiltinError>;

fn now(context: &mut CallContext<'_>, _: &[&Value]) -> Answer {
    Ok(integer(context.now_ns))
}

fn date(_: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let date = Moment::of(operands, 0)?.local().date();
    Ok(numbers([date.year().into(), date.month().into(), date.day().into()]))
}

fn clock(_: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let time = Moment::of(operands, 0)?.local().time();
    Ok(numbers([time.hour().into(), time.minute().into(), time.second().into()]))
}

fn weekday(_: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    Ok(Value::string(format(&Moment::of(operands, 0)?, "Monday")))
}

fn format_moment(_: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let moment = Moment::of(operands, 0)?;
    let layout = layout(any(operands, 0)?)?.filter(|layout| !layout.is_empty()).map_or(RFC3339_NANO, named_layout);
    Ok(Value::string(format(&moment, layout)))
}

fn layout(moment: &Value) -> Result<Option<&str>, BuiltinError> {
    match moment {
        Value::Array(items) => items.get(2).map(|layout| string(&[layout], 0)).transpose(),
        _ => Ok(None),
    }
}

fn parse_moment(_: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    nanoseconds(parse(named_layout(string(operands, 0)?), string(operands, 1)?))
}

fn parse_rfc3339(_: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    nanoseconds(parse(RFC3339, string(operands, 0)?))
}

fn nanoseconds(parsed: Result<i128, String>) -> Answer {
    let nanoseconds = parsed.map_err(undefined)?;
    i64::try_from(nanoseconds).map(integer).map_err(|_| out_of_range())
}

fn duration(_: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let text = string(operands, 0)?;
    parse_duration(text).map(integer).ok_or_else(|| undefined(format!("time: invalid duration \"{text}\"")))
}

fn add_date(_: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let moment = Moment::of(operands, 0)?;
    let [years, months, days] = [whole(operands, 1)?, whole(operands, 2)?, whole(operands, 3)?].map(i128::from);
    let local = moment.local();
    let months = (i128::from(local.year()) + years) * 12 + i128::from(local.month()) - 1 + months;
    let first = || Date::new(i16::try_from(months.div_euclid(12)).ok()?, (months.rem_euclid(12) + 1) as i8, 1).ok();
    let first = first().ok_or_else(out_of_range)?.to_datetime(local.time());
    let first = Offset::UTC.to_timestamp(first).map_err(|_| out_of_range())?.as_nanosecond();
    let local_seconds = first.div_euclid(1_000_000_000) + (i128::from(local.day()) - 1 + days) * 86_400;
    let seconds =
        i64::try_from(local_seconds).ok().and_then(|seconds| moment.zone.to_utc(seconds)).ok_or_else(out_of_range)?;
    nanoseconds(Ok(i128::from(seconds) * 1_000_000_000 + i128::from(local.subsec_nanosecond())))
}

/// Years, months, days, hours, minutes and seconds between two moments, by the calendar of the first one's zone.
fn difference(_: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let (one, other) = (Moment::of(operands, 0)?, Moment::of(operands, 1)?);
    let zone = one.zone.clone();
    let other = Moment { at: other.at, zone };
    let (early, late) = if one.at > other.at { (other.local(), one.local()) } else { (one.local(), other.local()) };
    let parts = |time: DateTime| {
        [
            i64::from(time.year()),
            time.month().into(),
            time.day().into(),
            time.hour().into(),
            time.minute().into(),
            time.second().into(),
        ]
    };
    let (starts, ends) = (parts(early), parts(late));
    let mut parts: [i64; 6] = std::array::from_fn(|index| ends[index] - starts[index]);
    // Borrow from the next larger part, the seconds first; a borrowed month is as long as the early moment's month.
    let lengths = [i64::MAX, 12, i64::from(early.date().days_in_month()), 24, 60, 60];
    for index in (1..parts.len()).rev() {
        if parts[index] < 0 {
            parts[index] += lengths[index];
            parts[index - 1] -= 1;
        }
    }
    Ok(numbers(parts))
}

fn numbers<const N: usize>(parts: [i64; N]) -> Value {
    Value::array(parts.into_iter().map(integer).collect())
}

fn whole(operands: &[&Value], position: usize) -> Result<i64, BuiltinError> {
    match any(operands, position)? {
        Value::Number(number) => number.as_i64().ok_or_else(|| {
            undefined(format!("operand {} must be integer number but got floating-point number", position + 1))
        }),
        other => Err(wrong_type(position, other, "number")),
    }
}

fn out_of_range() -> BuiltinError {
    undefined("time outside of valid range")
}

/// A moment as seen in a time zone.
pub(super) struct Moment {
    pub(super) at: Timestamp,
    zone: Zone,
}

/// A time zone.
#[derive(Clone)]
struct Zone(TimeZone);

impl Moment {
    fn of(operands: &[&Value], position: usize) -> Result<Self, BuiltinError> {
        let operand = any(operands, position)?;
        layout(operand)?;
        let (number, zone) = match operand {
            Value::Array(items) if !items.is_empty() => (items.first(), items.get(1)),
            Value::Number(_) => (Some(operand), None),
            other => return Err(wrong_type(0, other, "either number (ns) or [number (ns), string (tz)]")),
        };
        let nanoseconds = match number {
            Some(Value::Number(number)) => exact_integer(number).ok_or_else(|| undefined("timestamp too big"))?,
            other => {
                return Err(undefined(format!(
                    "operand 1 must be number but got {}",
                    other.map_or("", Value::type_name)
                )));
            }
        };
        let at = Timestamp::from_nanosecond(nanoseconds.into()).map_err(|_| out_of_range())?;
        let zone = zone.map(|name| string(&[name], 0)).transpose()?.unwrap_or_default();
        Ok(Self { at, zone: Zone::named(zone)? })
    }

    /// Date and time of day there.
    pub(super) fn local(&self) -> DateTime {
        self.zone.0.to_datetime(self.at)
    }

    /// Seconds that clocks there are ahead of UTC, and the zone's abbreviation at that time.
    pub(super) fn offset(&self) -> (i32, String) {
        let info = self.zone.0.to_offset_info(self.at);
        (info.offset().seconds(), info.abbreviation().to_owned())
    }
}

impl Zone {
    fn named(name: &str) -> Result<Self, BuiltinError> {
        static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);
        if matches!(name, "" | "UTC" | "Local") {
            return Ok(Self(TimeZone::UTC));
        }
        let zone = DATABASE.get(name).ok().filter(|zone| zone.iana_name() == Some(name));
        zone.map(Self).ok_or_else(|| undefined(format!("unknown time zone {name}")))
    }

    /// Seconds since 1970 in UTC when clocks there show `local` (as seconds since 1970). Where they show it twice or
    /// never, Go's choice: the offset in force at what would be that time with the offset of `local` taken for UTC.
    fn to_utc(&self, local: i64) -> Option<i64> {
        let offset = |seconds: i64| Some(i64::from(self.0.to_offset(Timestamp::from_second(seconds).ok()?).seconds()));
        let guess = local - offset(local)?;
        Some(local - offset(guess)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_told_apart_by_case() {
        let check = |name: &str, is_known: bool| assert_eq!(Zone::named(name).is_ok(), is_known, "{name:?}");
        check("Europe/Berlin", true);
        check("europe/berlin", false);
        check("US/Eastern", true);
        check("Mars/Olympus", false);
        check("../etc/passwd", false);
    }

    #[test]
    fn clocks_that_are_put_forward_or_back_are_go_s() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        // 2024-03-31 02:30 is shown never, 2024-10-27 02:30 twice.
        assert_eq!(berlin.to_utc(1_711_852_200), Some(1_711_848_600));
        assert_eq!(berlin.to_utc(1_729_996_200), Some(1_729_992_600));
    }
}
