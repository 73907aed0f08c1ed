//! Which journey a message means: lexical similarity with the goals and examples of triggers.
//!
//! Deterministic, and it says its score. What words mean is read by `meaning`; meanings weigh by how rare they are among the journeys.

use std::collections::{BTreeMap, BTreeSet};

use super::meaning::{Meanings, is_number, parts};
use super::stem::is_common;
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

/// What a message means.
#[derive(Debug, Clone, PartialEq)]
pub enum Meant {
    /// No journey, or none surely enough.
    Nothing,
    /// One journey.
    One(Match),
    /// Several wishes at once, the surest first.
    Several(Vec<Match>),
}

/// From which score on a journey is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// By a message while nothing else is going on.
    pub first: f64,
    /// By a part of a message, where several parts mean different journeys.
    pub part: f64,
    /// By a message in the middle of another journey.
    pub digression: f64,
    /// Two journeys of one priority nearer to each other than this are a tie: neither is chosen.
    pub tie: f64,
}

impl Thresholds {
    /// What the router uses; `grammar/understanding.md` says how they were found.
    pub const DEFAULT: Self = Self { first: 0.43, part: 0.37, digression: 0.5, tie: 0.02 };
}

/// Most journeys that a ranking names.
const MAX_RANKED: usize = 10;
/// What a word that stands in every language's small change weighs beside one that does not.
const COMMON: f64 = 0.25;
/// How much a match on little evidence loses, as a share of the rarest word's weight squared.
const DOUBT: f64 = 0.2;

#[derive(Debug)]
struct Entry {
    journey: Name,
    /// The words of its name, goal and examples: who says just one of them means it.
    said: BTreeSet<Vec<String>>,
    priority: f64,
    requires: Vec<Program>,
}

/// One text of a journey: its trigger's goal, or an example.
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
    meanings: Meanings,
}

impl Router {
    /// Indexes the triggers of a workspace.
    #[must_use]
    pub fn new(workspace: &Workspace) -> Self {
        let mut router = Self::default();
        let mut texts: Vec<(usize, &str)> = Vec::new();
        for journey in workspace.journeys.values() {
            let Some(trigger) = &journey.trigger else { continue };
            let entry = router.entries.len();
            router.entries.push(Entry {
                journey: journey.slug.name.clone(),
                said: [&journey.name, &trigger.goal].into_iter().chain(&trigger.examples).map(|text| folded(text)).collect(),
                priority: trigger.priority,
                requires: trigger.requires.clone(),
            });
            texts.extend([&trigger.goal].into_iter().chain(&trigger.examples).map(|text| (entry, &**text)));
        }
        let language = workspace.settings.locale.split(['-', '_']).next().unwrap_or("");
        router.meanings = Meanings::new(language, texts.iter().map(|(_, text)| *text));
        router.index(&texts);
        router
    }

    fn index(&mut self, texts: &[(usize, &str)]) {
        let read: Vec<(usize, Vec<(String, f64)>)> = texts.iter().map(|(entry, text)| (*entry, self.meanings.read(text))).collect();
        let mut journeys_with: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
        for (entry, words) in &read {
            for (word, _) in words {
                journeys_with.entry(word).or_default().insert(*entry);
            }
        }
        let all = count(self.entries.len());
        for (word, journeys) in journeys_with {
            let weight = (1.0 + all / count(journeys.len())).ln() / (1.0 + all).ln() * plain(word);
            self.words.insert(word.to_owned(), Word { weight, docs: Vec::new() });
        }
        for (doc, (entry, words)) in read.iter().enumerate() {
            let mut mass = 0.0;
            for (word, _) in words {
                if let Some(known) = self.words.get_mut(word) {
                    mass += known.weight * known.weight;
                    known.docs.push(doc);
                }
            }
            self.docs.push(Doc { entry: *entry, mass });
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

    /// What a message means: one journey, or several where its parts, each for itself, mean different ones.
    #[must_use]
    pub fn meant(&self, message: &str, scope: &dyn Scope, threshold: f64) -> Meant {
        let whole = self.choose(message, scope, threshold);
        let mut several: Vec<Match> = Vec::new();
        let parts = parts(message);
        for part in parts.iter().filter(|_| parts.len() > 1) {
            if let Some(found) = self.choose(part, scope, Thresholds::DEFAULT.part)
                && several.iter().all(|m| m.journey != found.journey)
            {
                several.push(found);
            }
        }
        if let (1, Some(whole)) = (several.len(), &whole)
            && several.iter().all(|m| m.journey != whole.journey)
        {
            several.push(whole.clone());
        }
        match (several.len(), whole) {
            (0, None) => Meant::Nothing,
            (0 | 1, Some(whole)) => Meant::One(whole),
            (1, None) => several.pop().map_or(Meant::Nothing, Meant::One),
            _ => Meant::Several(several),
        }
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
        let mut dots = vec![0.0; self.docs.len()];
        let mut mass = 0.0;
        for (word, sure) in self.meanings.read(message) {
            let Some(known) = self.words.get(&word) else {
                // A word that no trigger has is something else that is wanted; a number is a value.
                mass += if is_number(&word) { 0.0 } else { plain(&word) * plain(&word) };
                continue;
            };
            mass += known.weight * known.weight;
            for doc in &known.docs {
                if let Some(dot) = dots.get_mut(*doc) {
                    *dot += sure * known.weight * known.weight;
                }
            }
        }
        let said = folded(message);
        let mut scores: Vec<f64> = self.entries.iter().map(|e| if e.said.contains(&said) { 1.0 } else { 0.0 }).collect();
        for (doc, dot) in self.docs.iter().zip(dots) {
            if dot > 0.0
                && doc.mass > 0.0
                && let Some(score) = scores.get_mut(doc.entry)
            {
                let cosine = dot / (mass * doc.mass).sqrt();
                *score = f64::max(*score, (cosine * dot / (dot + DOUBT)).min(1.0));
            }
        }
        scores
    }
}

/// What a word weighs before it is known how rare it is.
fn plain(word: &str) -> f64 {
    if is_common(word) && !is_number(word) { COMMON } else { 1.0 }
}

#[expect(clippy::cast_precision_loss, reason = "counts of words and journeys are small")]
fn count(n: usize) -> f64 {
    n as f64
}
