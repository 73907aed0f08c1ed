//! Messages: what words mean beside an answer (cancel, a person, skip), and where a wish leads.

use std::sync::Arc;

use super::input::Actor;
use super::turn::Turn;
use crate::understand::{Meant, Thresholds};
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

/// Where a message leads.
pub(super) enum Wish {
    /// Nowhere that is known.
    Nothing,
    /// To a journey, and how surely, in thousandths.
    One(Name, u32),
    /// To several at once.
    Several(Vec<Name>),
}

impl Turn<'_> {
    /// The journeys that a message wishes for. In the middle of another the threshold is higher, and only one wish at a time is heard.
    pub fn wish(&self, text: &str) -> Wish {
        if self.recall.hides_text(text) {
            return self.recall.routed().map_or(Wish::Nothing, |(journey, score)| Wish::One(journey, score));
        }
        let thresholds = Thresholds::DEFAULT;
        let router = &self.machine.router;
        let meant = if self.state.top().is_some() {
            router.choose(text, &self.view(), thresholds.digression).map_or(Meant::Nothing, Meant::One)
        } else {
            router.meant(text, &self.view(), thresholds.first)
        };
        match meant {
            Meant::One(found) if self.state.runs.iter().all(|r| r.journey != found.journey) => {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to thousandths of one")]
                let score = (found.score.clamp(0.0, 1.0) * 1_000.0).round() as u32;
                Wish::One(found.journey, score)
            }
            Meant::One(_) | Meant::Nothing => Wish::Nothing,
            Meant::Several(all) => Wish::Several(all.into_iter().map(|m| m.journey).collect()),
        }
    }
}
