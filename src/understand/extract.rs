//! The values that a message holds for the fields that may be filled.
//!
//! Identifiers (e-mail, phone, a field's `pattern`) count wherever they stand, also in a question. Numbers, dates, listed values
//! do not count in a question. Plain text takes the whole message, and only where it alone is asked.

use std::ops::Range;
use std::sync::LazyLock;

use jiff::Timestamp;
use regex::Regex;

use super::date::{self, Care};
use super::locale::Locale;
use super::normalise::{FieldProblem, email, listed, normalise, phone};
use super::number;
use super::reply::{Reply, classify};
use super::text::{Token, folded, is_question, tokens};
use super::words::{Words, is_word};
use crate::model::datapoint::Pattern;
use crate::model::{Datapoint, DatapointType};
use crate::value::{Json, Name};

/// Longest message that is searched, in bytes; a longer one is still taken as plain text.
const MAX_SEARCHED: usize = 8_000;
/// Most values of one field that are looked at.
const MAX_CANDIDATES: usize = 50;
/// Words of a date or of a listed value at most.
const MAX_WINDOW: usize = 8;

/// The values of a message, in the order of `fields`.
///
/// `asked` are the fields that the user is asked for now; the others take only what can be nobody else's. `plain`: a plain text
/// field that alone is asked may take the whole message. A field that the message tries to fill, but cannot, has a problem.
#[must_use]
pub fn extract(
    fields: &[&Datapoint],
    asked: &[&Datapoint],
    message: &str,
    plain: bool,
    locale: &Locale,
    now: Timestamp,
) -> Vec<(Name, Result<Json, FieldProblem>)> {
    let is_asked = |dp: &Datapoint| asked.iter().any(|a| a.slug == dp.slug);
    let mut message = Message::new(message, locale, now);
    let mut found: Vec<(Name, Result<Json, FieldProblem>)> = Vec::new();
    // The more a field says of its form, the earlier it takes its part of the message; asked ones first.
    let mut order: Vec<&&Datapoint> = fields.iter().filter(|dp| form(dp) != Form::Plain).collect();
    order.sort_by_key(|dp| (!is_asked(dp), form(dp)));
    let mut at = 0;
    while let Some(dp) = order.get(at) {
        let same = order.get(at..).unwrap_or(&[]).iter().take_while(|o| is_asked(o) == is_asked(dp) && alike(o, dp)).count().max(1);
        let group = order.get(at..at + same).unwrap_or(&[]);
        at += same;
        found.extend(message.fill(group, is_asked(dp), asked.is_empty()));
    }
    if let [only] = asked
        && !found.iter().any(|(name, _)| name == only.variable())
        && let Some(result) = message.whole(only, plain, found.is_empty())
    {
        found.push((only.variable().clone(), result));
    }
    let place = |name: &Name| fields.iter().position(|dp| dp.variable() == name).unwrap_or(usize::MAX);
    found.sort_by_key(|(name, _)| place(name));
    found
}

/// Whether a text stands in what was heard, as whole words.
#[must_use]
pub fn stands_in(heard: &str, text: &str) -> bool {
    stand_in_order(heard, std::iter::once(text))
}

/// Whether all these texts stand in what was heard, as whole words, each behind the one before it.
pub fn stand_in_order<'t>(heard: &str, texts: impl IntoIterator<Item = &'t str>) -> bool {
    let heard = heard.to_lowercase();
    let mut from = 0;
    texts.into_iter().all(|text| {
        let text = text.trim().to_lowercase();
        let behind = heard.match_indices(&text).map(|(i, _)| i..i + text.len()).find(|at| at.start >= from && is_apart(&heard, at));
        from = behind.as_ref().map_or(from, |at| at.end);
        !text.is_empty() && behind.is_some()
    })
}

/// How much a datapoint says of its values' form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Pattern,
    Email,
    Phone,
    Date,
    Enum,
    Number,
    Boolean,
    Plain,
}

fn form(dp: &Datapoint) -> Form {
    fn of(kind: &DatapointType, pattern: Option<&Pattern>) -> Form {
        match kind {
            DatapointType::String if pattern.is_some_and(|p| !matches_prose(p)) => Form::Pattern,
            DatapointType::String => Form::Plain,
            DatapointType::Email => Form::Email,
            DatapointType::Phone => Form::Phone,
            DatapointType::Number => Form::Number,
            DatapointType::Boolean => Form::Boolean,
            DatapointType::Date => Form::Date,
            DatapointType::Enum(_) => Form::Enum,
            DatapointType::List(items) => of(items, pattern),
        }
    }
    of(&dp.kind, dp.pattern.as_ref())
}

/// Whether a pattern takes ordinary words, so that it says nothing about where a value begins and ends.
fn matches_prose(pattern: &Pattern) -> bool {
    ["order", "where", "Hello", "PLEASE", "my", "the order", "Where is my order"].iter().any(|w| pattern.whole.is_match(w))
}

/// Whether two fields would take the same parts of a message.
fn alike(a: &Datapoint, b: &Datapoint) -> bool {
    let source = |dp: &Datapoint| dp.pattern.as_ref().map(|p| p.source.clone());
    let values = |dp: &Datapoint| match &dp.kind {
        DatapointType::Enum(values) => values.clone(),
        _ => Vec::new(),
    };
    form(a) == form(b) && source(a) == source(b) && values(a) == values(b)
}

fn is_list(dp: &Datapoint) -> bool {
    matches!(dp.kind, DatapointType::List(_))
}

static EMAIL: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[^\s<>,;:()]+@[^\s<>,;:()]+").ok());
static PHONE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[+(]?\d[\d \u{a0}().\-/]{3,}\d").ok());
static NUMBER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[-−]?[$€£¥₹]?\d+(?:[.,'’]\d+)*").ok());

struct Message<'m> {
    text: &'m str,
    tokens: Vec<Token<'m>>,
    question: bool,
    locale: &'m Locale,
    now: Timestamp,
    taken: Vec<Range<usize>>,
}

impl<'m> Message<'m> {
    fn new(text: &'m str, locale: &'m Locale, now: Timestamp) -> Self {
        let text = text.trim();
        let searched = text.len() <= MAX_SEARCHED;
        Self { text, tokens: if searched { tokens(text) } else { Vec::new() }, question: is_question(text), locale, now, taken: Vec::new() }
    }

    /// Gives a group of like fields what the message holds for them.
    fn fill(&mut self, group: &[&&Datapoint], asked: bool, correcting: bool) -> Vec<(Name, Result<Json, FieldProblem>)> {
        let Some(first) = group.first() else { return Vec::new() };
        let mut candidates: Vec<(Range<usize>, Result<Json, FieldProblem>)> = Vec::new();
        let free: Vec<Range<usize>> =
            self.candidates(first, asked, correcting).into_iter().filter(|r| !self.taken.iter().any(|t| overlap(t, r))).collect();
        for range in free {
            let raw = Json::from(self.text.get(range.clone()).unwrap_or(""));
            // An element of a list is normalised as the list of it alone.
            let result = normalise(first, &raw, self.locale, self.now);
            if !candidates.iter().any(|(_, known)| known == &result && result.is_ok()) {
                candidates.push((range, result));
            }
        }
        if candidates.is_empty() {
            return Vec::new();
        }
        let name = |dp: &Datapoint| dp.variable().clone();
        let good: Vec<(Range<usize>, Json)> = candidates.iter().filter_map(|(r, v)| Some((r.clone(), v.clone().ok()?))).collect();
        if is_list(first) {
            self.taken.extend(good.iter().map(|(r, _)| r.clone()));
            let items: Vec<Json> = good.into_iter().flat_map(|(_, v)| v.as_array().cloned().unwrap_or_default()).collect();
            return if items.is_empty() { Vec::new() } else { vec![(name(first), Ok(Json::Array(items)))] };
        }
        if good.is_empty() {
            let problem = candidates.into_iter().find_map(|(_, result)| result.err());
            return problem.filter(|_| asked).map(|p| (name(first), Err(p))).into_iter().collect();
        }
        if good.len() == group.len() && (group.len() == 1 || asked) {
            self.taken.extend(good.iter().map(|(r, _)| r.clone()));
            return group.iter().zip(good).map(|(dp, (_, json))| (name(dp), Ok(json))).collect();
        }
        if !asked {
            return Vec::new();
        }
        let help = if good.len() > 1 {
            format!("I see more than one {}. Which one do you mean?", first.name)
        } else {
            let names: Vec<String> = group.iter().map(|dp| dp.name.to_string()).collect();
            format!("Is that the {}?", super::text::one_of(&names))
        };
        vec![(name(first), Err(FieldProblem::new("ambiguous", help)))]
    }

    /// Where values of a field's form stand.
    fn candidates(&self, dp: &Datapoint, asked: bool, correcting: bool) -> Vec<Range<usize>> {
        if self.text.len() > MAX_SEARCHED {
            return Vec::new();
        }
        let mentioned = || {
            let words = folded(&dp.name);
            words.last().is_some_and(|last| self.tokens.iter().any(|t| t.folded == *last))
        };
        let mut found = match form(dp) {
            Form::Pattern => dp.pattern.as_ref().map_or_else(Vec::new, |p| self.by(&p.inside)),
            Form::Email => EMAIL.as_ref().map_or_else(Vec::new, |regex| self.emails(regex)),
            Form::Phone => PHONE.as_ref().map_or_else(Vec::new, |regex| self.by(regex)),
            _ if self.question => Vec::new(),
            Form::Date => self.windows(|text| date::parse(text, self.locale, self.now, Care::Sentence).is_some()),
            Form::Enum => match inner(&dp.kind) {
                DatapointType::Enum(values) => self.windows(|text| listed(text, values).is_some()),
                _ => Vec::new(),
            },
            Form::Number if asked || correcting || mentioned() => NUMBER.as_ref().map_or_else(Vec::new, |regex| self.by(regex)),
            Form::Number | Form::Boolean | Form::Plain => Vec::new(),
        };
        if form(dp) == Form::Phone {
            found.retain(|r| self.text.get(r.clone()).is_some_and(|t| phone(t, self.locale).is_some()));
        }
        if form(dp) == Form::Number {
            found.retain(|r| self.text.get(r.clone()).is_some_and(|t| number::parse(t, self.locale).is_some()));
        }
        found.truncate(MAX_CANDIDATES);
        found
    }

    fn by(&self, regex: &Regex) -> Vec<Range<usize>> {
        regex.find_iter(self.text).map(|m| m.range()).filter(|r| !r.is_empty() && is_apart(self.text, r)).take(MAX_CANDIDATES).collect()
    }

    fn emails(&self, regex: &Regex) -> Vec<Range<usize>> {
        let trimmed = |m: regex::Match<'_>| {
            let text = m.as_str();
            let start = text.len() - text.trim_start_matches(['"', '\'', '[', '{']).len();
            let end = text.trim_end_matches(['.', '!', '?', '"', '\'', ']', '}']).len();
            m.start() + start..m.start() + end.max(start)
        };
        let all: Vec<Range<usize>> = regex.find_iter(self.text).map(trimmed).take(MAX_CANDIDATES).collect();
        let good: Vec<Range<usize>> =
            all.iter().filter(|r| self.text.get((*r).clone()).is_some_and(|t| email(t).is_some())).cloned().collect();
        if good.is_empty() { all } else { good }
    }

    /// The longest runs of words, from left to right, that pass a test.
    fn windows(&self, passes: impl Fn(&str) -> bool) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(first) = self.tokens.get(at) {
            let longest = (1..=MAX_WINDOW).rev().find_map(|n| {
                let last = self.tokens.get(at + n - 1)?;
                let range = first.start..last.end();
                self.text.get(range.clone()).is_some_and(&passes).then_some((n, range))
            });
            at += longest.as_ref().map_or(1, |(n, _)| *n);
            found.extend(longest.map(|(_, range)| range).filter(|r| is_apart(self.text, r)));
            if found.len() >= MAX_CANDIDATES {
                break;
            }
        }
        found
    }

    /// What the message as a whole is to the only field that is asked; a failed attempt only if it said nothing else.
    fn whole(&self, dp: &Datapoint, plain: bool, unused: bool) -> Option<Result<Json, FieldProblem>> {
        let says = |words| is_word(words, self.text, self.locale);
        if self.text.is_empty() || says(Words::Cancel) || says(Words::Person) {
            return None;
        }
        let value = || normalise(dp, &Json::from(self.text), self.locale, self.now);
        let form = form(dp);
        match form {
            Form::Boolean if !self.question => value().ok().map(Ok),
            Form::Boolean => None,
            Form::Plain => {
                let reply = classify(self.text, "", self.locale);
                let free = plain && !self.question && matches!(reply, Reply::Other | Reply::Change) && !says(Words::Skip);
                free.then(value)
            }
            Form::Date | Form::Enum | Form::Number | Form::Phone | Form::Email | Form::Pattern => {
                if let (Ok(json), false) = (value(), self.question) {
                    return Some(Ok(json));
                }
                // What looks like an attempt is answered with what is wrong; anything else may be another wish.
                let digits = self.text.chars().filter(char::is_ascii_digit).count();
                let short = self.tokens.len() <= 6;
                let attempt = unused
                    && !self.question
                    && short
                    && match form {
                        Form::Email => self.text.contains('@'),
                        Form::Phone => digits >= 4,
                        Form::Enum | Form::Boolean | Form::Plain => false,
                        Form::Pattern | Form::Date | Form::Number => digits > 0,
                    };
                attempt.then(value)
            }
        }
    }
}

fn inner(kind: &DatapointType) -> &DatapointType {
    match kind {
        DatapointType::List(items) => items,
        other => other,
    }
}

fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}

/// Whether a part stands by itself: not inside a word, nor joined to one by `-`, `_`, `@`, a dot, or a comma between digits.
fn is_apart(text: &str, range: &Range<usize>) -> bool {
    let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let glued = |edge: Option<char>, near: Option<char>, far: Option<char>| {
        word(edge)
            && match near {
                Some('_') => true,
                Some('-' | '@' | '.' | '\'' | '’') => word(far),
                Some(',') => digit(edge) && digit(far),
                other => word(other),
            }
    };
    let part = text.get(range.clone()).unwrap_or("");
    let mut before = text.get(..range.start).unwrap_or("").chars().rev();
    let mut after = text.get(range.end..).unwrap_or("").chars();
    !glued(part.chars().next(), before.next(), before.next()) && !glued(part.chars().next_back(), after.next(), after.next())
}
