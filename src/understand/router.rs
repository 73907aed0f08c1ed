//! Which journey a message means: lexical similarity with the goals and examples of triggers, by an inverted index.
//!
//! Deterministic, and it says its score. Words are stemmed lightly and weigh by how rare they are in the workspace; pieces of
//! three letters make up for typing errors.

use std::collections::BTreeMap;

use super::stem::{is_common, stem, trigrams};
use super::text::folded;
use crate::expr::{Program, Scope};
use crate::model::Workspace;
use crate::value::Name;

/// A journey and how well a message fits it, from 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// The journey.
    pub journey: Name,
    /// From 0 to 1.
    pub score: f64,
}

/// From which score on a journey is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// By a message while nothing else is going on.
    pub first: f64,
    /// By a message in the middle of another journey.
    pub digression: f64,
    /// Two journeys of one priority nearer to each other than this are a tie: neither is chosen.
    pub tie: f64,
}

impl Thresholds {
    /// What the router uses; `grammar/understanding.md` says how they were found.
    pub const DEFAULT: Self = Self { first: 0.37, digression: 0.5, tie: 0.02 };
}

/// Most words of a message that are looked at.
const MAX_WORDS: usize = 60;
/// Most journeys that a ranking names.
const MAX_RANKED: usize = 10;
/// What a word that stands in every language's small change weighs beside one that does not.
const COMMON: f64 = 0.25;
/// What a word of the message that no trigger has weighs.
const UNKNOWN: f64 = 0.35;
/// How much a match on little evidence loses, as a share of the rarest word's weight squared.
const DOUBT: f64 = 0.25;
/// How alike a mistyped word must be.
const ALIKE: f64 = 0.5;

#[derive(Debug)]
struct Entry {
    journey: Name,
    priority: f64,
    requires: Vec<Program>,
}

/// One text of a journey: its name, its trigger's goal, or an example.
#[derive(Debug)]
struct Doc {
    entry: usize,
    /// Sum of the squares of its words' weights.
    mass: f64,
}

#[derive(Debug)]
struct Word {
    weight: f64,
    docs: Vec<usize>,
}

/// The triggers of a workspace, indexed.
#[derive(Debug, Default)]
pub struct Router {
    entries: Vec<Entry>,
    docs: Vec<Doc>,
    words: BTreeMap<String, Word>,
    /// For typing errors: the known words that have a piece of three letters.
    pieces: BTreeMap<[char; 3], Vec<String>>,
    /// The greatest weight of a word.
    greatest: f64,
}

fn features(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for word in folded(text).into_iter().take(MAX_WORDS) {
        if word.chars().any(|c| c.is_ascii_digit()) {
            continue;
        }
        let stem = stem(&word);
        if !found.contains(&stem) {
            found.push(stem);
        }
    }
    found
}

impl Router {
    /// Indexes the triggers of a workspace.
    #[must_use]
    pub fn new(workspace: &Workspace) -> Self {
        let mut router = Self::default();
        let mut texts: Vec<(usize, Vec<String>)> = Vec::new();
        for journey in workspace.journeys.values() {
            let Some(trigger) = &journey.trigger else { continue };
            let entry = router.entries.len();
            router.entries.push(Entry {
                journey: journey.slug.name.clone(),
                priority: trigger.priority,
                requires: trigger.requires.clone(),
            });
            for text in [&journey.name, &trigger.goal].into_iter().chain(&trigger.examples) {
                texts.push((entry, features(text)));
            }
        }
        router.index(texts);
        router
    }

    fn index(&mut self, texts: Vec<(usize, Vec<String>)>) {
        let mut journeys_with: BTreeMap<&str, std::collections::BTreeSet<usize>> = BTreeMap::new();
        for (entry, words) in &texts {
            for word in words {
                journeys_with.entry(word).or_default().insert(*entry);
            }
        }
        let all = count(self.entries.len());
        let weight = |word: &str, journeys: usize| {
            let rarity = (1.0 + all / count(journeys)).ln();
            if is_common(word) { rarity * COMMON } else { rarity }
        };
        let weights: BTreeMap<String, f64> = journeys_with.iter().map(|(w, j)| ((*w).to_owned(), weight(w, j.len()))).collect();
        for (doc, (entry, words)) in texts.into_iter().enumerate() {
            let mut mass = 0.0;
            for word in words {
                let weight = weights.get(&word).copied().unwrap_or(0.0);
                mass += weight * weight;
                self.greatest = self.greatest.max(weight);
                if !self.words.contains_key(&word) {
                    for piece in trigrams(&word) {
                        self.pieces.entry(piece).or_default().push(word.clone());
                    }
                }
                self.words.entry(word).or_insert_with(|| Word { weight, docs: Vec::new() }).docs.push(doc);
            }
            self.docs.push(Doc { entry, mass });
        }
    }

    /// The journeys that a message may mean and that the user may start, best first.
    #[must_use]
    pub fn route(&self, message: &str, scope: &dyn Scope) -> Vec<Match> {
        self.ranked(message, scope).into_iter().map(|(entry, score)| Match { journey: entry.journey.clone(), score }).collect()
    }

    /// The one journey that a message means, if its score reaches the threshold and no other of its priority comes near.
    #[must_use]
    pub fn choose(&self, message: &str, scope: &dyn Scope, threshold: f64) -> Option<Match> {
        let ranked = self.ranked(message, scope);
        let (best, score) = ranked.first().filter(|(_, score)| *score >= threshold)?;
        let near = ranked.iter().skip(1).take_while(|(_, s)| score - s < Thresholds::DEFAULT.tie);
        let tied = near.into_iter().any(|(other, _)| other.priority >= best.priority);
        (!tied).then(|| Match { journey: best.journey.clone(), score: *score })
    }

    /// Best first; among near equals the higher priority first.
    fn ranked(&self, message: &str, scope: &dyn Scope) -> Vec<(&Entry, f64)> {
        let mut ranked: Vec<(usize, f64)> = self.scores(message).into_iter().enumerate().filter(|(_, s)| *s > 0.0).collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let allowed = |entry: &&Entry| entry.requires.iter().all(|path| path.test(scope).unwrap_or(false));
        let mut best: Vec<(&Entry, f64)> = ranked
            .into_iter()
            .filter_map(|(i, score)| Some((self.entries.get(i)?, score)))
            .filter(|(entry, _)| allowed(entry))
            .take(MAX_RANKED)
            .collect();
        if let Some((_, top)) = best.first().copied() {
            let near = best.iter().take_while(|(_, s)| top - s < Thresholds::DEFAULT.tie).count();
            if let Some(tied) = best.get_mut(..near) {
                tied.sort_by(|a, b| b.0.priority.total_cmp(&a.0.priority).then(b.1.total_cmp(&a.1)));
            }
        }
        best
    }

    /// The score of each journey: the cosine with its best text.
    fn scores(&self, message: &str) -> Vec<f64> {
        let said = features(message);
        let mut dots = vec![0.0; self.docs.len()];
        let mut mass = 0.0;
        for word in &said {
            let (known, likeness) = match self.words.get(word) {
                Some(known) => (Some(known), 1.0),
                None => self.mistyped(word),
            };
            let Some(known) = known else {
                let weight = self.greatest * if is_common(word) { COMMON * UNKNOWN } else { UNKNOWN };
                mass += weight * weight;
                continue;
            };
            let weight = known.weight * likeness;
            mass += known.weight * known.weight;
            for doc in &known.docs {
                if let Some(dot) = dots.get_mut(*doc) {
                    *dot += weight * known.weight;
                }
            }
        }
        let doubt = DOUBT * self.greatest * self.greatest;
        let mut scores = vec![0.0; self.entries.len()];
        if mass <= 0.0 {
            return scores;
        }
        for (doc, dot) in self.docs.iter().zip(dots) {
            if dot > 0.0
                && doc.mass > 0.0
                && let Some(score) = scores.get_mut(doc.entry)
            {
                let cosine = dot / (mass * doc.mass).sqrt();
                *score = f64::max(*score, (cosine * dot / (dot + doubt)).min(1.0));
            }
        }
        scores
    }

    /// The known word most like one that no trigger has.
    fn mistyped(&self, word: &str) -> (Option<&Word>, f64) {
        let pieces = trigrams(word);
        if word.chars().count() < 4 || is_common(word) {
            return (None, 0.0);
        }
        let mut shared: BTreeMap<&str, usize> = BTreeMap::new();
        for known in pieces.iter().filter_map(|p| self.pieces.get(p)).flatten() {
            *shared.entry(known).or_default() += 1;
        }
        let mut best: Option<(&str, f64)> = None;
        for (known, shared) in shared {
            if known.chars().count() < 4 || is_common(known) {
                continue;
            }
            if known.chars().next() != word.chars().next() || known.len().abs_diff(word.len()) > 3 {
                continue;
            }
            let dice = 2.0 * count(shared) / count(pieces.len() + trigrams(known).len());
            let likeness = dice.max(strsim::normalized_damerau_levenshtein(word, known) - 0.2);
            if likeness >= ALIKE && best.is_none_or(|(_, b)| likeness > b) {
                best = Some((known, likeness));
            }
        }
        best.map_or((None, 0.0), |(known, likeness)| (self.words.get(known), likeness))
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of words and journeys are small")]
fn count(n: usize) -> f64 {
    n as f64
}
