//! What conversations came to, read off their events.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::points::{Point, normal};
use crate::engine::EventBody;
use crate::engine::event::HoldEnd;
use crate::model::{ErrorKind, StepKey};
use crate::value::Name;

/// The steps that were come to, and how each was left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Covered(BTreeSet<(Name, StepKey, Arc<str>)>);

impl Covered {
    /// Whether that point of that journey was come to.
    #[must_use]
    pub fn has(&self, journey: &Name, point: &Point) -> bool {
        let at = |by: Arc<str>| self.0.contains(&(journey.clone(), point.key.clone(), by));
        if point.by.is_empty() { at("".into()) } else { point.by.iter().any(|by| at(by.clone())) }
    }

    /// Whether a run of that journey came to any step.
    #[must_use]
    pub fn is_of(&self, journey: &Name) -> bool {
        self.0.iter().any(|(j, ..)| j == journey)
    }

    /// Takes in what another conversation came to.
    pub fn add(&mut self, other: &Self) {
        self.0.extend(other.0.iter().cloned());
    }
}

/// Follows the events of a conversation.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    /// Runs that have not ended, each with the step at which it stands.
    runs: Vec<(Name, Option<StepKey>)>,
    /// Whether the last call failed, and nothing has caught it yet.
    failed: bool,
    covered: Covered,
}

impl Watch {
    /// The next event.
    pub fn see(&mut self, body: &EventBody) {
        match body.plain() {
            EventBody::Began(began) => self.runs.push((began.journey.clone(), None)),
            EventBody::Entered { step, via } => {
                self.left(via.as_deref());
                self.failed = false;
                if let Some((_, at)) = self.runs.last_mut() {
                    *at = Some(step.clone());
                }
                self.note("");
            }
            EventBody::Granted { .. } => self.note("confirmed"),
            EventBody::Matched { outcome } => self.note(&format!("outcome:{outcome}")),
            EventBody::Failed { kind: ErrorKind::Denied, code, .. } => {
                self.note(&format!("gate:{}", code.as_deref().unwrap_or("denied")));
            }
            EventBody::Failed { .. } => self.failed = true,
            EventBody::HoldEnded(ended) if matches!(ended.how, HoldEnd::Refused | HoldEnd::Expired) => self.note("gate:approval"),
            EventBody::Escalated(_) => {
                self.note(if self.failed { "error" } else { "not_verified" });
                self.failed = false;
            }
            EventBody::Ended(ended) => {
                self.left(ended.via.as_deref());
                if ended.outcome.as_ref() == "declined" {
                    self.note("reject");
                }
                self.runs.pop();
            }
            EventBody::Abandoned => self.runs.clear(),
            _ => {}
        }
    }

    /// What the conversation came to so far.
    #[must_use]
    pub fn covered(&self) -> &Covered {
        &self.covered
    }

    fn left(&mut self, via: Option<&str>) {
        if let Some(via) = via {
            self.note(via);
        }
    }

    fn note(&mut self, by: &str) {
        if let Some((journey, Some(step))) = self.runs.last() {
            self.covered.0.insert((journey.clone(), step.clone(), normal(by)));
        }
    }
}
