//! Waypost's own filters: `pairs`, `money`, `date`, `mask`, `sentence`.

use jiff::tz::TimeZone;
use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind};

/// A message of ours, which names types and never values.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Said(pub(super) String);

/// An error that may be shown as it is.
pub(super) fn error(message: impl Into<String>) -> Error {
    let message = message.into();
    Error::new(ErrorKind::InvalidOperation, message.clone()).with_source(Said(message))
}

fn kind(value: &Value) -> &'static str {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => "nothing",
        ValueKind::Bool => "true or false",
        ValueKind::Number => "a number",
        ValueKind::String => "text",
        ValueKind::Seq | ValueKind::Iterable => "a list",
        ValueKind::Map => "a map",
        _ => "something else",
    }
}

fn shown(value: &Value) -> String {
    if value.is_undefined() || value.is_none() { String::new() } else { value.to_string() }
}

/// A map as `key value, key value`.
pub(super) fn pairs(value: &Value) -> Result<String, Error> {
    if value.is_undefined() || value.is_none() {
        return Ok(String::new());
    }
    if value.kind() != ValueKind::Map {
        return Err(error(format!("`pairs` takes a map, not {}", kind(value))));
    }
    let mut out = Vec::new();
    for key in value.try_iter()? {
        let item = value.get_item(&key)?;
        out.push(format!("{key} {}", shown(&item)).trim_end().to_owned());
    }
    Ok(out.join(", "))
}

/// A list as `a, b and c`.
pub(super) fn sentence(value: &Value) -> Result<String, Error> {
    if value.is_undefined() || value.is_none() {
        return Ok(String::new());
    }
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return Err(error(format!("`sentence` takes a list, not {}", kind(value))));
    }
    let mut items: Vec<String> = value.try_iter()?.map(|v| shown(&v)).collect();
    Ok(match items.pop() {
        None => String::new(),
        Some(last) if items.is_empty() => last,
        Some(last) => format!("{} and {last}", items.join(", ")),
    })
}

/// Text with all but its end hidden.
pub(super) fn mask(value: &Value) -> Result<String, Error> {
    if value.is_undefined() || value.is_none() {
        return Ok(String::new());
    }
    match value.as_str() {
        Some(text) => Ok(crate::value::mask(text)),
        None => Err(error(format!("`mask` takes text, not {}", kind(value)))),
    }
}

/// A number as an amount of money: `$1,234.50`, `€5.00`, `¥500`, `12.00 CHF`. Without a currency: `1,234.50`.
pub(super) fn money(value: &Value, currency: Option<String>) -> Result<String, Error> {
    if value.is_undefined() || value.is_none() {
        return Ok(String::new());
    }
    let currency = currency.map(|c| c.to_ascii_uppercase());
    if currency.as_deref().is_some_and(|c| !is_currency(c)) {
        return Err(error("`money` takes a currency of three letters, such as `\"EUR\"`"));
    }
    let number = value.as_str().map_or_else(|| value.to_string(), |s| s.trim().to_owned());
    let (sign, symbol, places) = match currency.as_deref() {
        Some("USD") => ("", Some("$"), 2),
        Some("EUR") => ("", Some("€"), 2),
        Some("GBP") => ("", Some("£"), 2),
        Some("INR") => ("", Some("₹"), 2),
        Some("JPY") => ("", Some("¥"), 0),
        Some("CNY") => ("CN", Some("¥"), 2),
        Some("CAD") => ("CA", Some("$"), 2),
        Some("AUD") => ("A", Some("$"), 2),
        Some("KRW") => ("", Some("₩"), 0),
        Some("BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "KMF" | "PYG" | "RWF" | "UGX" | "VND" | "VUV" | "XAF" | "XOF" | "XPF") => {
            ("", None, 0)
        }
        Some("BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND") => ("", None, 3),
        _ => ("", None, 2),
    };
    let Some((negative, digits)) = rounded(&number, places) else {
        return Err(error(format!("`money` takes a number, not {}", kind(value))));
    };
    let minus = if negative { "-" } else { "" };
    Ok(match (symbol, currency) {
        (Some(symbol), _) => format!("{minus}{sign}{symbol}{digits}"),
        (None, Some(code)) => format!("{minus}{digits} {code}"),
        (None, None) => format!("{minus}{digits}"),
    })
}

fn is_currency(code: &str) -> bool {
    code.len() == 3 && code.bytes().all(|b| b.is_ascii_alphabetic())
}

/// A decimal number, rounded half away from zero as it is written (never through binary), its thousands apart.
fn rounded(number: &str, places: usize) -> Option<(bool, String)> {
    let number = plain_decimal(number)?;
    let (negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number.strip_prefix('+').unwrap_or(&number)),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() > 30 || (whole.is_empty() && fraction.is_empty()) || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let kept: String = fraction.chars().chain(std::iter::repeat('0')).take(places).collect();
    let up = fraction.as_bytes().get(places).is_some_and(|d| *d >= b'5');
    let mut digits: Vec<u8> = whole.bytes().chain(kept.bytes()).collect();
    if up {
        let carried = digits.iter_mut().rev().all(|d| {
            let nine = *d == b'9';
            *d = if nine { b'0' } else { *d + 1 };
            nine
        });
        if carried {
            digits.insert(0, b'1');
        }
    }
    let digits = String::from_utf8(digits).ok()?;
    let (whole, fraction) = digits.split_at_checked(digits.len().checked_sub(places)?)?;
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        trimmed => trimmed,
    };
    let mut out = String::new();
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    if places > 0 {
        out.push('.');
        out.push_str(fraction);
    }
    let zero = out.bytes().all(|b| matches!(b, b'0' | b'.' | b','));
    Some((negative && !zero, out))
}

/// The number without an exponent.
fn plain_decimal(number: &str) -> Option<String> {
    if !number.contains(['e', 'E']) {
        return Some(number.to_owned());
    }
    let value: f64 = number.parse().ok()?;
    value.is_finite().then(|| format!("{value}"))
}

/// How a date is written without a format.
const DATE: &str = "%-d %B %Y";

/// A date or a time by a format of `strftime`; without one, `5 January 2026`. A time in UTC is shown as it is in the zone.
pub(super) fn date(value: &Value, format: Option<String>, zone: &TimeZone) -> Result<String, Error> {
    if value.is_undefined() || value.is_none() {
        return Ok(String::new());
    }
    let format = format.as_deref().unwrap_or(DATE);
    let Some(text) = value.as_str() else {
        return Err(error(format!("`date` takes a date as text, not {}", kind(value))));
    };
    formatted(text, format, zone).ok_or_else(|| error("`date` takes a date such as `2026-01-05` or a time such as `2026-01-05T09:00:00Z`"))
}

fn formatted(text: &str, format: &str, zone: &TimeZone) -> Option<String> {
    use jiff::fmt::strtime;
    let text = text.trim();
    if text.ends_with(']')
        && let Ok(at) = text.parse::<jiff::Zoned>()
    {
        return strtime::format(format, &at).ok();
    }
    let pieces = jiff::fmt::temporal::Pieces::parse(text).ok()?;
    let at = pieces.date().to_datetime(pieces.time().unwrap_or_default());
    if text.ends_with(['Z', 'z']) {
        return strtime::format(format, &at.to_zoned(TimeZone::UTC).ok()?.with_time_zone(zone.clone())).ok();
    }
    match pieces.to_numeric_offset() {
        Some(offset) => strtime::format(format, &at.to_zoned(TimeZone::fixed(offset)).ok()?).ok(),
        None => strtime::format(format, at).ok(),
    }
}

/// What is wrong with a filter's first argument, where it is written out.
pub(super) fn constant_fault(filter: &str, argument: Option<&str>) -> Option<(String, String)> {
    let argument = argument?;
    match filter {
        "money" if !is_currency(argument) => {
            Some((format!("`{argument}` is not a currency"), "write three letters, such as `money(\"EUR\")`".into()))
        }
        "date" if formatted("2026-01-05T09:00:00Z", argument, &TimeZone::UTC).is_none() => {
            Some((format!("`{argument}` is not a date format"), "write it as strftime does, such as `date(\"%d.%m.%Y\")`".into()))
        }
        _ => None,
    }
}
