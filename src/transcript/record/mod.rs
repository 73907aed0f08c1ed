//! Recordings: a conversation as JSON Lines of its events, played again by the pure machine, on the version of the workspace that it
//! was made with or on another.
//!
//! `grammar/recordings.md` describes the form. Knows nothing of files, stores and terminals: bytes come in, findings go out.

mod alike;
mod convert;
mod file;
mod input;
mod many;
mod play;
mod trial;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use alike::Difference;
pub use convert::{Converted, convert};
pub use file::{Chunks, FORMAT, RecordingError, Writer, parse, redacted};
pub use input::Unplayable;
pub use many::on_all_cores;
pub use play::{Machines, Replayed};
pub use trial::{Class, Tried, try_on};

use crate::engine::{Event, EventBody};
use crate::model::ContentHash;
use crate::model::workspace::WorkspaceTexts;

/// What is known of a recording before its first event.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Header {
    /// The agent.
    pub agent: Arc<str>,
    /// The tenant.
    pub tenant: Arc<str>,
    /// The conversation's id.
    pub conversation: Arc<str>,
    /// The version of the workspace that it began on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<ContentHash>,
    /// The versions of the journeys, by slug.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub journeys: BTreeMap<Arc<str>, ContentHash>,
    /// Whether the store kept no more than the transcript of it: it cannot be played.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// The texts of the workspaces that it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bundle: Vec<WorkspaceTexts>,
}

impl Header {
    /// The header of a conversation with these events, which are all that there are if `whole`.
    #[must_use]
    pub fn of(conversation: Arc<str>, tenant: Arc<str>, events: &[Event], whole: bool) -> Self {
        let mut header = Self { conversation, tenant, partial: !whole, ..Self::default() };
        for event in events {
            match &event.body {
                EventBody::Opened(open) => header.agent = open.agent.clone(),
                EventBody::Turn(turn) if header.workspace.is_none() => header.workspace.clone_from(&turn.brought.workspace),
                EventBody::Began(began) => {
                    header.journeys.insert(began.journey.shared(), began.hash.clone());
                }
                _ => {}
            }
        }
        header
    }
}

/// A conversation as it was recorded: its events by the input that each came of.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// What is known of it.
    pub header: Header,
    /// For each input what happened by it, that it came being the first.
    pub inputs: Vec<Arc<[Event]>>,
}

impl Recording {
    /// The recording of these events.
    #[must_use]
    pub fn new(header: Header, events: Vec<Event>) -> Self {
        let mut inputs: Vec<Vec<Event>> = Vec::new();
        for event in events {
            match (&event.body, inputs.last_mut()) {
                (EventBody::Opened(_) | EventBody::Turn(_), _) | (_, None) => inputs.push(vec![event]),
                (_, Some(last)) => last.push(event),
            }
        }
        Self { header, inputs: inputs.into_iter().map(Arc::from).collect() }
    }

    /// All that happened, in order.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.inputs.iter().flat_map(|i| i.iter())
    }

    /// The versions of the workspace that its turns were handled by, in order.
    pub fn workspaces(&self) -> impl Iterator<Item = &ContentHash> {
        self.events().filter_map(|e| if let EventBody::Turn(turn) = &e.body { turn.brought.workspace.as_ref() } else { None })
    }
}
