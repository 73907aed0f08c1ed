//! One classifier of answers to a question that wants a yes.
//!
//! A yes gives a grant, so it is strict: affirmative and polite words, beside them at most words of the question itself.

use super::locale::Locale;
use super::text::{folded, is_question};
use super::words::WordLists;

/// What a message says to a question that wants a yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reply {
    /// Yes, and nothing beside it.
    Yes,
    /// No.
    No,
    /// Something about it is to be different.
    Change,
    /// Anything else: the question is put again.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Unsure,
    No,
    Change,
    Contrast,
    Yes,
    Polite,
    Word,
}

/// In order of precedence where two phrases of one length begin at one place.
const PARTS: [(Part, &str); 6] = [
    (Part::Unsure, "unsure"),
    (Part::No, "no"),
    (Part::Change, "change"),
    (Part::Contrast, "contrast"),
    (Part::Yes, "yes"),
    (Part::Polite, "polite"),
];

/// Classifies a reply to `question`, the whole text that was shown.
#[must_use]
pub fn classify(message: &str, question: &str, locale: &Locale) -> Reply {
    let said = folded(message);
    let parts = parts(&said, &locale.words);
    let has = |part: Part| parts.iter().any(|(p, _)| *p == part);
    let first = parts.iter().map(|(p, _)| *p).find(|p| *p != Part::Polite);
    if has(Part::Unsure) {
        return Reply::Other;
    }
    if message.contains(['?', '？', '¿']) {
        return if asks_for_change(&said, &locale.words) { Reply::Change } else { Reply::Other };
    }
    if has(Part::Change) || (has(Part::Contrast) && (has(Part::Yes) || has(Part::No))) {
        return if denies_change(&said, &locale.words) { Reply::Other } else { Reply::Change };
    }
    if first == Some(Part::No) {
        let value = parts.iter().any(|(p, words)| *p == Part::Word && words.iter().any(|w| w.contains(|c: char| c.is_ascii_digit())));
        return match (has(Part::Yes), value) {
            (true, _) => Reply::Other,
            (false, true) => Reply::Change,
            (false, false) => Reply::No,
        };
    }
    if has(Part::No) || has(Part::Contrast) || !has(Part::Yes) || (is_question(message) && first != Some(Part::Yes)) {
        return Reply::Other;
    }
    let rest: Vec<&String> = parts.iter().filter(|(p, _)| *p == Part::Word).flat_map(|(_, w)| w.iter()).collect();
    if rest.is_empty() || repeats(&rest, question, &locale.words) { Reply::Yes } else { Reply::Other }
}

/// The message cut into the longest phrases that are known.
fn parts<'w>(said: &'w [String], lists: &WordLists) -> Vec<(Part, &'w [String])> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = said.get(at..).filter(|r| !r.is_empty()) {
        let mut best = (Part::Word, 0);
        for (part, kind) in PARTS {
            let n = lists.prefix(kind, rest);
            if n > best.1 {
                best = (part, n);
            }
        }
        let n = best.1.max(1);
        found.push((best.0, rest.get(..n).unwrap_or(rest)));
        at += n;
    }
    found
}

/// `can I change the address?`
fn asks_for_change(said: &[String], lists: &WordLists) -> bool {
    let opens = matches!(said, [a, b, ..] if matches!(a.as_str(), "can" | "could" | "may") && matches!(b.as_str(), "i" | "we" | "you"));
    opens && lists.holds("change", said)
}

/// `don't change anything`: a denial right before the change.
fn denies_change(said: &[String], lists: &WordLists) -> bool {
    (0..said.len()).any(|i| {
        let here = said.get(i..).is_some_and(|rest| lists.prefix("change", rest) > 0);
        let before = said.get(i.saturating_sub(2)..i).unwrap_or(&[]);
        let denied =
            before.iter().any(|w| lists.is("negation", w)) && !before.iter().any(|w| matches!(w.as_str(), "no" | "nope" | "nein" | "non"));
        here && denied
    })
}

/// Whether the words only repeat a stretch of the question. Where the question itself names alternatives or several things,
/// only its verb may be repeated, since a part of it might be meant against the rest. A bare number never counts.
fn repeats(rest: &[&String], question: &str, lists: &WordLists) -> bool {
    let content = |words: Vec<String>| words.into_iter().filter(|w| !lists.is("filler", w)).collect::<Vec<_>>();
    let said = content(rest.iter().map(|w| (*w).clone()).collect());
    if said.is_empty() || said.iter().any(|w| w.chars().all(|c| c.is_ascii_digit())) {
        return false;
    }
    let asked = folded(sentence(question));
    let several = asked.iter().any(|w| lists.is("either", w));
    let asked = content(asked);
    if several { asked.first() == said.first() && said.len() == 1 } else { asked.windows(said.len()).any(|w| w == said) }
}

/// The sentence that asks: the last that ends in a question mark, else the whole text.
fn sentence(question: &str) -> &str {
    let Some(end) = question.rfind('?') else { return question };
    let before = question.get(..end).unwrap_or("");
    let ends = |(i, c): (usize, char)| {
        let next = before.get(i + c.len_utf8()..).and_then(|r| r.chars().next());
        (matches!(c, '!' | '?' | '\n') || (c == '.' && next.is_none_or(char::is_whitespace))).then_some(i + c.len_utf8())
    };
    let start = before.char_indices().rev().find_map(ends).unwrap_or(0);
    before.get(start..).unwrap_or(before)
}
