//! What a variable is to supervision: when it was assigned, by what, and from which versions of what.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::value::{Name, Shared, Value};

/// How far staleness and cover are followed from one variable to those it was computed from.
const DEPTH: usize = 64;

/// Something that was read: a path, and the version of what it starts from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Source {
    /// The variable (or a root such as `$user`), then keys as far as they are known.
    #[serde(rename = "p")]
    pub path: Arc<[Arc<str>]>,
    /// When the variable was assigned: the conversation's version then; 0 for a root and for what was never assigned.
    #[serde(rename = "n", default, skip_serializing_if = "is_zero")]
    pub seq: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Source {
    /// The variable or root.
    #[must_use]
    pub fn root(&self) -> &str {
        self.path.first().map_or("", |s| s)
    }

    /// As an author writes it.
    #[must_use]
    pub fn shown(&self) -> String {
        self.path.join(".")
    }
}

/// Where a variable's value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The user's own word.
    Said,
    /// An agent's word that stands in no message of the user's.
    Proposed,
    /// Nothing but what its sources hold: an expression, or a constant if it has none.
    Computed,
    /// An answer from outside.
    Answer,
}

/// A variable of a run.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Variable {
    /// Its value.
    pub value: Value,
    /// The conversation's version when it was assigned.
    #[serde(rename = "n")]
    pub seq: u64,
    /// Where the value came from.
    #[serde(rename = "o")]
    pub origin: Origin,
    /// What it was computed from.
    #[serde(rename = "f", default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<Source>,
    /// The step that assigned it; empty if somebody filled it.
    #[serde(rename = "s", default, skip_serializing_if = "str::is_empty")]
    pub step: Arc<str>,
}

/// The variables of a run, and when each unset one was unset.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Variables {
    /// Those that are set.
    #[serde(rename = "v", default, skip_serializing_if = "Shared::is_empty")]
    pub set: Shared<Name, Arc<Variable>>,
    /// Those that were, and when they were unset.
    #[serde(rename = "g", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub gone: BTreeMap<Name, u64>,
    /// When `$user` was assigned; 0: when the conversation was opened.
    #[serde(rename = "u", default, skip_serializing_if = "is_zero")]
    pub user: u64,
}

impl Variables {
    /// When it was last assigned or unset; 0: never, and for roots but `$user`.
    #[must_use]
    pub fn seq(&self, name: &str) -> u64 {
        if name == "$user" {
            return self.user;
        }
        self.set.get(name).map(|v| v.seq).or_else(|| self.gone.get(name).copied()).unwrap_or(0)
    }
}

/// The first source that has been assigned since it was read.
#[must_use]
pub fn moved(sources: &[Source], variables: &Variables) -> Option<Arc<str>> {
    sources.iter().find(|s| variables.seq(s.root()) != s.seq).map(|s| s.root().into())
}

/// The first variable on the way to `sources` of which a source has been assigned since it was computed.
#[must_use]
pub fn stale<'a>(sources: impl IntoIterator<Item = &'a Source>, variables: &Variables) -> Option<Arc<str>> {
    sources.into_iter().find_map(|s| stale_variable(s.root(), variables, 0))
}

fn stale_variable(name: &str, variables: &Variables, depth: usize) -> Option<Arc<str>> {
    if depth > DEPTH {
        return Some(name.into());
    }
    let variable = variables.set.get(name)?;
    variable
        .from
        .iter()
        .filter(|s| s.root() != name)
        .find_map(|s| if variables.seq(s.root()) == s.seq { stale_variable(s.root(), variables, depth + 1) } else { Some(name.into()) })
}

/// Whether everything that `source` holds is in `shown`, is computed only from what is, or is constant, as of `since`.
pub(super) fn is_covered(source: &Source, shown: &[Source], variables: &Variables, since: u64) -> bool {
    covered(&source.path, shown, variables, since, 0)
}

fn covered(path: &[Arc<str>], shown: &[Source], variables: &Variables, since: u64, depth: usize) -> bool {
    let Some(root) = path.first() else { return true };
    if depth > DEPTH {
        return false;
    }
    if let [a, b, ..] = path
        && &**a == "$conversation"
        && &**b == "identity"
    {
        return true;
    }
    let now = variables.seq(root);
    if now > since {
        return false;
    }
    if shown.iter().any(|s| s.seq == now && path.starts_with(&s.path)) {
        return true;
    }
    match variables.set.get(&**root) {
        None => !root.starts_with('$'),
        Some(v) => v.origin == Origin::Computed && v.from.iter().all(|s| covered(&s.path, shown, variables, since, depth + 1)),
    }
}
