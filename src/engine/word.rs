//! Whose word a value is: the user's, an agent's, or something that was computed or answered. Follows what a value was made of.

use super::call::AGENT;
use super::operand;
use super::state::Run;
use super::turn::Turn;
use crate::model::Operand;
use crate::supervise::{Origin, Source};
use crate::value::Name;

impl Turn<'_> {
    /// The first variable that something comes from which only an agent vouches for.
    pub fn agents_word(&self, run: &Run, mut sources: Vec<Source>) -> Option<Name> {
        let mut seen: Vec<Name> = Vec::new();
        while let Some(source) = sources.pop() {
            let name = Name::new(source.root());
            if seen.contains(&name) {
                continue;
            }
            if let Some(variable) = run.variables.set.get(&name) {
                if variable.origin == Origin::Proposed && !self.stands_in_users_words(&variable.value.json) {
                    return Some(name);
                }
                if variable.from.iter().any(|s| s.root() == AGENT) {
                    return Some(name);
                }
                sources.extend(variable.from.iter().cloned());
            }
            seen.push(name);
        }
        None
    }

    /// Whose word it is that goes from the top run into another: what was made of an agent's word there is one here.
    pub fn word_of<'o>(&self, operands: impl IntoIterator<Item = &'o Operand>) -> Origin {
        let Some(run) = self.state.top() else { return Origin::Answer };
        let from: Vec<Source> = operands.into_iter().flat_map(|o| operand::sources(o, Some(&run.variables))).collect();
        let of = |s: &Source| run.variables.set.get(s.root()).map(|v| v.origin);
        if from.is_empty() {
            Origin::Computed
        } else if from.iter().all(|s| of(s) == Some(Origin::Said)) {
            Origin::Said
        } else if from.iter().any(|s| of(s) == Some(Origin::Proposed)) || self.agents_word(run, from).is_some() {
            Origin::Proposed
        } else {
            Origin::Answer
        }
    }
}
