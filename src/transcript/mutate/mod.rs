//! Mutation: a workspace with one thing in it made wrong, as its author would see it in the file, and whether anything notices.
//!
//! Knows files as trees of YAML with places, and the transcripts that are run on what they come to.

mod edit;
mod expression;
mod integration;
mod journey;
mod judge;

use std::sync::Arc;

pub use judge::{Judge, Verdict};

use crate::source::FileId;
use crate::syntax;

/// A file of a workspace with one thing in it made wrong.
#[derive(Debug, Clone)]
pub struct Mutant {
    /// Stable while the file is: `journeys/refund.yaml:45 drop-confirm`, with `#2` behind a second one of a kind on a line.
    pub id: String,
    /// The file, relative to the workspace.
    pub file: Arc<str>,
    /// The line at which it changes, from 1.
    pub line: u32,
    /// What is done to it, as a name.
    pub operator: &'static str,
    /// In words.
    pub what: String,
    /// The file as it is then.
    pub text: Arc<str>,
    /// Why it comes to the same, where that can be shown from the file.
    pub same: Option<String>,
}

/// Lines of a file that a mutant takes out and puts in, with the line of the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    /// From 1.
    pub line: usize,
    /// What goes.
    pub removed: Vec<String>,
    /// What comes.
    pub added: Vec<String>,
}

impl Mutant {
    /// The workspace's files with this one in place of its own.
    #[must_use]
    pub fn files(&self, of: &[(String, Arc<str>)]) -> Vec<(String, Arc<str>)> {
        let text = |name: &str, text: &Arc<str>| if *name == *self.file { self.text.clone() } else { text.clone() };
        of.iter().map(|(name, old)| (name.clone(), text(name, old))).collect()
    }

    /// What it changes in the author's file.
    #[must_use]
    pub fn diff(&self, original: &str) -> Diff {
        let (old, new): (Vec<&str>, Vec<&str>) = (original.lines().collect(), self.text.lines().collect());
        let before = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
        let most = old.len().min(new.len()) - before;
        let after = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
        let part = |lines: &[&str]| lines.get(before..lines.len() - after).unwrap_or_default().iter().map(|l| (*l).to_owned()).collect();
        Diff { line: before + 1, removed: part(&old), added: part(&new) }
    }
}

/// Every mutant of a workspace's journeys, integrations and datapoints, in the order of their files and places.
#[must_use]
pub fn mutants(files: &[(String, Arc<str>)]) -> Vec<Mutant> {
    let mut all = Vec::new();
    for (name, text) in files {
        let Some(kind) = kind_of(name) else { continue };
        let parsed = syntax::parse(FileId(0), text);
        let mut found = edit::Found::new(text);
        for document in &parsed.documents {
            match kind {
                Kind::Journey => journey::of(document, &mut found),
                Kind::Integration => integration::of(document, &mut found),
                Kind::Datapoint => integration::datapoints(document, &mut found),
            }
        }
        all.extend(found.mutants(name));
    }
    all
}

#[derive(Clone, Copy)]
enum Kind {
    Journey,
    Integration,
    Datapoint,
}

fn kind_of(name: &str) -> Option<Kind> {
    match name.split_once('/')?.0 {
        "journeys" => Some(Kind::Journey),
        "integrations" => Some(Kind::Integration),
        "datapoints" => Some(Kind::Datapoint),
        _ => None,
    }
}
