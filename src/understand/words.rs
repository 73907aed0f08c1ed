//! Words that mean the same everywhere: yes, no, cancel, a person, skip, next, back, stuck. By language, and the workspace's own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::locale::Locale;
use super::text::{collapsed, folded};

/// What a message as a whole may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Words {
    /// Ends the run.
    Cancel,
    /// A person is wanted.
    Person,
    /// Leaves an optional field unset.
    Skip,
    /// On with a guide.
    Next,
    /// Back in a guide.
    Back,
    /// Stuck in a guide.
    Stuck,
}

/// The lists of one language, one phrase a line.
struct Language {
    code: &'static str,
    text: &'static str,
}

const LANGUAGES: [Language; 4] = [
    Language { code: "en", text: include_str!("words/en.txt") },
    Language { code: "de", text: include_str!("words/de.txt") },
    Language { code: "es", text: include_str!("words/es.txt") },
    Language { code: "fr", text: include_str!("words/fr.txt") },
];

/// Phrases of one kind that a workspace gives, by language.
type OwnWords = BTreeMap<Arc<str>, Vec<Arc<str>>>;

/// Phrases of one kind, in the ways that they are looked up.
#[derive(Debug, Default)]
struct Phrases {
    all: BTreeSet<Vec<String>>,
    /// How many words the longest phrase has that begins with a word.
    longest: BTreeMap<String, usize>,
    /// Those of one word, without runs of one letter.
    short: BTreeSet<String>,
}

/// The phrases of all languages in use, by kind.
#[derive(Debug, Default)]
pub(super) struct WordLists {
    lists: BTreeMap<String, Phrases>,
}

impl WordLists {
    /// The lists of the locale's language and of every language that the workspace gives words for.
    pub(super) fn new(locale: &str, own: &BTreeMap<Arc<str>, OwnWords>) -> Self {
        let base = |code: &str| code.split(['-', '_']).next().unwrap_or("").to_lowercase();
        let mut codes: BTreeSet<String> = own.values().flat_map(|by| by.keys()).map(|code| base(code)).collect();
        codes.insert(base(locale));
        let known = |code: &str| LANGUAGES.iter().any(|l| l.code == code);
        if !codes.iter().any(|c| known(c)) {
            codes.insert("en".to_owned());
        }
        let mut words = Self::default();
        for language in LANGUAGES.iter().filter(|l| codes.contains(l.code)) {
            words.read(language.text);
        }
        for (kind, by_language) in own {
            for phrase in by_language.values().flatten() {
                words.add(kind, phrase);
            }
        }
        words
    }

    /// A list is `[kind]`, then one phrase a line; `#` begins a comment.
    fn read(&mut self, text: &str) {
        let mut kind = "";
        for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
            match line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                Some(name) => kind = name,
                None => self.add(kind, line),
            }
        }
    }

    fn add(&mut self, kind: &str, phrase: &str) {
        let phrase = folded(phrase);
        let Some(first) = phrase.first() else { return };
        let phrases = self.lists.entry(kind.to_owned()).or_default();
        let longest = phrases.longest.entry(first.clone()).or_default();
        *longest = phrase.len().max(*longest);
        if phrase.len() == 1 {
            phrases.short.insert(collapsed(first));
        }
        phrases.all.insert(phrase);
    }

    /// The longest phrase of a kind that the words begin with, in words.
    pub(super) fn prefix(&self, kind: &str, words: &[String]) -> usize {
        let (Some(phrases), Some(first)) = (self.lists.get(kind), words.first()) else { return 0 };
        let longest = phrases.longest.get(first).map_or(0, |n| *n.min(&words.len()));
        let found = (1..=longest).rev().find(|n| words.get(..*n).is_some_and(|head| phrases.all.contains(head)));
        found.unwrap_or_else(|| usize::from(Self::stretched(phrases, first)))
    }

    /// `yesss` for `yes`: only a word with a run of one letter is looked up without it.
    fn stretched(phrases: &Phrases, word: &str) -> bool {
        if !word.chars().zip(word.chars().skip(1)).any(|(a, b)| a == b) {
            return false;
        }
        let short = collapsed(word);
        short.chars().count() > 1 && phrases.short.contains(&short)
    }

    /// Whether any phrase of the kind stands in the words.
    pub(super) fn holds(&self, kind: &str, words: &[String]) -> bool {
        (0..words.len()).any(|i| words.get(i..).is_some_and(|rest| self.prefix(kind, rest) > 0))
    }

    /// Whether the words are phrases of these kinds and nothing else, at least one of the first kind.
    pub(super) fn only(&self, kinds: &[&str], words: &[String]) -> bool {
        let mut at = 0;
        let mut first = false;
        while at < words.len() {
            let rest = words.get(at..).unwrap_or(&[]);
            let Some((kind, n)) = kinds.iter().rev().map(|k| (*k, self.prefix(k, rest))).filter(|(_, n)| *n > 0).max_by_key(|(_, n)| *n)
            else {
                return false;
            };
            first |= kinds.first() == Some(&kind);
            at += n;
        }
        first
    }

    /// Whether the word stands in a list by itself.
    pub(super) fn is(&self, kind: &str, word: &str) -> bool {
        self.prefix(kind, std::slice::from_ref(&word.to_owned())) == 1
    }
}

/// Whether a message says just that, politely or not. `cancel my order` is not the bare word.
#[must_use]
pub fn is_word(words: Words, message: &str, locale: &Locale) -> bool {
    let said = folded(message);
    let lists = &locale.words;
    match words {
        Words::Cancel => lists.only(&["cancel", "polite"], &said),
        Words::Skip => !message.contains('?') && lists.only(&["skip", "polite"], &said),
        Words::Next => !message.contains('?') && (lists.only(&["next", "polite", "yes"], &said) || lists.only(&["yes", "polite"], &said)),
        Words::Back => lists.only(&["back", "polite"], &said),
        Words::Stuck => lists.only(&["stuck", "polite"], &said),
        Words::Person => wants_person(lists, &said),
    }
}

/// A bare `agent, please`; `talk to` a person or somebody; `I need` a person and nothing else.
fn wants_person(lists: &WordLists, said: &[String]) -> bool {
    if lists.only(&["person", "polite"], said) {
        return true;
    }
    let reached = (0..said.len()).find_map(|i| {
        let verb = lists.prefix("reach", said.get(i..)?);
        let rest = said.get(i + verb..)?;
        let skipped = rest.iter().take_while(|w| lists.is("filler", w)).count();
        let whom = |from: usize| rest.get(from..).is_some_and(|r| lists.prefix("person", r) + lists.prefix("someone", r) > 0);
        (verb > 0 && (whom(0) || whom(skipped))).then_some(i)
    });
    // German has its verb at the end: `mit einem Mitarbeiter sprechen`.
    let reached = reached.or_else(|| {
        (0..said.len()).find(|i| {
            let rest = said.get(*i..).unwrap_or(&[]);
            let whom = lists.prefix("person", rest).max(lists.prefix("someone", rest));
            whom > 0 && rest.get(whom..).is_some_and(|r| lists.prefix("reach", r) == r.len() && !r.is_empty())
        })
    });
    let denied = |before: usize| lists.holds("negation", said.get(..before).unwrap_or(&[]));
    reached.is_some_and(|i| !denied(i))
        || (lists.holds("wish", said) && lists.only(&["person", "wish", "polite", "filler"], said) && !denied(said.len()))
}
