//! A raw value brought into a datapoint's one form, or why it cannot be.

use email_address::{EmailAddress, Options};
use jiff::Timestamp;

use super::locale::Locale;
use super::reply::{Reply, classify};
use super::text::{folded, one_of};
use super::{date, number};
use crate::model::{Datapoint, DatapointType};
use crate::value::{Json, display};

/// Codes of what may be wrong with a value.
const CODES: [&str; 10] =
    ["required", "invalid", "ambiguous", "pattern", "too_short", "too_long", "too_small", "too_big", "not_integer", "not_listed"];

/// What is wrong with a value. Never repeats it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    /// Stable: `required invalid ambiguous pattern too_short too_long too_small too_big not_integer not_listed`.
    pub code: &'static str,
    /// What to say instead, as a sentence to a person.
    pub help: String,
}

impl FieldProblem {
    pub(super) fn new(code: &'static str, help: impl Into<String>) -> Self {
        Self { code, help: help.into() }
    }

    /// As one line, from which it can be had again.
    #[must_use]
    pub fn tell(&self) -> String {
        format!("{} {}", self.code, self.help)
    }

    /// What `tell` told of, as that field says it.
    #[must_use]
    pub fn told(line: &str, datapoint: &Datapoint) -> Option<Self> {
        let (code, help) = line.split_once(' ')?;
        let code = CODES.iter().find(|c| **c == code)?;
        Some(if *code == "pattern" { other_pattern(datapoint) } else { Self::new(code, help) })
    }
}

/// Longest text that any field takes, in characters.
const MAX_TEXT: usize = 10_000;
/// Most elements that a list takes.
const MAX_LIST: usize = 200;

/// Normalises and validates a value. What it gives comes out of it again unchanged.
///
/// # Errors
/// When the value is none of the datapoint's.
pub fn normalise(datapoint: &Datapoint, raw: &Json, locale: &Locale, now: Timestamp) -> Result<Json, FieldProblem> {
    let mut problem = match value(datapoint, &datapoint.kind, raw, locale, now) {
        Ok(json) => return Ok(json),
        Err(problem) => problem,
    };
    if let Some(example) =
        datapoint.examples.first().filter(|_| !datapoint.sensitive && !matches!(problem.code, "not_listed" | "ambiguous"))
        && !problem.help.contains("such as")
    {
        let sentence = problem.help.trim_end_matches('.').to_owned();
        problem.help = format!("{sentence}, such as {}.", display(example));
    }
    Err(problem)
}

fn invalid(help: impl Into<String>) -> FieldProblem {
    FieldProblem::new("invalid", help)
}

fn value(datapoint: &Datapoint, kind: &DatapointType, raw: &Json, locale: &Locale, now: Timestamp) -> Result<Json, FieldProblem> {
    if raw.is_null() {
        return Err(FieldProblem::new("required", "Please give a value."));
    }
    match kind {
        DatapointType::String => text(raw).ok_or_else(|| invalid("Please give it as text.")).and_then(|t| string(datapoint, &t)),
        DatapointType::Email => {
            let found = raw.as_str().and_then(email);
            let email = found.ok_or_else(|| invalid("Please give an e-mail address, such as name@example.com."))?;
            string(datapoint, &email)
        }
        DatapointType::Phone => {
            let found = text(raw).and_then(|t| phone(&t, locale));
            let phone = found.ok_or_else(|| invalid("Please give a phone number with its area code, such as +44 20 7946 0018."))?;
            string(datapoint, &phone)
        }
        DatapointType::Number => {
            let found = match raw {
                Json::Number(n) if n.is_i64() || n.is_u64() => Some(raw.clone()),
                Json::Number(n) => n.as_f64().and_then(number::canonical),
                Json::String(s) => number::parse(s, locale),
                _ => None,
            };
            bounded(datapoint, found.ok_or_else(|| invalid("Please give a number, such as 12."))?)
        }
        DatapointType::Boolean => boolean(raw, locale).map(Json::Bool).ok_or_else(|| invalid("Please say yes or no.")),
        DatapointType::Date => {
            let found = raw.as_str().and_then(|s| date::parse(s, locale, now, date::Care::Value));
            let day = found.ok_or_else(|| invalid("Please give a date, such as 2026-01-31."))?;
            within(datapoint, day, locale, now)?;
            Ok(Json::String(day.to_string()))
        }
        DatapointType::Enum(values) => {
            let found = text(raw).and_then(|t| listed(&t, values));
            found.map(Json::String).ok_or_else(|| FieldProblem::new("not_listed", format!("Please say {}.", one_of(values))))
        }
        DatapointType::List(items) => list(datapoint, items, raw, locale, now),
    }
}

/// Text, or a number written out.
fn text(raw: &Json) -> Option<String> {
    match raw {
        Json::String(s) => Some(s.trim().to_owned()),
        Json::Number(n) => Some(n.to_string()),
        _ => None,
    }
}

fn string(datapoint: &Datapoint, text: &str) -> Result<Json, FieldProblem> {
    let length = text.chars().count();
    let characters = |n: u64| if n == 1 { "1 character".to_owned() } else { format!("{n} characters") };
    let at_least = datapoint.min_length.unwrap_or(0);
    let at_most = datapoint.max_length.unwrap_or(MAX_TEXT as u64).min(MAX_TEXT as u64);
    let length = length as u64;
    if length == 0 && at_least == 0 && datapoint.required {
        return Err(FieldProblem::new("required", "Please give a value."));
    }
    if length < at_least {
        return Err(FieldProblem::new("too_short", format!("Please give at least {}.", characters(at_least))));
    }
    if length > at_most {
        return Err(FieldProblem::new("too_long", format!("Please give at most {}.", characters(at_most))));
    }
    if datapoint.pattern.as_ref().is_some_and(|p| !p.whole.is_match(text)) {
        return Err(other_pattern(datapoint));
    }
    Ok(Json::String(text.to_owned()))
}

fn other_pattern(datapoint: &Datapoint) -> FieldProblem {
    let help = match &datapoint.description {
        Some(d) => format!("Please give {}.", d.trim().trim_end_matches('.')),
        None => format!("That does not look like {}.", article(&datapoint.name)),
    };
    FieldProblem::new("pattern", help)
}

fn article(name: &str) -> String {
    let vowel = name.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O', 'U']);
    format!("{} {name}", if vowel { "an" } else { "a" })
}

/// Trimmed, its domain in lower case.
pub(super) fn email(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.strip_prefix("mailto:").unwrap_or(text);
    let text = text.strip_prefix('<').and_then(|t| t.strip_suffix('>')).unwrap_or(text);
    let options = Options::default().with_required_tld().without_display_text().without_domain_literal();
    let address = EmailAddress::parse_with_options(text, options).ok()?;
    Some(format!("{}@{}", address.local_part(), address.domain().to_lowercase()))
}

/// Longest phone number, as written.
const MAX_PHONE: usize = 40;

/// As E.164.
pub(super) fn phone(text: &str, locale: &Locale) -> Option<String> {
    let text = text.trim();
    let text = text.strip_prefix("tel:").unwrap_or(text);
    let written = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | '(' | ')' | '/' | ' ' | '\u{a0}');
    let digits = text.chars().filter(char::is_ascii_digit).count();
    if text.len() > MAX_PHONE || !text.chars().all(written) || !(5..=17).contains(&digits) {
        return None;
    }
    let text: String = text.chars().map(|c| if matches!(c, '/' | '\u{a0}') { ' ' } else { c }).collect();
    let text = text.replacen("(0)", "", usize::from(text.starts_with('+')));
    let region = locale.region.parse::<phonenumber::country::Id>().ok();
    let number = phonenumber::parse(region, &text).ok()?;
    number.is_valid().then(|| number.format().mode(phonenumber::Mode::E164).to_string())
}

fn boolean(raw: &Json, locale: &Locale) -> Option<bool> {
    match raw {
        Json::Bool(b) => Some(*b),
        Json::String(s) if s.trim().eq_ignore_ascii_case("true") => Some(true),
        Json::String(s) if s.trim().eq_ignore_ascii_case("false") => Some(false),
        Json::String(s) => match classify(s, "", locale) {
            Reply::Yes => Some(true),
            Reply::No => Some(false),
            Reply::Change | Reply::Other => None,
        },
        _ => None,
    }
}

/// The listed value: as it is, or with case, spaces and hyphens ignored.
pub(super) fn listed(text: &str, values: &[std::sync::Arc<str>]) -> Option<String> {
    if let Some(exact) = values.iter().find(|v| ***v == *text) {
        return Some(exact.to_string());
    }
    let words = folded(&text.replace('_', " "));
    let mut same = values.iter().filter(|v| !words.is_empty() && folded(&v.replace('_', " ")) == words);
    let first = same.next()?;
    same.next().is_none().then(|| first.to_string())
}

fn bounded(datapoint: &Datapoint, value: Json) -> Result<Json, FieldProblem> {
    let number = value.as_f64().unwrap_or(f64::NAN);
    let bound = |json: &Option<Json>| json.as_ref().and_then(Json::as_f64);
    if datapoint.integer && !(value.is_i64() || value.is_u64()) {
        return Err(FieldProblem::new("not_integer", "Please give a whole number."));
    }
    if let (Some(min), Some(shown)) = (bound(&datapoint.min), &datapoint.min)
        && number < min
    {
        return Err(FieldProblem::new("too_small", format!("Please give at least {}.", display(shown))));
    }
    if let (Some(max), Some(shown)) = (bound(&datapoint.max), &datapoint.max)
        && number > max
    {
        return Err(FieldProblem::new("too_big", format!("Please give at most {}.", display(shown))));
    }
    Ok(value)
}

fn within(datapoint: &Datapoint, day: jiff::civil::Date, locale: &Locale, now: Timestamp) -> Result<(), FieldProblem> {
    let bound = |json: &Option<Json>| json.as_ref().and_then(Json::as_str).and_then(|s| date::parse(s, locale, now, date::Care::Value));
    if let Some(min) = bound(&datapoint.min).filter(|min| day < *min) {
        return Err(FieldProblem::new("too_small", format!("Please give a date that is not before {min}.")));
    }
    if let Some(max) = bound(&datapoint.max).filter(|max| day > *max) {
        return Err(FieldProblem::new("too_big", format!("Please give a date that is not after {max}.")));
    }
    Ok(())
}

/// Words between the elements of a written list.
const AND: [&str; 4] = [" and ", " und ", " et ", " y "];

fn list(datapoint: &Datapoint, kind: &DatapointType, raw: &Json, locale: &Locale, now: Timestamp) -> Result<Json, FieldProblem> {
    let written;
    let items = match raw {
        Json::Array(items) => items,
        Json::String(s) => {
            let mut text = s.replace(['\n', ';'], ",");
            for and in AND {
                text = text.replace(and, ",");
            }
            written = text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(Json::from).collect::<Vec<_>>();
            &written
        }
        other => &vec![other.clone()],
    };
    if items.is_empty() && datapoint.required {
        return Err(FieldProblem::new("required", "Please give at least one."));
    }
    if items.len() > MAX_LIST {
        return Err(FieldProblem::new("too_long", format!("Please give at most {MAX_LIST} of them.")));
    }
    if matches!(kind, DatapointType::List(_)) {
        return Err(invalid("Please give one list."));
    }
    items.iter().map(|item| value(datapoint, kind, item, locale, now)).collect::<Result<Vec<_>, _>>().map(Json::Array)
}
