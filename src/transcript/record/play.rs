//! A recording, played again on the versions of the workspace that it was made with: the same events, or the first that is another.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Recording;
use super::alike::{Alike, Compared, Difference};
use super::input::{Unplayable, feed, is_hidden, turn_of};
use crate::check::Loaded;
use crate::engine::{Event, Keys, Machine, State};
use crate::model::ContentHash;

/// The machines of the versions of a workspace.
#[derive(Debug)]
pub struct Machines(BTreeMap<ContentHash, Machine>);

impl Machines {
    /// A machine for each version; each has the journeys of all.
    #[must_use]
    pub fn new(versions: &[Loaded]) -> Self {
        let of = |loaded: &Loaded| {
            let machine = Machine::new(loaded.clone(), Keys::derive(b"recording"));
            let others = versions.iter().filter(|v| v.workspace().hash != loaded.workspace().hash);
            (loaded.workspace().hash.clone(), others.fold(machine, Machine::with_older))
        };
        Self(versions.iter().map(of).collect())
    }

    /// Whether it has that version.
    #[must_use]
    pub fn has(&self, hash: &ContentHash) -> bool {
        self.0.contains_key(hash)
    }
}

/// What came of playing a recording.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Replayed {
    /// How many events were compared.
    pub events: usize,
    /// How many turns were played.
    pub turns: usize,
    /// How many decisions stood on values that the recording does not hold: taken over, and not judged again.
    pub not_judged: u32,
    /// The first difference.
    pub difference: Option<Difference>,
}

impl Machines {
    /// Plays a recording on the versions that it was made with.
    pub fn replay(&self, recording: &Recording) -> Result<Replayed, Unplayable> {
        if recording.header.partial {
            return Err(Unplayable::Partial);
        }
        let mut done = Replayed { events: 0, turns: 0, not_judged: 0, difference: None };
        let mut alike = Alike::default();
        let mut state = State::default();
        let mut hidden = false;
        let mut machine = recording.workspaces().next().map(|hash| self.machine(hash)).transpose()?;
        for (number, events) in recording.inputs.iter().enumerate() {
            if let Some(hash) = turn_of(events).and_then(|t| t.brought.workspace.as_ref()) {
                machine = Some(self.machine(hash)?);
            }
            let Some(machine) = machine else {
                // Nothing was ever said in it.
                if recording.inputs.len() > 1 {
                    return Err(Unplayable::Unkept(1));
                }
                done.events += events.len();
                break;
            };
            hidden |= is_hidden(events);
            let (progress, was) = feed(machine, &state, events, number, hidden, None)?;
            let compared = alike.compare(events, &progress.events);
            done.turns += usize::from(number > 0);
            done.not_judged += was.taken;
            match compared {
                Compared::Same => state = progress.state,
                Compared::Text(_) | Compared::Path(_) if was.blind || was.computed || is_of_lost_keys(events) => {
                    // It stands on what is not here: what was recorded is all that can be known.
                    done.not_judged += 1;
                    for event in events.iter() {
                        state.apply(event);
                    }
                }
                Compared::Text(found) | Compared::Path(found) => {
                    done.difference =
                        Some(Difference { turn: number, step: place(&state), field: found.field, old: found.old, new: found.new });
                    break;
                }
            }
            done.events += events.len();
        }
        Ok(done)
    }

    fn machine(&self, hash: &ContentHash) -> Result<&Machine, Unplayable> {
        self.0.get(hash).ok_or_else(|| Unplayable::Workspace(hash.0.clone()))
    }
}

/// Whether the turn is one in which keys were found missing: in a recording every sensitive value is.
pub(super) fn is_of_lost_keys(events: &[Event]) -> bool {
    turn_of(events).is_some_and(|t| &*t.what == "unsealed")
}

/// Where a conversation stands, in words.
pub(super) fn place(state: &State) -> Arc<str> {
    match state.place() {
        Some((journey, Some(step))) => format!("{journey}/{}", step.0).into(),
        Some((journey, None)) => journey.shared(),
        None => "no journey".into(),
    }
}
