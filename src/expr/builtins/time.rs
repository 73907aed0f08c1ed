//! Functions of timestamps and durations. The time itself comes from the scope.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::super::value::{Budget, Reason, Val};

/// Years 1 to 9999.
const FIRST: i64 = -62_135_596_800;
const LAST: i64 = 253_402_300_799;
/// About 10,000 years.
const LONGEST: i64 = 315_576_000_000;

/// A moment, if it is in years 1 to 9999.
pub(in super::super) fn moment<'a>(time: Timestamp) -> Result<Val<'a>, Reason> {
    if (FIRST..=LAST).contains(&floor(time)) { Ok(Val::Time(time)) } else { Err("the timestamp is outside years 1 to 9999".into()) }
}

/// Whole seconds, downwards.
pub(super) fn floor(time: Timestamp) -> i64 {
    time.as_second() - i64::from(time.subsec_nanosecond() < 0)
}

/// A length of time, if it is shorter than about 10,000 years.
pub(in super::super) fn length<'a>(span: SignedDuration) -> Result<Val<'a>, Reason> {
    if span.as_secs().abs() <= LONGEST { Ok(Val::Span(span)) } else { Err("the duration is longer than 10000 years".into()) }
}

pub(super) fn timestamp<'a>(_: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    match args.first() {
        Some(Val::Time(t)) => Ok(Val::Time(*t)),
        Some(Val::Int(seconds)) => match Timestamp::from_second(*seconds) {
            Ok(time) => moment(time),
            Err(_) => Err("the timestamp is outside years 1 to 9999".into()),
        },
        Some(text) => match text.as_text().map(str::parse::<Timestamp>) {
            Some(Ok(time)) => moment(time),
            _ => Err("the text writes no timestamp; write it as 2026-01-05T09:00:00Z".into()),
        },
        None => Err("`timestamp` takes a value".into()),
    }
}

pub(super) fn duration<'a>(_: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    match args.first() {
        Some(Val::Span(s)) => Ok(Val::Span(*s)),
        Some(text) => {
            text.as_text().and_then(parse_span).map_or_else(|| Err("the text writes no duration; write it as 1h30m".into()), length)
        }
        None => Err("`duration` takes a value".into()),
    }
}

/// A sign, and numbers with units: `1h30m`, `-1.5s`.
fn parse_span(text: &str) -> Option<SignedDuration> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(SignedDuration::ZERO);
    }
    let mut nanos: i128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
        let (number, after) = rest.split_at_checked(digits)?;
        let units = after.len() - after.trim_start_matches(|c: char| !(c.is_ascii_digit() || c == '.')).len();
        let (unit, after) = after.split_at_checked(units)?;
        let scale: i128 = match unit {
            "h" => 3_600_000_000_000,
            "m" => 60_000_000_000,
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            "us" | "µs" | "μs" => 1_000,
            "ns" => 1,
            _ => return None,
        };
        nanos = nanos.checked_add(scaled(number, scale)?)?;
        rest = after;
    }
    let nanos = if negative { -nanos } else { nanos };
    let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).ok()?;
    let below = i32::try_from(nanos.rem_euclid(1_000_000_000)).ok()?;
    SignedDuration::from_secs(seconds).checked_add(SignedDuration::from_nanos(i64::from(below)))
}

/// A decimal number of units in nanoseconds, what is smaller cut off.
fn scaled(number: &str, scale: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction = fraction.get(..fraction.len().min(18))?;
    let parts: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let digits = u32::try_from(fraction.len()).ok()?;
    whole.checked_mul(scale)?.checked_add(parts.checked_mul(scale)? / 10_i128.checked_pow(digits)?)
}

/// The time on the wall there: in UTC, or in the zone named.
fn wall(args: &[Val<'_>]) -> Result<DateTime, Reason> {
    let Some(Val::Time(time)) = args.first() else { return Err("a timestamp is needed".into()) };
    let zone = match args.get(1).and_then(Val::as_text) {
        None | Some("UTC" | "Z") => TimeZone::UTC,
        Some(name) => match offset(name) {
            Some(offset) => TimeZone::fixed(offset),
            None => TimeZone::get(name)
                .map_err(|_| "there is no time zone of that name; write one such as Europe/Berlin or +02:00".to_owned())?,
        },
    };
    Ok(time.to_zoned(zone).datetime())
}

/// `+02:00`, `-07:30`, `02:00`
fn offset(name: &str) -> Option<Offset> {
    let (negative, rest) = match name.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, name.strip_prefix('+').unwrap_or(name)),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let seconds = hours.parse::<u8>().ok().map(i32::from)? * 3600 + minutes.parse::<u8>().ok().filter(|m| *m < 60).map(i32::from)? * 60;
    Offset::from_seconds(if negative { -seconds } else { seconds }).ok()
}

fn part<'a>(args: &[Val<'a>], part: impl FnOnce(DateTime) -> i64) -> Result<Val<'a>, Reason> {
    wall(args).map(part).map(Val::Int)
}

pub(super) fn full_year<'a>(_: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    part(args, |t| t.year().into())
}

pub(super) fn month<'a>(_: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    part(args, |t| i64::from(t.month()) - 1)
}

pub(super) fn day_of_year<'a>(_: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    part(args, |t| i64::from(t.day_of_year()) - 1)
}

pub(super) fn day_of_month<'a>(_: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    part(args, |t| i64::from(t.day()) - 1)
}

pub(super) fn date<'a>(_: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    part(args, |t| t.day().into())
}

pub(super) fn day_of_week<'a>(_: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    part(args, |t| t.weekday().to_sunday_zero_offset().into())
}

pub(super) fn hours<'a>(_: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    match args {
        [Val::Span(s)] => Ok(Val::Int(s.as_hours())),
        _ => part(args, |t| t.hour().into()),
    }
}

pub(super) fn minutes<'a>(_: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    match args {
        [Val::Span(s)] => Ok(Val::Int(s.as_mins())),
        _ => part(args, |t| t.minute().into()),
    }
}

pub(super) fn seconds<'a>(_: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    match args {
        [Val::Span(s)] => Ok(Val::Int(s.as_secs())),
        _ => part(args, |t| t.second().into()),
    }
}

pub(super) fn milliseconds<'a>(_: &mut Budget, args: &[Val<'a>]) -> Result<Val<'a>, Reason> {
    match args {
        [Val::Span(s)] => Ok(Val::Int(i64::from(s.subsec_millis()))),
        _ => part(args, |t| t.millisecond().into()),
    }
}
