//! What becomes of a conversation when the key of its sensitive values is gone: what was collected is asked again, a read is made
//! again, and a write never: its run goes to the fallback.

use std::sync::Arc;

use super::answer::Status;
use super::effect::{CallFailure, CallResult};
use super::event::{Class, Ended, EventBody, Lost};
use super::state::{Flight, Run};
use super::turn::{Go, Turn};
use crate::model::{Next, StepKey};
use crate::value::Name;

/// Why a run goes to its fallback.
const GONE: &str = "sensitive values that it needs cannot be opened any more";

/// Where a run goes on.
enum Back {
    /// To the step that assigned or asked for the first of what is lost.
    To { run: Arc<Run>, step: StepKey, asks: Option<Name> },
    /// To the fallback.
    Fall,
}

impl Turn<'_> {
    /// Unsets what no key opens, and goes back to where it came from.
    pub fn unsealed(&mut self) {
        if !self.state.is_lost() {
            return;
        }
        self.begin("unsealed", None);
        let flight = self.state.flight.clone().filter(|_| self.is_flight_lost());
        let back = self.place_of_lost();
        let write = flight.as_ref().map(|f| f.settles.as_ref().unwrap_or(f)).filter(|f| f.digest.is_some()).cloned();
        if let Some(write) = &write {
            self.doubt_unanswered(write);
        }
        let is_set = |run: u32, name: &Name| self.state.runs.iter().any(|r| r.id == run && r.variables.set.contains_key(name));
        let variables = self.state.lost.iter().filter(|(run, name)| is_set(*run, name)).cloned().collect();
        let held = self.state.runs.iter().filter_map(|r| r.stand.hold.as_ref());
        let holds = held.filter(|h| h.lost).map(|h| h.held.id.clone()).collect();
        self.emit(EventBody::Lost(Box::new(Lost { variables, flight: flight.is_some(), holds })));
        if self.state.status != Status::Active {
            return;
        }
        let go = match (write, back, flight) {
            (Some(_), ..) | (_, Some(Back::Fall), _) => Go::Fall(GONE.into()),
            (None, Some(Back::To { run, step, asks }), _) => self.back_to(&run, step, asks),
            (None, None, Some(flight)) => match self.state.top().filter(|r| r.id == flight.run).cloned() {
                Some(run) => run.at.clone().map_or(Go::Wait, |at| self.back_to(&run, at, None)),
                None => Go::Wait,
            },
            (None, None, None) => self.come_back(),
        };
        self.walk(go);
        self.drain();
    }

    fn is_flight_lost(&self) -> bool {
        self.state.flight.as_ref().is_some_and(|f| f.lost || f.settles.as_ref().is_some_and(|w| w.lost))
    }

    /// A write that was sent, and whose answer nobody has, is in doubt.
    fn doubt_unanswered(&mut self, write: &Flight) {
        let sent = write.effect.clone().filter(|_| write.result.is_none());
        // A read that was to settle it stands before it, and its doubt is known already.
        let Some(effect) = sent.filter(|e| self.state.flight.as_ref().is_some_and(|f| f.effect.as_ref() == Some(e))) else { return };
        self.finish(None, &effect, CallResult::Failed(CallFailure::sender_gone()), Some(Class::InDoubt), false);
    }

    /// Where the top run, or one that called it, has to go on. A write that was started is never passed a second time.
    fn place_of_lost(&self) -> Option<Back> {
        let runs = &self.state.runs;
        let first = runs.iter().rposition(|r| !r.called).unwrap_or(0);
        let lost = |run: &Run| self.state.lost.iter().any(|(id, name)| *id == run.id && run.variables.set.contains_key(name));
        let (mut at, mut run) = runs.iter().enumerate().skip(first).find(|(_, r)| lost(r))?;
        let mut place = self.first_place(run);
        if place.is_none() && at > first {
            // What its caller passed in: the caller runs it again.
            at -= 1;
            run = runs.get(at)?;
            place = run.at.clone().map(|step| (step, None));
        }
        let wrote = runs.iter().skip(at).any(|r| r.wrote);
        Some(match place.filter(|_| !wrote) {
            Some((step, asks)) => Back::To { run: run.clone(), step, asks },
            None => Back::Fall,
        })
    }

    /// The step that gave the first of a run's lost variables, and the field if it asked for it; none if any came from elsewhere.
    fn first_place(&self, run: &Run) -> Option<(StepKey, Option<Name>)> {
        let lost = self.state.lost.iter().filter(|(id, _)| *id == run.id).map(|(_, name)| name);
        let places = lost.filter_map(|name| Some((name, run.variables.set.get(name)?))).map(|(name, variable)| {
            if variable.step.is_empty() {
                run.asked.get(name).map(|(step, entered)| (*entered, step.clone(), Some(name.clone())))
            } else {
                Some((variable.seq, StepKey(variable.step.clone()), None))
            }
        });
        let places: Option<Vec<_>> = places.collect();
        places?.into_iter().min_by_key(|(seq, ..)| *seq).map(|(_, step, asks)| (step, asks))
    }

    fn back_to(&mut self, run: &Run, step: StepKey, asks: Option<Name>) -> Go {
        while let Some(top) = self.state.top().filter(|r| r.id != run.id).cloned() {
            self.emit(EventBody::Ended(Box::new(Ended { run: top.id, outcome: "cancelled".into(), result: None, via: None })));
        }
        if let Some(field) = asks {
            self.say("What you told me in confidence was not kept, so I have to ask for it again.");
            self.emit(EventBody::Corrected { field, step: step.clone() });
        }
        let id = self.top().and_then(|(_, plan)| plan.journey.step_by_key(&step).map(|(id, _)| id));
        id.map_or_else(|| Go::Fall(GONE.into()), |id| Go::via(Next::Step(id), "lost"))
    }
}
