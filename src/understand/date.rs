//! Dates as people write them: ISO, with dots or slashes, with the month's name, and relative to today.

use interim::Dialect;
use jiff::Timestamp;
use jiff::civil::Date;

use super::locale::Locale;
use super::text::tokens;

/// How much is taken for a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// The text is known to be meant as a date: `sat`, `3 days`.
    Value,
    /// The text stands in a sentence: only what can mean nothing else.
    Sentence,
}

/// Longest date, in characters.
const MAX_LENGTH: usize = 60;

/// The date that a text is, with nothing else beside it.
pub(super) fn parse(text: &str, locale: &Locale, now: Timestamp, care: Care) -> Option<Date> {
    let text = text.trim().trim_end_matches([',', ';', '!', '?']).trim();
    if text.is_empty() || text.len() > MAX_LENGTH {
        return None;
    }
    iso(text, locale).or_else(|| numeric(text, locale, now)).or_else(|| in_words(text, locale, now, care))
}

fn iso(text: &str, locale: &Locale) -> Option<Date> {
    if text.len() == 10 {
        return text.parse().ok();
    }
    let dated =
        text.get(..11).is_some_and(|head| head.ends_with(['T', 't', ' ']) && head.get(..10).is_some_and(|d| d.parse::<Date>().is_ok()));
    if !dated {
        return None;
    }
    match text.parse::<Timestamp>() {
        Ok(at) => Some(at.to_zoned(locale.timezone.clone()).date()),
        Err(_) => text.parse::<jiff::civil::DateTime>().ok().map(jiff::civil::DateTime::date),
    }
}

/// `5.1.2026`, `1/5/2026`, `5/1/26`, `2026/1/5`, `5.1.`
fn numeric(text: &str, locale: &Locale, now: Timestamp) -> Option<Date> {
    let separator = text.chars().find(|c| !c.is_ascii_digit()).filter(|c| matches!(c, '.' | '/' | '-'))?;
    let text = if separator == '.' { text.strip_suffix('.').unwrap_or(text) } else { text };
    let parts: Vec<&str> = text.split(separator).map(str::trim).collect();
    if !parts.iter().all(|p| matches!(p.len(), 1..=4) && p.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    let number = |i: usize| parts.get(i).and_then(|p| p.parse::<i16>().ok());
    let this_year = locale.today(now).year();
    let (first, second, year) = match parts.len() {
        3 if parts.first().is_some_and(|p| p.len() == 4) => return date(number(0)?, number(1)?, number(2)?),
        3 => (number(0)?, number(1)?, full_year(number(2)?, parts.get(2)?.len(), this_year)?),
        2 if separator != '-' && parts.iter().all(|p| p.len() <= 2) => (number(0)?, number(1)?, this_year),
        _ => return None,
    };
    let (day, month) = if separator == '.' || !locale.month_first() { (first, second) } else { (second, first) };
    date(year, month, day).or_else(|| if separator == '.' { None } else { date(year, day, month) })
}

fn full_year(year: i16, digits: usize, this_year: i16) -> Option<i16> {
    match digits {
        4 => Some(year),
        2 if year + 2000 > this_year + 20 => Some(year + 1900),
        2 => Some(year + 2000),
        _ => None,
    }
}

fn date(year: i16, month: i16, day: i16) -> Option<Date> {
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// What a word of a date is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Left out.
    Filler,
    Month,
    Weekday,
    /// `day week month year`.
    Unit,
    /// `today tomorrow yesterday`.
    Day,
    /// `next last this`.
    Which,
    /// `ago`.
    Ago,
    /// `in`.
    In,
    Number,
}

#[rustfmt::skip]
const MONTHS: [&[&str]; 12] = [
    &["january", "jan", "januar", "jänner", "janvier", "enero"], &["february", "feb", "februar", "février", "febrero"],
    &["march", "mar", "märz", "mars", "marzo"], &["april", "apr", "avril", "abril"], &["may", "mai", "mayo"],
    &["june", "jun", "juni", "juin", "junio"], &["july", "jul", "juli", "juillet", "julio"], &["august", "aug", "août", "agosto"],
    &["september", "sep", "sept", "septembre", "septiembre"], &["october", "oct", "oktober", "okt", "octobre", "octubre"],
    &["november", "nov", "novembre", "noviembre"], &["december", "dec", "dezember", "dez", "décembre", "diciembre"],
];
const MONTH_NAMES: [&str; 12] =
    ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];

#[rustfmt::skip]
const WEEKDAYS: [(&str, &[&str], &[&str]); 7] = [
    ("monday", &["monday", "montag", "lundi", "lunes"], &["mon"]), ("tuesday", &["tuesday", "dienstag", "mardi", "martes"], &["tue", "tues"]),
    ("wednesday", &["wednesday", "mittwoch", "mercredi", "miércoles"], &["wed"]),
    ("thursday", &["thursday", "donnerstag", "jeudi", "jueves"], &["thu", "thur", "thurs"]),
    ("friday", &["friday", "freitag", "vendredi", "viernes"], &["fri"]),
    ("saturday", &["saturday", "samstag", "sonnabend", "samedi", "sábado"], &["sat"]),
    ("sunday", &["sunday", "sonntag", "dimanche", "domingo"], &["sun"]),
];

#[rustfmt::skip]
const OTHERS: [(&str, Kind, &[&str]); 15] = [
    ("", Kind::Filler, &["on", "the", "of", "le", "la", "el", "der", "den", "dem", "de", "del", "am", "from", "now"]),
    ("today", Kind::Day, &["today", "heute", "aujourd'hui", "hoy"]),
    ("tomorrow", Kind::Day, &["tomorrow", "morgen", "demain", "mañana"]),
    ("yesterday", Kind::Day, &["yesterday", "gestern", "hier", "ayer"]),
    ("2 days", Kind::Day, &["übermorgen", "overmorrow"]),
    ("2 days ago", Kind::Day, &["vorgestern"]),
    ("next", Kind::Which, &["next", "nächsten", "nächste", "nächster", "prochain", "próximo"]),
    ("last", Kind::Which, &["last", "letzten", "letzte", "letzter", "dernier", "pasado"]),
    ("this", Kind::Which, &["this", "coming", "diesen", "dieser", "ce", "este"]),
    ("ago", Kind::Ago, &["ago"]),
    ("in", Kind::In, &["in", "dans", "en"]),
    ("days", Kind::Unit, &["day", "days", "tag", "tagen", "tage", "jour", "jours", "día", "días"]),
    ("weeks", Kind::Unit, &["week", "weeks", "woche", "wochen", "semaine", "semaines", "semana", "semanas"]),
    ("months", Kind::Unit, &["month", "months", "monat", "monaten", "monate", "mois", "mes", "meses"]),
    ("years", Kind::Unit, &["year", "years", "jahr", "jahren", "jahre", "an", "ans", "año", "años"]),
];

const NUMBERS: [&str; 13] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];

fn word(folded: &str, care: Care) -> Option<(Kind, String)> {
    if let Some(i) = MONTHS.iter().position(|names| names.contains(&folded)) {
        return MONTH_NAMES.get(i).map(|m| (Kind::Month, (*m).to_owned()));
    }
    if let Some((name, ..)) =
        WEEKDAYS.iter().find(|(_, full, short)| full.contains(&folded) || (care == Care::Value && short.contains(&folded)))
    {
        return Some((Kind::Weekday, (*name).to_owned()));
    }
    if let Some((name, kind, _)) = OTHERS.iter().find(|(.., words)| words.contains(&folded)) {
        return Some((*kind, (*name).to_owned()));
    }
    if matches!(folded, "a" | "ein" | "einem" | "einer" | "un" | "une" | "una") {
        return Some((Kind::Number, "1".to_owned()));
    }
    if let Some(n) = NUMBERS.iter().position(|n| *n == folded) {
        return Some((Kind::Number, n.to_string()));
    }
    let digits = folded.trim_end_matches(|c: char| !c.is_ascii_digit());
    let ordinal = matches!(folded.strip_prefix(digits), Some("" | "st" | "nd" | "rd" | "th" | "er" | "º"));
    (ordinal && matches!(digits.len(), 1..=4) && digits.bytes().all(|b| b.is_ascii_digit())).then(|| (Kind::Number, digits.to_owned()))
}

fn in_words(text: &str, locale: &Locale, now: Timestamp, care: Care) -> Option<Date> {
    let said = tokens(text);
    if said.len() > 8 || text.contains([':', '@', '#']) {
        return None;
    }
    let folded: Vec<&str> = said.iter().map(|t| t.folded.as_str()).collect();
    let offset = match folded.as_slice() {
        ["the", "day", "after", "tomorrow"] | ["day", "after", "tomorrow"] | ["après", "demain"] | ["pasado", "mañana"] => Some(2),
        ["the", "day", "before", "yesterday"] | ["day", "before", "yesterday"] | ["avant", "hier"] => Some(-2),
        _ => None,
    };
    let today = locale.today(now);
    if let Some(days) = offset {
        return today.checked_add(jiff::Span::new().days(days)).ok();
    }
    let (before, folded) = match folded.as_slice() {
        ["vor" | "hace", rest @ ..] | ["il", "y", "a", rest @ ..] => (true, rest),
        all => (false, all),
    };
    let words: Vec<(Kind, String)> = folded.iter().map(|w| word(w, care)).collect::<Option<_>>()?;
    let kinds: Vec<Kind> = words.iter().map(|(k, _)| *k).filter(|k| *k != Kind::Filler).collect();
    let count = |kind: Kind| kinds.iter().filter(|k| **k == kind).count();
    let from_now = folded.ends_with(&["from", "now"]);
    let mut phrase: Vec<&str> = words.iter().filter(|(k, _)| !matches!(k, Kind::Filler | Kind::In)).map(|(_, w)| w.as_str()).collect();
    match kinds.as_slice() {
        [Kind::Day | Kind::Weekday]
        | [Kind::Which, Kind::Weekday]
        | [Kind::In, Kind::Number, Kind::Unit]
        | [Kind::Number, Kind::Unit, Kind::Ago] => {}
        [Kind::Which, Kind::Unit] => {
            let unit = phrase.get(1).copied()?;
            let span = match unit {
                "weeks" => jiff::Span::new().weeks(1),
                "months" => jiff::Span::new().months(1),
                "years" => jiff::Span::new().years(1),
                _ => return None,
            };
            return match phrase.first().copied()? {
                "next" => today.checked_add(span).ok(),
                "last" => today.checked_sub(span).ok(),
                _ => None,
            };
        }
        [Kind::Number, Kind::Unit] if care == Care::Value || from_now || before => {}
        // A month with its day, a weekday beside it, a year after it.
        _ if count(Kind::Month) == 1
            && matches!(count(Kind::Number), 1 | 2)
            && count(Kind::Weekday) <= 1
            && count(Kind::Month) + count(Kind::Number) + count(Kind::Weekday) == kinds.len() =>
        {
            let numbers: Vec<i16> = words.iter().filter(|(k, _)| *k == Kind::Number).filter_map(|(_, w)| w.parse().ok()).collect();
            let month = words.iter().find(|(k, _)| *k == Kind::Month).and_then(|(_, w)| MONTH_NAMES.iter().position(|m| m == w))?;
            let (day, year) = match numbers.as_slice() {
                [day] => (*day, today.year()),
                [day, year] if *year > 31 => (*day, *year),
                [year, day] if *year > 31 => (*day, *year),
                _ => return None,
            };
            return date(year, i16::try_from(month).ok()? + 1, day);
        }
        _ => return None,
    }
    if before {
        phrase.push("ago");
    }
    let dialect = if locale.month_first() { Dialect::Us } else { Dialect::Uk };
    let at = now.to_zoned(locale.timezone.clone());
    interim::parse_date_string(&phrase.join(" "), at, dialect).ok().map(|z| z.date())
}
