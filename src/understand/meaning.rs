//! What the words of a message or a trigger mean to the router: stems, typing errors set right, words and phrases that mean the same as one.

use std::collections::{BTreeMap, BTreeSet};

use super::stem::{is_common, stem, trigrams};
use super::text::folded;

/// Most words of a text that are looked at.
const MAX_WORDS: usize = 60;
/// How alike a mistyped word must be.
const ALIKE: f64 = 0.5;
/// How alike a word is that one slip of a finger explains.
const SLIP: f64 = 0.85;
/// Shortest word that may be mistyped.
const SHORTEST: usize = 4;
/// Most words that a `*` of a phrase stands for.
const GAP: usize = 3;
/// Said of a meaning, so that it is no word: it stands before it.
const MEANS: char = '=';

/// A phrase of several words; what follows its `*` may come up to some words later.
#[derive(Debug)]
struct Phrase {
    head: Vec<String>,
    tail: Vec<String>,
    means: String,
}

impl Phrase {
    /// Where its words stand in others, from a place on.
    fn places(&self, words: &[String], at: usize) -> Option<Vec<usize>> {
        let stands = |part: &[String], from: usize| words.get(from..from + part.len()).is_some_and(|w| w == part);
        let after = at + self.head.len();
        if !stands(&self.head, at) {
            return None;
        }
        if self.tail.is_empty() {
            return Some((at..after).collect());
        }
        let tail = (after..=after + GAP).find(|from| stands(&self.tail, *from))?;
        Some((at..after).chain(tail..tail + self.tail.len()).collect())
    }
}

/// The words that are known, and what they mean.
#[derive(Debug, Default)]
pub(super) struct Meanings {
    /// Stems that mean the same as others.
    same: BTreeMap<String, String>,
    phrases: Vec<Phrase>,
    /// Known words as they are written, by their stems.
    written: BTreeMap<String, String>,
    stems: BTreeSet<String>,
    /// Known words by their pieces of three letters.
    pieces: BTreeMap<[char; 3], BTreeSet<String>>,
}

impl Meanings {
    /// Those of a language, for texts that will be read.
    pub(super) fn new<'t>(language: &str, texts: impl Iterator<Item = &'t str>) -> Self {
        let mut all = Self::default();
        if language == "en" {
            for line in include_str!("words/alike-en.txt").lines().filter(|l| !l.starts_with('#')) {
                all.add_line(line);
            }
        }
        for word in texts.flat_map(words) {
            all.know(&word);
        }
        all
    }

    fn add_line(&mut self, line: &str) {
        let mut means = String::new();
        for phrase in line.split(',') {
            let (head, tail) = phrase.split_once('*').unwrap_or((phrase, ""));
            for word in head.split_whitespace().chain(tail.split_whitespace()) {
                self.know(word);
            }
            let stems = |part: &str| part.split_whitespace().map(stem).collect::<Vec<_>>();
            let (head, tail) = (stems(head), stems(tail));
            if let [word] = head.as_slice()
                && tail.is_empty()
            {
                if means.is_empty() {
                    means = format!("{MEANS}{word}");
                }
                self.same.insert(word.clone(), means.clone());
            } else {
                self.phrases.push(Phrase { head, tail, means: means.clone() });
            }
        }
    }

    fn know(&mut self, word: &str) {
        let stem = stem(word);
        if word.chars().count() < SHORTEST || is_common(&stem) {
            return;
        }
        for piece in trigrams(word) {
            self.pieces.entry(piece).or_default().insert(word.to_owned());
        }
        self.written.insert(word.to_owned(), stem.clone());
        self.stems.insert(stem);
    }

    /// What a text means, each with how surely: 1 where it was written as known.
    pub(super) fn read(&self, text: &str) -> Vec<(String, f64)> {
        let (stems, sure): (Vec<String>, Vec<f64>) = words(text).iter().map(|word| self.set_right(word)).unzip();
        let mut found: Vec<(String, f64)> = Vec::new();
        let mut add = |means: &str, sure: f64| match found.iter_mut().find(|(known, _)| known == means) {
            Some((_, known)) => *known = known.max(sure),
            None => found.push((means.to_owned(), sure)),
        };
        let mut used = BTreeSet::new();
        for at in 0..stems.len() {
            for phrase in &self.phrases {
                let Some(places) = phrase.places(&stems, at) else { continue };
                if places.iter().any(|place| used.contains(place)) {
                    continue;
                }
                let surely = places.iter().filter_map(|place| sure.get(*place)).copied().fold(1.0, f64::min);
                add(&phrase.means, surely);
                used.extend(places);
                break;
            }
        }
        for (at, (stem, sure)) in stems.iter().zip(&sure).enumerate() {
            if !used.contains(&at) {
                add(self.same.get(stem).unwrap_or(stem), *sure);
            }
        }
        found
    }

    /// The stem of a word, or of the known word that it is mistyped for.
    fn set_right(&self, word: &str) -> (String, f64) {
        let own = stem(word);
        let long = word.chars().count();
        if long < SHORTEST || self.stems.contains(&own) || is_common(&own) {
            return (own, 1.0);
        }
        let pieces = trigrams(word);
        let mut shared: BTreeMap<&str, usize> = BTreeMap::new();
        for known in pieces.iter().filter_map(|p| self.pieces.get(p)).flatten() {
            *shared.entry(known).or_default() += 1;
        }
        let mut best: Option<(&str, f64)> = None;
        for (known, shared) in shared {
            if known.chars().next() != word.chars().next() || known.chars().count().abs_diff(long) > 3 {
                continue;
            }
            let dice = 2.0 * count(shared) / count(pieces.len() + trigrams(known).len());
            let edits = strsim::damerau_levenshtein(word, known);
            let near = if edits == 1 { SLIP } else { 0.8 - count(edits) / count(long.max(known.chars().count())) };
            let likeness = dice.max(near);
            if likeness >= ALIKE && best.is_none_or(|(_, b)| likeness > b) {
                best = Some((known, likeness));
            }
        }
        match best.and_then(|(known, likeness)| Some((self.written.get(known)?, likeness))) {
            Some((stem, likeness)) => (stem.clone(), likeness),
            None => (own, 1.0),
        }
    }
}

/// The words of a text that may say a wish. Words with letters and digits are values, and so are long numbers; what denies is `not`.
fn words(text: &str) -> Vec<String> {
    let denies = |word: &str| matches!(word, "cannot" | "never" | "nothing" | "no") || word.ends_with("n't") || UNSPELT.contains(&word);
    let bare = |word: &str| word.rsplit_once('\'').filter(|(_, end)| CLIPPED.contains(end)).map_or(word, |(w, _)| w).to_owned();
    folded(text)
        .into_iter()
        .take(MAX_WORDS)
        .filter(|word| is_number(word) || !word.chars().any(|c| c.is_ascii_digit()))
        .map(|word| if denies(&word) { "not".to_owned() } else { bare(&word) })
        .collect()
}

/// Whether a word is a number that may be part of a name, as in `tariff 2`.
pub(super) fn is_number(word: &str) -> bool {
    word.len() <= 3 && word.chars().all(|c| c.is_ascii_digit())
}

/// `can't` as it is often typed.
const UNSPELT: [&str; 12] = ["dont", "doesnt", "didnt", "hasnt", "havent", "isnt", "arent", "wasnt", "wont", "cant", "couldnt", "wouldnt"];

/// What `'` cuts off another word.
const CLIPPED: [&str; 6] = ["ve", "m", "ll", "d", "s", "re"];

/// Words that join two wishes.
const JOINING: [&str; 13] = ["and", "then", "also", "plus", "und", "dann", "außerdem", "et", "puis", "aussi", "y", "también", "además"];

/// The parts of a message that may each be a wish: between marks, and words that join.
pub(super) fn parts(message: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut from, mut end) = (None, 0);
    for token in super::text::tokens(message) {
        let between = message.get(end..token.start).unwrap_or("");
        let joins = JOINING.contains(&token.folded.as_str());
        if (joins || between.contains([',', ';', '.', '?', '!', ':', '\n']) || between.contains(" - "))
            && let Some(from) = from.take()
        {
            parts.extend(message.get(from..end));
        }
        end = token.end();
        if !joins {
            from.get_or_insert(token.start);
        }
    }
    if let Some(from) = from {
        parts.extend(message.get(from..end));
    }
    parts.truncate(MAX_PARTS);
    parts
}

/// Most parts of a message that are looked at.
const MAX_PARTS: usize = 8;

#[expect(clippy::cast_precision_loss, reason = "counts of letters and words are small")]
fn count(n: usize) -> f64 {
    n as f64
}
