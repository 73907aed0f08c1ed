//! Numbers as people write them.

use serde_json::Number;

use super::locale::Locale;
use crate::value::Json;

/// Longest number, in characters.
const MAX_LENGTH: usize = 40;
/// Greatest whole number that every reader of JSON keeps exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A number with the locale's separators, a sign and a sign of currency. Nothing else beside it.
pub(super) fn parse(text: &str, locale: &Locale) -> Option<Json> {
    let text = text.trim();
    if text.is_empty() || text.len() > MAX_LENGTH {
        return None;
    }
    let currency = |c: char| matches!(c, '$' | '€' | '£' | '¥' | '₹') || c.is_whitespace();
    let negative = text.starts_with(['-', '−']);
    let bare = text.trim_start_matches(['-', '−', '+']).trim_matches(currency).trim_start_matches(['-', '−']);
    let signs = text.chars().filter(|c| matches!(c, '-' | '−' | '+')).count();
    if signs > 1 || !bare.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | ',')) {
        return None;
    }
    let negative = negative || signs == 1 && !text.starts_with('+');
    let plain = plain(bare, locale)?;
    json(&if negative { format!("-{plain}") } else { plain })
}

/// Digits with `.` before the fraction.
fn plain(bare: &str, locale: &Locale) -> Option<String> {
    let comma_decimal = !matches!(locale.base(), "en" | "ja" | "zh" | "ko" | "he" | "th");
    let spaces = |c: char| matches!(c, ' ' | '\u{a0}' | '\u{202f}' | '\'' | '’' | '_');
    let dots = bare.matches('.').count();
    let commas = bare.matches(',').count();
    let after = |c: char| bare.rsplit(c).next().map_or(0, |tail| tail.chars().take_while(char::is_ascii_digit).count());
    // One separator that cannot stand between thousands stands before the fraction, whatever the locale.
    let decimal = match (dots, commas) {
        (0, 1) => (comma_decimal || after(',') != 3 || bare.starts_with("0,")).then_some(','),
        (1, 0) => (!comma_decimal || after('.') != 3 || bare.starts_with("0.")).then_some('.'),
        // None, or several of one kind, which stand between thousands.
        (0, _) | (_, 0) => None,
        _ => Some(if bare.rfind('.') > bare.rfind(',') { '.' } else { ',' }),
    };
    let (whole, fraction) = match decimal {
        Some(c) => {
            if bare.matches(c).count() > 1 {
                return None;
            }
            bare.split_once(c)?
        }
        None => (bare, ""),
    };
    if !fraction.bytes().all(|b| b.is_ascii_digit()) || (decimal.is_some() && fraction.is_empty()) {
        return None;
    }
    let groups: Vec<&str> = whole.split(|c: char| matches!(c, '.' | ',') || spaces(c)).collect();
    let digits = |g: &&str| !g.is_empty() && g.bytes().all(|b| b.is_ascii_digit());
    let grouped = match groups.as_slice() {
        [] => false,
        [only] => digits(only) || (only.is_empty() && decimal.is_some()),
        [first, rest @ ..] => digits(first) && first.len() <= 3 && rest.iter().all(|g| g.len() == 3 && digits(g)),
    };
    if !grouped {
        return None;
    }
    let whole = groups.concat();
    let whole = if whole.is_empty() { "0".to_owned() } else { whole };
    Some(if fraction.is_empty() { whole } else { format!("{whole}.{fraction}") })
}

/// The number as JSON: whole where it is whole.
fn json(plain: &str) -> Option<Json> {
    if let Ok(whole) = plain.parse::<i64>() {
        return Some(Json::from(whole));
    }
    canonical(plain.parse::<f64>().ok()?)
}

/// A finite number; `5.0` is `5`.
pub(super) fn canonical(value: f64) -> Option<Json> {
    #[expect(clippy::cast_possible_truncation, reason = "whole and within what a double keeps exactly")]
    if value.fract() == 0.0 && value.abs() <= EXACT {
        return Some(Json::from(value as i64));
    }
    Number::from_f64(value).filter(|_| value.abs() <= EXACT || value.fract() == 0.0).map(Json::Number)
}
