//! Messages: what words mean beside an answer (cancel, a person, skip), and where a wish leads.

use std::sync::Arc;

use super::input::Actor;
use super::turn::Turn;
use crate::understand::Thresholds;
use crate::value::Name;

/// A message of the user's.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    /// Its text.
    pub text: Arc<str>,
    /// The turn that brought it.
    pub turn: u64,
    /// Who sent it.
    pub actor: Actor,
    /// The channel that it came by.
    pub channel: Arc<str>,
    /// The question that a host says it was shown before it was said.
    pub answers: Option<Arc<str>>,
}

impl Turn<'_> {
    /// The journey that a message wishes for, and how surely, in thousandths; in the middle of another the threshold is higher.
    pub fn wish(&self, text: &str) -> Option<(Name, u32)> {
        let thresholds = Thresholds::DEFAULT;
        let threshold = if self.state.top().is_some() { thresholds.digression } else { thresholds.first };
        let found = self.machine.router.choose(text, &self.view(), threshold)?;
        if self.state.runs.iter().any(|r| r.journey == found.journey) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to thousandths of one")]
        let score = (found.score.clamp(0.0, 1.0) * 1_000.0).round() as u32;
        Some((found.journey, score))
    }
}
