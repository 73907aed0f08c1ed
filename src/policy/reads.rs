//! What policies may read, told by the words in their texts, so that no more is made of it.
//!
//! Nothing can be read that is not named: a name too many costs time, one too few cannot be.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::Workspace;

/// What policies may read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Keys of the context, and attributes that are dear to make.
    words: BTreeSet<&'static str>,
    inputs: BTreeSet<Arc<str>>,
}

impl Reads {
    /// What those texts may read in that workspace.
    pub fn of(texts: &[&str], workspace: &Workspace) -> Self {
        // A name may hide behind an escape.
        let named = |name: &str| texts.iter().any(|t| t.contains(name) || t.contains('\\'));
        let words = ["journey", "step", "confirmed", "now", "local", "identity", "Tag"].into_iter().filter(|w| named(w)).collect();
        let inputs = workspace.actions.values().flat_map(|a| &a.inputs).filter(|i| named(&i.shown)).map(|i| i.shown.clone()).collect();
        Self { words, inputs }
    }

    /// Whether a key of the context may be read.
    pub fn key(&self, key: &str) -> bool {
        self.words.contains(key)
    }

    /// Whether an input may be.
    pub fn input(&self, name: &str) -> bool {
        self.inputs.contains(name)
    }

    /// Whether the user's tags may be: `hasTag`, `getTag`.
    pub fn claims(&self) -> bool {
        self.words.contains("Tag")
    }
}
